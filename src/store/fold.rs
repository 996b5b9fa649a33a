//! The state of a run as the fold of its records: what the API shows and what recovery starts from.

use std::sync::Arc;

use serde::Serialize;

use super::record::{Cause, Entry, Lane, Record, RunOutcome};
use super::{JournalError, Millis};
use crate::graph::inputs::JobOutput;
use crate::playbook::job::Service;
use crate::ports::{JobFailure, JobSuccess, KnownStart};

/// Where a job stands according to the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobPhase {
    /// Nothing was intended yet.
    Waiting,
    /// An intent is durable, the service has not answered.
    Starting,
    /// The service has answered the start.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
    /// Never started.
    Skipped,
    /// Stopped while running.
    Cancelled,
}

impl JobPhase {
    /// Every phase in the order of a job's life.
    pub const ALL: [JobPhase; 7] = [
        JobPhase::Waiting,
        JobPhase::Starting,
        JobPhase::Running,
        JobPhase::Succeeded,
        JobPhase::Failed,
        JobPhase::Skipped,
        JobPhase::Cancelled,
    ];

    /// Whether nothing can change it any more.
    pub fn is_terminal(self) -> bool {
        self >= JobPhase::Succeeded
    }

    /// The word used in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            JobPhase::Waiting => "waiting",
            JobPhase::Starting => "starting",
            JobPhase::Running => "running",
            JobPhase::Succeeded => "succeeded",
            JobPhase::Failed => "failed",
            JobPhase::Skipped => "skipped",
            JobPhase::Cancelled => "cancelled",
        }
    }
}

/// One job of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct JobProgress {
    /// Where it stands.
    pub phase: JobPhase,
    /// Attempts begun, 0 while waiting.
    pub attempt: u32,
    /// What was intended last, by (service, wire id); recovery asks there first.
    pub intents: Vec<KnownStart>,
    /// Its result, once it succeeded.
    pub success: Option<JobSuccess>,
    /// Why it failed.
    pub failure: Option<JobFailure>,
    /// When its first attempt was intended.
    pub started_at: Option<Millis>,
    /// When it ended.
    pub finished_at: Option<Millis>,
}

impl JobProgress {
    fn waiting() -> Self {
        Self {
            phase: JobPhase::Waiting,
            attempt: 0,
            intents: Vec::new(),
            success: None,
            failure: None,
            started_at: None,
            finished_at: None,
        }
    }

    fn prepares(&mut self, attempt: u32, at: Millis) {
        self.phase = JobPhase::Starting;
        self.attempt = self.attempt.max(attempt);
        self.started_at.get_or_insert(at);
    }

    fn intended(&mut self, start: KnownStart, at: Millis) {
        // the Spark component answers only when it has finished: from the intent on its job counts as running
        self.phase = if start.service == Service::Spark { JobPhase::Running } else { JobPhase::Starting };
        self.attempt = self.attempt.max(start.attempt);
        self.started_at.get_or_insert(at);
        let known = self.intents.iter().any(|known| known.service == start.service && known.wire_id == start.wire_id);
        if !known {
            self.intents.push(start);
        }
    }

    fn acknowledged(&mut self, attempt: u32, service: &str) {
        self.phase = JobPhase::Running;
        let mut latest_first = self.intents.iter_mut().rev();
        if let Some(known) = latest_first.find(|known| known.attempt == attempt && known.service.as_str() == service) {
            known.acknowledged = true;
        }
    }

    fn end(&mut self, phase: JobPhase, at: Millis) {
        self.phase = phase;
        self.finished_at = Some(at);
    }
}

/// A whole run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunProgress {
    /// Every job by its index.
    pub jobs: Vec<JobProgress>,
    /// Jobs that have ended, in the order in which they did.
    pub ended: Vec<usize>,
    /// How the run ended, if it did.
    pub finished: Option<Finished>,
    /// Oddities of the run, in order.
    pub warnings: Vec<RunWarning>,
    /// Deliveries that have left or were given up.
    pub delivered: Delivered,
    /// Whether nothing is left to be done.
    pub settled: bool,
}

/// Something odd that failed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunWarning {
    /// The job it is about, if any.
    pub job: Option<usize>,
    /// Stable code, kebab-case.
    pub code: String,
    /// For people.
    pub text: String,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// How.
    pub outcome: RunOutcome,
    /// The first cause unless it succeeded.
    pub cause: Option<Cause>,
    /// From acceptance to the end of the last job.
    pub elapsed_ms: Millis,
    /// When.
    pub at: Millis,
}

/// How far the outbox has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Number of the last record delivered.
    pub records: u32,
    /// Number of the last notice delivered.
    pub notices: u32,
}

impl RunProgress {
    /// A run of `jobs` jobs of which nothing is known yet.
    pub fn new(jobs: usize) -> Self {
        Self {
            jobs: vec![JobProgress::waiting(); jobs],
            ended: Vec::new(),
            finished: None,
            warnings: Vec::new(),
            delivered: Delivered::default(),
            settled: false,
        }
    }

    /// What is known of a run that has just been accepted: no room is taken for its jobs.
    pub fn nothing() -> Self {
        Self::new(0)
    }

    /// Folds a run's entries.
    ///
    /// *Errors*: a record that names a job the run does not have.
    pub fn fold(jobs: usize, entries: &[Entry]) -> Result<Self, JournalError> {
        let mut progress = Self::new(jobs);
        for entry in entries {
            progress.apply(entry)?;
        }
        Ok(progress)
    }

    /// Applies one entry. Applying it again changes nothing; terminal jobs stay as they are.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), JournalError> {
        let Entry { at, seq, .. } = *entry;
        match &entry.record {
            Record::Accepted | Record::Queued | Record::Begun => {}
            Record::JobStarting { job, attempt, service, wire_id, details } => {
                let start = KnownStart {
                    attempt: *attempt,
                    service: Service::parse(service)
                        .ok_or_else(|| JournalError::Read(format!("record {seq} names the service {service}")))?,
                    wire_id: wire_id.clone(),
                    acknowledged: false,
                    details: details.clone(),
                };
                if let Some(job) = self.open_job(*job, seq)? {
                    job.intended(start, at);
                }
            }
            Record::JobPreparing { job, attempt } => {
                if let Some(job) = self.open_job(*job, seq)? {
                    job.prepares(*attempt, at);
                }
            }
            Record::JobStartAcknowledged { job, attempt, service } => {
                if let Some(job) = self.open_job(*job, seq)? {
                    job.acknowledged(*attempt, service);
                }
            }
            Record::JobSucceeded { job, attempt, producer, path, details } => {
                let output = Arc::new(JobOutput { producer: *producer, path: path.clone() });
                let success = JobSuccess { output, details: details.clone() };
                if let Some(job) = self.end_job(*job, JobPhase::Succeeded, *attempt, entry)? {
                    job.success = Some(success);
                }
            }
            Record::JobFailed { job, attempt, failure } => {
                if let Some(job) = self.end_job(*job, JobPhase::Failed, *attempt, entry)? {
                    job.failure = Some(failure.clone());
                }
            }
            Record::JobSkipped { job } => {
                self.end_job(*job, JobPhase::Skipped, 0, entry)?;
            }
            Record::JobCancelled { job, attempt } => {
                self.end_job(*job, JobPhase::Cancelled, *attempt, entry)?;
            }
            Record::Warning { job, code, text } => {
                self.warnings.push(RunWarning { job: *job, code: code.clone(), text: text.clone() });
            }
            Record::AnalysisFinished { outcome, cause, elapsed_ms } => {
                self.finish(Finished { outcome: *outcome, cause: cause.clone(), elapsed_ms: *elapsed_ms, at });
            }
            Record::Delivered { lane, number, given_up } => {
                if let Some(why) = given_up {
                    let what = format!("{} {number} was given up: {why}", lane.noun());
                    self.warnings.push(RunWarning { job: None, code: "delivery-given-up".to_owned(), text: what });
                }
                let done = match lane {
                    Lane::Records => &mut self.delivered.records,
                    Lane::Notices => &mut self.delivered.notices,
                };
                *done = (*done).max(*number);
            }
            Record::Settled => self.settled = true,
        }
        Ok(())
    }

    /// Number of jobs in each phase.
    pub fn count(&self, phase: JobPhase) -> usize {
        self.jobs.iter().filter(|job| job.phase == phase).count()
    }

    /// Jobs that never started end as skipped, jobs that had started as cancelled: nothing runs after the end.
    fn finish(&mut self, finished: Finished) {
        if self.finished.is_some() {
            return;
        }
        for job in &mut self.jobs {
            match job.phase {
                JobPhase::Waiting => job.end(JobPhase::Skipped, finished.at),
                JobPhase::Starting | JobPhase::Running => job.end(JobPhase::Cancelled, finished.at),
                JobPhase::Succeeded | JobPhase::Failed | JobPhase::Skipped | JobPhase::Cancelled => {}
            }
        }
        self.finished = Some(finished);
    }

    /// Ends a job that has not ended; answers it if that is news.
    fn end_job(
        &mut self,
        job: usize,
        phase: JobPhase,
        attempt: u32,
        entry: &Entry,
    ) -> Result<Option<&mut JobProgress>, JournalError> {
        let Some(open) = self.open_job(job, entry.seq)? else { return Ok(None) };
        open.end(phase, entry.at);
        open.attempt = open.attempt.max(attempt);
        self.ended.push(job);
        Ok(self.jobs.get_mut(job))
    }

    fn open_job(&mut self, job: usize, seq: u64) -> Result<Option<&mut JobProgress>, JournalError> {
        let jobs = self.jobs.len();
        match self.jobs.get_mut(job) {
            Some(found) => Ok((!found.phase.is_terminal()).then_some(found)),
            None => Err(JournalError::Read(format!("record {seq} names job {job} of {jobs}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{FailureKind, SuccessDetails};

    fn entries(records: Vec<Record>) -> Vec<Entry> {
        (1..)
            .zip(records)
            .map(|(seq, record)| Entry { seq, run_id: 1, at: 10 * seq as Millis, tick: seq as Millis, record })
            .collect()
    }

    fn starting(job: usize) -> Record {
        Record::JobStarting {
            job,
            attempt: 1,
            service: "cleaning".into(),
            wire_id: "7".into(),
            details: SuccessDetails::default(),
        }
    }

    fn success(job: usize) -> Record {
        Record::JobSucceeded { job, attempt: 1, producer: job, path: "t/x".into(), details: SuccessDetails::default() }
    }

    #[test]
    fn a_job_goes_through_its_phases() {
        let ack = Record::JobStartAcknowledged { job: 0, attempt: 1, service: "cleaning".into() };
        let all = entries(vec![Record::Accepted, starting(0), ack, success(0)]);
        let phases: Vec<_> =
            (1..=4).map(|upto| RunProgress::fold(1, &all[..upto]).expect("valid records").jobs[0].phase).collect();
        assert_eq!(phases, [JobPhase::Waiting, JobPhase::Starting, JobPhase::Running, JobPhase::Succeeded]);
    }

    #[test]
    fn folding_everything_twice_changes_nothing() {
        let all = entries(vec![Record::Accepted, starting(0), success(0), starting(1)]);
        let once = RunProgress::fold(2, &all).expect("valid records");
        let twice = RunProgress::fold(2, &[all.clone(), all].concat()).expect("valid records");
        assert_eq!(once, twice);
    }

    #[test]
    fn the_end_of_a_run_ends_its_open_jobs() {
        let failure = JobFailure::new(FailureKind::ServiceError, "no");
        let failed = Record::JobFailed { job: 0, attempt: 1, failure: failure.clone() };
        let cause = Some(Cause { step: Some("1".into()), failure });
        let end = Record::AnalysisFinished { outcome: RunOutcome::Failed, cause, elapsed_ms: 5 };
        let progress =
            RunProgress::fold(3, &entries(vec![starting(0), starting(1), failed, end])).expect("valid records");
        let phases: Vec<_> = progress.jobs.iter().map(|job| job.phase).collect();
        assert_eq!(phases, [JobPhase::Failed, JobPhase::Cancelled, JobPhase::Skipped]);
    }

    #[test]
    fn records_read_back_as_written() {
        let text = serde_json::to_string(&success(3)).expect("serializes");
        assert_eq!(serde_json::from_str::<Record>(&text).expect("parses"), success(3));
    }

    #[test]
    fn a_record_of_an_unknown_job_is_an_error_not_a_panic() {
        assert!(RunProgress::fold(1, &entries(vec![starting(4)])).is_err());
    }
}
