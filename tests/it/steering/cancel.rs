//! Cancel.

use actix::clock::sleep;
use orchestrator::engine::EngineLimits;
use orchestrator::engine::messages::{SteerError, Verb};
use orchestrator::ports::FailureKind;
use orchestrator::store::record::RunOutcome;
use orchestrator::store::{JobPhase, Journal, Record};
use orchestrator::testing::{Latch, RanEnd, ScriptedRunner, TestEngine, graph_of, quiet};

use super::{ends, life, phases, starts};
use crate::secs;

#[actix::test]
async fn a_cancelled_run_stops_what_runs_and_skips_what_waits() {
    let jobs = ScriptedRunner::new();
    jobs.tells_milestones().step("3").never_returns();
    let engine = TestEngine::new(&jobs);
    let sketch = graph_of("1 -> 2,3 -> 4");
    engine.submit(&sketch).await.unwrap();
    sleep(secs(5)).await;
    engine.steer("a1", Verb::Cancel).await.unwrap();
    let end = engine.outcome("a1").await;
    assert_eq!((end.outcome, end.elapsed.as_secs()), (RunOutcome::Cancelled, 5));
    let cause = end.cause.unwrap();
    assert_eq!((cause.step, cause.failure.kind), (None, FailureKind::Cancelled));
    assert_eq!(cause.failure.message, "The analysis was cancelled");
    use JobPhase::{Cancelled, Skipped, Succeeded};
    assert_eq!(phases(&engine, &sketch), [Succeeded, Succeeded, Cancelled, Skipped]);
    assert!(engine.progress(&sketch).jobs[2].may_still_run, "nobody could tell its service");
    assert_eq!(jobs.only("3").end, Some(RanEnd::Dropped));
    quiet().await;
    assert_eq!(jobs.notices(), ["accepted", "1 succeeded", "2 succeeded", "finished badly"]);
    assert_eq!(engine.steer("a1", Verb::Cancel).await, Err(SteerError::Over));
    assert_eq!(ends(&engine, 1), 1);
    engine.finish().await;
}

#[actix::test]
async fn every_verb_but_rerun_comes_too_late_for_a_run_that_has_ended() {
    let engine = TestEngine::new(&ScriptedRunner::new());
    engine.run(&graph_of("1 -> 2")).await;
    quiet().await;
    let before = engine.journal().records(1);
    for verb in [Verb::Pause, Verb::Resume, Verb::Cancel] {
        assert_eq!(engine.steer("a1", verb).await, Err(SteerError::Over));
    }
    assert_eq!(engine.journal().records(1), before);
    engine.finish().await;
}

#[actix::test]
async fn a_run_may_be_cancelled_twice_and_while_it_is_paused() {
    let jobs = ScriptedRunner::new();
    jobs.step("2").never_returns();
    let engine = TestEngine::new(&jobs);
    let sketch = graph_of("1 -> 2 -> 3");
    engine.submit(&sketch).await.unwrap();
    quiet().await;
    engine.steer("a1", Verb::Pause).await.unwrap();
    sleep(secs(9)).await;
    let (one, two) = futures::join!(engine.steer("a1", Verb::Cancel), engine.steer("a1", Verb::Cancel));
    assert_eq!((one, two), (Ok(()), Ok(())));
    assert_eq!(engine.outcome("a1").await.outcome, RunOutcome::Cancelled);
    quiet().await;
    assert_eq!(ends(&engine, 1), 1);
    assert_eq!(jobs.steps(), ["1", "2"]);
    engine.finish().await;
}

#[actix::test]
async fn a_run_that_is_cancelled_in_line_ends_without_a_start_and_the_others_keep_their_places() {
    let jobs = ScriptedRunner::new();
    jobs.every().succeeds_after(secs(10));
    let engine = TestEngine::with(&jobs, EngineLimits { running_per_tenant: 1, ..EngineLimits::default() });
    for id in ["first", "second", "third", "fourth"] {
        engine.submit(&graph_of("1 -> 2").id(id)).await.unwrap();
    }
    engine.steer("second", Verb::Cancel).await.unwrap();
    let end = engine.outcome("second").await;
    assert_eq!((end.outcome, end.elapsed.as_secs()), (RunOutcome::Cancelled, 0), "it waits for nobody");
    assert_eq!(engine.outcome("fourth").await.outcome, RunOutcome::Succeeded);
    assert_eq!(engine.outcome("third").await.outcome, RunOutcome::Succeeded);
    let mut order: Vec<String> = jobs.ran().into_iter().map(|ran| ran.analysis).collect();
    order.dedup();
    assert_eq!(order, ["first", "third", "fourth"]);
    engine.finish().await;
}

/// Whatever the order, the run ends once, and as one of the two.
#[actix::test]
async fn a_cancel_may_race_the_last_end() {
    for millis in [9_998, 9_999, 10_000, 10_001, 10_002] {
        let jobs = ScriptedRunner::new();
        jobs.step("2").succeeds_after(secs(10));
        let engine = TestEngine::new(&jobs);
        engine.submit(&graph_of("1 -> 2")).await.unwrap();
        sleep(std::time::Duration::from_millis(millis)).await;
        let answer = engine.steer("a1", Verb::Cancel).await;
        let outcome = engine.outcome("a1").await.outcome;
        assert!(matches!(outcome, RunOutcome::Succeeded | RunOutcome::Cancelled), "{outcome:?}");
        assert!(answer.is_ok() || outcome == RunOutcome::Succeeded, "{answer:?}");
        quiet().await;
        assert_eq!(ends(&engine, 1), 1);
        engine.finish().await;
    }
}

#[actix::test]
async fn the_first_reason_to_stop_is_the_one_that_counts() {
    let jobs = ScriptedRunner::new();
    jobs.step("2").never_returns();
    let engine = TestEngine::new(&jobs);
    engine.submit(&graph_of("1 -> 2").option("deadline-s", 5)).await.unwrap();
    sleep(secs(4)).await;
    engine.steer("a1", Verb::Cancel).await.unwrap();
    sleep(secs(10)).await;
    let end = engine.outcome("a1").await;
    assert_eq!((end.outcome, end.elapsed.as_secs()), (RunOutcome::Cancelled, 4));
    engine.finish().await;
}

#[test]
fn a_cancel_that_is_durable_is_done_after_a_restart() {
    let jobs = ScriptedRunner::new();
    jobs.tells_milestones().step("2").never_returns();
    let sketch = graph_of("1 -> 2 -> 3; 1 -> 4");
    let remains = life(async {
        let engine = TestEngine::new(&jobs);
        engine.submit(&sketch).await.unwrap();
        quiet().await;
        // the process dies before anything follows from it
        engine.journal().append(1, Record::CancelAsked).await.unwrap();
        engine.dies()
    });
    life(async {
        let engine = TestEngine::goes_on(remains, secs(60), &jobs, EngineLimits::default());
        let end = engine.outcome("a1").await;
        assert_eq!((end.outcome, end.elapsed.as_secs()), (RunOutcome::Cancelled, 60));
        use JobPhase::{Cancelled, Skipped, Succeeded};
        assert_eq!(phases(&engine, &sketch), [Succeeded, Cancelled, Skipped, Succeeded]);
        assert!(engine.progress(&sketch).jobs[1].may_still_run, "its service has it since the earlier life");
        assert_eq!((starts(&jobs, "a1", "2"), starts(&jobs, "a1", "3")), (1, 0));
        quiet().await;
        assert_eq!(jobs.notices().last().map(String::as_str), Some("finished badly"));
        assert_eq!(ends(&engine, 1), 1);
        engine.finish().await;
    });
}

#[actix::test]
async fn nothing_follows_from_a_verb_before_it_is_durable() {
    let (jobs, latch) = (ScriptedRunner::new(), Latch::new());
    jobs.step("2").waits_for(&latch);
    let engine = TestEngine::new(&jobs);
    engine.submit(&graph_of("1 -> 2 -> 3")).await.unwrap();
    quiet().await;
    engine.journal().hold();
    {
        let mut asked = std::pin::pin!(engine.steer("a1", Verb::Cancel));
        assert!(actix::clock::timeout(secs(100), &mut asked).await.is_err());
        assert_eq!(engine.journal().held(), [Record::CancelAsked]);
        assert_eq!(jobs.only("2").end, None, "it is still at work");
        engine.journal().release_all();
        asked.await.unwrap();
    }
    assert_eq!(engine.outcome("a1").await.outcome, RunOutcome::Cancelled);
    engine.finish().await;
}

#[actix::test]
async fn a_verb_that_cannot_be_written_is_refused_and_changes_nothing() {
    let (jobs, latch) = (ScriptedRunner::new(), Latch::new());
    jobs.step("2").waits_for(&latch);
    let engine = TestEngine::new(&jobs);
    engine.submit(&graph_of("1 -> 2")).await.unwrap();
    quiet().await;
    engine.journal().fail("no space left");
    assert!(matches!(engine.steer("a1", Verb::Cancel).await, Err(SteerError::NotDurable(_))));
    assert_eq!(jobs.only("2").end, None);
}
