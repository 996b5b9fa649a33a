//! The state of a run as the fold of its records: what the API shows and what recovery starts from.

use std::sync::Arc;

use serde::Serialize;

use super::record::{Cause, Entry, Lane, Record, RunOutcome};
use super::{JournalError, Millis};
use crate::graph::inputs::JobOutput;
use crate::ports::{JobFailure, JobSuccess, StartIntent, SuccessDetails};

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
    pub intents: Vec<Intent>,
    /// Its result, once it succeeded.
    pub success: Option<JobSuccess>,
    /// Why it failed.
    pub failure: Option<JobFailure>,
    /// When its first attempt was intended.
    pub started_at: Option<Millis>,
    /// When it ended.
    pub finished_at: Option<Millis>,
}

/// A durable start intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Which attempt.
    pub attempt: u32,
    /// Name of the service.
    pub service: String,
    /// The id that was to be sent.
    pub wire_id: String,
    /// Whether the service has answered the start.
    pub acknowledged: bool,
}

impl Intent {
    /// Whether this is the intent, as the recipes name it.
    pub fn is(&self, intent: &StartIntent) -> bool {
        self.service == intent.service.as_str() && self.wire_id == intent.wire_id
    }
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
    /// How the run ended, if it did.
    pub finished: Option<Finished>,
    /// Oddities of the run, in order.
    pub warnings: Vec<(Option<usize>, String, String)>,
    /// Deliveries that have left or were given up.
    pub delivered: Delivered,
    /// Whether nothing is left to be done.
    pub settled: bool,
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
            finished: None,
            warnings: Vec::new(),
            delivered: Delivered::default(),
            settled: false,
        }
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
        let at = entry.at;
        match &entry.record {
            Record::Accepted => {}
            Record::JobStarting { job, attempt, service, wire_id } => {
                if let Some(job) = self.open_job(*job, entry.seq)? {
                    job.phase = JobPhase::Starting;
                    job.attempt = job.attempt.max(*attempt);
                    job.started_at.get_or_insert(at);
                    let intent = Intent {
                        attempt: *attempt,
                        service: service.clone(),
                        wire_id: wire_id.clone(),
                        acknowledged: false,
                    };
                    if !job.intents.iter().any(|known| known.service == *service && known.wire_id == *wire_id) {
                        job.intents.push(intent);
                    }
                }
            }
            Record::JobStartAcknowledged { job, attempt, service } => {
                if let Some(job) = self.open_job(*job, entry.seq)? {
                    job.phase = JobPhase::Running;
                    let intent = job
                        .intents
                        .iter_mut()
                        .rev()
                        .find(|known| known.attempt == *attempt && known.service == *service);
                    if let Some(intent) = intent {
                        intent.acknowledged = true;
                    }
                }
            }
            Record::JobSucceeded { job, attempt, producer, path, details } => {
                let (producer, path, details) = (*producer, path.clone(), details.clone());
                if let Some(job) = self.open_job(*job, entry.seq)? {
                    job.end(JobPhase::Succeeded, at);
                    job.attempt = job.attempt.max(*attempt);
                    job.success = Some(succeeded(producer, path, details));
                }
            }
            Record::JobFailed { job, attempt, failure } => {
                if let Some(job) = self.open_job(*job, entry.seq)? {
                    job.end(JobPhase::Failed, at);
                    job.attempt = job.attempt.max(*attempt);
                    job.failure = Some(failure.clone());
                }
            }
            Record::JobSkipped { job } => {
                if let Some(job) = self.open_job(*job, entry.seq)? {
                    job.end(JobPhase::Skipped, at);
                }
            }
            Record::JobCancelled { job, .. } => {
                if let Some(job) = self.open_job(*job, entry.seq)? {
                    job.end(JobPhase::Cancelled, at);
                }
            }
            Record::Warning { job, code, text } => self.warnings.push((*job, code.clone(), text.clone())),
            Record::AnalysisFinished { outcome, cause, elapsed_ms } => {
                self.finish(Finished { outcome: *outcome, cause: cause.clone(), elapsed_ms: *elapsed_ms, at });
            }
            Record::Delivered { lane, number, .. } => {
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

    fn open_job(&mut self, job: usize, seq: u64) -> Result<Option<&mut JobProgress>, JournalError> {
        let jobs = self.jobs.len();
        match self.jobs.get_mut(job) {
            Some(found) => Ok((!found.phase.is_terminal()).then_some(found)),
            None => Err(JournalError::Read(format!("record {seq} names job {job} of {jobs}"))),
        }
    }
}

fn succeeded(producer: usize, path: String, details: SuccessDetails) -> JobSuccess {
    JobSuccess { output: Arc::new(JobOutput { producer, path }), details }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::FailureKind;

    fn entries(records: Vec<Record>) -> Vec<Entry> {
        (1..).zip(records).map(|(seq, record)| Entry { seq, run_id: 1, at: 10 * seq as Millis, record }).collect()
    }

    fn starting(job: usize) -> Record {
        Record::JobStarting { job, attempt: 1, service: "cleaning".into(), wire_id: "7".into() }
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
