//! Deadlines and jobs that never end.

use actix::clock::sleep;
use orchestrator::engine::EngineLimits;
use orchestrator::engine::messages::Verb;
use orchestrator::ports::FailureKind;
use orchestrator::store::record::RunOutcome;
use orchestrator::testing::{Latch, RanEnd, ScriptedRunner, TestEngine, graph_of};

use crate::secs;

#[actix::test]
async fn a_deadline_stops_the_analysis_and_its_running_jobs() {
    let jobs = ScriptedRunner::new();
    jobs.step("2").never_returns();
    let engine = TestEngine::new(&jobs);
    let end = engine.run(&graph_of("1 -> 2,3 -> 4").option("deadline-s", 60)).await;
    assert_eq!((end.outcome, end.elapsed.as_secs()), (RunOutcome::Stopped, 60));
    assert_eq!(end.cause.unwrap().failure.kind, FailureKind::TimedOut);
    assert_eq!(jobs.only("2").end, Some(RanEnd::Dropped));
    assert!(!jobs.steps().contains(&"4".to_owned()));
    engine.finish().await;
}

#[actix::test]
async fn an_analysis_that_ends_in_time_hears_nothing_of_its_deadline() {
    let jobs = ScriptedRunner::new();
    jobs.every().succeeds_after(secs(10));
    let engine = TestEngine::new(&jobs);
    let end = engine.run(&graph_of("1 -> 2").option("deadline-s", 60)).await;
    assert_eq!((end.outcome, end.cause), (RunOutcome::Succeeded, None));
    actix::clock::sleep(secs(100)).await;
    assert_eq!(jobs.milestones().iter().filter(|(_, text)| text.starts_with("finished")).count(), 1);
    engine.finish().await;
}

#[actix::test]
async fn a_deadline_counts_from_acceptance_even_in_line() {
    let jobs = ScriptedRunner::new();
    jobs.every().succeeds_after(secs(50));
    let engine = TestEngine::with(&jobs, EngineLimits { running_per_tenant: 1, ..EngineLimits::default() });
    engine.submit(&graph_of("1 -> 2").id("first")).await.unwrap();
    engine.submit(&graph_of("1 -> 2").id("late").option("deadline-s", 60)).await.unwrap();
    engine.submit(&graph_of("1 -> 2").id("in-time").option("deadline-s", 230)).await.unwrap();
    let late = engine.outcome("late").await;
    assert_eq!(late.outcome, RunOutcome::Stopped);
    assert!(jobs.ran().iter().all(|ran| ran.analysis != "late"), "nothing starts after the deadline");
    assert_eq!(engine.outcome("in-time").await.outcome, RunOutcome::Succeeded);
    engine.finish().await;
}

/// Whether the pause is over before the run's turn comes or lasts on when it begins.
#[actix::test]
async fn a_pause_in_line_costs_no_time_of_the_deadline() {
    for resumed_after in [900, 5_000] {
        let (jobs, latch) = (ScriptedRunner::new(), Latch::new());
        jobs.step_of("first", "2").waits_for(&latch);
        let limits = EngineLimits { running_per_tenant: 1, ..EngineLimits::default() };
        let engine = TestEngine::with(&jobs, limits);
        engine.submit(&graph_of("1 -> 2").id("first")).await.unwrap();
        engine.submit(&graph_of("1 -> 2").id("later").option("deadline-s", 60)).await.unwrap();
        let later = engine.journal().newest_run("later").unwrap();
        sleep(secs(10)).await;
        engine.handle().steer(later, Verb::Pause).await.unwrap();
        let begins = async {
            sleep(secs(1_000)).await;
            latch.open();
        };
        let resumes = async {
            sleep(secs(resumed_after)).await;
            engine.handle().steer(later, Verb::Resume).await.unwrap();
            if resumed_after < 1_000 {
                // what counts is the time in line without the pause: 10 s before it, 30 s after it
                sleep(secs(30)).await;
                latch.open();
            }
        };
        futures::join!(begins, resumes);
        let end = engine.outcome("later").await;
        assert_eq!(end.outcome, RunOutcome::Succeeded, "resumed after {resumed_after} s");
        engine.finish().await;
    }
}

#[actix::test]
async fn a_failure_before_the_deadline_stays_the_cause() {
    let jobs = ScriptedRunner::new();
    jobs.step("2").takes(secs(1)).fails_with(FailureKind::ServiceError, "no");
    jobs.step("3").never_returns();
    let engine = TestEngine::new(&jobs);
    let sketch = graph_of("1 -> 2,3 -> 4").goes_on_after_failures().option("deadline-s", 60);
    let end = engine.run(&sketch).await;
    assert_eq!((end.outcome, end.elapsed.as_secs()), (RunOutcome::Failed, 60));
    assert_eq!(end.cause.unwrap().step.as_deref(), Some("2"));
    engine.finish().await;
}
