//! Finished runs leave the real journal: what goes, what stays of it, and how large the file gets.

use std::time::Duration;

use orchestrator::playbook::Space;
use orchestrator::store::writer::wall_clock;
use orchestrator::store::{
    Acceptance, Filter, History, IdempotencyKey, Journal, Millis, Record, Retention, RunOutcome, SqliteHistory,
    SqliteJournal, Submission,
};
use orchestrator::testing::graph_of;
use rusqlite::Connection;

use crate::sqlite::Place;

const DAY: Millis = 24 * 60 * 60 * 1000;

/// Nobody has used an id of these tests for less.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// So many runs, looked after all the time.
fn keep(runs: u64) -> Retention {
    Retention { runs, sweep: Duration::from_millis(5), ..Retention::default() }
}

fn submission(id: &str) -> Submission {
    let sketch = graph_of("1 -> 2").id(id);
    Submission { job_ids: Vec::new(), ..sketch.submission(&sketch.plan()) }
}

/// A run that has ended and told everything, with as many records as a run of six jobs has.
async fn settle(journal: &SqliteJournal, submission: Submission) -> i64 {
    let accepted = journal.accept(submission).await.unwrap();
    let Acceptance::New { run_id, .. } = accepted else { panic!("{accepted:?}") };
    let said = |job: usize| Record::Warning { job: Some(job), code: "said".to_owned(), text: "x".repeat(100) };
    (0..20).for_each(|job| drop(journal.append(run_id, said(job))));
    drop(journal.append(run_id, finished()));
    drop(journal.append(run_id, Record::Settled));
    run_id
}

fn finished() -> Record {
    Record::AnalysisFinished { outcome: RunOutcome::Succeeded, cause: None, elapsed_ms: 1 }
}

/// Runs side by side, so that many go into one commit.
async fn settle_many(journal: &SqliteJournal, names: std::ops::Range<usize>) {
    let runs = names.map(|name| settle(journal, submission(&format!("run-{name}"))));
    futures::future::join_all(runs).await;
    journal.flush().await.unwrap();
}

fn listed(history: &SqliteHistory) -> Vec<i64> {
    let filter = Filter { space: Space::Analysis, tenants: None, state: None, before: None, limit: 100_000 };
    history.list(&filter).unwrap().into_iter().map(|run| run.run_id).collect()
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..4_000 {
        if is_so() {
            return;
        }
        actix::clock::sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}

/// Bytes of a thousand runs that stay.
async fn bytes_of_a_thousand() -> u64 {
    let place = Place::new();
    let journal = SqliteJournal::open(&place.file()).unwrap();
    settle_many(&journal, 0..1_000).await;
    drop(journal);
    std::fs::metadata(place.file()).unwrap().len()
}

#[actix::test]
async fn the_file_stays_as_large_as_what_is_kept() {
    let thousand = bytes_of_a_thousand().await;
    let place = Place::new();
    let journal = SqliteJournal::open_keeping(&place.file(), keep(200)).unwrap();
    let mut sizes = Vec::new();
    for first in (0..8_000).step_by(1_000) {
        settle_many(&journal, first..first + 1_000).await;
        sizes.push(journal.disk_bytes());
    }
    let (early, late) = sizes.split_at(4);
    let (early, late) = (early.iter().max().unwrap(), late.iter().max().unwrap());
    assert!(*late < early + early / 2, "it does not grow: {sizes:?}");
    assert!(*late < 4 * thousand, "it would have grown to {}: {sizes:?}", 8 * thousand);
    let history = SqliteHistory::open(&place.file());
    until("two hundred are left", || listed(&history).len() == 200).await;
    until("the file is small", || journal.disk_bytes() < 2 * thousand / 5 + 1_000_000).await;
}

#[actix::test]
async fn space_comes_back_when_less_is_to_be_kept() {
    let place = Place::new();
    let journal = SqliteJournal::open(&place.file()).unwrap();
    settle_many(&journal, 0..2_000).await;
    drop(journal);
    let before = std::fs::metadata(place.file()).unwrap().len();
    let journal = SqliteJournal::open_keeping(&place.file(), keep(10)).unwrap();
    until("the file has shrunk", || journal.disk_bytes() < before / 6).await;
    let history = SqliteHistory::open(&place.file());
    assert_eq!(listed(&history).len(), 10);
    // what is gone is still somebody's
    let bound = |id: &str| history.is_bound(Space::Analysis, id).unwrap();
    assert_eq!((bound("run-0"), bound("run-1999"), bound("run-2000")), (true, true, false));
    assert!(!history.is_bound(Space::Ingestion, "run-0").unwrap());
}

#[actix::test]
async fn a_journal_that_is_closed_again_and_again_forgets_all_the_same() {
    let place = Place::new();
    let journal = SqliteJournal::open(&place.file()).unwrap();
    settle_many(&journal, 0..600).await;
    let open = journal.accept(submission("open")).await.unwrap();
    drop(journal);
    let history = SqliteHistory::open(&place.file());
    let db = Connection::open(place.file()).unwrap();
    let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let mut lives = 0;
    while count("SELECT count(DISTINCT run_id) FROM journal") > 6 || count("SELECT count(*) FROM forgotten") > 0 {
        lives += 1;
        assert!(lives < 1_000, "it never gets there");
        let journal = SqliteJournal::open_keeping(&place.file(), keep(5)).unwrap();
        actix::clock::sleep(Duration::from_millis(lives % 7)).await;
        drop(journal);
        for run_id in listed(&history) {
            let records = history.entries(run_id).unwrap().len();
            assert!(records == 23 || records == 1, "a run that is listed has all its {records} records");
        }
    }
    assert!(lives > 5, "it was closed {lives} times in the midst");
    assert!(matches!(open, Acceptance::New { run_id: 601, .. }));
    let left = listed(&history);
    assert_eq!((left.len(), left[0]), (6, 601), "five, and the one that is open");
    assert_eq!(count("SELECT count(*) FROM ids"), 595);
}

#[actix::test]
async fn an_id_outlives_its_runs_and_a_key_does_not() {
    let place = Place::new();
    let journal = SqliteJournal::open_keeping(&place.file(), keep(1)).unwrap();
    let history = SqliteHistory::open(&place.file());
    let keyed = || Submission { idempotency_key: IdempotencyKey::parse(b"key"), ..submission("Mine") };
    let first = settle(&journal, keyed()).await;
    assert!(matches!(journal.accept(keyed()).await.unwrap(), Acceptance::Ended { number: 1, .. }));
    settle(&journal, submission("another")).await;
    until("the first is forgotten", || history.find(Space::Analysis, "mine", None).unwrap().is_none()).await;
    until("so are its records", || history.entries(first).unwrap().is_empty()).await;
    assert_eq!(history.document(first).unwrap(), None);
    let foreign = Submission { tenant: "foreign".to_owned(), ..submission("MINE") };
    assert_eq!(journal.accept(foreign).await.unwrap(), Acceptance::IdInUse);
    let again = journal.accept(keyed()).await.unwrap();
    assert!(matches!(again, Acceptance::New { number: 2, run_id, .. } if run_id > first), "{again:?}");
}

#[actix::test]
async fn runs_go_after_their_days_and_ids_after_theirs() {
    let place = Place::new();
    let journal = SqliteJournal::open(&place.file()).unwrap();
    for id in ["old", "young", "newest"] {
        settle(&journal, submission(id)).await;
    }
    drop(journal);
    let db = Connection::open(place.file()).unwrap();
    let is_there = |id: &str| SqliteHistory::open(&place.file()).find(Space::Analysis, id, None).unwrap().is_some();
    let age = |id: &str, days: Millis| {
        db.execute("UPDATE runs SET settled_tick = settled_tick - ?2 WHERE id_key = ?1", (id, days * DAY)).unwrap();
    };
    age("old", 31);
    age("young", 29);
    let always = Retention { sweep: Duration::from_millis(5), ..Retention::default() };
    assert_eq!(always.ids, YEAR);
    let journal = SqliteJournal::open_keeping(&place.file(), always).unwrap();
    until("the old one is forgotten", || !is_there("old")).await;
    journal.flush().await.unwrap();
    assert!(is_there("young") && is_there("newest"));
    let known = |db: &Connection| db.query_row("SELECT count(*) FROM ids", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(known(&db), 1);
    // runs from before are as old now, or their ids would be taken for ones in use
    db.execute("UPDATE ids SET used = used - ?1", [334 * DAY + 1]).unwrap();
    until("the id is forgotten", || known(&db) == 0).await;
}

#[actix::test]
async fn a_file_that_could_not_shrink_is_rewritten_once_and_keeps_everything() {
    let place = Place::new();
    let db = Connection::open(place.file()).unwrap();
    db.execute_batch(crate::journal_time::OLD_TABLES).unwrap();
    let lately = wall_clock() - DAY;
    for run in 1..=40 {
        let (id, settled) = (format!("run-{run}"), i64::from(run != 1));
        db.execute(
            "INSERT INTO runs (space, id_key, number, id_text, tenant, digest, document, reused_ids, state, settled,
             accepted_at, finished_at) VALUES ('analysis', ?1, 1, ?1, 't', x'00', '{}', '[]', 'succeeded', ?2, ?3, ?3)",
            (&id, settled, lately),
        )
        .unwrap();
        let record = r#"{"event":"accepted"}"#;
        db.execute("INSERT INTO journal (run_id, at, record) VALUES (?1, ?2, ?3)", (run, lately, record)).unwrap();
        let document = format!(r#"{{"run":{run}}}"#);
        let sql = "INSERT INTO documents (database, collection, id, document) VALUES ('t', 'c', ?1, ?2)";
        db.execute(sql, (format!("{}", 100 - run), document)).unwrap();
    }
    db.execute("DELETE FROM documents WHERE id = '90'", []).unwrap();
    drop(db);
    for _ in 0..2 {
        drop(SqliteJournal::open(&place.file()).unwrap());
        let db = Connection::open(place.file()).unwrap();
        let mode: i64 = db.query_row("PRAGMA auto_vacuum", [], |row| row.get(0)).unwrap();
        assert_eq!(mode, 2, "free pages can be given back");
    }
    let history = SqliteHistory::open(&place.file());
    let runs: Vec<_> = history.documents("t", "c").unwrap().iter().map(|document| document["run"].as_i64()).collect();
    assert_eq!(runs.len(), 39);
    assert!(runs.is_sorted(), "documents keep their order: {runs:?}");
    let journal = SqliteJournal::open_keeping(&place.file(), keep(3)).unwrap();
    until("three and the open one are left", || listed(&history).len() == 4).await;
    assert_eq!(listed(&history), [40, 39, 38, 1]);
    drop(journal);
}
