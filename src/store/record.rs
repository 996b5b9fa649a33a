//! What the journal says about a run, one line at a time. The state of a run is the fold of these records.

use serde::{Deserialize, Serialize};
use serde_json::error::Category;

use super::Millis;
use crate::metrics;
use crate::ports::{CallbackVerdict, JobFailure, SuccessDetails};

/// A record with its place and time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Position in the journal; grows over all runs.
    pub seq: u64,
    /// The run it belongs to.
    pub run_id: i64,
    /// Wall-clock time, for people.
    pub at: Millis,
    /// Time on the journal's own clock ([`Journal::tick`](super::Journal::tick)), for decisions.
    pub tick: Millis,
    /// What happened.
    pub record: Record,
}

/// What can happen to a run. Jobs are named by their index in the playbook.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Record {
    /// The submission is accepted; document and ids are in the run's own row.
    Accepted,
    /// The run repeats an earlier one of the same document; stands in the place of `Accepted`.
    Rerun {
        /// Number of the run that it repeats.
        of: u32,
        /// What it takes over from there: these jobs are not done again.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        reused: Vec<ReusedJob>,
    },
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
    /// The service does not answer questions about the job any more; it may be at work all the same.
    JobLostContact {
        /// Which job.
        job: usize,
        /// Which attempt.
        attempt: u32,
        /// What was seen.
        why: String,
    },
    /// The service answers questions about the job again.
    JobContactRegained {
        /// Which job.
        job: usize,
        /// Which attempt.
        attempt: u32,
    },
    /// The service has said by itself how the job ended.
    CallbackReceived {
        /// Which job.
        job: usize,
        /// Which attempt.
        attempt: u32,
        /// What it said.
        verdict: CallbackVerdict,
    },
    /// An attempt has failed, and the job is tried again after a wait.
    JobRetrying {
        /// Which job.
        job: usize,
        /// The attempt that failed.
        attempt: u32,
        /// Why.
        failure: JobFailure,
        /// From this record until the next attempt may begin.
        wait_ms: Millis,
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
        /// Whether its service may be at work all the same: it has no way to be told, or did not say that it stopped.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        may_still_run: bool,
    },
    /// Somebody has asked that nothing more starts until further notice.
    PauseAsked,
    /// Somebody has asked that a paused run goes on.
    ResumeAsked,
    /// Somebody has asked that the run ends now.
    CancelAsked,
    /// The run ends for a reason outside its jobs: nothing of it starts from here on, and what runs is let go.
    Stopping {
        /// What it will have ended as.
        outcome: RunOutcome,
        /// The reason.
        cause: Cause,
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
    /// In the place of a line that cannot be read back. Never written.
    #[serde(skip)]
    Unreadable {
        /// What is wrong with the line, without its content.
        why: String,
    },
}

impl Record {
    /// What a line of the journal says. A line that is damaged says that it is: what it had said is lost for its run, and
    /// nothing else may be lost by it.
    pub(super) fn read(line: &str) -> Self {
        serde_json::from_str(line).unwrap_or_else(|error: serde_json::Error| {
            let why = match error.classify() {
                Category::Data => "it does not say what a record says",
                Category::Syntax | Category::Eof | Category::Io => "it is no JSON",
            };
            Record::Unreadable { why: why.to_owned() }
        })
    }
}

impl Record {
    /// Whether a call, an answer or an order to other actors follows only when it is durable. Of the others, what follows
    /// inside goes on at once, and what is told outside may come a moment later.
    pub(super) fn is_waited_for(&self) -> bool {
        !matches!(
            self,
            Record::JobStartAcknowledged { .. }
                | Record::JobLostContact { .. }
                | Record::JobContactRegained { .. }
                | Record::JobRetrying { .. }
                | Record::JobSucceeded { .. }
                | Record::JobFailed { .. }
                | Record::JobSkipped { .. }
                | Record::JobCancelled { .. }
                | Record::Warning { .. }
                | Record::Delivered { .. }
                | Record::Settled
        )
    }
}

/// A result that a run takes over from an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReusedJob {
    /// Which job.
    pub job: usize,
    /// The job that made the output, itself for most kinds.
    pub producer: usize,
    /// *Shape*: `<bucket>/<key>` without a final slash.
    pub path: String,
    /// What was learned while it ran.
    #[serde(flatten)]
    pub details: SuccessDetails,
}

/// The two lanes of an analysis' outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunOutcome {
    /// Every job ended well.
    Succeeded,
    /// A job failed.
    Failed,
    /// Somebody has cancelled it.
    Cancelled,
    /// Its deadline passed.
    Stopped,
}

impl RunOutcome {
    /// Every one.
    pub const ALL: [Self; 4] = [RunOutcome::Succeeded, RunOutcome::Failed, RunOutcome::Cancelled, RunOutcome::Stopped];

    /// The outcome of a word, `None` for states of runs that have not ended.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word)
    }

    /// The word used in the store and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            RunOutcome::Succeeded => "succeeded",
            RunOutcome::Failed => "failed",
            RunOutcome::Cancelled => "cancelled",
            RunOutcome::Stopped => "stopped",
        }
    }
}

impl From<RunOutcome> for metrics::Outcome {
    fn from(outcome: RunOutcome) -> Self {
        match outcome {
            RunOutcome::Succeeded => Self::Succeeded,
            RunOutcome::Failed => Self::Failed,
            RunOutcome::Cancelled => Self::Cancelled,
            RunOutcome::Stopped => Self::Stopped,
        }
    }
}

/// Why a run did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cause {
    /// Text of the failed job's step, if a job was the cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Why.
    pub failure: JobFailure,
}
