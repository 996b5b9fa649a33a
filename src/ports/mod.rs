//! The conversations the program has with the outside, as traits: what the engine needs of jobs, what recipes need of the world.
//!
//! Implementations: [`JobRunner`] in `jobs/` (and scripted in `testing/`), the others in `adapters/`. All of them live on
//! the engine's thread, so their futures need not be `Send`.

mod milestones;
mod outages;
mod outlook;
mod world;

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::clock::Instant;
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::graph::JobIndex;
use crate::graph::inputs::JobOutput;
use crate::playbook::job::Service;
use crate::playbook::{Job, Playbook};

pub use milestones::{Delivery, DeliveryResult, Milestone, Notice, NoticeKind, PipelineChange, RecordChange};
pub use outages::{Outage, Outages};
pub use outlook::{DatasetEntry, Datasets, Presence};
pub use world::{
    Announcements, Answer, Applied, CallError, JobServices, ObjectStore, Records, SparkConnection, SparkJob,
    SparkSubmitter, StoreError,
};

/// What the engine needs of jobs.
pub trait JobRunner {
    /// Does one attempt of one job, to its end. The future may be dropped at any await when the job is stopped.
    fn run(&self, call: JobCall) -> LocalBoxFuture<'static, Result<JobSuccess, JobFailure>>;

    /// Tells the services that may be at work on a job that it is not wanted any more, within a time limit of its own.
    /// Resolves to whether every one of them has stopped for certain: never, where there is no way to tell them.
    fn cancel(&self, _attempt: CancelledAttempt) -> LocalBoxFuture<'static, bool> {
        futures::future::ready(false).boxed_local()
    }

    /// Runs of earlier lives of the process are about to go on, in several portions.
    fn awaits_runs(&self) {}

    /// One of them goes on, or will.
    fn goes_on(&self, _run: &RunSpec) {}

    /// All of them have been named by now.
    fn knows_all_runs(&self) {}

    /// So many jobs may be in flight at the function service from now on; what is there beyond that goes on.
    fn functions_at_once(&self, _most: usize) {}

    /// What the outside is to be told after a milestone, in order. Decides only, tells nobody.
    fn follow_ups(&self, run: &RunSpec, milestone: &Milestone) -> Vec<Delivery>;

    /// Tells the outside one thing; resolves when it is done or will never be. Every delivery may be repeated safely.
    /// `number` counts the deliveries of a lane from 1 and never changes for the same one.
    fn deliver(&self, run: Rc<RunSpec>, number: u32, delivery: Delivery) -> LocalBoxFuture<'static, DeliveryResult>;

    /// Tells the web application that a submission was refused; best effort, in order.
    fn announce_refusal(&self, analysis: String, notices: Vec<Notice>) -> LocalBoxFuture<'static, ()>;
}

/// One run of an analysis: what does not change while it runs.
#[derive(Debug)]
pub struct RunSpec {
    /// Key of the run in the journal.
    pub run_id: i64,
    /// 1 for the first run of an id, then 2, 3, ...
    pub number: u32,
    /// What is to be done.
    pub playbook: Arc<Playbook>,
    /// When it was accepted, on the clock that tests can pause.
    pub accepted: Instant,
    /// Jobs whose id this tenant has sent to that service before: they need a wire id of their own (decision 11).
    pub reused_ids: BTreeSet<JobIndex>,
}

impl RunSpec {
    /// How log lines name the run.
    pub fn log_prefix(&self) -> String {
        let playbook = &self.playbook;
        format!("tenant={} {}={} run={}", playbook.tenant, playbook.space.as_str(), playbook.id, self.number)
    }

    /// The job at an index. *Panics* never: indices come from the same playbook.
    pub fn job(&self, index: JobIndex) -> &Job {
        &self.playbook.jobs[index]
    }
}

/// One attempt of one job.
pub struct JobCall {
    /// The run it belongs to.
    pub run: Rc<RunSpec>,
    /// Which job.
    pub job: JobIndex,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// Outputs of the predecessors, in `from` order.
    pub inputs: Vec<Arc<JobOutput>>,
    /// What this attempt had intended before the process was last started; empty in the first life of the process.
    pub known: Vec<KnownStart>,
    /// How much of its time limit earlier lives of the process have spent on this attempt.
    pub spent: Duration,
    /// What the service had said by itself before the process was last started.
    pub callback: Option<CallbackVerdict>,
    /// Whether the journal says that the service does not answer questions about the job any more.
    pub lost_contact: bool,
    /// Where the attempt writes down what it is about to do.
    pub log: Rc<dyn AttemptLog>,
}

/// An attempt that is not wanted any more.
pub struct CancelledAttempt {
    /// The run it belongs to.
    pub run: Rc<RunSpec>,
    /// Which job.
    pub job: JobIndex,
    /// Its number.
    pub attempt: u32,
    /// Every start that was intended for it, in order; before them, those of earlier attempts that a service may be at work on.
    pub starts: Vec<KnownStart>,
}

/// What a service says by itself about a job (decision 28).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum CallbackVerdict {
    /// It is done.
    Complete,
    /// It has failed.
    Error {
        /// The service's words, cut and without control characters.
        message: String,
    },
}

/// A start that was intended, durably, by an earlier life of the process.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KnownStart {
    /// Which attempt.
    pub attempt: u32,
    /// Where.
    pub service: Service,
    /// The id that was to be sent.
    pub wire_id: String,
    /// Whether the service has answered the start.
    pub acknowledged: bool,
    /// What was known by then and the documents will need.
    pub details: SuccessDetails,
}

/// A start whose job was let go of while the service may have been at work on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetGoStart {
    /// The id that was sent.
    pub wire_id: String,
    /// Whether the service has answered the start: only then it can be asked about it.
    pub acknowledged: bool,
    /// How long ago it was let go of.
    pub let_go: Duration,
}

/// The attempt's own line to the journal: intent before effect.
pub trait AttemptLog {
    /// Resolves when the intent to start something at a service is durable; nothing may be sent there before.
    fn intend(&self, intent: StartIntent) -> LocalBoxFuture<'static, Result<(), JobFailure>>;

    /// Resolves when it is durable that the attempt prepares its start: nothing outside may change before.
    fn prepare(&self) -> LocalBoxFuture<'static, Result<(), JobFailure>>;

    /// The service has answered the start. Written, not awaited.
    fn acknowledged(&self, service: Service);

    /// The service does not answer any more; the job is not failed by that. Written, not awaited.
    fn lost_contact(&self, why: String);

    /// The service answers again. Written, not awaited.
    fn regained_contact(&self);

    /// Something odd that fails nothing, for the history.
    fn warn(&self, code: &'static str, text: String);
}

/// What is about to be started where, under which id.
#[derive(Debug, Clone, PartialEq)]
pub struct StartIntent {
    /// The service.
    pub service: Service,
    /// The id it gets and is polled with.
    pub wire_id: String,
    /// What is known by now and the documents will need.
    pub details: SuccessDetails,
}

impl SuccessDetails {
    /// Whether there is nothing to store.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A job's result.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JobSuccess {
    /// Handed to the successors.
    pub output: Arc<JobOutput>,
    /// What the documents need beside the output.
    pub details: SuccessDetails,
}

/// What was learned while a job ran and is stored with its completion, so that its records can be written at any later time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SuccessDetails {
    /// Parameters that AutoML chose: they replace `params` in `job-json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<Map<String, Value>>,
    /// Charts found for a visualization. *Shape*: `diastemaviz/<job id>/<file>`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub charts: Vec<String>,
    /// The member `features` of an ingestion's result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Value>,
}

/// Why an attempt failed. A value that travels in messages, never an error to be propagated through an actor.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct JobFailure {
    /// What sort of thing happened.
    pub kind: FailureKind,
    /// What happened, for people; never a secret, never a whole body.
    pub message: String,
}

impl JobFailure {
    /// A failure with its text.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// The sorts of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The service reported an error for this job.
    ServiceError,
    /// The service does not take the job as it is, and would say so again.
    Refused,
    /// Nobody answers at the service's address.
    Unreachable,
    /// The service did not finish within the time limit.
    TimedOut,
    /// The service answers, but not what the contract says.
    BadAnswer,
    /// The service was reached, its verdict is unknown.
    OutcomeUnknown,
    /// An input that the kind needs is not there.
    MissingInput,
    /// The object store or the database refuses or is away for too long.
    Store,
    /// The job was stopped.
    Cancelled,
    /// The attempt panicked or its actor died.
    StoppedUnexpectedly,
    /// The journal cannot be written.
    NotDurable,
    /// The analysis could not go on by itself, and the journal does not say how it could.
    Stuck,
}

impl FailureKind {
    /// Whether another attempt may end better: not when nothing was wrong with the attempt itself.
    pub fn is_worth_a_retry(self) -> bool {
        match self {
            FailureKind::ServiceError
            | FailureKind::Unreachable
            | FailureKind::TimedOut
            | FailureKind::BadAnswer
            | FailureKind::OutcomeUnknown
            | FailureKind::Store
            | FailureKind::StoppedUnexpectedly => true,
            FailureKind::Refused
            | FailureKind::MissingInput
            | FailureKind::Cancelled
            | FailureKind::NotDurable
            | FailureKind::Stuck => false,
        }
    }

    /// Whether a service may be at work on a start of an attempt that has failed so; `acknowledged` if it has answered the
    /// start.
    pub fn may_leave_at_work(self, acknowledged: bool) -> bool {
        match self {
            FailureKind::ServiceError | FailureKind::Refused => false,
            FailureKind::TimedOut | FailureKind::OutcomeUnknown | FailureKind::StoppedUnexpectedly => true,
            // without an answer nothing had left
            _ => acknowledged,
        }
    }
}
