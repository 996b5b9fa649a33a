//! Runs that are paused, resumed, cancelled, tried again and run again, over several lives of the process.

mod cancel;
mod pause;
mod rerun;
mod retry;

use std::future::Future;

use orchestrator::store::{JobPhase, Record};
use orchestrator::testing::{ScriptedRunner, Sketch, TestEngine};

/// One life of the process: its actors end with it.
fn life<T>(work: impl Future<Output = T>) -> T {
    actix::System::new().block_on(work)
}

/// The phases of an analysis' jobs in playbook order.
fn phases(engine: &TestEngine, sketch: &Sketch) -> Vec<JobPhase> {
    engine.progress(sketch).jobs.iter().map(|job| job.phase).collect()
}

/// How often a run has ended, according to its records.
fn ends(engine: &TestEngine, run_id: i64) -> usize {
    engine.journal().records(run_id).iter().filter(|record| matches!(record, Record::AnalysisFinished { .. })).count()
}

/// How often a step of an analysis was started.
fn starts(jobs: &ScriptedRunner, analysis: &str, step: &str) -> usize {
    jobs.ran().iter().filter(|ran| ran.analysis == analysis && ran.step == step).count()
}
