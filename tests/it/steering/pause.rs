//! Pause and resume.

use actix::clock::sleep;
use orchestrator::engine::EngineLimits;
use orchestrator::engine::messages::Verb;
use orchestrator::playbook::Space;
use orchestrator::store::record::RunOutcome;
use orchestrator::store::{History, JobPhase};
use orchestrator::testing::{Latch, ScriptedRunner, TestEngine, graph_of, quiet};

use super::{ends, life, phases, starts};
use crate::{secs, slots};

fn state(engine: &TestEngine, id: &str) -> String {
    engine.journal().find(Space::Analysis, id, None).unwrap().unwrap().state
}

#[actix::test]
async fn a_pause_holds_what_is_ready_and_lets_running_jobs_go_on() {
    let jobs = ScriptedRunner::new();
    jobs.every().succeeds_after(secs(10));
    let engine = TestEngine::new(&jobs);
    let sketch = graph_of("1 -> 2,3 -> 4; 2 -> 5");
    engine.submit(&sketch).await.unwrap();
    sleep(secs(11)).await;
    engine.steer("a1", Verb::Pause).await.unwrap();
    assert_eq!(state(&engine, "a1"), "paused");
    sleep(secs(1000)).await;
    assert_eq!(jobs.steps(), ["1", "2", "3"]);
    let (done, waiting) = (JobPhase::Succeeded, JobPhase::Waiting);
    assert_eq!(phases(&engine, &sketch), [done, done, done, waiting, waiting]);

    engine.steer("a1", Verb::Resume).await.unwrap();
    assert_eq!(state(&engine, "a1"), "running");
    assert_eq!(engine.outcome("a1").await.outcome, RunOutcome::Succeeded);
    for step in ["4", "5"] {
        assert_eq!(jobs.only(step).started.as_secs(), 1011);
    }
    assert_eq!(jobs.only("4").inputs, ["2", "3"]);
    engine.finish().await;
}

#[actix::test]
async fn verbs_may_be_repeated() {
    let jobs = ScriptedRunner::new();
    jobs.every().succeeds_after(secs(10));
    let engine = TestEngine::new(&jobs);
    engine.submit(&graph_of("1 -> 2 -> 3")).await.unwrap();
    engine.steer("a1", Verb::Resume).await.unwrap();
    sleep(secs(11)).await;
    for _ in 0..3 {
        engine.steer("a1", Verb::Pause).await.unwrap();
    }
    sleep(secs(100)).await;
    assert_eq!(jobs.steps(), ["1", "2"]);
    for _ in 0..3 {
        engine.steer("a1", Verb::Resume).await.unwrap();
    }
    assert_eq!(engine.outcome("a1").await.outcome, RunOutcome::Succeeded);
    assert_eq!(jobs.steps(), ["1", "2", "3"]);
    engine.finish().await;
}

#[actix::test]
async fn a_slot_that_comes_during_a_pause_is_given_to_others() {
    let (jobs, latch) = (ScriptedRunner::new(), Latch::new());
    jobs.step_of("a1", "2").waits_for(&latch);
    let engine = TestEngine::with(&jobs, slots(|slots| slots.total = 1));
    engine.submit(&graph_of("1 -> 2,3")).await.unwrap();
    quiet().await;
    engine.submit(&graph_of("1 -> 2").id("b1").tenant("other")).await.unwrap();
    engine.steer("a1", Verb::Pause).await.unwrap();
    latch.open();
    assert_eq!(engine.outcome("b1").await.outcome, RunOutcome::Succeeded);
    sleep(secs(100)).await;
    assert_eq!(starts(&jobs, "a1", "3"), 0);
    engine.steer("a1", Verb::Resume).await.unwrap();
    assert_eq!(engine.outcome("a1").await.outcome, RunOutcome::Succeeded);
    assert_eq!(starts(&jobs, "a1", "3"), 1);
    engine.finish().await;
}

#[actix::test]
async fn a_run_that_is_paused_in_line_begins_paused() {
    let jobs = ScriptedRunner::new();
    jobs.step_of("first", "2").succeeds_after(secs(50));
    let engine = TestEngine::with(&jobs, EngineLimits { running_per_tenant: 1, ..EngineLimits::default() });
    engine.submit(&graph_of("1 -> 2").id("first")).await.unwrap();
    let second = engine.submit(&graph_of("1 -> 2").id("second")).await.unwrap();
    assert!(second.queued);
    assert_eq!(state(&engine, "second"), "queued");
    engine.steer("second", Verb::Pause).await.unwrap();
    assert_eq!(state(&engine, "second"), "paused");
    engine.outcome("first").await;
    sleep(secs(100)).await;
    assert_eq!((starts(&jobs, "second", "1"), state(&engine, "second")), (0, "paused".to_owned()));
    engine.steer("second", Verb::Resume).await.unwrap();
    assert_eq!(state(&engine, "second"), "running");
    assert_eq!(engine.outcome("second").await.outcome, RunOutcome::Succeeded);
    engine.finish().await;
}

#[actix::test]
async fn a_run_that_is_resumed_in_line_is_in_line_again() {
    let jobs = ScriptedRunner::new();
    jobs.step_of("first", "2").succeeds_after(secs(50));
    let engine = TestEngine::with(&jobs, EngineLimits { running_per_tenant: 1, ..EngineLimits::default() });
    engine.submit(&graph_of("1 -> 2").id("first")).await.unwrap();
    engine.submit(&graph_of("1 -> 2").id("second").option("deadline-s", 45)).await.unwrap();
    sleep(secs(5)).await;
    engine.steer("second", Verb::Pause).await.unwrap();
    sleep(secs(20)).await;
    engine.steer("second", Verb::Resume).await.unwrap();
    assert_eq!(state(&engine, "second"), "queued");
    // 30 of its 45 seconds have passed when it begins after 50
    assert_eq!(engine.outcome("second").await.outcome, RunOutcome::Succeeded);
    engine.finish().await;
}

#[actix::test]
async fn the_deadline_stands_still_during_a_pause() {
    let jobs = ScriptedRunner::new();
    jobs.step("2").succeeds_after(secs(10));
    jobs.step("3").never_returns();
    let engine = TestEngine::new(&jobs);
    engine.submit(&graph_of("1 -> 2 -> 3").option("deadline-s", 60)).await.unwrap();
    sleep(secs(20)).await;
    engine.steer("a1", Verb::Pause).await.unwrap();
    sleep(secs(1000)).await;
    engine.steer("a1", Verb::Resume).await.unwrap();
    let end = engine.outcome("a1").await;
    assert_eq!((end.outcome, end.elapsed.as_secs()), (RunOutcome::Stopped, 1060));
    engine.finish().await;
}

#[test]
fn a_paused_run_stays_paused_over_a_restart_and_its_deadline_stands_still() {
    let jobs = ScriptedRunner::new();
    jobs.step("3").never_returns();
    let sketch = graph_of("1 -> 2 -> 3").option("deadline-s", 60);
    let remains = life(async {
        let (jobs, latch) = (jobs.clone(), Latch::new());
        jobs.step("2").waits_for(&latch);
        let engine = TestEngine::new(&jobs);
        engine.submit(&sketch).await.unwrap();
        sleep(secs(20)).await;
        engine.steer("a1", Verb::Pause).await.unwrap();
        latch.open();
        sleep(secs(500)).await;
        engine.dies()
    });
    life(async {
        let engine = TestEngine::goes_on(remains, secs(300), &jobs, EngineLimits::default());
        sleep(secs(200)).await;
        assert_eq!((jobs.steps(), state(&engine, "a1")), (vec!["1".to_owned(), "2".to_owned()], "paused".to_owned()));
        engine.steer("a1", Verb::Resume).await.unwrap();
        let end = engine.outcome("a1").await;
        assert_eq!((end.outcome, end.elapsed.as_secs()), (RunOutcome::Stopped, 1060));
        assert_eq!((starts(&jobs, "a1", "2"), starts(&jobs, "a1", "3")), (1, 1));
        engine.finish().await;
    });
}

#[test]
fn what_was_at_work_when_a_paused_run_lost_its_process_is_heard_to_its_end() {
    let jobs = ScriptedRunner::new();
    let sketch = graph_of("1 -> 2 -> 3");
    let remains = life(async {
        jobs.step("2").never_returns();
        let engine = TestEngine::new(&jobs);
        engine.submit(&sketch).await.unwrap();
        quiet().await;
        engine.steer("a1", Verb::Pause).await.unwrap();
        engine.dies()
    });
    life(async {
        jobs.step("2").succeeds_after(secs(10));
        let engine = TestEngine::goes_on(remains, secs(0), &jobs, EngineLimits::default());
        sleep(secs(100)).await;
        assert_eq!(phases(&engine, &sketch), [JobPhase::Succeeded, JobPhase::Succeeded, JobPhase::Waiting]);
        engine.steer("a1", Verb::Resume).await.unwrap();
        assert_eq!(engine.outcome("a1").await.outcome, RunOutcome::Succeeded);
        assert_eq!(ends(&engine, 1), 1);
        engine.finish().await;
    });
}
