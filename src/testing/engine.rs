//! A fresh engine on the test's own system.

use std::rc::Rc;
use std::sync::Arc;

use super::end::End;
use super::journal::MemoryJournal;
use super::runner::ScriptedRunner;
use super::sketch::Sketch;
use crate::engine::messages::{Accepted, SubmitError};
use crate::engine::{EngineHandle, EngineLimits};
use crate::store::{Journal, RunProgress};

/// An engine with scripted jobs and a journal in memory, on the paused clock of a `#[actix::test]`.
///
/// End every test with [`finish`](Self::finish): it fails when anything of an analysis is still alive.
pub struct TestEngine {
    handle: EngineHandle,
    journal: MemoryJournal,
    runner: ScriptedRunner,
}

impl TestEngine {
    /// An engine with the usual limits.
    pub fn new(runner: &ScriptedRunner) -> Self {
        Self::with(runner, EngineLimits::default())
    }

    /// An engine with other limits. Pauses the clock: from now on time passes only while everybody waits for it.
    pub fn with(runner: &ScriptedRunner, limits: EngineLimits) -> Self {
        super::freeze_time();
        runner.begin();
        let journal = MemoryJournal::new();
        let port: Arc<dyn Journal> = Arc::new(journal.clone());
        let handle = EngineHandle::start_here(limits, port, Rc::new(runner.clone()));
        Self { handle, journal, runner: runner.clone() }
    }

    /// The door, for submissions that run at the same time.
    pub fn handle(&self) -> EngineHandle {
        self.handle.clone()
    }

    /// The journal.
    pub fn journal(&self) -> &MemoryJournal {
        &self.journal
    }

    /// Submits a playbook; resolves when that is durable.
    ///
    /// # Errors
    /// The engine's refusals.
    pub async fn submit(&self, sketch: &Sketch) -> Result<Accepted, SubmitError> {
        let plan = sketch.plan();
        let submission = sketch.submission(&plan);
        self.handle.submit(plan, submission).await
    }

    /// Waits for the end of an analysis' newest run.
    ///
    /// # Panics
    /// When it was never accepted or does not end, with what is known about it.
    pub async fn outcome(&self, id: &str) -> End {
        let run_id = self.journal.newest_run(id).unwrap_or_else(|| panic!("analysis {id} was never accepted"));
        let ended = self.journal.wait_until(|journal| journal.end_of(run_id).is_some()).await;
        assert!(ended, "analysis {id} does not end: {:#?}", self.journal.records(run_id));
        self.journal.end_of(run_id).expect("it has ended")
    }

    /// Submits a playbook and waits for its end.
    ///
    /// # Panics
    /// When it is refused or does not end.
    pub async fn run(&self, sketch: &Sketch) -> End {
        self.submit(sketch).await.expect("the submission is accepted");
        self.outcome(sketch.analysis_id()).await
    }

    /// The state of an analysis' newest run, folded from the journal.
    ///
    /// # Panics
    /// When it was never accepted.
    pub fn progress(&self, sketch: &Sketch) -> RunProgress {
        let run_id = self.journal.newest_run(sketch.analysis_id()).expect("the analysis was accepted");
        self.journal.progress(run_id, sketch.len())
    }

    /// Waits until every run has ended and told everything.
    ///
    /// # Panics
    /// When a run is not settled, or an actor of a run is still alive.
    pub async fn finish(self) {
        let settled = self.journal.wait_until(|journal| journal.unsettled().is_empty()).await;
        assert!(settled, "these runs are not settled: {:?}", self.journal.unsettled());
        super::quiet().await;
        let left = self.runner.living_runs();
        assert!(left.is_empty(), "actors are left behind by {left:?}");
    }
}
