//! The supervisor: what it takes on, what it refuses, in which order it lets in.

use orchestrator::engine::messages::{Accepted, SubmitError};
use orchestrator::engine::{EngineLimits, MOST_REFUSALS};
use orchestrator::ports::{Notice, NoticeKind};
use orchestrator::store::record::RunOutcome;
use orchestrator::testing::{Latch, ScriptedRunner, TestEngine, graph_of, quiet};

use crate::secs;

fn chain(id: &str) -> orchestrator::testing::Sketch {
    graph_of("1 -> 2 -> 3").id(id)
}

#[actix::test]
async fn the_same_submission_while_it_runs_is_the_same_run() {
    let jobs = ScriptedRunner::new();
    jobs.step("2").succeeds_after(secs(9));
    let engine = TestEngine::new(&jobs);
    let first = engine.submit(&chain("a1")).await.unwrap();
    let second = engine.submit(&chain("a1")).await.unwrap();
    assert_eq!((first.number, first.is_new, second.number, second.is_new), (1, true, 1, false));
    engine.outcome("a1").await;
    assert_eq!(jobs.steps().len(), 3);
    engine.finish().await;
}

#[actix::test]
async fn other_jobs_under_an_id_that_runs_are_refused_and_a_finished_id_begins_run_2() {
    let jobs = ScriptedRunner::new();
    jobs.step("2").succeeds_after(secs(9));
    let engine = TestEngine::new(&jobs);
    engine.submit(&chain("a1")).await.unwrap();
    assert_eq!(engine.submit(&graph_of("1 -> 2").id("a1")).await, Err(SubmitError::IdInUse));
    assert_eq!(engine.submit(&chain("a1").tenant("other")).await, Err(SubmitError::IdInUse));
    engine.outcome("a1").await;
    let again = engine.submit(&graph_of("1 -> 2").id("a1")).await.unwrap();
    assert_eq!((again.number, again.is_new), (2, true));
    assert_eq!(engine.outcome("a1").await.outcome, RunOutcome::Succeeded);
    assert_eq!(jobs.ran().iter().filter(|ran| ran.run == 2).count(), 2);
    engine.finish().await;
}

#[actix::test]
async fn a_job_id_of_another_tenant_is_refused() {
    let engine = TestEngine::new(&ScriptedRunner::new());
    engine.run(&chain("a1").member("2", "id", "shared")).await;
    let other = chain("b1").tenant("other").member("3", "id", "SHARED");
    assert_eq!(engine.submit(&other).await, Err(SubmitError::JobIdInUse { job: 2 }));
    engine.finish().await;
}

#[actix::test]
async fn two_identical_submissions_at_the_same_moment_are_one_run() {
    let jobs = ScriptedRunner::new();
    jobs.step("2").succeeds_after(secs(1));
    let engine = TestEngine::new(&jobs);
    let sketch = chain("a1");
    let (one, two) = futures::join!(engine.submit(&sketch), engine.submit(&sketch));
    let news = [one, two].map(|accepted| accepted.unwrap().is_new);
    assert_eq!(news.iter().filter(|is_new| **is_new).count(), 1);
    engine.outcome("a1").await;
    assert_eq!(jobs.steps().len(), 3);
    engine.finish().await;
}

#[actix::test]
async fn too_many_open_analyses_are_refused_and_forgotten_when_they_end() {
    let jobs = ScriptedRunner::new();
    let latch = Latch::new();
    jobs.step("2").waits_for(&latch);
    let limits = EngineLimits { open_per_tenant: 2, open_total: 3, ..EngineLimits::default() };
    let engine = TestEngine::with(&jobs, limits);
    engine.submit(&chain("a1")).await.unwrap();
    engine.submit(&chain("a2")).await.unwrap();
    assert_eq!(engine.submit(&chain("a3")).await, Err(SubmitError::TenantBusy { open: 2 }));
    engine.submit(&chain("b1").tenant("bbb")).await.unwrap();
    assert_eq!(engine.submit(&chain("c1").tenant("ccc")).await, Err(SubmitError::Busy { open: 3 }));
    latch.open();
    engine.outcome("a1").await;
    quiet().await;
    assert!(matches!(engine.submit(&chain("a3")).await, Ok(Accepted { is_new: true, .. })));
    engine.outcome("a3").await;
    engine.finish().await;
}

/// An absent database or web application cannot let the outboxes grow for ever.
#[actix::test]
async fn a_run_that_is_over_keeps_its_place_until_it_is_told() {
    let jobs = ScriptedRunner::new();
    jobs.tells_milestones().deliveries_take(secs(600));
    let limits = EngineLimits { open_per_tenant: 2, open_total: 3, ..EngineLimits::default() };
    let engine = TestEngine::with(&jobs, limits);
    for id in ["a1", "a2"] {
        engine.submit(&chain(id)).await.unwrap();
        engine.outcome(id).await;
    }
    assert_eq!(engine.submit(&chain("a3")).await, Err(SubmitError::TenantBusy { open: 2 }));
    engine.submit(&chain("b1").tenant("bbb")).await.unwrap();
    engine.outcome("b1").await;
    assert_eq!(engine.submit(&chain("c1").tenant("ccc")).await, Err(SubmitError::Busy { open: 3 }));
    actix::clock::sleep(secs(600 * 10)).await;
    quiet().await;
    assert!(engine.submit(&chain("a3")).await.unwrap().is_new, "everything is told by now");
    engine.outcome("a3").await;
    engine.finish().await;
}

#[actix::test]
async fn a_refused_or_repeated_submission_is_not_counted_as_open() {
    let jobs = ScriptedRunner::new();
    let latch = Latch::new();
    jobs.step("2").waits_for(&latch);
    let engine = TestEngine::with(&jobs, EngineLimits { open_per_tenant: 2, ..EngineLimits::default() });
    engine.submit(&chain("a1")).await.unwrap();
    for _ in 0..5 {
        assert!(!engine.submit(&chain("a1")).await.unwrap().is_new);
        assert_eq!(engine.submit(&graph_of("1 -> 2").id("a1")).await, Err(SubmitError::IdInUse));
    }
    engine.submit(&chain("a2")).await.unwrap();
    latch.open();
    engine.finish().await;
}

#[actix::test]
async fn the_same_submission_again_needs_no_room() {
    for limits in [
        EngineLimits { open_per_tenant: 1, ..EngineLimits::default() },
        EngineLimits { open_total: 1, ..EngineLimits::default() },
    ] {
        let (jobs, latch) = (ScriptedRunner::new(), Latch::new());
        jobs.step("2").waits_for(&latch);
        let engine = TestEngine::with(&jobs, limits);
        engine.submit(&chain("a1")).await.unwrap();
        for _ in 0..3 {
            let again = engine.submit(&chain("a1")).await.unwrap();
            assert_eq!((again.number, again.is_new), (1, false));
            assert_eq!(engine.submit(&graph_of("1 -> 2").id("a1")).await, Err(SubmitError::IdInUse));
            let refused = engine.submit(&chain("a2")).await;
            assert!(matches!(refused, Err(SubmitError::TenantBusy { open: 1 } | SubmitError::Busy { open: 1 })));
        }
        latch.open();
        engine.outcome("a1").await;
        quiet().await;
        // what was refused or repeated took no room and gave none away
        assert!(engine.submit(&chain("a2")).await.unwrap().is_new);
        engine.outcome("a2").await;
        engine.finish().await;
    }
}

#[actix::test]
async fn runs_beyond_the_tenants_limit_wait_for_one_to_end() {
    let jobs = ScriptedRunner::new();
    jobs.step("2").succeeds_after(secs(10));
    let engine = TestEngine::with(&jobs, EngineLimits { running_per_tenant: 1, ..EngineLimits::default() });
    for id in ["a1", "a2", "a3"] {
        engine.submit(&chain(id)).await.unwrap();
    }
    engine.submit(&chain("b1").tenant("bbb")).await.unwrap();
    assert_eq!(engine.outcome("b1").await.elapsed.as_secs(), 10);
    for (id, elapsed) in [("a1", 10), ("a2", 20), ("a3", 30)] {
        assert_eq!(engine.outcome(id).await.elapsed.as_secs(), elapsed);
    }
    engine.finish().await;
}

#[actix::test]
async fn a_large_graph_lets_a_small_one_in_between() {
    let jobs = ScriptedRunner::new();
    let engine = TestEngine::new(&jobs);
    let large = orchestrator::testing::Shape::Forest { trees: 10_000 }.sketch(20_000, 1).id("large");
    let small = chain("small").tenant("bbb");
    let (one, two) = futures::join!(engine.submit(&large), engine.submit(&small));
    assert!(one.is_ok() && two.is_ok());
    engine.outcome("large").await;
    let ran = jobs.ran();
    let last_of_small = ran.iter().rposition(|ran| ran.analysis == "small").unwrap();
    assert!(last_of_small < ran.len() / 2, "the small one ended after {last_of_small} of {} jobs", ran.len());
    engine.finish().await;
}

#[actix::test]
async fn refusals_are_announced() {
    let jobs = ScriptedRunner::new();
    let engine = TestEngine::new(&jobs);
    let notice = Notice { kind: NoticeKind::Error, text: "no".to_owned() };
    let handle = engine.handle();
    handle.announce_refusal(handle.room_for_refusal().unwrap(), "a1".to_owned(), vec![notice]);
    quiet().await;
    assert_eq!(jobs.notices(), ["no"]);
    engine.finish().await;
}

/// Row: overload. What is refused beyond a bound is counted and not announced.
#[actix::test]
async fn no_more_refusals_are_being_announced_than_there_is_room_for() {
    let jobs = ScriptedRunner::new();
    let engine = TestEngine::new(&jobs);
    let (handle, notice) = (engine.handle(), Notice { kind: NoticeKind::Error, text: "no".to_owned() });
    for _ in 0..2 {
        let rooms: Vec<_> = std::iter::from_fn(|| handle.room_for_refusal()).collect();
        assert_eq!(rooms.len(), MOST_REFUSALS);
        assert!(handle.room_for_refusal().is_none(), "clones share the room");
        for room in rooms {
            handle.announce_refusal(room, "a1".to_owned(), vec![notice.clone()]);
        }
        assert!(engine.handle().room_for_refusal().is_none(), "nobody has been told yet");
        quiet().await;
    }
    assert_eq!(jobs.notices().len(), 2 * MOST_REFUSALS);
    engine.finish().await;
}
