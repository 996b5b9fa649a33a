//! What a failing, panicking or silent job means for its analysis, and for nobody else.

use orchestrator::ports::FailureKind;
use orchestrator::store::record::RunOutcome;
use orchestrator::testing::{RanEnd, ScriptedRunner, TestEngine, graph_of};

use crate::secs;

#[actix::test]
async fn the_first_failure_stops_the_analysis_and_is_its_cause() {
    let jobs = ScriptedRunner::new();
    jobs.step("2").takes(secs(1)).fails_with(FailureKind::ServiceError, "no such column");
    jobs.step("3").never_returns();
    let engine = TestEngine::new(&jobs);
    let end = engine.run(&graph_of("1 -> 2,3; 2 -> 4; 3 -> 5")).await;
    assert_eq!((end.outcome, end.elapsed.as_secs()), (RunOutcome::Failed, 1));
    let cause = end.cause.unwrap();
    assert_eq!((cause.step.as_deref(), cause.failure.message.as_str()), (Some("2"), "no such column"));
    assert_eq!(jobs.only("3").end, Some(RanEnd::Dropped));
    assert_eq!(jobs.steps().len(), 3);
    engine.finish().await;
}

#[actix::test]
async fn a_panicking_job_fails_its_analysis_with_its_text() {
    let jobs = ScriptedRunner::new();
    jobs.step_of("a1", "2").panics("index out of range");
    let engine = TestEngine::new(&jobs);
    let (bad, good) = (graph_of("1 -> 2 -> 3"), graph_of("1 -> 2 -> 3").id("a2"));
    engine.submit(&bad).await.unwrap();
    engine.submit(&good).await.unwrap();
    let end = engine.outcome("a1").await;
    let text = end.cause.unwrap().failure.message;
    assert!(text.contains("index out of range"), "{text}");
    assert_eq!(engine.outcome("a2").await.outcome, RunOutcome::Succeeded);
    engine.finish().await;
}
