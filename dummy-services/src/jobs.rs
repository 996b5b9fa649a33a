//! One job as a service remembers it: what came of its work, and what the next question about it is answered. No clock,
//! no I/O.

use serde_json::Value;

use crate::{Behaviour, Fault};

/// What came of a job's work: members of its result, or the text of its error.
pub(crate) type Outcome = Result<Value, String>;

/// What a question about a job's progress is answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Progress {
    /// Status `progress`.
    Running,
    /// Status `complete`; the value is the job's result.
    Complete(Value),
    /// Status `error`, with or without a message.
    Failed(Option<String>),
    /// Something that is no JSON.
    NotJson,
    /// JSON without a status.
    NoStatus,
    /// The connection is cut.
    Cut,
    /// Nothing, for ever.
    Silence,
}

/// A job that was accepted.
#[derive(Debug)]
pub(crate) struct Job {
    /// Tells a job from an earlier one of the same id, so that late work of the earlier one is ignored.
    pub(crate) ticket: u64,
    /// Whether it still counts as in flight.
    pub(crate) in_flight: bool,
    behaviour: Behaviour,
    answers_left: u32,
    outcome: Option<Outcome>,
    cancelled: bool,
}

/// The text of a cancelled job's error.
const CANCELLED: &str = "cancelled";

impl Job {
    pub(crate) fn new(ticket: u64, behaviour: Behaviour) -> Self {
        Self {
            ticket,
            in_flight: true,
            answers_left: behaviour.progress_answers,
            behaviour,
            outcome: None,
            cancelled: false,
        }
    }

    /// Notes what came of the work.
    pub(crate) fn finish(&mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }

    /// Nobody wants the job any more; one that is over stays what it is.
    pub(crate) fn cancel(&mut self) {
        self.cancelled = !self.is_over();
    }

    /// Whether it was cancelled before it was over.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    /// Whether it answers nothing.
    pub(crate) fn is_silent(&self) -> bool {
        self.behaviour.fault == Some(Fault::BlackHole)
    }

    /// How long answers about this job are held back. *Units*: milliseconds.
    pub(crate) fn answer_delay_ms(&self) -> u64 {
        self.behaviour.answer_delay_ms
    }

    /// The job's result, once it is over and went well.
    pub(crate) fn result(&self) -> Option<&Value> {
        if self.is_over() && !self.cancelled {
            self.outcome.as_ref().and_then(|outcome| outcome.as_ref().ok())
        } else {
            None
        }
    }

    /// Whether the next answer is the last one.
    pub(crate) fn is_over(&self) -> bool {
        let endless = matches!(self.behaviour.fault, Some(Fault::NeverFinishes | Fault::BlackHole));
        self.cancelled || self.outcome.is_some() && self.answers_left == 0 && !endless
    }

    /// Answers one question about the job.
    pub(crate) fn progress(&mut self) -> Progress {
        if self.is_silent() {
            return Progress::Silence;
        }
        if self.cancelled {
            return Progress::Failed(Some(CANCELLED.to_owned()));
        }
        if !self.is_over() {
            self.answers_left = self.answers_left.saturating_sub(1);
            return Progress::Running;
        }
        match (&self.behaviour.fault, &self.outcome) {
            (Some(Fault::Error { message }), _) => Progress::Failed(message.clone()),
            (Some(Fault::NotJson), _) => Progress::NotJson,
            (Some(Fault::NoStatus), _) => Progress::NoStatus,
            (Some(Fault::CutOnProgress), _) => Progress::Cut,
            (_, Some(Ok(result))) => Progress::Complete(result.clone()),
            (_, Some(Err(message))) => Progress::Failed(Some(message.clone())),
            (_, None) => Progress::Running,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(fault: Option<Fault>, progress_answers: u32) -> Job {
        Job::new(0, Behaviour { fault, progress_answers, ..Behaviour::default() })
    }

    #[test]
    fn a_finished_job_still_gives_its_progress_answers() {
        let mut job = job(None, 2);
        job.finish(Ok(Value::from(1)));
        let answers: Vec<_> = (0..4).map(|_| job.progress()).collect();
        assert_eq!(answers[..2], [Progress::Running, Progress::Running]);
        assert_eq!(answers[2..], [Progress::Complete(Value::from(1)), Progress::Complete(Value::from(1))]);
    }

    #[test]
    fn a_job_at_work_is_in_progress() {
        let mut job = job(None, 0);
        assert_eq!(job.progress(), Progress::Running);
        assert!(job.result().is_none());
        job.finish(Err("no disk".to_owned()));
        assert_eq!(job.progress(), Progress::Failed(Some("no disk".to_owned())));
    }

    #[test]
    fn faults_show_in_the_last_answer() {
        let cases = [
            (Fault::Error { message: None }, Progress::Failed(None)),
            (Fault::NotJson, Progress::NotJson),
            (Fault::NoStatus, Progress::NoStatus),
            (Fault::CutOnProgress, Progress::Cut),
            (Fault::NeverFinishes, Progress::Running),
        ];
        for (fault, expected) in cases {
            let mut job = job(Some(fault), 1);
            job.finish(Ok(Value::Null));
            assert_eq!(job.progress(), Progress::Running);
            assert_eq!(job.progress(), expected);
        }
    }

    #[test]
    fn a_cancelled_job_has_failed_unless_it_was_over() {
        let mut endless = job(Some(Fault::NeverFinishes), 5);
        endless.cancel();
        endless.finish(Ok(Value::Null));
        assert_eq!(endless.progress(), Progress::Failed(Some("cancelled".to_owned())));
        assert!(endless.result().is_none());
        let mut done = job(None, 0);
        done.finish(Ok(Value::from(1)));
        done.cancel();
        assert_eq!(done.progress(), Progress::Complete(Value::from(1)));
    }
}
