//! What the journal says about a run, one line at a time. The state of a run is the fold of these records.

use serde::{Deserialize, Serialize};

use super::Millis;
use crate::metrics;
use crate::ports::{JobFailure, SuccessDetails};

/// A record with its place and time.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Position in the journal; grows over all runs.
    pub seq: u64,
    /// The run it belongs to.
    pub run_id: i64,
    /// Wall-clock time.
    pub at: Millis,
    /// What happened.
    pub record: Record,
}

/// What can happen to a run. Jobs are named by their index in the playbook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Record {
    /// The submission is accepted; document and ids are in the run's own row.
    Accepted,
    /// The run waits until another one of its tenant has ended.
    Queued,
    /// The run's actors begin after a wait, or again after a start of the process; otherwise they begin with `Accepted`.
    Begun,
    /// An attempt prepares its start: directories and parameters may be there from now on.
    JobPreparing {
        /// Which job.
        job: usize,
        /// 1 for the first attempt.
        attempt: u32,
    },
    /// An attempt is about to be started at a service under this id: nothing was sent before this was durable.
    JobStarting {
        /// Which job.
        job: usize,
        /// 1 for the first attempt.
        attempt: u32,
        /// Name of the service.
        service: String,
        /// The id that is sent and polled.
        wire_id: String,
        /// What is known by now and the documents will need.
        #[serde(default, skip_serializing_if = "SuccessDetails::is_empty")]
        details: SuccessDetails,
    },
    /// The service has answered the start.
    JobStartAcknowledged {
        /// Which job.
        job: usize,
        /// Which attempt.
        attempt: u32,
        /// Name of the service.
        service: String,
    },
    /// The job has a result.
    JobSucceeded {
        /// Which job.
        job: usize,
        /// Which attempt.
        attempt: u32,
        /// The job that made the output, itself for most kinds.
        producer: usize,
        /// *Shape*: `<bucket>/<key>` without a final slash.
        path: String,
        /// What its documents need.
        #[serde(flatten)]
        details: SuccessDetails,
    },
    /// The job has failed.
    JobFailed {
        /// Which job.
        job: usize,
        /// Which attempt.
        attempt: u32,
        /// Why.
        failure: JobFailure,
    },
    /// The job will never start: its rule cannot be met.
    JobSkipped {
        /// Which job.
        job: usize,
    },
    /// The job was stopped while it ran.
    JobCancelled {
        /// Which job.
        job: usize,
        /// Which attempt.
        attempt: u32,
    },
    /// Something odd that failed nothing.
    Warning {
        /// The job it is about, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<usize>,
        /// Stable code, kebab-case.
        code: String,
        /// For people.
        text: String,
    },
    /// The analysis is over; nothing of it starts after this.
    AnalysisFinished {
        /// How.
        outcome: RunOutcome,
        /// The first cause unless it succeeded.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<Cause>,
        /// From acceptance to the end of the last job.
        elapsed_ms: Millis,
    },
    /// A record or notice has left, or was given up.
    Delivered {
        /// `records` or `notices`.
        lane: Lane,
        /// Its number in that lane, from 1.
        number: u32,
        /// Why it was given up, if it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        given_up: Option<String>,
    },
    /// Every record and notice of the finished analysis has left: nothing is left to be done for it.
    Settled,
}

/// The two lanes of an analysis' outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lane {
    /// Documents and objects.
    Records,
    /// Notices to the web application.
    Notices,
}

impl Lane {
    /// One of its deliveries.
    pub fn noun(self) -> &'static str {
        match self {
            Lane::Records => "record",
            Lane::Notices => "notice",
        }
    }
}

impl From<Lane> for metrics::OutboxLane {
    fn from(lane: Lane) -> Self {
        match lane {
            Lane::Records => Self::Records,
            Lane::Notices => Self::Notices,
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunOutcome {
    /// Every job ended well.
    Succeeded,
    /// A job failed.
    Failed,
    /// Stopped from outside: its deadline passed or the process ended.
    Stopped,
}

impl RunOutcome {
    /// Every one.
    pub const ALL: [Self; 3] = [RunOutcome::Succeeded, RunOutcome::Failed, RunOutcome::Stopped];

    /// The outcome of a word, `None` for states of runs that have not ended.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word)
    }

    /// The word used in the store and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            RunOutcome::Succeeded => "succeeded",
            RunOutcome::Failed => "failed",
            RunOutcome::Stopped => "stopped",
        }
    }
}

impl From<RunOutcome> for metrics::Outcome {
    fn from(outcome: RunOutcome) -> Self {
        match outcome {
            RunOutcome::Succeeded => Self::Succeeded,
            RunOutcome::Failed => Self::Failed,
            RunOutcome::Stopped => Self::Stopped,
        }
    }
}

/// Why a run did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cause {
    /// Text of the failed job's step, if a job was the cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Why.
    pub failure: JobFailure,
}
