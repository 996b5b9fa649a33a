//! Jobs that are tried again.

use orchestrator::engine::EngineLimits;
use orchestrator::engine::messages::Verb;
use orchestrator::ports::FailureKind;
use orchestrator::store::record::RunOutcome;
use orchestrator::store::{JobPhase, JobProgress, Journal, Record, RunProgress};
use orchestrator::testing::{MemoryJournal, ScriptedRunner, Sketch, TestEngine, graph_of, quiet};
use serde_json::json;

use crate::restarts::{life, submit};
use crate::secs;

fn with_retry(attempts: u32, backoff: u64) -> Sketch {
    let retry = json!({"attempts": attempts, "backoff-s": backoff, "max-backoff-s": 60});
    graph_of("1 -> 2 -> 3").member("2", "retry", retry)
}

fn waits(records: &[Record]) -> Vec<(u32, i64)> {
    let wait = |record: &Record| match record {
        Record::JobRetrying { attempt, wait_ms, .. } => Some((*attempt, *wait_ms)),
        _ => None,
    };
    records.iter().filter_map(wait).collect()
}

#[actix::test]
async fn a_job_is_tried_as_often_as_it_may_and_its_last_failure_is_the_cause() {
    let jobs = ScriptedRunner::new();
    jobs.step("2").fails_with(FailureKind::ServiceError, "no");
    let engine = TestEngine::new(&jobs);
    let sketch = with_retry(4, 10);
    let end = engine.run(&sketch).await;
    assert_eq!(end.outcome, RunOutcome::Failed);
    let attempts: Vec<u32> = jobs.ran().into_iter().filter(|ran| ran.step == "2").map(|ran| ran.attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 4]);
    let waits = waits(&engine.journal().records(1));
    for ((attempt, wait), longest) in waits.iter().zip([10_000, 20_000, 40_000]) {
        assert!((longest / 2..=longest).contains(wait), "attempt {attempt} waited {wait} ms");
    }
    assert_eq!(waits.len(), 3);
    assert_eq!(engine.progress(&sketch).jobs[1].attempt, 4);
    engine.finish().await;
}

#[actix::test]
async fn a_later_attempt_may_succeed_and_nobody_is_told_of_a_failure() {
    let jobs = ScriptedRunner::new();
    jobs.tells_milestones().step("2").fails_with(FailureKind::Unreachable, "nobody there");
    let engine = TestEngine::new(&jobs);
    let sketch = with_retry(3, 100);
    engine.submit(&sketch).await.unwrap();
    actix::clock::sleep(secs(10)).await;
    let waiting = &engine.progress(&sketch).jobs[1];
    assert_eq!((waiting.phase, waiting.attempt), (JobPhase::Retrying, 2));
    jobs.step("2").succeeds_after(secs(1));
    assert_eq!(engine.outcome("a1").await.outcome, RunOutcome::Succeeded);
    engine.finish().await;
    assert!(!jobs.notices().iter().any(|notice| notice.contains("failed")), "{:?}", jobs.notices());
}

#[actix::test]
async fn what_no_attempt_can_mend_is_not_tried_again() {
    let jobs = ScriptedRunner::new();
    jobs.step("2").fails_with(FailureKind::MissingInput, "0 of 1 inputs are there");
    let engine = TestEngine::new(&jobs);
    engine.run(&with_retry(5, 1)).await;
    assert_eq!(jobs.only("2").attempt, 1);
    engine.finish().await;
}

#[actix::test]
async fn a_job_gives_its_slot_back_while_it_waits() {
    let jobs = ScriptedRunner::new();
    jobs.step_of("a1", "2").fails_with(FailureKind::TimedOut, "too slow");
    let engine = TestEngine::with(&jobs, crate::slots(|slots| slots.total = 1));
    engine.submit(&with_retry(2, 1000)).await.unwrap();
    actix::clock::sleep(secs(1)).await;
    let other = engine.run(&graph_of("1 -> 2").id("b1")).await;
    assert!(other.elapsed < secs(10), "{:?}", other.elapsed);
    engine.outcome("a1").await;
    engine.finish().await;
}

#[actix::test]
async fn a_job_is_cancelled_while_it_waits() {
    let jobs = ScriptedRunner::new();
    jobs.step("2").fails_with(FailureKind::ServiceError, "no");
    let engine = TestEngine::new(&jobs);
    let sketch = with_retry(9, 60);
    engine.submit(&sketch).await.unwrap();
    actix::clock::sleep(secs(5)).await;
    engine.handle().steer(1, Verb::Cancel).await.unwrap();
    assert_eq!(engine.outcome("a1").await.outcome, RunOutcome::Cancelled);
    assert_eq!(engine.progress(&sketch).jobs[1].phase, JobPhase::Cancelled);
    assert_eq!(jobs.steps(), ["1", "2"]);
    engine.finish().await;
}

#[actix::test]
async fn a_paused_run_begins_no_further_attempt() {
    let jobs = ScriptedRunner::new();
    jobs.step("2").fails_with(FailureKind::ServiceError, "no");
    let engine = TestEngine::new(&jobs);
    engine.submit(&with_retry(2, 60)).await.unwrap();
    actix::clock::sleep(secs(5)).await;
    engine.handle().steer(1, Verb::Pause).await.unwrap();
    actix::clock::sleep(secs(1000)).await;
    assert_eq!(jobs.steps(), ["1", "2"]);
    engine.handle().steer(1, Verb::Resume).await.unwrap();
    engine.outcome("a1").await;
    assert_eq!(jobs.steps(), ["1", "2", "2"]);
    engine.finish().await;
}

#[actix::test]
async fn retries_of_all_runs_share_a_budget() {
    let jobs = ScriptedRunner::new();
    jobs.step("2").fails_with(FailureKind::ServiceError, "no");
    let limits = EngineLimits { retries_per_second: 1.0, ..EngineLimits::default() };
    let engine = TestEngine::with(&jobs, limits);
    let sketches: Vec<Sketch> = (0..100).map(|at| with_retry(2, 0).id(&format!("a{at}"))).collect();
    for sketch in &sketches {
        engine.submit(sketch).await.unwrap();
    }
    for sketch in &sketches {
        engine.outcome(sketch.analysis_id()).await;
    }
    let second: Vec<u64> =
        jobs.ran().into_iter().filter(|ran| ran.attempt == 2).map(|ran| ran.started.as_secs()).collect();
    assert_eq!(second.len(), 100);
    let at_once = second.iter().filter(|at| **at == 0).count();
    assert!(at_once <= 40, "{at_once} second attempts at once: ten seconds' worth and a fifth of the first ones");
    assert!(second.iter().max().is_some_and(|last| (50..=100).contains(last)), "{second:?}");
    engine.finish().await;
}

#[actix::test]
async fn retries_that_never_begin_keep_nobody_else_waiting() {
    let jobs = ScriptedRunner::new();
    jobs.step("2").fails_with(FailureKind::ServiceError, "no");
    let limits = EngineLimits { retries_per_second: 1.0, ..EngineLimits::default() };
    let engine = TestEngine::with(&jobs, limits);
    for at in 1..=200 {
        engine.submit(&with_retry(2, 30).id(&format!("a{at}"))).await.unwrap();
    }
    actix::clock::sleep(secs(1)).await;
    for run_id in 1..=200 {
        engine.handle().steer(run_id, Verb::Cancel).await.unwrap();
    }
    let end = engine.run(&with_retry(2, 2).id("b1")).await;
    assert!(end.elapsed <= secs(2), "its own back-off is all that it waits for: {:?}", end.elapsed);
    engine.finish().await;
}

fn ambiguous(run: &RunProgress) -> usize {
    run.warnings.iter().filter(|warning| (warning.job, warning.code.as_str()) == (Some(1), "start-ambiguous")).count()
}

#[actix::test]
async fn an_attempt_that_begins_while_the_one_before_may_be_at_work_is_visible() {
    for (kind, visible) in [
        (FailureKind::OutcomeUnknown, 2),
        (FailureKind::TimedOut, 2),
        (FailureKind::Unreachable, 2),
        (FailureKind::ServiceError, 0),
    ] {
        let jobs = ScriptedRunner::new();
        jobs.step("2").fails_with(kind, "no");
        let engine = TestEngine::new(&jobs);
        let sketch = with_retry(3, 1);
        engine.run(&sketch).await;
        assert_eq!(ambiguous(&engine.progress(&sketch)), visible, "{kind:?}, two attempts after the first");
        let records = engine.journal().records(1);
        let place = |wanted: &dyn Fn(&Record) -> bool| records.iter().position(wanted);
        if let Some(warned) = place(&|record| matches!(record, Record::Warning { .. })) {
            let second = place(&|record| matches!(record, Record::JobStarting { job: 1, attempt: 2, .. }));
            assert!(second.is_some_and(|second| warned < second), "before anything is sent: {records:?}");
        }
        engine.finish().await;
    }
}

#[test]
fn an_attempt_that_begins_after_a_restart_is_as_visible() {
    let (journal, jobs) = (MemoryJournal::new(), ScriptedRunner::new());
    jobs.step("2").fails_with(FailureKind::TimedOut, "too slow");
    life(&journal, &jobs, EngineLimits::default(), async |engine| {
        submit(&engine, &with_retry(2, 60)).await;
        quiet().await;
    });
    assert_eq!(journal.progress(1, 3).jobs[1].phase, JobPhase::Retrying);
    let jobs = ScriptedRunner::new();
    jobs.step("2").never_returns();
    for _ in 0..2 {
        life(&journal, &jobs, EngineLimits::default(), async |_| actix::clock::sleep(secs(100)).await);
        let run = journal.progress(1, 3);
        assert_eq!((run.jobs[1].phase, run.jobs[1].attempt), (JobPhase::Running, 2));
        assert_eq!(ambiguous(&run), 1, "once, however often the process dies during the attempt");
    }
}

/// Cancels after the first attempt has failed so: while the second one waits, or while it is at work.
async fn cancelled_after(kind: FailureKind, jobs: &ScriptedRunner, second_is_at_work: bool) -> JobProgress {
    jobs.step("2").fails_with(kind, "no");
    let engine = TestEngine::new(jobs);
    let sketch = with_retry(2, 60);
    engine.submit(&sketch).await.unwrap();
    quiet().await;
    if second_is_at_work {
        jobs.step("2").never_returns();
        actix::clock::sleep(secs(100)).await;
    }
    engine.handle().steer(1, Verb::Cancel).await.unwrap();
    assert_eq!(engine.outcome("a1").await.outcome, RunOutcome::Cancelled);
    let job = engine.progress(&sketch).jobs[1].clone();
    engine.finish().await;
    job
}

#[actix::test]
async fn a_cancel_reaches_earlier_attempts_that_may_be_at_work() {
    for (kind, second_is_at_work, told, may_still_run) in [
        (FailureKind::TimedOut, false, vec![vec![1], vec![1]], true),
        (FailureKind::OutcomeUnknown, false, vec![vec![1], vec![1]], true),
        (FailureKind::Unreachable, false, vec![vec![1], vec![1]], true),
        (FailureKind::ServiceError, false, vec![vec![]], false),
        (FailureKind::TimedOut, true, vec![vec![1], vec![1, 2]], true),
        (FailureKind::ServiceError, true, vec![vec![2]], true),
    ] {
        let jobs = ScriptedRunner::new();
        let job = cancelled_after(kind, &jobs, second_is_at_work).await;
        let told: Vec<(String, Vec<u32>)> = told.into_iter().map(|attempts| ("2".to_owned(), attempts)).collect();
        assert_eq!(jobs.stops(), told, "when the attempt has failed, and when the job is cancelled: {kind:?}");
        assert_eq!((job.phase, job.may_still_run), (JobPhase::Cancelled, may_still_run), "{kind:?}");
        let jobs = ScriptedRunner::new();
        jobs.services_stop();
        assert!(!cancelled_after(kind, &jobs, second_is_at_work).await.may_still_run, "{kind:?}");
    }
}

#[test]
fn a_cancel_reaches_earlier_attempts_of_earlier_lives() {
    // asked in this life, or in the one before; while the second attempt waits, or while it is at work
    for (second_is_at_work, asked_before) in [(false, false), (false, true), (true, false), (true, true)] {
        let (journal, jobs) = (MemoryJournal::new(), ScriptedRunner::new());
        jobs.step("2").fails_with(FailureKind::TimedOut, "too slow");
        life(&journal, &jobs, EngineLimits::default(), async |engine| {
            submit(&engine, &with_retry(2, 60)).await;
            quiet().await;
            jobs.step("2").never_returns();
            if second_is_at_work {
                actix::clock::sleep(secs(100)).await;
            }
        });
        life(&journal, &jobs, EngineLimits::default(), async |engine| {
            quiet().await;
            match asked_before {
                true => drop(journal.append(1, Record::CancelAsked).await.unwrap()),
                false => engine.steer(1, Verb::Cancel).await.unwrap(),
            }
            quiet().await;
        });
        life(&journal, &jobs, EngineLimits::default(), async |_| quiet().await);
        let told = if second_is_at_work { vec![1, 2] } else { vec![1] };
        let given_up = ("2".to_owned(), vec![1]);
        assert_eq!(jobs.stops(), [given_up, ("2".to_owned(), told)], "asked before: {asked_before}");
        let job = &journal.progress(1, 3).jobs[1];
        assert_eq!((job.phase, job.may_still_run), (JobPhase::Cancelled, true));
    }
}
