//! One job of a run, as the records about it say.

use serde::Serialize;

use crate::playbook::job::Service;
use crate::ports::{CallbackVerdict, JobFailure, JobSuccess, KnownStart};
use crate::store::Millis;
use crate::store::record::Entry;

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
    /// It was at work when the service was last heard of; the service is asked on.
    LostContact,
    /// An attempt has failed, the next one begins after a wait.
    Retrying,
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
    pub const ALL: [JobPhase; 9] = [
        JobPhase::Waiting,
        JobPhase::Starting,
        JobPhase::Running,
        JobPhase::LostContact,
        JobPhase::Retrying,
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
            JobPhase::LostContact => "lost-contact",
            JobPhase::Retrying => "retrying",
            JobPhase::Succeeded => "succeeded",
            JobPhase::Failed => "failed",
            JobPhase::Skipped => "skipped",
            JobPhase::Cancelled => "cancelled",
        }
    }
}

/// One job of a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JobProgress {
    /// Where it stands.
    pub phase: JobPhase,
    /// Attempts begun, 0 while waiting. While it is retrying: the next one.
    pub attempt: u32,
    /// When the present attempt first did something, by the journal's clock.
    pub attempt_began: Option<Millis>,
    /// While it is retrying: when the next attempt may begin, by the journal's clock.
    pub retry_at: Option<Millis>,
    /// What was intended, once by (attempt, service, wire id); recovery asks there first. Of earlier attempts only what a
    /// service may be at work on.
    pub intents: Vec<KnownStart>,
    /// What the service has said by itself about the present attempt.
    pub callback: Option<CallbackVerdict>,
    /// Its result, once it succeeded.
    pub success: Option<JobSuccess>,
    /// Why it failed.
    pub failure: Option<JobFailure>,
    /// Whether the result is an earlier run's.
    pub reused: bool,
    /// Whether its service may be at work although the job was cancelled.
    pub may_still_run: bool,
    /// When its first attempt was intended.
    pub started_at: Option<Millis>,
    /// When it ended.
    pub finished_at: Option<Millis>,
}

impl JobProgress {
    pub(super) fn waiting() -> Self {
        Self {
            phase: JobPhase::Waiting,
            attempt: 0,
            attempt_began: None,
            retry_at: None,
            intents: Vec::new(),
            callback: None,
            success: None,
            failure: None,
            reused: false,
            may_still_run: false,
            started_at: None,
            finished_at: None,
        }
    }

    /// Whether a service may be at work for the present attempt.
    pub fn may_be_at_work(&self) -> bool {
        let open = matches!(self.phase, JobPhase::Starting | JobPhase::Running | JobPhase::LostContact);
        open && self.intents.iter().any(|start| start.attempt == self.attempt)
    }

    pub(super) fn prepares(&mut self, attempt: u32, entry: &Entry) {
        if self.begins(attempt, entry) {
            self.phase = JobPhase::Starting;
        }
    }

    pub(super) fn intended(&mut self, start: KnownStart, entry: &Entry) {
        if !self.begins(start.attempt, entry) {
            return;
        }
        // the Spark component answers only when it has finished: from the intent on its job counts as running
        self.phase = if start.service == Service::Spark { JobPhase::Running } else { JobPhase::Starting };
        // Spark and data-sink get the same id in every attempt
        let same = |known: &KnownStart| {
            (known.attempt, known.service, &known.wire_id) == (start.attempt, start.service, &start.wire_id)
        };
        if !self.intents.iter().any(same) {
            // nearly always the only one, and there may be very many jobs
            self.intents.reserve_exact(1);
            self.intents.push(start);
        }
    }

    pub(super) fn acknowledged(&mut self, attempt: u32, service: &str) {
        if attempt != self.attempt {
            return;
        }
        self.phase = JobPhase::Running;
        let mut latest_first = self.intents.iter_mut().rev();
        if let Some(known) = latest_first.find(|known| known.attempt == attempt && known.service.as_str() == service) {
            known.acknowledged = true;
        }
    }

    pub(super) fn lost_contact(&mut self, attempt: u32) {
        if attempt == self.attempt {
            self.phase = JobPhase::LostContact;
        }
    }

    pub(super) fn regained_contact(&mut self, attempt: u32) {
        if attempt == self.attempt && self.phase == JobPhase::LostContact {
            self.phase = JobPhase::Running;
        }
    }

    pub(super) fn called_back(&mut self, attempt: u32, verdict: &CallbackVerdict) {
        if attempt == self.attempt {
            self.callback.get_or_insert_with(|| verdict.clone());
        }
    }

    /// The attempt is over; whatever else is said about it later comes too late.
    pub(super) fn retries(&mut self, attempt: u32, failure: &JobFailure, wait: Millis, entry: &Entry) {
        if attempt < self.attempt {
            return;
        }
        self.intents.retain(|start| start.attempt < attempt || failure.kind.may_leave_at_work(start.acknowledged));
        self.phase = JobPhase::Retrying;
        self.attempt = attempt.saturating_add(1);
        self.attempt_began = None;
        self.retry_at = Some(entry.tick.saturating_add(wait));
        self.callback = None;
        self.failure = Some(failure.clone());
        self.started_at.get_or_insert(entry.at);
    }

    pub(super) fn end(&mut self, phase: JobPhase, at: Millis) {
        self.phase = phase;
        self.finished_at = Some(at);
        self.retry_at = None;
        if phase != JobPhase::Failed {
            self.failure = None;
        }
    }

    /// Something was done for an attempt; false when a later one has begun.
    fn begins(&mut self, attempt: u32, entry: &Entry) -> bool {
        if attempt < self.attempt {
            return false;
        }
        if attempt > self.attempt {
            self.attempt = attempt;
            self.attempt_began = None;
            self.callback = None;
        }
        self.retry_at = None;
        self.attempt_began.get_or_insert(entry.tick);
        self.started_at.get_or_insert(entry.at);
        true
    }
}
