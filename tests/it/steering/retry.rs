//! Attempts after failures: how many, how far apart, what they leave behind.

use std::time::Duration;

use actix::clock::sleep;
use orchestrator::engine::EngineLimits;
use orchestrator::engine::messages::Verb;
use orchestrator::ports::FailureKind;
use orchestrator::store::record::RunOutcome;
use orchestrator::store::{JobPhase, Record};
use orchestrator::testing::{RanEnd, ScriptedRunner, Sketch, TestEngine, graph_of};
use serde_json::json;

use super::{life, phases, starts};
use crate::secs;

fn tried(attempts: u32, backoff: u64) -> Sketch {
    let retry = json!({"attempts": attempts, "backoff-s": backoff, "max-backoff-s": 4 * backoff});
    graph_of("1 -> 2 -> 3").member("2", "retry", retry)
}

/// From the end of each attempt of step 2 to the start of the next.
fn waits(jobs: &ScriptedRunner) -> Vec<Duration> {
    let ran: Vec<_> = jobs.ran().into_iter().filter(|ran| ran.step == "2").collect();
    ran.windows(2).map(|pair| pair[1].started - pair[0].ended.unwrap()).collect()
}

#[track_caller]
fn is_between(wait: Duration, least: u64, most: u64) {
    assert!((secs(least)..=secs(most) + Duration::from_millis(2)).contains(&wait), "{wait:?} of {least} to {most} s");
}

#[actix::test]
async fn attempts_are_numbered_and_spaced_and_the_last_failure_is_the_cause() {
    let jobs = ScriptedRunner::new();
    jobs.step("2").takes(secs(1)).fails_with(FailureKind::ServiceError, "no");
    let engine = TestEngine::new(&jobs);
    let end = engine.run(&tried(5, 10)).await;
    assert_eq!((end.outcome, end.cause.unwrap().failure.message.as_str()), (RunOutcome::Failed, "no"));
    let attempts: Vec<u32> = jobs.ran().iter().filter(|ran| ran.step == "2").map(|ran| ran.attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 4, 5]);
    for (wait, longest) in waits(&jobs).into_iter().zip([10, 20, 40, 40]) {
        is_between(wait, longest / 2, longest);
    }
    let told: Vec<(u32, i64)> = engine
        .journal()
        .records(1)
        .into_iter()
        .filter_map(|record| match record {
            Record::JobRetrying { job: 1, attempt, wait_ms, .. } => Some((attempt, wait_ms)),
            _ => None,
        })
        .collect();
    assert_eq!(told.iter().map(|(attempt, _)| *attempt).collect::<Vec<_>>(), [1, 2, 3, 4]);
    for ((_, told), waited) in told.iter().zip(waits(&jobs)) {
        assert!(waited.as_millis().abs_diff(*told as u128) <= 2, "{told} told, {waited:?} waited");
    }
    let milestones: Vec<String> = jobs.milestones().into_iter().map(|(_, text)| text).collect();
    assert_eq!(milestones, ["accepted", "1 succeeded", "2 failed", "finished badly"], "attempts are nobody's business");
    engine.finish().await;
}

#[actix::test]
async fn an_attempt_that_succeeds_leaves_no_failure_behind() {
    let jobs = ScriptedRunner::new();
    jobs.step("2").fails_with(FailureKind::TimedOut, "too slow");
    let engine = TestEngine::new(&jobs);
    let sketch = tried(3, 100);
    engine.submit(&sketch).await.unwrap();
    sleep(secs(1)).await;
    let waiting = engine.progress(&sketch).jobs[1].clone();
    assert_eq!((waiting.phase, waiting.attempt), (JobPhase::Retrying, 2));
    assert_eq!(waiting.failure.unwrap().message, "too slow");
    jobs.step("2").succeeds_after(secs(1));
    assert_eq!(engine.outcome("a1").await.outcome, RunOutcome::Succeeded);
    let done = engine.progress(&sketch).jobs[1].clone();
    assert_eq!((done.phase, done.attempt, done.failure), (JobPhase::Succeeded, 2, None));
    assert_eq!(jobs.only("3").inputs, ["2"]);
    engine.finish().await;
}

#[actix::test]
async fn what_no_attempt_can_mend_is_not_tried_again() {
    for (kind, attempts) in [
        (FailureKind::MissingInput, 1),
        (FailureKind::NotDurable, 1),
        (FailureKind::ServiceError, 3),
        (FailureKind::TimedOut, 3),
        (FailureKind::Unreachable, 3),
        (FailureKind::BadAnswer, 3),
        (FailureKind::OutcomeUnknown, 3),
        (FailureKind::Store, 3),
    ] {
        let jobs = ScriptedRunner::new();
        jobs.step("2").fails_with(kind, "no");
        let engine = TestEngine::new(&jobs);
        engine.run(&tried(3, 1)).await;
        assert_eq!(starts(&jobs, "a1", "2"), attempts, "{kind:?}");
        engine.finish().await;
    }
}

#[actix::test]
async fn a_panic_is_tried_again_too() {
    let jobs = ScriptedRunner::new();
    jobs.step("2").panics("boom");
    let engine = TestEngine::new(&jobs);
    let end = engine.run(&tried(2, 1)).await;
    assert_eq!((end.outcome, starts(&jobs, "a1", "2")), (RunOutcome::Failed, 2));
    engine.finish().await;
}

#[actix::test]
async fn retries_beyond_the_budget_of_all_wait_for_it() {
    let jobs = ScriptedRunner::new();
    jobs.every().fails_with(FailureKind::ServiceError, "no");
    jobs.step("1").succeeds_after(secs(0));
    // one at once, then one in ten seconds, and a fifth of one for each first attempt
    let engine = TestEngine::with(&jobs, EngineLimits { retries_per_second: 0.1, ..EngineLimits::default() });
    for number in 0..4 {
        engine.submit(&tried(2, 0).id(&format!("a{number}"))).await.unwrap();
    }
    for number in 0..4 {
        engine.outcome(&format!("a{number}")).await;
    }
    let mut began: Vec<u64> =
        jobs.ran().iter().filter(|ran| ran.attempt == 2).map(|ran| ran.started.as_secs()).collect();
    began.sort_unstable();
    assert_eq!(began.len(), 4, "every retry is made in the end");
    assert!(began[0] == 0 && began[3] >= 15, "{began:?}");
    engine.finish().await;
}

#[actix::test]
async fn a_wait_goes_on_during_a_pause_but_the_attempt_after_it_does_not_begin() {
    let jobs = ScriptedRunner::new();
    jobs.step("2").fails_with(FailureKind::ServiceError, "no");
    let engine = TestEngine::new(&jobs);
    engine.submit(&tried(2, 10)).await.unwrap();
    sleep(secs(1)).await;
    engine.steer("a1", Verb::Pause).await.unwrap();
    jobs.step("2").succeeds_after(secs(0));
    sleep(secs(100)).await;
    assert_eq!(starts(&jobs, "a1", "2"), 1);
    engine.steer("a1", Verb::Resume).await.unwrap();
    assert_eq!(engine.outcome("a1").await.outcome, RunOutcome::Succeeded);
    is_between(waits(&jobs)[0], 101, 102);
    engine.finish().await;
}

#[actix::test]
async fn a_cancel_during_the_wait_ends_the_job_without_another_attempt() {
    let jobs = ScriptedRunner::new();
    jobs.step("2").fails_with(FailureKind::ServiceError, "no");
    let engine = TestEngine::new(&jobs);
    let sketch = tried(9, 100);
    engine.submit(&sketch).await.unwrap();
    sleep(secs(1)).await;
    engine.steer("a1", Verb::Cancel).await.unwrap();
    let end = engine.outcome("a1").await;
    assert_eq!((end.outcome, end.elapsed.as_secs()), (RunOutcome::Cancelled, 1));
    assert_eq!(phases(&engine, &sketch), [JobPhase::Succeeded, JobPhase::Cancelled, JobPhase::Skipped]);
    assert!(!engine.progress(&sketch).jobs[1].may_still_run);
    sleep(secs(1000)).await;
    assert_eq!(starts(&jobs, "a1", "2"), 1);
    engine.finish().await;
}

#[actix::test]
async fn a_slot_is_free_while_its_job_waits() {
    let jobs = ScriptedRunner::new();
    jobs.step("2").fails_with(FailureKind::ServiceError, "no");
    let engine = TestEngine::with(&jobs, crate::slots(|slots| slots.total = 1));
    engine.submit(&tried(2, 100)).await.unwrap();
    sleep(secs(1)).await;
    let other = engine.run(&graph_of("1 -> 2 -> 3").id("b1").member("2", "id", "other")).await;
    assert_eq!((other.outcome, other.elapsed.as_secs()), (RunOutcome::Failed, 0));
    engine.outcome("a1").await;
    engine.finish().await;
}

#[test]
fn what_is_left_of_a_wait_is_waited_after_a_restart() {
    let jobs = ScriptedRunner::new();
    let sketch = tried(3, 100);
    let (remains, wait) = life(async {
        jobs.step("2").fails_with(FailureKind::ServiceError, "no");
        let engine = TestEngine::new(&jobs);
        engine.submit(&sketch).await.unwrap();
        sleep(secs(10)).await;
        let wait = engine.journal().records(1).into_iter().find_map(|record| match record {
            Record::JobRetrying { wait_ms, .. } => Some(Duration::from_millis(wait_ms as u64)),
            _ => None,
        });
        (engine.dies(), wait.unwrap())
    });
    life(async {
        jobs.step("2").succeeds_after(secs(0));
        let engine = TestEngine::goes_on(remains, secs(20), &jobs, EngineLimits::default());
        assert_eq!(engine.outcome("a1").await.outcome, RunOutcome::Succeeded);
        let second = jobs.ran().into_iter().rfind(|ran| ran.step == "2").unwrap();
        assert_eq!(second.attempt, 2);
        let left = wait - secs(30);
        assert!(second.started.abs_diff(left) <= Duration::from_millis(5), "{:?} of {left:?}", second.started);
        engine.finish().await;
    });
}

#[test]
fn an_attempt_that_was_at_work_goes_on_with_its_number_after_a_restart() {
    let jobs = ScriptedRunner::new();
    let sketch = tried(3, 1);
    let remains = life(async {
        jobs.step("2").fails_with(FailureKind::ServiceError, "no");
        let engine = TestEngine::new(&jobs);
        engine.submit(&sketch).await.unwrap();
        actix::clock::sleep(Duration::from_millis(1)).await;
        jobs.step("2").never_returns();
        sleep(secs(5)).await;
        assert_eq!(engine.progress(&sketch).jobs[1].attempt, 2);
        engine.dies()
    });
    life(async {
        jobs.step("2").fails_with(FailureKind::ServiceError, "no");
        let engine = TestEngine::goes_on(remains, secs(0), &jobs, EngineLimits::default());
        assert_eq!(engine.outcome("a1").await.outcome, RunOutcome::Failed);
        let ran: Vec<_> = jobs.ran().into_iter().filter(|ran| ran.step == "2").collect();
        let attempts: Vec<u32> = ran.iter().map(|ran| ran.attempt).collect();
        assert_eq!(attempts, [1, 2, 2, 3], "the second one is taken up again, not counted again");
        assert_eq!(ran[1].end, Some(RanEnd::Dropped));
        engine.finish().await;
    });
}
