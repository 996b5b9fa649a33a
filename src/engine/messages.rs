//! The protocol of the actors on one page: orders down, data sideways, news up, and the gate.

use std::collections::HashMap;

use actix::WeakRecipient;
use actix::prelude::*;
use futures::channel::oneshot;

use super::limits::EngineLimits;
use super::refusals::RefusalRoom;
use super::usage::Usage;
use super::why::Why;
use crate::graph::build::Plan;
use crate::graph::inputs::EdgeOutcome;
use crate::graph::{EdgeId, JobIndex};
use crate::playbook::job::Service;
use crate::playbook::{Problem, TenantId};
use crate::ports::{JobFailure, JobSuccess, Notice};
use crate::store::recovery::OpenRun;
use crate::store::{JournalError, Receipt, RunOutcome, Submission};

/// What can be asked of a run that is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Nothing more starts until it is resumed; what runs goes on.
    Pause,
    /// It goes on after a pause.
    Resume,
    /// It ends now.
    Cancel,
}

// ---- from the door

/// The door asks the supervisor to accept and run an analysis; answered when the acceptance is durable.
#[derive(Message, Debug)]
#[rtype(result = "Result<Accepted, SubmitError>")]
pub struct SubmitAnalysis {
    /// What is to be done.
    pub plan: Plan,
    /// What the journal keeps of it.
    pub submission: Submission,
}

/// The start of the process names the runs that it is about to hand over, and closes the gate: what services are at work
/// on has its slots and goes on, but nothing begins before every run has named its slots.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct AwaitRuns {
    /// Keys of the runs. Verbs for them are taken already.
    pub runs: Vec<i64>,
}

/// Every run has named the slots that it needs.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct OpenGate {
    /// Runs that are handed over later all the same.
    pub to_come: Vec<i64>,
}

/// The start of the process names the slots of a run that goes on later.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct KeepSlots {
    /// The run.
    pub run: OpenRun,
}

/// The start of the process hands the supervisor runs that go on where the journal says they were; answered when their
/// actors exist, or stand in line.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct ResumeRuns {
    /// The runs, oldest first.
    pub runs: Vec<OpenRun>,
}

/// The door asks the supervisor to do something about a run; answered when that is durable.
#[derive(Message, Debug)]
#[rtype(result = "Result<(), SteerError>")]
pub struct SteerAnalysis {
    /// Which run.
    pub run_id: i64,
    /// What.
    pub verb: Verb,
}

/// Why a run cannot be paused, resumed or cancelled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SteerError {
    /// It has ended.
    #[error("the run is over")]
    Over,
    /// What was asked cannot be made durable.
    #[error(transparent)]
    NotDurable(#[from] JournalError),
    /// The engine is gone.
    #[error("the engine has stopped")]
    Stopped,
}

/// The door asks the supervisor to tell the web application something about a submission that was refused.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct AnnounceRefusal {
    /// Free again when it has been told, or was given up.
    pub room: RefusalRoom,
    /// Text of the analysis' id.
    pub analysis: String,
    /// The notices in order.
    pub notices: Vec<Notice>,
}

/// The process is about to stop: no job is let in any more. Answered when that holds.
#[derive(Message, Debug, Clone, Copy)]
#[rtype(result = "()")]
pub struct Drain;

/// Other limits count from now on. What is beyond a lower one goes on; whoever a higher one has room for begins at once.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct SetLimits {
    /// All of them; the time between two sweeps stays what it was at the start.
    pub limits: EngineLimits,
}

/// What tenants have stored has been counted.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct TakeStock {
    /// Bytes by tenant; of those that are not named, what was counted before stays.
    pub stored: HashMap<String, u64>,
}

/// The door asks why a job does not go on: the question goes down to the job's node, and from one that stands in line on to
/// the supervisor. Unanswered when the run or the job has ended.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct ExplainJob {
    /// Which run.
    pub run_id: i64,
    /// Which job of it.
    pub job: JobIndex,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Why>,
}

/// The same on its way down from the supervisor.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ExplainNode {
    /// Which job.
    pub job: JobIndex,
    /// Who knows the lines.
    pub lines: Recipient<ExplainLine>,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Why>,
}

/// The same on its way from a node in line to the supervisor: what it says itself, and which line it means.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ExplainLine {
    /// Who stands in line.
    pub ticket: Ticket,
    /// What the node knows.
    pub why: Why,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Why>,
}

/// Who uses what, and who waits for what?
#[derive(Message, Debug)]
#[rtype(result = "Usage")]
pub struct AskUsage {
    /// Only these tenants.
    pub tenants: Option<Vec<TenantId>>,
}

/// An accepted submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// 1, 2, 3, ... per id.
    pub number: u32,
    /// Whether it waits until another run of its tenant has ended.
    pub queued: bool,
    /// False when the same submission was already running, or was accepted before under the same idempotency key.
    pub is_new: bool,
    /// How the run has ended, if it has.
    pub ended: Option<RunOutcome>,
    /// Oddities that were accepted.
    pub warnings: Vec<Problem>,
}

impl Accepted {
    /// The word for what the run is at, as in the store.
    pub fn state(&self) -> &'static str {
        match self.ended {
            Some(outcome) => outcome.as_str(),
            None if self.queued => "queued",
            None => "running",
        }
    }
}

/// Why a submission was not accepted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SubmitError {
    /// The id runs with other jobs or belongs to somebody else.
    #[error("the id is in use")]
    IdInUse,
    /// The idempotency key was used for something else.
    #[error("the idempotency key was used for another submission")]
    KeyReused,
    /// A job's id belongs to somebody else.
    #[error("the id of job {job} is in use")]
    JobIdInUse {
        /// Index of the job.
        job: JobIndex,
    },
    /// The tenant has too many open analyses.
    #[error("the tenant has {open} open analyses, the limit")]
    TenantBusy {
        /// How many.
        open: usize,
    },
    /// The tenant has stored too much.
    #[error("the tenant has stored {stored} bytes, the limit is {most}")]
    TenantFull {
        /// Bytes.
        stored: u64,
        /// The limit.
        most: u64,
    },
    /// The tenant submits too often.
    #[error("the tenant submits more than {per_second} analyses a second, the limit")]
    TooFast {
        /// The limit.
        per_second: f64,
    },
    /// The orchestrator has too many open analyses.
    #[error("there are {open} open analyses, the limit")]
    Busy {
        /// How many.
        open: usize,
    },
    /// The acceptance cannot be made durable.
    #[error(transparent)]
    NotDurable(#[from] JournalError),
    /// The process is about to stop.
    #[error("the server is about to stop")]
    Draining,
    /// The engine is gone.
    #[error("the engine has stopped")]
    Stopped,
}

// ---- orders, down

/// The supervisor asks a graph whether all its nodes have been spawned.
#[derive(Message, Debug, Clone, Copy)]
#[rtype(result = "bool")]
pub struct IsWired;

/// The supervisor hands a verb, which is durable, down to the graph.
#[derive(Message, Debug, Clone, Copy)]
#[rtype(result = "()")]
pub struct SteerRun {
    /// What was asked.
    pub verb: Verb,
    /// Its place in the journal: what one commit has made durable may come in any order.
    pub seq: u64,
}

/// The graph tells a node to stop: nothing may be started any more, running work is let go.
#[derive(Message, Debug, Clone, Copy)]
#[rtype(result = "()")]
pub struct StopJob;

/// The graph tells a node that the run is not paused any more.
#[derive(Message, Debug, Clone, Copy)]
#[rtype(result = "()")]
pub struct ResumeJob;

/// The graph tells a node at each sweep to ask again for the slot that it stands in line for, if it does, and to go on if
/// it is held although its run is not paused.
#[derive(Message, Debug, Clone, Copy)]
#[rtype(result = "()")]
pub struct Nudge;

// ---- data, sideways

/// A node that has ended tells one successor; sent exactly once per edge.
#[derive(Message, Debug, Clone)]
#[rtype(result = "()")]
pub struct InputReady {
    /// Which edge speaks.
    pub edge: EdgeId,
    /// How the predecessor ended.
    pub outcome: EdgeOutcome,
}

// ---- news, up

/// A node's final word to its graph; sent exactly once per job.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct JobFinished {
    /// Which job.
    pub job: JobIndex,
    /// How it ended.
    pub report: JobReport,
    /// Resolves when the end is durable; absent where the journal needs no record of it.
    pub receipt: Option<Receipt<u64>>,
}

/// How a job ended, with what belongs to it.
#[derive(Debug, Clone)]
pub enum JobReport {
    /// With a result.
    Succeeded(std::sync::Arc<JobSuccess>),
    /// With a cause.
    Failed(JobFailure),
    /// Without having been started.
    Skipped,
    /// Stopped after its first attempt had begun.
    Cancelled {
        /// Whether its service may be at work all the same.
        may_still_run: bool,
    },
}

/// A graph's final word to the supervisor; sent exactly once per run.
#[derive(Message, Debug, Clone, Copy)]
#[rtype(result = "()")]
pub struct AnalysisFinished {
    /// Which run.
    pub run_id: i64,
}

// ---- the gate

/// Identity of one job in flight or in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket {
    /// Which run.
    pub run_id: i64,
    /// Which job of it.
    pub job: u32,
}

/// The supervisor, as far as a node may speak to it.
#[derive(Clone)]
pub struct Gate {
    /// For asking.
    pub wanted: WeakRecipient<SlotWanted>,
    /// For giving back.
    pub released: WeakRecipient<SlotReleased>,
}

/// A node that is ready to start asks the supervisor for a slot; answered by [`SlotGranted`].
#[derive(Message)]
#[rtype(result = "()")]
pub struct SlotWanted {
    /// Who asks.
    pub ticket: Ticket,
    /// Where it will call.
    pub service: Service,
    /// Where the answer goes.
    pub reply: Recipient<SlotGranted>,
}

/// The supervisor lets a node start.
#[derive(Message, Debug, Clone, Copy)]
#[rtype(result = "()")]
pub struct SlotGranted;

/// A node that has asked for a slot needs it no longer, whether it had got it or not.
#[derive(Message, Debug, Clone, Copy)]
#[rtype(result = "()")]
pub struct SlotReleased {
    /// Who had asked.
    pub ticket: Ticket,
}
