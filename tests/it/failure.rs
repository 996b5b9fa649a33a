//! What a failing, panicking or silent job means for its analysis, and for nobody else.

use std::rc::Rc;
use std::sync::Arc;

use futures::future::LocalBoxFuture;
use orchestrator::engine::{EngineHandle, EngineLimits};
use orchestrator::playbook::job::Service;
use orchestrator::ports::{
    Delivery, DeliveryResult, FailureKind, JobCall, JobFailure, JobRunner, JobSuccess, Milestone, Notice, RunSpec,
};
use orchestrator::store::record::RunOutcome;
use orchestrator::store::{JobPhase, Record};
use orchestrator::testing::{
    Latch, MemoryJournal, RanEnd, ScriptedRunner, Shape, TestEngine, freeze_time, graph_of, quiet,
};

use crate::secs;

#[actix::test]
async fn the_first_failure_stops_the_analysis_and_is_its_cause() {
    let jobs = ScriptedRunner::new();
    jobs.step("2").takes(secs(1)).fails_with(FailureKind::ServiceError, "no such column");
    jobs.step("3").never_returns();
    jobs.step("6").takes(secs(2)).fails_with(FailureKind::ServiceError, "too late");
    let engine = TestEngine::new(&jobs);
    let end = engine.run(&graph_of("1 -> 2,3; 2 -> 4; 3 -> 5; 1 -> 6")).await;
    assert_eq!((end.outcome, end.elapsed.as_secs()), (RunOutcome::Failed, 1));
    let cause = end.cause.unwrap();
    assert_eq!((cause.step.as_deref(), cause.failure.message.as_str()), (Some("2"), "no such column"));
    assert_eq!(jobs.only("3").end, Some(RanEnd::Dropped));
    assert_eq!(jobs.steps().len(), 4);
    assert_eq!(jobs.milestones().iter().filter(|(_, text)| text == "finished badly").count(), 1);
    engine.finish().await;
}

#[actix::test]
async fn nothing_starts_after_the_end_and_every_job_has_ended_by_then() {
    let jobs = ScriptedRunner::new();
    jobs.step("3").takes(secs(5)).fails_with(FailureKind::ServiceError, "no");
    let latch = Latch::new();
    jobs.step("5").waits_for(&latch);
    let engine = TestEngine::new(&jobs);
    let sketch = graph_of("1,2 -> 3 -> 4; 1 -> 5 -> 6 -> 7");
    engine.run(&sketch).await;
    latch.open();
    engine.finish().await;
    assert_eq!(jobs.steps().len(), 4);
}

#[actix::test]
async fn with_continue_unaffected_branches_finish_and_the_analysis_fails() {
    let jobs = ScriptedRunner::new();
    jobs.step("2").fails_with(FailureKind::ServiceError, "no");
    jobs.step("3").succeeds_after(secs(9));
    let engine = TestEngine::new(&jobs);
    let sketch = graph_of("1 -> 2 -> 4; 1 -> 3 -> 5; 4,5 -> 6").goes_on_after_failures();
    let end = engine.run(&sketch).await;
    assert_eq!((end.outcome, end.elapsed.as_secs()), (RunOutcome::Failed, 9));
    let phases: Vec<JobPhase> = engine.progress(&sketch).jobs.iter().map(|job| job.phase).collect();
    // in order of mention: 1 2 4 3 5 6
    use JobPhase::{Failed, Skipped, Succeeded};
    assert_eq!(phases, [Succeeded, Failed, Skipped, Succeeded, Succeeded, Skipped]);
    engine.finish().await;
}

#[actix::test]
async fn start_rules_choose_what_runs_after_a_failure() {
    let rules = [
        ("all-success", false, vec![]),
        ("all-done", true, vec!["3"]),
        ("one-success", true, vec!["3"]),
        ("one-failed", true, vec![]),
        ("none-failed", false, vec![]),
    ];
    for (rule, starts, inputs) in rules {
        let jobs = ScriptedRunner::new();
        jobs.step("2").fails_with(FailureKind::ServiceError, "no");
        jobs.step("3").succeeds_after(secs(1));
        let engine = TestEngine::new(&jobs);
        let sketch = graph_of("1 -> 2,3 -> 4:function").goes_on_after_failures().member("4", "when", rule);
        engine.run(&sketch).await;
        let ran: Vec<_> = jobs.ran().into_iter().filter(|ran| ran.step == "4").collect();
        assert_eq!(ran.len(), usize::from(starts), "{rule}");
        if let Some(ran) = ran.first() {
            assert_eq!(ran.inputs, inputs, "{rule}");
        }
        engine.finish().await;
    }
}

#[actix::test]
async fn a_panicking_job_fails_its_analysis_only_and_with_its_text() {
    let jobs = ScriptedRunner::new();
    jobs.step_of("a1", "2").panics("index out of range");
    jobs.step_of("a2", "2").panics_at_once("no such method");
    let engine = TestEngine::new(&jobs);
    for id in ["a1", "a2", "a3"] {
        engine.submit(&graph_of("1 -> 2 -> 3").id(id)).await.unwrap();
    }
    for (id, expected) in [("a1", "index out of range"), ("a2", "no such method")] {
        let cause = engine.outcome(id).await.cause.unwrap();
        assert_eq!(cause.failure.kind, FailureKind::StoppedUnexpectedly);
        assert!(cause.failure.message.contains(expected), "{}", cause.failure);
    }
    assert_eq!(engine.outcome("a3").await.outcome, RunOutcome::Succeeded);
    engine.finish().await;
}

#[actix::test]
async fn a_panicking_delivery_is_given_up_and_the_next_ones_go_out() {
    let jobs = ScriptedRunner::new();
    jobs.tells_milestones().delivery_panics("1 succeeded");
    let engine = TestEngine::new(&jobs);
    engine.run(&graph_of("1 -> 2")).await;
    let run_id = engine.journal().newest_run("a1").unwrap();
    engine.journal().wait_until(|journal| journal.unsettled().is_empty()).await;
    assert_eq!(jobs.notices(), ["accepted", "2 succeeded", "finished well"]);
    let given_up = |record: &Record| matches!(record, Record::Delivered { given_up: Some(_), .. });
    assert_eq!(engine.journal().records(run_id).iter().filter(|record| given_up(record)).count(), 2);
    engine.finish().await;
}

#[actix::test]
async fn a_failure_while_later_nodes_are_not_spawned_yet_ends_cleanly() {
    for (continues, outcome) in [(false, RunOutcome::Failed), (true, RunOutcome::Failed)] {
        let jobs = ScriptedRunner::new();
        // the last jobs of the order are spawned first, so these fail while most others do not exist
        jobs.every().fails_with(FailureKind::ServiceError, "no");
        let engine = TestEngine::new(&jobs);
        let forest = Shape::Forest { trees: 5_000 }.sketch(6_000, 3);
        let sketch = if continues { forest.goes_on_after_failures() } else { forest };
        let end = engine.run(&sketch).await;
        assert_eq!(end.outcome, outcome);
        if !continues {
            assert!(jobs.steps().len() < 5_000, "{} jobs were started", jobs.steps().len());
        }
        engine.finish().await;
    }
}

#[actix::test]
async fn a_function_that_fails_gives_its_slot_back() {
    let jobs = ScriptedRunner::new();
    jobs.step_of("a1", "1").panics("boom");
    let engine = TestEngine::new(&jobs);
    engine.run(&graph_of("1:function").id("a1")).await;
    engine.run(&graph_of("1:function").id("a2")).await;
    assert_eq!(jobs.most_at_once_at(Service::Function), 1);
    engine.finish().await;
}

/// A runner whose decisions panic, not its jobs.
struct Careless {
    jobs: ScriptedRunner,
    panics_at: &'static str,
}

impl JobRunner for Careless {
    fn run(&self, call: JobCall) -> LocalBoxFuture<'static, Result<JobSuccess, JobFailure>> {
        self.jobs.run(call)
    }

    fn follow_ups(&self, run: &RunSpec, milestone: &Milestone) -> Vec<Delivery> {
        let deliveries = self.jobs.follow_ups(run, milestone);
        let text = format!("{milestone:?}");
        assert!(run.playbook.id.text() != "bad" || !text.starts_with(self.panics_at), "no words for {text}");
        deliveries
    }

    fn deliver(&self, run: Rc<RunSpec>, number: u32, delivery: Delivery) -> LocalBoxFuture<'static, DeliveryResult> {
        self.jobs.deliver(run, number, delivery)
    }

    fn announce_refusal(&self, _: String, _: Vec<Notice>) -> LocalBoxFuture<'static, ()> {
        panic!("no words for a refusal")
    }
}

#[actix::test]
async fn a_panic_while_deciding_what_to_tell_costs_the_telling_only() {
    for panics_at in ["Accepted", "JobSucceeded", "JobFailed", "Finished"] {
        freeze_time();
        let (jobs, journal) = (ScriptedRunner::new(), MemoryJournal::new());
        let expected = if panics_at == "JobFailed" { RunOutcome::Failed } else { RunOutcome::Succeeded };
        if expected == RunOutcome::Failed {
            jobs.step("3").fails_with(FailureKind::ServiceError, "no");
        }
        let careless = Careless { jobs: jobs.clone(), panics_at };
        let engine = EngineHandle::start_here(EngineLimits::default(), Arc::new(journal.clone()), Rc::new(careless));
        for id in ["bad", "good"] {
            let sketch = graph_of("1 -> 2 -> 3").id(id);
            let plan = sketch.plan();
            let submission = sketch.submission(&plan);
            engine.submit(plan, submission).await.unwrap();
        }
        assert!(journal.wait_until(|journal| journal.unsettled().is_empty()).await, "at {panics_at}");
        for run_id in [1, 2] {
            assert_eq!(journal.end_of(run_id).unwrap().outcome, expected, "at {panics_at}");
        }
        quiet().await;
        assert!(jobs.living_runs().is_empty(), "at {panics_at}");
    }
}

#[actix::test]
async fn a_panicking_announcement_does_not_end_the_engine() {
    freeze_time();
    let (jobs, journal) = (ScriptedRunner::new(), MemoryJournal::new());
    let careless = Careless { jobs, panics_at: "-" };
    let engine = EngineHandle::start_here(EngineLimits::default(), Arc::new(journal.clone()), Rc::new(careless));
    engine.announce_refusal(engine.room_for_refusal().unwrap(), "a1".to_owned(), Vec::new());
    quiet().await;
    let sketch = graph_of("1 -> 2");
    let plan = sketch.plan();
    let submission = sketch.submission(&plan);
    engine.submit(plan, submission).await.unwrap();
    assert!(journal.wait_until(|journal| journal.unsettled().is_empty()).await);
}

#[test]
fn an_orderly_end_of_the_process_is_not_a_failure_of_its_analyses() {
    let journal = MemoryJournal::new();
    let kept = journal.clone();
    actix::System::new().block_on(async move {
        let jobs = ScriptedRunner::new();
        jobs.step("2").never_returns();
        let engine = EngineHandle::start_here(EngineLimits::default(), Arc::new(journal), Rc::new(jobs));
        let sketch = graph_of("1 -> 2 -> 3");
        let plan = sketch.plan();
        let submission = sketch.submission(&plan);
        engine.submit(plan, submission).await.unwrap();
        actix::clock::sleep(std::time::Duration::from_millis(20)).await;
    });
    let records: Vec<Record> = kept.records(1);
    let ends = |record: &&Record| {
        matches!(record, Record::JobFailed { .. } | Record::AnalysisFinished { .. } | Record::Settled)
    };
    assert_eq!(records.iter().filter(ends).collect::<Vec<_>>(), [&Record::Settled; 0], "{records:#?}");
    assert!(records.iter().any(|record| matches!(record, Record::JobStarting { job: 1, .. })));
}
