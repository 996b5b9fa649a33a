//! The journal's own clock over restarts, with a wall clock that jumps, and data directories from before it had one.

use orchestrator::store::recovery::open_run;
use orchestrator::store::{History, Journal, Millis, Record, SqliteHistory, SqliteJournal};
use orchestrator::testing::graph_of;
use rusqlite::Connection;

use crate::secs;
use crate::sqlite::Place;

const HOUR: Millis = 60 * 60 * 1000;
const DAY: Millis = 24 * HOUR;

/// More than a restart takes.
const MOMENT: Millis = 60 * 1000;

/// What `state.db` looked like before the journal had a clock of its own.
pub(crate) const OLD_TABLES: &str = "
CREATE TABLE runs (run_id INTEGER PRIMARY KEY, space TEXT NOT NULL, id_key TEXT NOT NULL, number INTEGER NOT NULL,
    id_text TEXT NOT NULL, tenant TEXT NOT NULL, digest BLOB NOT NULL, document TEXT NOT NULL, reused_ids TEXT NOT NULL,
    state TEXT NOT NULL, settled INTEGER NOT NULL DEFAULT 0, accepted_at INTEGER NOT NULL, finished_at INTEGER, cause TEXT,
    UNIQUE (space, id_key, number));
CREATE INDEX runs_unsettled ON runs (run_id) WHERE settled = 0;
CREATE TABLE journal (seq INTEGER PRIMARY KEY, run_id INTEGER NOT NULL, at INTEGER NOT NULL, record TEXT NOT NULL);
CREATE INDEX journal_by_run ON journal (run_id, seq);
CREATE TABLE job_ids (key TEXT NOT NULL, service TEXT NOT NULL, tenant TEXT NOT NULL, PRIMARY KEY (key, service)) WITHOUT ROWID;
CREATE TABLE documents (database TEXT NOT NULL, collection TEXT NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (database, collection, id));
";

async fn accept(journal: &SqliteJournal) {
    let sketch = graph_of("1 -> 2");
    journal.accept(sketch.submission(&sketch.plan())).await.unwrap();
}

/// The one open run's age when the journal is opened now.
fn age(place: &Place) -> std::time::Duration {
    let journal = SqliteJournal::open(&place.file()).unwrap();
    let history = SqliteHistory::open(&place.file());
    assert_eq!(history.unsettled_runs().unwrap(), [1]);
    let stored = history.stored_runs(1..=1).unwrap();
    open_run(&stored[0], journal.tick()).unwrap().age
}

#[actix::test]
async fn after_a_restart_the_age_of_a_run_does_not_depend_on_the_wall_clock() {
    for jump in [HOUR, -HOUR, DAY, -DAY] {
        let place = Place::new();
        let journal = SqliteJournal::open(&place.file()).unwrap();
        accept(&journal).await;
        drop(journal);
        // as if the wall clock had been elsewhere while the process ran
        let db = Connection::open(place.file()).unwrap();
        db.execute("UPDATE journal SET at = at - ?1", [jump]).unwrap();
        db.execute("UPDATE clock SET wall = wall - ?1", [jump]).unwrap();
        db.execute("UPDATE runs SET accepted_at = accepted_at - ?1", [jump]).unwrap();
        drop(db);
        assert!(age(&place) < secs(60), "jump of {jump} ms: {:?}", age(&place));
    }
}

#[actix::test]
async fn over_a_reboot_the_wall_clock_tells_what_has_passed() {
    let place = Place::new();
    let journal = SqliteJournal::open(&place.file()).unwrap();
    accept(&journal).await;
    drop(journal);
    let db = Connection::open(place.file()).unwrap();
    db.execute("UPDATE clock SET boot = 'another', wall = wall - ?1", [HOUR]).unwrap();
    db.execute("UPDATE journal SET at = at - ?1", [HOUR]).unwrap();
    drop(db);
    for _ in 0..2 {
        let age = age(&place);
        assert!((secs(3_600)..secs(3_660)).contains(&age), "{age:?}");
    }
}

#[actix::test]
async fn ticks_grow_from_process_to_process() {
    let place = Place::new();
    for _ in 0..3 {
        let journal = SqliteJournal::open(&place.file()).unwrap();
        accept(&journal).await;
        journal.append(1, Record::Begun).await.unwrap();
    }
    let db = Connection::open(place.file()).unwrap();
    let mut statement = db.prepare("SELECT tick FROM journal ORDER BY seq").unwrap();
    let ticks: Vec<Millis> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(ticks.len() >= 4 && ticks.is_sorted(), "{ticks:?}");
    assert!((0..MOMENT).contains(&ticks[0]) && ticks.last().unwrap() - ticks[0] < MOMENT, "{ticks:?}");
}

#[actix::test]
async fn a_data_directory_from_before_the_clock_opens_and_its_runs_keep_their_age() {
    let place = Place::new();
    let sketch = graph_of("1 -> 2");
    let submission = sketch.submission(&sketch.plan());
    let db = Connection::open(place.file()).unwrap();
    db.execute_batch(OLD_TABLES).unwrap();
    let accepted_at = submission.at - HOUR;
    db.execute(
        "INSERT INTO runs (space, id_key, number, id_text, tenant, digest, document, reused_ids, state, accepted_at)
         VALUES ('analysis', ?1, 1, ?1, ?2, x'00', ?3, '[]', 'running', ?4)",
        (&submission.id_key, &submission.tenant, &submission.document, accepted_at),
    )
    .unwrap();
    let accepted = r#"{"event":"accepted"}"#;
    db.execute("INSERT INTO journal (run_id, at, record) VALUES (1, ?1, ?2)", (accepted_at, accepted)).unwrap();
    drop(db);
    let age = age(&place);
    assert!((secs(3_600)..secs(3_660)).contains(&age), "{age:?}");
    let journal = SqliteJournal::open(&place.file()).unwrap();
    assert!(journal.append(1, Record::Begun).await.is_ok());
}

#[test]
fn a_data_directory_of_a_newer_version_is_refused() {
    let place = Place::new();
    drop(SqliteJournal::open(&place.file()).unwrap());
    let db = Connection::open(place.file()).unwrap();
    db.pragma_update(None, "user_version", 1_000).unwrap();
    drop(db);
    let refused = SqliteJournal::open(&place.file()).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("it has format 1000, this version knows up to"), "{refused}");
}
