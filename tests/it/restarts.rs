//! The process dies and starts again on what was durable: each life is a system of its own.

use std::rc::Rc;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use orchestrator::engine::messages::{SteerError, Verb};
use orchestrator::engine::{EngineHandle, EngineLimits};
use orchestrator::ports::{
    CancelledAttempt, Delivery, DeliveryResult, FailureKind, JobCall, JobFailure, JobRunner, JobSuccess, Milestone,
    Notice, RunSpec,
};
use orchestrator::store::record::RunOutcome;
use orchestrator::store::recovery::open_runs;
use orchestrator::store::{JobPhase, Journal, Record};
use orchestrator::testing::{End, MemoryJournal, ScriptedRunner, Sketch, freeze_time, graph_of, quiet};

use crate::{secs, slots};

/// One life on this journal: open runs go on, then `live` happens.
pub(crate) fn life<T>(
    journal: &MemoryJournal,
    runner: &(impl JobRunner + Clone + 'static),
    limits: EngineLimits,
    live: impl AsyncFnOnce(EngineHandle) -> T,
) -> T {
    actix::System::new().block_on(async {
        freeze_time();
        let port: Arc<dyn Journal> = Arc::new(journal.clone());
        let engine = EngineHandle::start_here(limits, port, Rc::new(runner.clone()));
        engine.resume(open_runs(journal, journal.tick()).unwrap()).await;
        live(engine).await
    })
}

pub(crate) async fn submit(engine: &EngineHandle, sketch: &Sketch) {
    let plan = sketch.plan();
    let submission = sketch.submission(&plan);
    engine.submit(plan, submission).await.unwrap();
}

/// The first life stops the run and dies before its last record is durable; answers how the second one ends it.
fn stopped_and_died(sketch: &Sketch, stop: impl AsyncFnOnce(EngineHandle, &MemoryJournal)) -> End {
    let (journal, jobs) = (MemoryJournal::new(), ScriptedRunner::new());
    jobs.step("2").never_returns();
    life(&journal, &jobs, EngineLimits::default(), async |engine| {
        submit(&engine, sketch).await;
        quiet().await;
        journal.hold();
        stop(engine, &journal).await;
        let last = |record: &Record| matches!(record, Record::AnalysisFinished { .. });
        journal.release(journal.held().iter().position(last).unwrap());
    });
    journal.forget_held();
    let ended = |record: &Record| matches!(record, Record::JobCancelled { .. } | Record::JobSkipped { .. });
    assert_eq!(journal.records(1).iter().filter(|record| ended(record)).count(), 2, "every job has ended");
    life(&journal, &ScriptedRunner::new(), EngineLimits::default(), async |_| {
        journal.release_all();
        quiet().await;
    });
    journal.end_of(1).unwrap()
}

#[test]
fn a_run_whose_deadline_has_passed_has_not_succeeded_after_a_restart() {
    let sketch = graph_of("1 -> 2 -> 3").goes_on_after_failures().option("deadline-s", 10);
    let end = stopped_and_died(&sketch, async |_, _| actix::clock::sleep(secs(11)).await);
    assert_eq!(end.outcome, RunOutcome::Stopped);
    assert!(end.cause.is_some_and(|cause| cause.failure.message.contains("deadline")));
}

#[test]
fn a_run_that_was_cancelled_has_not_succeeded_after_a_restart() {
    let sketch = graph_of("1 -> 2 -> 3").goes_on_after_failures();
    let end = stopped_and_died(&sketch, async |engine, journal| {
        let asked = std::pin::pin!(engine.steer(1, Verb::Cancel));
        let durable = async {
            quiet().await;
            journal.release(1);
        };
        futures::join!(async { asked.await.unwrap() }, durable);
        quiet().await;
    });
    assert_eq!(end.outcome, RunOutcome::Cancelled);
}

/// Scripted jobs whose services take their time to hear that they are not wanted any more.
#[derive(Clone)]
struct SlowToStop(ScriptedRunner);

impl JobRunner for SlowToStop {
    fn run(&self, call: JobCall) -> LocalBoxFuture<'static, Result<JobSuccess, JobFailure>> {
        self.0.run(call)
    }

    fn cancel(&self, _: CancelledAttempt) -> LocalBoxFuture<'static, bool> {
        actix::clock::sleep(secs(600)).map(|()| true).boxed_local()
    }

    fn follow_ups(&self, run: &RunSpec, milestone: &Milestone) -> Vec<Delivery> {
        self.0.follow_ups(run, milestone)
    }

    fn deliver(&self, run: Rc<RunSpec>, number: u32, delivery: Delivery) -> LocalBoxFuture<'static, DeliveryResult> {
        self.0.deliver(run, number, delivery)
    }

    fn announce_refusal(&self, analysis: String, notices: Vec<Notice>) -> LocalBoxFuture<'static, ()> {
        self.0.announce_refusal(analysis, notices)
    }
}

#[test]
fn a_run_is_not_stuck_while_a_service_is_told_of_what_an_earlier_life_began() {
    let (journal, jobs) = (MemoryJournal::new(), ScriptedRunner::new());
    jobs.step("1").never_returns();
    life(&journal, &jobs, EngineLimits::default(), async |engine| {
        submit(&engine, &graph_of("1:function -> 2")).await;
        quiet().await;
        journal.append(1, Record::CancelAsked).await.unwrap();
    });
    life(&journal, &SlowToStop(ScriptedRunner::new()), EngineLimits::default(), async |_| {
        actix::clock::sleep(secs(700)).await;
    });
    let run = journal.progress(1, 2);
    assert_eq!(run.finished.as_ref().map(|end| end.outcome), Some(RunOutcome::Cancelled));
    assert_eq!(run.warnings, [], "nobody has thought it stuck");
    assert_eq!((run.jobs[0].phase, run.jobs[0].may_still_run), (JobPhase::Cancelled, false));
}

/// One job at a service that takes its time to stop; the deadline is after ten seconds.
fn stopped_twice(stop: impl AsyncFnOnce(EngineHandle)) -> MemoryJournal {
    let (journal, jobs) = (MemoryJournal::new(), ScriptedRunner::new());
    jobs.step("1").never_returns();
    life(&journal, &SlowToStop(jobs), EngineLimits::default(), async |engine| {
        submit(&engine, &graph_of("1:function").option("deadline-s", 10)).await;
        stop(engine).await;
    });
    journal
}

fn end_and_cause(journal: &MemoryJournal) -> (RunOutcome, FailureKind) {
    let end = journal.end_of(1).expect("it has ended");
    (end.outcome, end.cause.expect("it has a cause").failure.kind)
}

#[test]
fn the_first_reason_to_stop_a_run_is_what_it_ends_as() {
    let cancel_at = |second: u64| {
        async move |engine: EngineHandle| {
            actix::clock::sleep(secs(second)).await;
            engine.steer(1, Verb::Cancel).await.unwrap();
            actix::clock::sleep(secs(700)).await;
        }
    };
    let cancelled_first = stopped_twice(cancel_at(5));
    assert_eq!(end_and_cause(&cancelled_first), (RunOutcome::Cancelled, FailureKind::Cancelled));
    let cancelled_last = stopped_twice(cancel_at(15));
    assert_eq!(end_and_cause(&cancelled_last), (RunOutcome::Stopped, FailureKind::TimedOut));
}

#[test]
fn the_first_reason_to_stop_a_run_is_what_it_ends_as_after_a_restart_too() {
    let goes_on = |journal: &MemoryJournal| {
        journal.goes_on_at(20_000);
        life(journal, &SlowToStop(ScriptedRunner::new()), EngineLimits::default(), async |_| {
            actix::clock::sleep(secs(700)).await;
        });
        end_and_cause(journal)
    };
    let cancel_at = |second: u64| {
        async move |engine: EngineHandle| {
            actix::clock::sleep(secs(second)).await;
            engine.steer(1, Verb::Cancel).await.unwrap();
            quiet().await;
        }
    };
    let cancelled_first = stopped_twice(cancel_at(5));
    assert_eq!(goes_on(&cancelled_first), (RunOutcome::Cancelled, FailureKind::Cancelled), "its deadline has passed");
    let cancelled_last = stopped_twice(cancel_at(15));
    assert_eq!(goes_on(&cancelled_last), (RunOutcome::Stopped, FailureKind::TimedOut));
}

fn one_at_a_time() -> EngineLimits {
    slots(|slots| slots.total = 1)
}

/// The journal of a life with one slot: the newer run's step 3 has it, step 2 of the older one stands in line.
fn one_slot_and_a_job_in_line() -> MemoryJournal {
    let (journal, jobs) = (MemoryJournal::new(), ScriptedRunner::new());
    jobs.step("1").succeeds_after(secs(5));
    jobs.step("3").never_returns();
    life(&journal, &jobs, one_at_a_time(), async |engine| {
        submit(&engine, &graph_of("1 -> 2:function").id("older")).await;
        submit(&engine, &graph_of("3:function").id("newer")).await;
        actix::clock::sleep(secs(9)).await;
    });
    assert_eq!(jobs.steps(), ["1", "3"], "2 stands in line");
    journal
}

#[test]
fn what_a_service_is_at_work_on_gets_its_slot_before_anything_new() {
    let journal = one_slot_and_a_job_in_line();
    let jobs = ScriptedRunner::new();
    jobs.every().succeeds_after(secs(1));
    life(&journal, &jobs, one_at_a_time(), async |_| actix::clock::sleep(secs(9)).await);
    assert_eq!(jobs.steps(), ["3", "2"]);
    assert_eq!(jobs.most_at_once(), 1);
}

#[test]
fn what_is_asked_of_a_run_that_is_not_here_yet_has_its_effect_when_it_comes() {
    let (journal, jobs) = (MemoryJournal::new(), ScriptedRunner::new());
    jobs.every().never_returns();
    life(&journal, &jobs, EngineLimits::default(), async |engine| {
        for id in ["cancelled", "paused", "resumed", "unreadable"] {
            submit(&engine, &graph_of("1 -> 2").id(id)).await;
        }
        quiet().await;
    });
    let port: Arc<dyn Journal> = Arc::new(journal.clone());
    actix::System::new().block_on(async {
        freeze_time();
        let jobs = ScriptedRunner::new();
        jobs.every().succeeds_after(secs(1));
        let engine = EngineHandle::start_here(EngineLimits::default(), port, Rc::new(jobs.clone()));
        engine.await_runs(vec![1, 2, 3, 4]);
        let mut runs = open_runs(&journal, journal.tick()).unwrap();
        for (run_id, verb) in [(1, Verb::Cancel), (2, Verb::Pause), (3, Verb::Pause), (3, Verb::Resume)] {
            engine.steer(run_id, verb).await.unwrap();
        }
        runs.pop();
        engine.resume(runs).await;
        engine.open_gate(Vec::new());
        actix::clock::sleep(secs(60)).await;
        assert_eq!(journal.end_of(1).unwrap().outcome, RunOutcome::Cancelled);
        assert_eq!(jobs.steps(), ["1", "1", "2"], "the paused run goes on with what had begun and begins nothing");
        assert!(journal.end_of(2).is_none());
        assert_eq!(journal.end_of(3).unwrap().outcome, RunOutcome::Succeeded);
        assert_eq!(engine.steer(4, Verb::Cancel).await, Err(SteerError::Over), "nobody waits for it any more");
    });
}

#[test]
fn nothing_begins_before_every_run_has_named_its_slots() {
    let journal = one_slot_and_a_job_in_line();
    let port: Arc<dyn Journal> = Arc::new(journal.clone());
    actix::System::new().block_on(async {
        freeze_time();
        let jobs = ScriptedRunner::new();
        jobs.every().succeeds_after(secs(1));
        let engine = EngineHandle::start_here(one_at_a_time(), port, Rc::new(jobs.clone()));
        engine.await_runs(vec![1, 2]);
        for run in open_runs(&journal, journal.tick()).unwrap() {
            engine.resume(vec![run]).await;
            quiet().await;
        }
        assert_eq!(jobs.steps(), ["3"], "a service is at work on it");
        engine.open_gate(Vec::new());
        actix::clock::sleep(secs(9)).await;
        assert_eq!(jobs.steps(), ["3", "2"]);
        assert_eq!(jobs.most_at_once(), 1);
    });
}

#[test]
fn a_run_whose_services_are_at_work_does_not_stand_in_line_after_a_restart() {
    let (journal, jobs) = (MemoryJournal::new(), ScriptedRunner::new());
    jobs.step("1").succeeds_after(secs(5));
    jobs.step("3").never_returns();
    life(&journal, &jobs, one_at_a_time(), async |engine| {
        submit(&engine, &graph_of("1 -> 2:function").id("older")).await;
        submit(&engine, &graph_of("3:function").id("newer")).await;
        submit(&engine, &graph_of("4:function").id("newest")).await;
        actix::clock::sleep(secs(9)).await;
    });
    let jobs = ScriptedRunner::new();
    jobs.every().succeeds_after(secs(1));
    let limits = EngineLimits { running_per_tenant: 1, ..one_at_a_time() };
    life(&journal, &jobs, limits, async |_| actix::clock::sleep(secs(9)).await);
    assert_eq!(jobs.steps(), ["3", "2", "4"], "the slot that 2 waits for is the one of 3");
    let begins = journal.records(3).iter().filter(|record| **record == Record::Begun).count();
    assert_eq!(begins, 2, "once it was taken up again, once it had its turn");
}
