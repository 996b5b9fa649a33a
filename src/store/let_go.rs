//! Functions that runs have let go of: their service may be at work on them although nobody waits for them any more.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use rusqlite::{Connection, params};

use super::{Entry, History, JournalError, Millis, Record, reader};
use crate::playbook::job::Service;
use crate::ports::LetGoStart;

/// Every function that was let go of less than `linger` before `now`, a tick of the journal. One that runs on in an open
/// run is not among them, because its job goes on with it; but in a run of `given_up`, which is about to be ended, it is let
/// go of now.
///
/// *Errors*: the journal cannot be read at all.
pub fn let_go_functions(
    history: &dyn History,
    now: Millis,
    linger: Duration,
    given_up: &[i64],
) -> Result<Vec<LetGoStart>, JournalError> {
    let since = now.saturating_sub(linger.as_millis().try_into().unwrap_or(Millis::MAX));
    let mut found = Vec::new();
    let runs: BTreeSet<i64> = history.let_go_since(since)?.into_iter().chain(given_up.iter().copied()).collect();
    for run_id in runs {
        let gives_up_now = given_up.contains(&run_id).then_some(now);
        // one run that cannot be read must not keep the others from going on
        let entries = history.entries(run_id).unwrap_or_else(|error| {
            log::error!("run={run_id}: whether a function of it is at work cannot be read: {error}");
            Vec::new()
        });
        let let_go = of_run(&entries, gives_up_now);
        let recent = let_go.into_iter().filter(|(at, _)| *at >= since);
        found.extend(recent.map(|(at, start)| LetGoStart {
            let_go: Duration::from_millis(now.saturating_sub(at).max(0).unsigned_abs()),
            ..start
        }));
    }
    Ok(found)
}

/// Whether a run that is over has let go of a function since this tick.
pub(super) fn lingers(db: &Connection, run_id: i64, since: Millis) -> rusqlite::Result<bool> {
    // most runs have none, and their records may be very many
    let may_have_one: bool = db
        .prepare_cached("SELECT instr(lower(document), ?2) > 0 FROM runs WHERE run_id = ?1")?
        .query_row(params![run_id, Service::Function.as_str()], |row| row.get(0))?;
    Ok(may_have_one && of_run(&reader::entries(db, run_id)?, None).iter().any(|(at, _)| *at >= since))
}

/// What one run has let go of, and when; of the rest it lets go at the given time, if there is one.
fn of_run(entries: &[Entry], gives_up: Option<Millis>) -> Vec<(Millis, LetGoStart)> {
    let mut at_work: HashMap<usize, LetGoStart> = HashMap::new();
    let mut let_go = Vec::new();
    for entry in entries {
        match &entry.record {
            Record::JobStarting { job, service, wire_id, .. } if is_function(service) => {
                let start = LetGoStart { wire_id: wire_id.clone(), acknowledged: false, let_go: Duration::ZERO };
                at_work.insert(*job, start);
            }
            Record::JobStartAcknowledged { job, service, .. } if is_function(service) => {
                at_work.entry(*job).and_modify(|start| start.acknowledged = true);
            }
            Record::JobSucceeded { job, .. } | Record::JobCancelled { job, may_still_run: false, .. } => {
                at_work.remove(job);
            }
            Record::JobFailed { job, failure, .. } | Record::JobRetrying { job, failure, .. } => {
                let start = at_work.remove(job).filter(|start| failure.kind.may_leave_at_work(start.acknowledged));
                let_go.extend(start.map(|start| (entry.tick, start)));
            }
            Record::JobCancelled { job, .. } => {
                let_go.extend(at_work.remove(job).map(|start| (entry.tick, start)));
            }
            Record::AnalysisFinished { .. } => {
                let_go.extend(at_work.drain().map(|(_, start)| (entry.tick, start)));
            }
            _ => {}
        }
    }
    if let Some(now) = gives_up {
        let_go.extend(at_work.into_values().map(|start| (now, start)));
    }
    let_go
}

fn is_function(service: &str) -> bool {
    service == Service::Function.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{FailureKind, JobFailure, SuccessDetails};
    use crate::store::RunOutcome;

    fn entries(records: &[Record]) -> Vec<Entry> {
        let entry = |(seq, record): (u64, &Record)| {
            let (run_id, at, tick) = (1, 0, seq as Millis);
            Entry { seq, run_id, at, tick, record: record.clone() }
        };
        (1..).zip(records).map(entry).collect()
    }

    fn starting(job: usize, service: Service) -> Record {
        let (service, wire_id) = (service.as_str().to_owned(), format!("{job}"));
        Record::JobStarting { job, attempt: 1, service, wire_id, details: SuccessDetails::default() }
    }

    fn acknowledged(job: usize) -> Record {
        Record::JobStartAcknowledged { job, attempt: 1, service: Service::Function.as_str().to_owned() }
    }

    fn failed(job: usize, kind: FailureKind) -> Record {
        Record::JobFailed { job, attempt: 1, failure: JobFailure::new(kind, "no") }
    }

    fn found(records: &[Record]) -> Vec<(Millis, String, bool)> {
        let let_go = of_run(&entries(records), None);
        let_go.into_iter().map(|(at, start)| (at, start.wire_id, start.acknowledged)).collect()
    }

    #[test]
    fn a_function_that_ran_out_of_time_may_be_at_work_and_one_that_has_ended_is_not() {
        for kind in [FailureKind::TimedOut, FailureKind::Unreachable, FailureKind::OutcomeUnknown] {
            let records = [starting(0, Service::Function), acknowledged(0), failed(0, kind)];
            assert_eq!(found(&records), [(3, "0".to_owned(), true)]);
        }
        let records = [starting(0, Service::Function), acknowledged(0), failed(0, FailureKind::ServiceError)];
        assert_eq!(found(&records), []);
        assert_eq!(
            found(&[starting(0, Service::Function), failed(0, FailureKind::Unreachable)]),
            [],
            "it never arrived"
        );
        let lost = failed(0, FailureKind::OutcomeUnknown);
        assert_eq!(found(&[starting(0, Service::Function), lost]), [(2, "0".to_owned(), false)]);
        assert_eq!(found(&[starting(0, Service::Cleaning), failed(0, FailureKind::TimedOut)]), []);
        assert_eq!(found(&[starting(0, Service::Function), acknowledged(0)]), [], "its job goes on with it");
    }

    #[test]
    fn a_cancelled_function_may_be_at_work_unless_its_service_said_otherwise() {
        let cancelled = |may_still_run| Record::JobCancelled { job: 0, attempt: 1, may_still_run };
        let begun = [starting(0, Service::Function), acknowledged(0)];
        assert_eq!(found(&[begun.as_slice(), &[cancelled(true)]].concat()), [(3, "0".to_owned(), true)]);
        assert_eq!(found(&[begun.as_slice(), &[cancelled(false)]].concat()), []);
        let finished = Record::AnalysisFinished { outcome: RunOutcome::Cancelled, cause: None, elapsed_ms: 0 };
        assert_eq!(found(&[starting(0, Service::Function), finished]), [(2, "0".to_owned(), false)]);
    }

    #[test]
    fn a_run_that_is_given_up_lets_go_of_what_runs_on() {
        let records = [starting(0, Service::Function), acknowledged(0), starting(1, Service::Cleaning)];
        let let_go = of_run(&entries(&records), Some(9));
        let start = LetGoStart { wire_id: "0".to_owned(), acknowledged: true, let_go: Duration::ZERO };
        assert_eq!(let_go, [(9, start)]);
    }
}
