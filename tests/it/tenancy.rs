//! Who waits for whom: branches, tenants, gates, limits.

use orchestrator::store::record::RunOutcome;
use orchestrator::testing::{ScriptedRunner, TestEngine, graph_of};

use crate::secs;

#[actix::test]
async fn two_branches_of_one_second_take_one_second() {
    let jobs = ScriptedRunner::new();
    for step in ["2", "3"] {
        jobs.step(step).succeeds_after(secs(1));
    }
    let engine = TestEngine::new(&jobs);
    let end = engine.run(&graph_of("1 -> 2,3 -> 4")).await;
    assert_eq!((end.outcome, end.elapsed.as_secs()), (RunOutcome::Succeeded, 1));
    assert_eq!(jobs.only("4").inputs, ["2", "3"]);
    engine.finish().await;
}
