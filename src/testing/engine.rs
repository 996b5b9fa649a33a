//! A fresh engine on the test's own system.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::journal::{End, MemoryJournal};
use super::runner::ScriptedRunner;
use super::sketch::Sketch;
use crate::engine::messages::{Accepted, SteerError, SubmitError, Verb};
use crate::engine::{EngineHandle, EngineLimits};
use crate::graph::JobIndex;
use crate::graph::rerun::RerunFrom;
use crate::playbook::Space;
use crate::store::recovery::open_runs;
use crate::store::rerun::first_record;
use crate::store::{History, Journal, Millis, Record, RunProgress};

/// An engine with scripted jobs and a journal in memory, on the paused clock of a `#[actix::test]`.
///
/// End every test with [`finish`](Self::finish): it fails when anything of an analysis is still alive.
pub struct TestEngine {
    handle: EngineHandle,
    journal: MemoryJournal,
    runner: ScriptedRunner,
}

/// What is left of an engine whose process has died: what was durable.
pub struct Remains {
    journal: MemoryJournal,
    tick: Millis,
}

impl TestEngine {
    /// An engine with the usual limits.
    pub fn new(runner: &ScriptedRunner) -> Self {
        Self::with(runner, EngineLimits::default())
    }

    /// An engine with other limits. Pauses the clock: from now on time passes only while everybody waits for it.
    pub fn with(runner: &ScriptedRunner, limits: EngineLimits) -> Self {
        Self::on(MemoryJournal::new, runner, limits)
    }

    fn on(journal: impl FnOnce() -> MemoryJournal, runner: &ScriptedRunner, limits: EngineLimits) -> Self {
        super::freeze_time();
        runner.begin();
        let journal = journal();
        let port: Arc<dyn Journal> = Arc::new(journal.clone());
        let handle = EngineHandle::start_here(limits, port, Rc::new(runner.clone()));
        Self { handle, journal, runner: runner.clone() }
    }

    /// The process dies. Its actors end with the actix system that they live in: let this be the last thing that is done
    /// there, and the next life the first thing in a system of its own.
    pub fn dies(self) -> Remains {
        let tick = self.journal.tick();
        self.journal.forget_held();
        Remains { journal: self.journal, tick }
    }

    /// The next life of a process, this much later: every run goes on where the journal says it was.
    ///
    /// # Panics
    /// When the journal in memory says what no journal can say.
    pub fn goes_on(remains: Remains, after: Duration, runner: &ScriptedRunner, limits: EngineLimits) -> Self {
        let Remains { journal, tick } = remains;
        let again = || {
            journal.goes_on_at(tick + after.as_millis() as Millis);
            journal.release_all();
            journal
        };
        let engine = Self::on(again, runner, limits);
        let open = open_runs(&engine.journal, engine.journal.tick()).expect("a journal in memory can be read");
        open.into_iter().for_each(|run| engine.handle.resume(run));
        engine
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

    /// Asks something of an analysis' newest run; resolves when that is durable.
    ///
    /// # Errors
    /// The engine's refusals.
    ///
    /// # Panics
    /// When the analysis was never accepted.
    pub async fn steer(&self, id: &str, verb: Verb) -> Result<(), SteerError> {
        let run_id = self.journal.newest_run(id).unwrap_or_else(|| panic!("analysis {id} was never accepted"));
        self.handle.steer(run_id, verb).await
    }

    /// Repeats a run of an analysis; resolves when that is durable, to the jobs that are not done again.
    ///
    /// # Errors
    /// The engine's refusals.
    ///
    /// # Panics
    /// When there is no such run.
    pub async fn rerun(
        &self,
        sketch: &Sketch,
        number: u32,
        from: RerunFrom,
    ) -> Result<(Accepted, Vec<JobIndex>), SubmitError> {
        let (plan, key) = (sketch.plan(), sketch.analysis_id().to_lowercase());
        let find =
            |number| self.journal.find(Space::Analysis, &key, number).ok().flatten().expect("there is such a run");
        let (run, newest) = (find(Some(number)), find(None).number);
        let first =
            first_record(&self.journal, Space::Analysis, &run, newest, &plan, from).expect("the run can be read");
        let reused = match &first {
            Record::Rerun { reused, .. } => reused.iter().map(|reused| reused.job).collect(),
            _ => Vec::new(),
        };
        let submission = sketch.submission(&plan).repeating(first, newest + 1);
        Ok((self.handle.submit(plan, submission).await?, reused))
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
