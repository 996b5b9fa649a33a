//! The actors that run analyses. [`EngineHandle`] is the only door; `messages` is the protocol on one page.
//!
//! Ownership: the supervisor holds graphs, a graph holds its nodes, a node holds its successors' inboxes. Nothing points
//! upward strongly. No actor awaits another one's reply, except the door the supervisor's.

pub mod admission;
mod attempt;
mod deadline;
pub mod decisions;
mod graph_actor;
mod healing;
pub mod lane_order;
mod letting_go;
mod limits;
pub mod messages;
mod node_actor;
mod node_gate;
mod outbox;
mod panics;
pub mod places;
mod quotas;
mod rates;
mod refusals;
mod resuming;
pub mod retry;
pub mod retry_line;
pub mod run_line;
pub mod standing;
mod steering;
mod supervisor;
mod traffic;
pub mod turns;
pub mod usage;
mod waiting_runs;
pub mod why;
mod wiring;

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::*;
use futures::channel::oneshot;

pub use graph_actor::{GraphActor, GraphSetup};
pub use limits::{EngineLimits, OwnLimits};
pub use messages::Gate;
use messages::{
    Accepted, AnnounceRefusal, AskUsage, AwaitRuns, Drain, ExplainJob, KeepSlots, OpenGate, ResumeRuns, SetLimits,
    SteerAnalysis, SteerError, SubmitAnalysis, SubmitError, TakeStock, Verb,
};
pub use node_actor::{NodeActor, NodeContext};
use refusals::RefusalRooms;
pub use refusals::{MOST_REFUSALS, RefusalRoom};
pub use supervisor::AnalysisSupervisor;
pub use traffic::{CountedAs, Traffic};
use usage::Usage;
use why::Why;

use crate::graph::{JobIndex, Plan};
use crate::playbook::TenantId;
use crate::ports::{JobRunner, Notice};
use crate::store::recovery::OpenRun;
use crate::store::{Journal, Submission};

/// Why an engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError<E> {
    /// Its jobs could not be set up.
    #[error(transparent)]
    Runner(E),
    /// Its thread did not come up.
    #[error("the engine's thread did not come up")]
    Thread,
}

/// The door to the engine; cheap to clone, usable from every thread.
#[derive(Clone)]
pub struct EngineHandle {
    supervisor: Addr<AnalysisSupervisor>,
    refusals: RefusalRooms,
}

impl EngineHandle {
    /// Starts an engine on a thread of its own; `runner` is made there, because clients of services cannot move.
    ///
    /// *Errors*: the runner cannot be made.
    pub fn start<E: Send + 'static>(
        limits: EngineLimits,
        journal: Arc<dyn Journal>,
        runner: impl FnOnce() -> Result<Rc<dyn JobRunner>, E> + Send + 'static,
    ) -> Result<Self, StartError<E>> {
        let (tell, started) = std::sync::mpsc::channel();
        let queued = Arbiter::new().spawn_fn(move || {
            let supervisor = runner().map(|runner| AnalysisSupervisor::new(journal, runner, limits).start());
            drop(tell.send(supervisor));
        });
        match (queued, started.recv()) {
            (true, Ok(Ok(supervisor))) => Ok(Self { supervisor, refusals: RefusalRooms::default() }),
            (true, Ok(Err(error))) => Err(StartError::Runner(error)),
            _ => Err(StartError::Thread),
        }
    }

    /// Starts an engine on this thread: tests with a paused clock need everything in one place.
    pub fn start_here(limits: EngineLimits, journal: Arc<dyn Journal>, runner: Rc<dyn JobRunner>) -> Self {
        let supervisor = AnalysisSupervisor::new(journal, runner, limits).start();
        Self { supervisor, refusals: RefusalRooms::default() }
    }

    /// Accepts an analysis or an ingestion; resolves when that is durable.
    ///
    /// *Errors*: conflicts of ids, limits, a journal that cannot be written.
    pub async fn submit(&self, plan: Plan, submission: Submission) -> Result<Accepted, SubmitError> {
        let answer = self.supervisor.send(SubmitAnalysis { plan, submission }).await;
        answer.unwrap_or(Err(SubmitError::Stopped))
    }

    /// Lets runs go on where the journal says they were; resolves when their actors exist.
    ///
    /// Runs that go on in several portions: [`await_runs`](Self::await_runs) before the first one and
    /// [`open_gate`](Self::open_gate) after the last, so that no job gets a slot that a later run needs for what a service
    /// is at work on.
    pub fn resume(&self, runs: Vec<OpenRun>) -> impl Future<Output = ()> + use<> {
        // the engine begins with them before anybody waits for it
        let gone_on = self.supervisor.send(ResumeRuns { runs });
        async move {
            if gone_on.await.is_err() {
                log::debug!("the engine had stopped before its runs went on");
            }
        }
    }

    /// These runs are about to go on, in several portions: until [`open_gate`](Self::open_gate) nothing begins at a service,
    /// and verbs for a run have their effect when its turn comes.
    pub fn await_runs(&self, runs: Vec<i64>) {
        self.supervisor.do_send(AwaitRuns { runs });
    }

    /// Whoever stood in line while the gate was closed has a turn; of the runs that were awaited only these are to come.
    pub fn open_gate(&self, to_come: Vec<i64>) {
        self.supervisor.do_send(OpenGate { to_come });
    }

    /// Keeps the slots of a run that goes on later.
    pub fn keep_slots(&self, run: OpenRun) {
        self.supervisor.do_send(KeepSlots { run });
    }

    /// Pauses, resumes or cancels a run; resolves when that is durable.
    ///
    /// *Errors*: the run is over, or the journal cannot be written.
    pub async fn steer(&self, run_id: i64, verb: Verb) -> Result<(), SteerError> {
        self.supervisor.send(SteerAnalysis { run_id, verb }).await.unwrap_or(Err(SteerError::Stopped))
    }

    /// Lets no job start at a service any more; resolves when that holds. Jobs that were let in before go on, the others
    /// wait for the next start of the process. An engine that has stopped starts nothing either.
    pub async fn drain(&self) {
        if self.supervisor.send(Drain).await.is_err() {
            log::debug!("the engine had stopped before it was drained");
        }
    }

    /// Other limits count from now on. What is beyond a lower one goes on; whoever a higher one has room for begins at once.
    pub fn set_limits(&self, limits: EngineLimits) {
        self.supervisor.do_send(SetLimits { limits });
    }

    /// Bytes that tenants have stored, for the limits on that.
    pub fn take_stock(&self, stored: HashMap<String, u64>) {
        self.supervisor.do_send(TakeStock { stored });
    }

    /// Who uses what of the limits: these tenants, or all; `None` when the engine has stopped.
    pub async fn usage(&self, tenants: Option<Vec<TenantId>>) -> Option<Usage> {
        self.supervisor.send(AskUsage { tenants }).await.ok()
    }

    /// Why a job does not go on; `None` when it or its run has ended, or the engine has.
    pub async fn why(&self, run_id: i64, job: JobIndex) -> Option<Why> {
        let (reply, answer) = oneshot::channel();
        self.supervisor.do_send(ExplainJob { run_id, job, reply });
        answer.await.ok()
    }

    /// Room for telling the web application about a refused submission; `None`, counted, when too many are being announced.
    pub fn room_for_refusal(&self) -> Option<RefusalRoom> {
        self.refusals.take()
    }

    /// Tells the web application about a refused submission; best effort.
    pub fn announce_refusal(&self, room: RefusalRoom, analysis: String, notices: Vec<Notice>) {
        self.supervisor.do_send(AnnounceRefusal { room, analysis, notices });
    }
}
