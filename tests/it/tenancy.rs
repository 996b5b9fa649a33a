//! Who waits for whom: branches, tenants, gates, limits.

use orchestrator::playbook::job::Service;
use orchestrator::ports::FailureKind;
use orchestrator::store::record::RunOutcome;
use orchestrator::testing::{RanEnd, ScriptedRunner, Shape, TestEngine, graph_of};

use crate::{secs, slots};

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

#[actix::test]
async fn two_tenants_do_not_wait_for_each_other() {
    let jobs = ScriptedRunner::new();
    jobs.step_of("slow", "2").succeeds_after(secs(1000));
    jobs.step_of("quick", "2").succeeds_after(secs(1));
    let engine = TestEngine::new(&jobs);
    engine.submit(&graph_of("1 -> 2").id("slow").tenant("aaa")).await.unwrap();
    engine.submit(&graph_of("1 -> 2").id("quick").tenant("bbb")).await.unwrap();
    assert_eq!(engine.outcome("quick").await.elapsed.as_secs(), 1);
    assert_eq!(engine.outcome("slow").await.elapsed.as_secs(), 1000);
    engine.finish().await;
}

#[actix::test]
async fn functions_of_all_tenants_run_one_at_a_time_while_others_go_on() {
    let jobs = ScriptedRunner::new();
    jobs.every().succeeds_after(secs(1));
    let engine = TestEngine::new(&jobs);
    for (id, tenant) in [("a1", "aaa"), ("b1", "bbb"), ("c1", "ccc")] {
        engine.submit(&graph_of("1:function; 2:function; 3 -> 4").id(id).tenant(tenant)).await.unwrap();
    }
    for id in ["a1", "b1", "c1"] {
        engine.outcome(id).await;
    }
    assert_eq!(jobs.most_at_once_at(Service::Function), 1);
    assert_eq!(jobs.most_at_once_at(Service::Cleaning), 3);
    let cleanings = jobs.ran().into_iter().filter(|ran| ran.step == "4");
    assert!(cleanings.into_iter().all(|ran| ran.ended.unwrap().as_secs() == 2));
    let last = jobs.ran().iter().filter_map(|ran| ran.ended).max().unwrap();
    assert_eq!(last.as_secs(), 6);
    engine.finish().await;
}

#[actix::test]
async fn tenants_take_turns_at_a_full_gate() {
    let jobs = ScriptedRunner::new();
    jobs.every().succeeds_after(secs(1));
    jobs.step("1").succeeds_after(secs(0));
    let engine = TestEngine::with(&jobs, slots(|slots| slots.total = 1));
    engine.submit(&graph_of("1 -> 2,3,4,5,6").id("many").tenant("aaa")).await.unwrap();
    engine.submit(&graph_of("1 -> 2").id("few").tenant("bbb")).await.unwrap();
    let few = engine.outcome("few").await;
    assert!(few.elapsed.as_secs() <= 3, "it waited for {} s", few.elapsed.as_secs());
    assert_eq!(engine.outcome("many").await.elapsed.as_secs(), 6);
    assert_eq!(jobs.most_at_once_at(Service::Cleaning), 1);
    engine.finish().await;
}

#[actix::test]
async fn a_run_never_has_more_jobs_in_flight_than_it_asked_for() {
    let jobs = ScriptedRunner::new();
    jobs.every().succeeds_after(secs(1));
    jobs.step("1").succeeds_after(secs(0));
    let engine = TestEngine::new(&jobs);
    let wide = graph_of("1 -> 2,3,4,5,6,7,8").option("max-parallel", 3);
    let end = engine.run(&wide).await;
    assert_eq!(end.elapsed.as_secs(), 3);
    assert_eq!(jobs.most_at_once_at(Service::Cleaning), 3);
    engine.finish().await;
}

#[actix::test]
async fn a_tenants_share_of_slots_holds_back_that_tenant_only() {
    let jobs = ScriptedRunner::new();
    jobs.every().succeeds_after(secs(1));
    jobs.step("1").succeeds_after(secs(0));
    let engine = TestEngine::with(&jobs, slots(|slots| slots.per_tenant = 2));
    engine.submit(&graph_of("1 -> 2,3,4,5,6,7").id("a1").tenant("aaa")).await.unwrap();
    engine.submit(&graph_of("1 -> 2,3").id("b1").tenant("bbb")).await.unwrap();
    assert_eq!(engine.outcome("b1").await.elapsed.as_secs(), 1);
    assert_eq!(engine.outcome("a1").await.elapsed.as_secs(), 3);
    engine.finish().await;
}

#[actix::test]
async fn slots_of_a_stopped_analysis_go_to_others() {
    let jobs = ScriptedRunner::new();
    jobs.step("1").succeeds_after(secs(0));
    jobs.step_of("a1", "2").never_returns();
    jobs.step_of("a1", "3").never_returns();
    let engine = TestEngine::with(&jobs, slots(|slots| slots.total = 1));
    engine.submit(&graph_of("1 -> 2,3").id("a1").tenant("aaa").option("deadline-s", 7)).await.unwrap();
    engine.submit(&graph_of("1 -> 2,3").id("b1").tenant("bbb")).await.unwrap();
    let end = engine.outcome("b1").await;
    assert_eq!((end.outcome, end.elapsed.as_secs()), (RunOutcome::Succeeded, 7));
    engine.finish().await;
}

#[actix::test]
async fn one_failure_ends_a_wide_analysis_whose_jobs_go_one_at_a_time() {
    let jobs = ScriptedRunner::new();
    jobs.every().takes(secs(1));
    jobs.step("4").fails_with(FailureKind::ServiceError, "no such column");
    let engine = TestEngine::new(&jobs);
    let sketch = Shape::FanOut.sketch(20_000, 1).option("max-parallel", 1);
    let end = engine.run(&sketch).await;
    assert_eq!((end.outcome, end.elapsed.as_secs()), (RunOutcome::Failed, 3));
    assert_eq!(end.cause.unwrap().step.as_deref(), Some("4"));
    assert_eq!(jobs.steps(), ["1", "2", "3", "4"]);
    assert!(jobs.ran().iter().all(|ran| ran.end != Some(RanEnd::Dropped)), "nobody was let in to be sent away");
    // the others' places are free again
    assert_eq!(engine.run(&graph_of("1 -> 2,3").id("a2")).await.outcome, RunOutcome::Succeeded);
    engine.finish().await;
}
