//! The actors that run analyses. [`EngineHandle`] is the only door; `messages` is the protocol on one page.
//!
//! Ownership: the supervisor holds graphs, a graph holds its nodes, a node holds its successors' inboxes. Nothing points
//! upward strongly. No actor awaits another one's reply, except the door the supervisor's.

pub mod admission;
mod attempt;
mod graph_actor;
pub mod messages;
mod node_actor;
mod outbox;
mod panics;
mod supervisor;
mod wiring;

use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::*;
use futures::FutureExt;

pub use graph_actor::{GraphActor, GraphSetup};
use messages::{Accepted, AnnounceRefusal, ResumeRun, SubmitAnalysis, SubmitError};
pub use node_actor::{Gate, NodeActor, NodeContext};
pub use supervisor::{AnalysisSupervisor, EngineLimits};

use crate::graph::Plan;
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
            (true, Ok(Ok(supervisor))) => Ok(Self { supervisor }),
            (true, Ok(Err(error))) => Err(StartError::Runner(error)),
            _ => Err(StartError::Thread),
        }
    }

    /// Starts an engine on this thread: tests with a paused clock need everything in one place.
    pub fn start_here(limits: EngineLimits, journal: Arc<dyn Journal>, runner: Rc<dyn JobRunner>) -> Self {
        Self { supervisor: AnalysisSupervisor::new(journal, runner, limits).start() }
    }

    /// Accepts an analysis or an ingestion; resolves when that is durable.
    ///
    /// *Errors*: conflicts of ids, limits, a journal that cannot be written.
    pub async fn submit(&self, plan: Plan, submission: Submission) -> Result<Accepted, SubmitError> {
        let answer = self.supervisor.send(SubmitAnalysis { plan, submission }).await;
        answer.unwrap_or(Err(SubmitError::Stopped))
    }

    /// Lets a run go on where the journal says it was; resolves when its actors exist; has to be awaited.
    pub fn resume(&self, run: OpenRun) -> impl Future<Output = ()> + use<> {
        // an engine that has stopped has no use for it
        self.supervisor.send(ResumeRun { run }).map(drop)
    }

    /// Tells the web application about a refused submission; best effort.
    pub fn announce_refusal(&self, analysis: String, notices: Vec<Notice>) {
        self.supervisor.do_send(AnnounceRefusal { analysis, notices });
    }
}
