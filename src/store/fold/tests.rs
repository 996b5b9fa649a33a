//! Records as a run would write them, folded in one piece, in parts and twice.

use super::*;
use crate::ports::{FailureKind, JobFailure, SuccessDetails};

fn entries(records: Vec<Record>) -> Vec<Entry> {
    (1..)
        .zip(records)
        .map(|(seq, record)| Entry { seq, run_id: 1, at: 10 * seq as Millis, tick: seq as Millis, record })
        .collect()
}

fn starting(job: usize) -> Record {
    Record::JobStarting {
        job,
        attempt: 1,
        service: "cleaning".into(),
        wire_id: "7".into(),
        details: SuccessDetails::default(),
    }
}

fn success(job: usize) -> Record {
    Record::JobSucceeded { job, attempt: 1, producer: job, path: "t/x".into(), details: SuccessDetails::default() }
}

#[test]
fn a_job_goes_through_its_phases() {
    let ack = Record::JobStartAcknowledged { job: 0, attempt: 1, service: "cleaning".into() };
    let all = entries(vec![Record::Accepted, starting(0), ack, success(0)]);
    let phases: Vec<_> =
        (1..=4).map(|upto| RunProgress::fold(1, &all[..upto]).expect("valid records").jobs[0].phase).collect();
    assert_eq!(phases, [JobPhase::Waiting, JobPhase::Starting, JobPhase::Running, JobPhase::Succeeded]);
}

#[test]
fn folding_everything_twice_changes_nothing() {
    let all = entries(vec![Record::Accepted, starting(0), success(0), starting(1)]);
    let once = RunProgress::fold(2, &all).expect("valid records");
    let twice = RunProgress::fold(2, &[all.clone(), all].concat()).expect("valid records");
    assert_eq!(once, twice);
}

#[test]
fn an_entry_counts_once_however_often_it_comes() {
    let warning = Record::Warning { job: None, code: "odd".into(), text: "odd".into() };
    let all = entries(vec![Record::Accepted, Record::PauseAsked, Record::ResumeAsked, warning, Record::PauseAsked]);
    let once = RunProgress::fold(1, &all).expect("valid records");
    let twice = RunProgress::fold(1, &[all.clone(), all].concat()).expect("valid records");
    assert_eq!((once.warnings.len(), once.paused_before, once.upto), (1, Duration::from_millis(1), 5));
    assert_eq!(once, twice);
}

#[test]
fn a_start_under_the_same_id_in_the_next_attempt_is_an_intent_of_its_own() {
    let spark = |attempt: u32| Record::JobStarting {
        job: 0,
        attempt,
        service: "spark".into(),
        wire_id: "7".into(),
        details: SuccessDetails::default(),
    };
    let failure = JobFailure::new(FailureKind::OutcomeUnknown, "no reply");
    let retrying = Record::JobRetrying { job: 0, attempt: 1, failure, wait_ms: 0 };
    let all = entries(vec![spark(1), retrying, spark(2)]);
    let progress = RunProgress::fold(1, &[all.clone(), all].concat()).expect("valid records");
    let attempts: Vec<u32> = progress.jobs[0].intents.iter().map(|start| start.attempt).collect();
    assert_eq!(attempts, [1, 2]);
}

#[test]
fn of_an_attempt_that_is_over_only_what_may_be_at_work_is_remembered() {
    let starting = |attempt: u32| Record::JobStarting {
        job: 0,
        attempt,
        service: "cleaning".into(),
        wire_id: format!("7-{attempt}"),
        details: SuccessDetails::default(),
    };
    let acknowledged = |attempt: u32| Record::JobStartAcknowledged { job: 0, attempt, service: "cleaning".into() };
    let retrying = |attempt: u32, kind: FailureKind| {
        let failure = JobFailure::new(kind, "no");
        Record::JobRetrying { job: 0, attempt, failure, wait_ms: 0 }
    };
    let all = entries(vec![
        starting(1),
        acknowledged(1),
        retrying(1, FailureKind::TimedOut),
        starting(2),
        acknowledged(2),
        retrying(2, FailureKind::ServiceError),
        starting(3),
        retrying(3, FailureKind::Unreachable),
        starting(4),
        acknowledged(4),
        retrying(4, FailureKind::Unreachable),
        starting(5),
    ]);
    let progress = RunProgress::fold(1, &all).expect("valid records");
    let attempts: Vec<u32> = progress.jobs[0].intents.iter().map(|start| start.attempt).collect();
    assert_eq!(attempts, [1, 4, 5], "two ran on, one was never there, one is the present one");
}

#[test]
fn the_end_of_a_run_ends_its_open_jobs() {
    let failure = JobFailure::new(FailureKind::ServiceError, "no");
    let failed = Record::JobFailed { job: 0, attempt: 1, failure: failure.clone() };
    let cause = Some(Cause { step: Some("1".into()), failure });
    let end = Record::AnalysisFinished { outcome: RunOutcome::Failed, cause, elapsed_ms: 5 };
    let progress = RunProgress::fold(3, &entries(vec![starting(0), starting(1), failed, end])).expect("valid records");
    let phases: Vec<_> = progress.jobs.iter().map(|job| job.phase).collect();
    assert_eq!(phases, [JobPhase::Failed, JobPhase::Cancelled, JobPhase::Skipped]);
}

#[test]
fn records_read_back_as_written() {
    let text = serde_json::to_string(&success(3)).expect("serializes");
    assert_eq!(serde_json::from_str::<Record>(&text).expect("parses"), success(3));
}

#[test]
fn a_record_of_an_unknown_job_is_an_error_not_a_panic() {
    assert!(RunProgress::fold(1, &entries(vec![starting(4)])).is_err());
}
