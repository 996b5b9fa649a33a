//! What goes is decided by tables; that nothing is left or lost wherever a round breaks off, by breaking it off everywhere.

use std::collections::BTreeMap;

use super::*;
use crate::playbook::Space;
use crate::ports::{FailureKind, JobFailure, SuccessDetails};
use crate::store::record::RunOutcome;
use crate::store::sqlite::{self, Time};
use crate::store::{Acceptance, Record, SentJobId, Submission, schema};

const HOUR: Millis = 60 * 60 * 1000;

fn retention(hours: u64, runs: u64) -> Retention {
    Retention { age: Duration::from_secs(hours * 3600), runs, ..Retention::default() }
}

fn settled_at(hours: &[Millis]) -> Vec<Settled> {
    (1..).zip(hours).map(|(run_id, hour)| Settled { run_id, at: hour * HOUR, bytes: 10 }).collect()
}

#[test]
fn runs_go_when_they_are_too_old_or_too_many() {
    let oldest = settled_at(&[1, 2, 3, 50]);
    let table = [
        ("all are young and few", 100, 0, 0),
        ("one is too old", 48, 0, 1),
        ("three are too old", 46, 0, 3),
        ("two are too many", 100, 2, 2),
        ("one is too many, three are too old", 46, 1, 3),
        ("three are too many, one is too old", 48, 3, 3),
        ("all are too many", 100, 9, 4),
    ];
    for (what, hours, beyond, expected) in table {
        assert_eq!(retention(hours, 1).due(&oldest, beyond, 50 * HOUR), expected, "{what}");
    }
    assert_eq!((retention(1, 5).beyond(5), retention(1, 5).beyond(8)), (0, 3));
}

#[test]
fn a_run_of_exactly_the_age_stays() {
    let oldest = settled_at(&[1]);
    assert_eq!(retention(2, 1).due(&oldest, 0, 3 * HOUR), 0);
    assert_eq!(retention(2, 1).due(&oldest, 0, 3 * HOUR + 1), 1);
}

#[test]
fn large_documents_go_one_at_a_time() {
    let mut oldest = settled_at(&[1, 1, 1]);
    oldest[0].bytes = 8 * MOST_BYTES;
    assert_eq!(retention(1, 1).due(&oldest, 3, HOUR), 1);
    oldest[0].bytes = 1;
    oldest[1].bytes = MOST_BYTES;
    assert_eq!(retention(1, 1).due(&oldest, 3, HOUR), 1);
    oldest[1].bytes = MOST_BYTES - 1;
    assert_eq!(retention(1, 1).due(&oldest, 3, HOUR), 2);
}

#[test]
fn ids_stay_as_long_as_a_run_that_may_use_them() {
    let keep = Retention { ids: Duration::from_secs(10 * 3600), ..Retention::default() };
    assert_eq!(keep.ids_kept_since(None, 30 * HOUR), 20 * HOUR);
    assert_eq!(keep.ids_kept_since(Some(25 * HOUR), 30 * HOUR), 20 * HOUR);
    assert_eq!(keep.ids_kept_since(Some(3 * HOUR), 30 * HOUR), 3 * HOUR);
    let for_ever = Retention { ids: Duration::MAX, ..keep };
    assert!(for_ever.ids_kept_since(None, 30 * HOUR) < 0);
}

fn submission(id: &str, tenant: &str) -> Submission {
    let job_ids = vec![SentJobId { job: 0, service: "cleaning", key: format!("job-{id}"), has_wire_id: true }];
    Submission {
        tenant: tenant.to_owned(),
        space: Space::Analysis,
        id_key: id.to_owned(),
        id_text: id.to_owned(),
        digest: [0; 32],
        document: "{}".to_owned(),
        job_ids,
        at: 0,
        idempotency_key: None,
        request: [0; 32],
        has_room: true,
        rerun: None,
        follows: None,
    }
}

fn database() -> Connection {
    let db = Connection::open_in_memory().expect("opens");
    space::make_returnable(&db).expect("settable");
    schema::bring_up_to_date(&db).expect("valid");
    db
}

/// A run that is over or not, with as many records.
fn run(db: &Connection, id: &str, records: usize, settles: bool) -> i64 {
    let Ok(Acceptance::New { run_id, .. }) = sqlite::accept(db, &submission(id, "t"), 0) else {
        panic!("{id} is accepted");
    };
    let time = Time { at: 0, tick: 0 };
    let append = |record: Record| sqlite::append(db, run_id, time, &record).expect("writable");
    for job in 0..records {
        append(Record::JobSkipped { job });
    }
    if settles {
        append(Record::AnalysisFinished { outcome: RunOutcome::Succeeded, cause: None, elapsed_ms: 1 });
        append(Record::Settled);
    }
    run_id
}

fn number(db: &Connection, sql: &str) -> i64 {
    db.query_row(sql, [], |row| row.get(0)).expect("valid")
}

/// Records by run.
fn records(db: &Connection) -> BTreeMap<i64, i64> {
    let mut statement = db.prepare("SELECT run_id, count(*) FROM journal GROUP BY 1").expect("valid");
    statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .expect("runs")
        .map(|row| row.expect("a row"))
        .collect()
}

/// What a submission now would be, without taking it.
fn tried(db: &mut Connection, id: &str, tenant: &str) -> Acceptance {
    let transaction = db.transaction().expect("begins");
    sqlite::accept(&transaction, &submission(id, tenant), 0).expect("decides")
}

/// Pieces until the round is over.
fn finish(db: &mut Connection, keep: &Retention) {
    let mut keeper = Keeper::new(keep.clone(), Clock::resume(db).expect("a clock"));
    loop {
        keeper.work(db).expect("writable");
        if keeper.round.is_none() {
            return;
        }
    }
}

/// Ten runs that are over, of 400 records each and some of ids that were used twice; one that is not; the newest one.
fn ten_and_an_open_one(db: &Connection) {
    for number in 0..10 {
        run(db, &format!("a{}", number % 8), 400, true);
    }
    run(db, "open", 400, false);
    run(db, "newest", 0, true);
}

/// What must be so wherever a round breaks off.
fn check(db: &mut Connection) {
    let (runs, all) = (number(db, "SELECT count(*) FROM runs WHERE id_key LIKE 'a%'"), records(db));
    let mut rows = db.prepare("SELECT run_id, id_key FROM runs").expect("valid");
    let kept: Vec<(i64, String)> = rows
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .expect("runs")
        .map(|row| row.expect("a row"))
        .collect();
    drop(rows);
    for (run_id, id) in kept {
        let expected = if id == "open" {
            401
        } else if id == "newest" {
            3
        } else {
            403
        };
        assert_eq!(all[&run_id], expected, "{id} has all its records");
    }
    assert_eq!(number(db, "SELECT max(run_id) FROM runs"), 12);
    assert_eq!(number(db, "SELECT max(seq) FROM journal"), 10 * 403 + 401 + 3);
    for (id, next) in [("a0", 3), ("a1", 3), ("a2", 2), ("a7", 2)] {
        assert!(
            matches!(tried(db, id, "t"), Acceptance::New { run_id: 13, number, .. } if number == next),
            "{id} after {runs} are left: {:?}",
            tried(db, id, "t")
        );
        assert_eq!(tried(db, id, "foreign"), Acceptance::IdInUse);
    }
    assert!(matches!(tried(db, "open", "t"), Acceptance::Running { .. }));
}

#[test]
fn a_round_that_breaks_off_anywhere_is_finished_by_the_next() {
    let keep = retention(1_000, 3);
    let mut ended = false;
    for pieces in 0.. {
        let mut db = database();
        ten_and_an_open_one(&db);
        let mut keeper = Keeper::new(keep.clone(), Clock::resume(&db).expect("a clock"));
        // how much a piece removes depends on how fast the machine is: a round may have fewer pieces than the one before
        for _ in 0..pieces {
            keeper.work(&mut db).expect("writable");
            ended = keeper.round.is_none();
            if ended {
                break;
            }
        }
        check(&mut db);
        finish(&mut db, &keep);
        check(&mut db);
        assert_eq!(number(&db, "SELECT count(*) FROM runs"), 4, "three that are over, and the open one");
        assert_eq!(records(&db).len(), 4, "nothing is left of the others");
        assert_eq!(number(&db, "SELECT count(*) FROM forgotten"), 0);
        if ended {
            assert!(pieces > 15, "{pieces} pieces");
            return;
        }
    }
}

#[test]
fn what_is_not_over_or_has_something_to_tell_stays_whatever_its_age() {
    let mut db = database();
    let open = run(&db, "open", 1, false);
    let telling = run(&db, "telling", 1, false);
    let finished = Record::AnalysisFinished { outcome: RunOutcome::Failed, cause: None, elapsed_ms: 1 };
    sqlite::append(&db, telling, Time { at: 0, tick: 0 }, &finished).expect("writable");
    run(&db, "over", 1, true);
    let newest = run(&db, "newest", 1, true);
    finish(&mut db, &Retention { age: Duration::ZERO, runs: 1, ..Retention::default() });
    let left: Vec<i64> = records(&db).into_keys().collect();
    assert_eq!(left, [open, telling, newest]);
}

#[test]
fn the_newest_run_and_the_run_of_the_newest_record_stay() {
    let nothing = Retention { age: Duration::ZERO, runs: 1, ..Retention::default() };
    let mut db = database();
    let (first, second) = (run(&db, "first", 1, true), run(&db, "second", 1, true));
    let (third, last) = (run(&db, "third", 1, true), run(&db, "last", 1, true));
    sqlite::append(&db, second, Time { at: 0, tick: 0 }, &Record::Begun).expect("writable");
    finish(&mut db, &nothing);
    let whole = [(second, 5), (last, 4)].into();
    assert_eq!(records(&db), whole, "not {first} and {third}");
    assert!(run(&db, "next", 1, false) > last);
}

#[test]
fn ids_are_free_again_when_nobody_has_used_them_for_long() {
    let mut db = database();
    run(&db, "old", 1, true);
    run(&db, "newest", 1, true);
    finish(&mut db, &retention(1_000, 1));
    assert_eq!(tried(&mut db, "old", "foreign"), Acceptance::IdInUse);
    // as if days had passed since everything but the newest run
    let later =
        "UPDATE ids SET used = used - 864000000; UPDATE job_ids SET used = used - 864000000 WHERE key = 'job-old'";
    db.execute_batch(later).expect("valid");
    finish(&mut db, &retention(1_000, 1));
    assert_eq!(tried(&mut db, "old", "foreign"), Acceptance::IdInUse, "365 days are kept");
    finish(&mut db, &Retention { ids: Duration::from_secs(9 * 24 * 3600), ..retention(1_000, 1) });
    assert!(matches!(tried(&mut db, "old", "foreign"), Acceptance::New { number: 1, .. }));
    assert_eq!(tried(&mut db, "newest", "foreign"), Acceptance::IdInUse);
}

#[test]
fn a_round_without_anything_to_do_writes_nothing() {
    let mut db = database();
    run(&db, "a", 10, true);
    run(&db, "b", 10, true);
    let before = number(&db, "SELECT total_changes()");
    finish(&mut db, &retention(1_000, 2));
    let of_the_clock = 2;
    assert!(number(&db, "SELECT total_changes()") - before <= of_the_clock);
}

/// A run of one function that was let go of.
fn run_with_a_function(db: &Connection, id: &str) -> i64 {
    let document = r#"{"jobs": [{"title": "function"}]}"#.to_owned();
    let Ok(Acceptance::New { run_id, .. }) = sqlite::accept(db, &Submission { document, ..submission(id, "t") }, 0)
    else {
        panic!("{id} is accepted");
    };
    let (service, details) = ("function".to_owned(), SuccessDetails::default());
    let failure = JobFailure::new(FailureKind::TimedOut, "no end");
    for record in [
        Record::JobStarting { job: 0, attempt: 1, service, wire_id: "f".to_owned(), details },
        Record::JobFailed { job: 0, attempt: 1, failure },
        Record::AnalysisFinished { outcome: RunOutcome::Failed, cause: None, elapsed_ms: 1 },
        Record::Settled,
    ] {
        sqlite::append(db, run_id, Time { at: 0, tick: 0 }, &record).expect("writable");
    }
    run_id
}

#[test]
fn a_run_that_has_let_go_of_a_function_stays_while_its_service_may_be_at_work() {
    let mut db = database();
    let lingering = run_with_a_function(&db, "lingers");
    let other = run(&db, "other", 1, true);
    run(&db, "newest", 1, true);
    finish(&mut db, &Retention { linger: Duration::MAX, ..retention(1_000, 1) });
    assert_eq!(records(&db).keys().copied().collect::<Vec<_>>(), [lingering, other + 1], "the others go");
    finish(&mut db, &Retention { linger: Duration::ZERO, ..retention(1_000, 1) });
    assert_eq!(records(&db).keys().copied().collect::<Vec<_>>(), [other + 1]);
}
