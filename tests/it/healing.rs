//! Runs whose actors lose messages, or that cannot go on at all.

use actix::clock::sleep;
use orchestrator::chaos::drop_messages_on_this_thread;
use orchestrator::engine::EngineLimits;
use orchestrator::engine::messages::Verb;
use orchestrator::store::record::RunOutcome;
use orchestrator::store::{JobPhase, Record};
use orchestrator::testing::{ScriptedRunner, TestEngine, graph_of};

use crate::{secs, slots};

/// Loses every message that tells of the end of a job, as long as it lives.
struct Lossy;

impl Lossy {
    fn begin() -> Self {
        drop_messages_on_this_thread(true);
        Self
    }
}

impl Drop for Lossy {
    fn drop(&mut self) {
        drop_messages_on_this_thread(false);
    }
}

#[actix::test]
async fn all_internal_messages_dropped_for_one_analysis() {
    for shape in ["1 -> 2 -> 3 -> 4", "1,2 -> 3 -> 4,5 -> 6", "1 -> 2,3,4,5 -> 6"] {
        let lossy = Lossy::begin();
        let jobs = ScriptedRunner::new();
        jobs.tells_milestones();
        let limits = EngineLimits { sweep: secs(30), ..EngineLimits::default() };
        let engine = TestEngine::with(&jobs, limits);
        let sketch = graph_of(shape);
        let end = engine.run(&sketch).await;
        assert_eq!(end.outcome, RunOutcome::Succeeded, "{shape}");
        assert!(end.elapsed <= secs(30 * 2 * 5), "{shape}: at most two looks for each level, not {:?}", end.elapsed);
        let mut steps = jobs.steps();
        steps.sort();
        steps.dedup();
        assert_eq!(steps.len(), sketch.len(), "{shape}: every job");
        assert_eq!(jobs.steps().len(), sketch.len(), "{shape}: and none twice");
        assert!(engine.progress(&sketch).jobs.iter().all(|job| job.phase == JobPhase::Succeeded), "{shape}");
        let healed = |record: &Record| matches!(record, Record::Warning { code, .. } if code == "healed");
        assert!(engine.journal().records(1).iter().any(healed), "{shape}: it can be seen");
        drop(lossy);
        engine.finish().await;
        assert_eq!(
            jobs.notices().iter().filter(|notice| notice.ends_with("succeeded")).count(),
            sketch.len(),
            "{shape}"
        );
        assert_eq!(jobs.notices().last().map(String::as_str), Some("finished well"), "{shape}");
    }
}

#[actix::test]
async fn a_slot_whose_giving_back_was_not_heard_is_freed() {
    let lossy = Lossy::begin();
    let jobs = ScriptedRunner::new();
    let engine = TestEngine::with(&jobs, EngineLimits { sweep: secs(30), ..slots(|slots| slots.total = 1) });
    let sketch = graph_of("1:function -> 2:function,3:function -> 4:function");
    let end = engine.run(&sketch).await;
    assert_eq!(end.outcome, RunOutcome::Succeeded);
    assert_eq!((jobs.steps().len(), jobs.most_at_once()), (4, 1));
    drop(lossy);
    engine.finish().await;
}

#[actix::test]
async fn a_failure_that_nobody_heard_of_ends_the_analysis_all_the_same() {
    let lossy = Lossy::begin();
    let jobs = ScriptedRunner::new();
    jobs.step("2").fails_with(orchestrator::ports::FailureKind::ServiceError, "no");
    let engine = TestEngine::new(&jobs);
    let sketch = graph_of("1 -> 2,3 -> 4");
    let end = engine.run(&sketch).await;
    assert_eq!(end.outcome, RunOutcome::Failed);
    assert_eq!(end.cause.and_then(|cause| cause.step).as_deref(), Some("2"));
    drop(lossy);
    engine.finish().await;
}

/// Held back by a pause, beside a job that is at work and without one.
#[actix::test]
async fn an_order_to_go_on_that_was_lost_is_made_up_for_by_the_sweep() {
    for shape in ["1 -> 2 -> 3", "1 -> 2,3 -> 4"] {
        let jobs = ScriptedRunner::new();
        jobs.step("2").succeeds_after(secs(10));
        jobs.step("3").succeeds_after(secs(500));
        let engine = TestEngine::with(&jobs, EngineLimits { sweep: secs(30), ..EngineLimits::default() });
        let sketch = graph_of(shape);
        engine.submit(&sketch).await.unwrap();
        sleep(secs(5)).await;
        engine.handle().steer(1, Verb::Pause).await.unwrap();
        sleep(secs(100)).await;
        let lossy = Lossy::begin();
        engine.handle().steer(1, Verb::Resume).await.unwrap();
        sleep(secs(1)).await;
        drop(lossy);
        let end = engine.outcome("a1").await;
        assert_eq!(end.outcome, RunOutcome::Succeeded, "{shape}: {:?}", end.cause);
        assert!(end.elapsed <= secs(100 + 35 + 500), "{shape}: not {:?}", end.elapsed);
        engine.finish().await;
    }
}

#[actix::test]
async fn an_order_to_stop_that_was_lost_is_made_up_for_by_the_sweep() {
    let jobs = ScriptedRunner::new();
    jobs.step("2").never_returns();
    let engine = TestEngine::with(&jobs, EngineLimits { sweep: secs(30), ..EngineLimits::default() });
    engine.submit(&graph_of("1 -> 2 -> 3")).await.unwrap();
    sleep(secs(5)).await;
    let lossy = Lossy::begin();
    engine.handle().steer(1, Verb::Cancel).await.unwrap();
    sleep(secs(1)).await;
    drop(lossy);
    let end = engine.outcome("a1").await;
    assert_eq!(end.outcome, RunOutcome::Cancelled);
    assert!(end.elapsed <= secs(40), "{:?}", end.elapsed);
    engine.finish().await;
}

#[actix::test]
async fn who_is_well_is_left_alone() {
    let jobs = ScriptedRunner::new();
    jobs.every().succeeds_after(secs(3600));
    let engine = TestEngine::new(&jobs);
    let sketch = graph_of("1,2 -> 3 -> 4,5");
    let end = engine.run(&sketch).await;
    assert_eq!(end.elapsed.as_secs(), 3 * 3600);
    assert!(engine.progress(&sketch).warnings.is_empty(), "{:?}", engine.progress(&sketch).warnings);
    engine.finish().await;
}
