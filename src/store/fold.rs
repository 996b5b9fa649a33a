//! The state of a run as the fold of its records: what the API shows and what recovery starts from.

mod job;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub use job::{JobPhase, JobProgress};

use super::record::{Cause, Entry, Lane, Record, ReusedJob, RunOutcome};
use super::{JournalError, Millis};
use crate::graph::inputs::JobOutput;
use crate::playbook::job::Service;
use crate::ports::{JobSuccess, KnownStart};

/// A whole run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RunProgress {
    /// Every job by its index.
    pub jobs: Vec<JobProgress>,
    /// Jobs that have ended, in the order in which they did.
    pub ended: Vec<usize>,
    /// How the run ended, if it did.
    pub finished: Option<Finished>,
    /// Number of the run that it repeats, if it repeats one.
    pub rerun_of: Option<u32>,
    /// Whether somebody has asked that it ends.
    pub cancel_asked: bool,
    /// What it will have ended as and why, if it was stopped for a reason outside its jobs before any of them had failed.
    pub stopping: Option<(RunOutcome, Cause)>,
    /// Since when it is paused, by the journal's clock.
    pub paused_since: Option<Millis>,
    /// How long it was paused before that.
    pub paused_before: Duration,
    /// Oddities of the run, in order.
    pub warnings: Vec<RunWarning>,
    /// Deliveries that have left or were given up.
    pub delivered: Delivered,
    /// Whether nothing is left to be done.
    pub settled: bool,
    /// What of the run cannot be read back, the first thing of it: nobody knows what it said.
    pub unreadable: Option<String>,
    /// Number of the last entry that all this says.
    pub upto: u64,
}

/// Something odd that failed nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RunWarning {
    /// The job it is about, if any.
    pub job: Option<usize>,
    /// Stable code, kebab-case.
    pub code: String,
    /// For people.
    pub text: String,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
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
            rerun_of: None,
            cancel_asked: false,
            stopping: None,
            paused_since: None,
            paused_before: Duration::ZERO,
            warnings: Vec::new(),
            delivered: Delivered::default(),
            settled: false,
            unreadable: None,
            upto: 0,
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

    /// The same of whatever can be read: what cannot is remembered, and changes nothing else.
    pub fn fold_readable(jobs: usize, entries: &[Entry]) -> Self {
        let mut progress = Self::new(jobs);
        for entry in entries {
            if let Err(error) = progress.apply(entry) {
                log::error!("run={}: {error}", entry.run_id);
                progress.misses(format!("record {} of the journal: it names what the run does not have", entry.seq));
            }
        }
        progress
    }

    /// Applies one entry. Entries come in the order of their numbers: one that is applied already changes nothing, nor
    /// does any that is older. Terminal jobs stay as they are. An entry numbered 0 is no journal's yet and always counts.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), JournalError> {
        if (1..=self.upto).contains(&entry.seq) {
            return Ok(());
        }
        self.upto = self.upto.max(entry.seq);
        match &entry.record {
            Record::Accepted | Record::Queued | Record::Begun => {}
            Record::Rerun { of, reused } => {
                self.rerun_of = Some(*of);
                for reused in reused {
                    self.reuse(reused, entry)?;
                }
            }
            Record::PauseAsked => self.pause(entry.tick),
            Record::ResumeAsked => self.resume(entry.tick),
            Record::CancelAsked => self.cancel_asked = true,
            Record::Stopping { outcome, cause } => {
                if self.count(JobPhase::Failed) == 0 {
                    self.stopping.get_or_insert_with(|| (*outcome, cause.clone()));
                }
            }
            Record::Warning { job, code, text } => self.warn(*job, code, text.clone()),
            Record::AnalysisFinished { outcome, cause, elapsed_ms } => {
                let at = entry.at;
                self.finish(Finished { outcome: *outcome, cause: cause.clone(), elapsed_ms: *elapsed_ms, at });
            }
            Record::Delivered { lane, number, given_up } => self.deliver(*lane, *number, given_up.as_deref()),
            Record::Settled => self.settled = true,
            Record::Unreadable { why } => self.misses(format!("record {} of the journal: {why}", entry.seq)),
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
            Record::JobCancelled { job, attempt, may_still_run } => {
                if let Some(job) = self.end_job(*job, JobPhase::Cancelled, *attempt, entry)? {
                    job.may_still_run = *may_still_run;
                }
            }
            Record::JobPreparing { job, .. }
            | Record::JobStarting { job, .. }
            | Record::JobStartAcknowledged { job, .. }
            | Record::JobLostContact { job, .. }
            | Record::JobContactRegained { job, .. }
            | Record::CallbackReceived { job, .. }
            | Record::JobRetrying { job, .. } => {
                if let Some(job) = self.open_job(*job, entry.seq)? {
                    advance(job, entry)?;
                }
            }
        }
        Ok(())
    }

    /// It is paused from `now` on, which is a time of the journal's clock; again changes nothing.
    pub fn pause(&mut self, now: Millis) {
        self.paused_since.get_or_insert(now);
    }

    /// It is paused no more.
    pub fn resume(&mut self, now: Millis) {
        self.paused_before = self.pauses(now);
        self.paused_since = None;
    }

    /// How long the run has been paused in all by `now`, which is a time of the journal's clock.
    pub fn pauses(&self, now: Millis) -> Duration {
        let pausing = self.paused_since.map_or(0, |since| now.saturating_sub(since).max(0).unsigned_abs());
        self.paused_before.saturating_add(Duration::from_millis(pausing))
    }

    /// Number of jobs in each phase.
    pub fn count(&self, phase: JobPhase) -> usize {
        self.jobs.iter().filter(|job| job.phase == phase).count()
    }

    fn reuse(&mut self, reused: &ReusedJob, entry: &Entry) -> Result<(), JournalError> {
        let output = Arc::new(JobOutput { producer: reused.producer, path: reused.path.clone() });
        let success = JobSuccess { output, details: reused.details.clone() };
        if let Some(job) = self.end_job(reused.job, JobPhase::Succeeded, 0, entry)? {
            job.success = Some(success);
            job.reused = true;
        }
        Ok(())
    }

    /// Something of the run cannot be read back.
    pub(super) fn misses(&mut self, what: String) {
        self.warn(None, "record-unreadable", what.clone());
        self.unreadable.get_or_insert(what);
    }

    fn warn(&mut self, job: Option<usize>, code: &str, text: String) {
        self.warnings.push(RunWarning { job, code: code.to_owned(), text });
    }

    fn deliver(&mut self, lane: Lane, number: u32, given_up: Option<&str>) {
        if let Some(why) = given_up {
            self.warn(None, "delivery-given-up", format!("{} {number} was given up: {why}", lane.noun()));
        }
        let done = match lane {
            Lane::Records => &mut self.delivered.records,
            Lane::Notices => &mut self.delivered.notices,
        };
        *done = (*done).max(number);
    }

    /// Jobs that never started end as skipped, jobs that had started as cancelled: nothing runs after the end.
    fn finish(&mut self, finished: Finished) {
        if self.finished.is_some() {
            return;
        }
        for job in &mut self.jobs {
            match job.phase {
                JobPhase::Waiting => job.end(JobPhase::Skipped, finished.at),
                JobPhase::Starting | JobPhase::Running | JobPhase::LostContact | JobPhase::Retrying => {
                    job.end(JobPhase::Cancelled, finished.at);
                }
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

/// What a record says about a job that has not ended by it.
fn advance(job: &mut JobProgress, entry: &Entry) -> Result<(), JournalError> {
    match &entry.record {
        Record::JobPreparing { attempt, .. } => job.prepares(*attempt, entry),
        Record::JobStarting { attempt, service, wire_id, details, .. } => {
            let unknown = || JournalError::Read(format!("record {} names the service {service}", entry.seq));
            let start = KnownStart {
                attempt: *attempt,
                service: Service::parse(service).ok_or_else(unknown)?,
                wire_id: wire_id.clone(),
                acknowledged: false,
                details: details.clone(),
            };
            job.intended(start, entry);
        }
        Record::JobStartAcknowledged { attempt, service, .. } => job.acknowledged(*attempt, service),
        Record::JobLostContact { attempt, .. } => job.lost_contact(*attempt),
        Record::JobContactRegained { attempt, .. } => job.regained_contact(*attempt),
        Record::CallbackReceived { attempt, verdict, .. } => job.called_back(*attempt, verdict),
        Record::JobRetrying { attempt, failure, wait_ms, .. } => job.retries(*attempt, failure, *wait_ms, entry),
        _ => {}
    }
    Ok(())
}
