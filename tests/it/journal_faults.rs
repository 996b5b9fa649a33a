//! A journal that cannot be written for a while: what runs waits, what is new is refused, nothing is lost or reordered.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::clock::Instant;
use dummy_services::{Behaviour, Script};
use futures::FutureExt;
use orchestrator::engine::messages::SubmitError;
use orchestrator::engine::{EngineHandle, EngineLimits};
use orchestrator::playbook::Space;
use orchestrator::ports::{FailureKind, JobFailure};
use orchestrator::store::let_go::let_go_functions;
use orchestrator::store::recovery::open_runs;
use orchestrator::store::{History, Journal, JournalError, Record, RunOutcome, SqliteHistory, SqliteJournal};
use orchestrator::testing::{Latch, ScriptedRunner, graph_of};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::peers::wait_for;
use crate::sqlite::{Place, ended, submit};
use crate::stack::{PATIENCE, Stack, Stores};

/// Every new row in the journal or the documents takes a number of which there are no more: SQLite's word for it is the
/// same as for a disk without space.
const FULL: &str = "
CREATE TABLE full (id INTEGER PRIMARY KEY AUTOINCREMENT);
INSERT INTO full VALUES (9223372036854775807);
CREATE TRIGGER no_record BEFORE INSERT ON journal BEGIN INSERT INTO full VALUES (NULL); END;
CREATE TRIGGER no_document BEFORE INSERT ON documents BEGIN INSERT INTO full VALUES (NULL); END;
";

const ROOM_AGAIN: &str = "DROP TRIGGER no_record; DROP TRIGGER no_document; DROP TABLE full;";

/// A disk without space, until it is told otherwise.
pub(crate) struct Disk(Connection);

impl Disk {
    pub(crate) fn fill(file: &Path) -> Self {
        let disk = Self::of(file);
        disk.0.execute_batch(&format!("BEGIN IMMEDIATE; {FULL} COMMIT")).unwrap();
        disk
    }

    fn of(file: &Path) -> Self {
        let connection = Connection::open(file).unwrap();
        connection.busy_timeout(Duration::from_secs(20)).unwrap();
        Self(connection)
    }

    pub(crate) fn make_room(&self) {
        self.0.execute_batch(&format!("BEGIN IMMEDIATE; {ROOM_AGAIN} COMMIT")).unwrap();
    }
}

fn warning(number: usize) -> Record {
    Record::Warning { job: None, code: "w".to_owned(), text: number.to_string() }
}

/// The texts of a run's warnings, in the journal's order.
fn warnings(file: &Path, run_id: i64) -> Vec<String> {
    let text = |record| match record {
        Record::Warning { text, .. } => Some(text),
        _ => None,
    };
    let entries = SqliteHistory::open(file).entries(run_id).unwrap();
    entries.into_iter().filter_map(|entry| text(entry.record)).collect()
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

async fn unhealthy(journal: &SqliteJournal) {
    let since = Instant::now();
    while journal.is_healthy() {
        assert!(since.elapsed() < PATIENCE, "the trouble is not noticed");
        actix::clock::sleep(Duration::from_millis(5)).await;
    }
}

#[actix::test]
async fn records_wait_for_room_on_the_disk_in_their_order_and_new_submissions_are_refused() {
    let place = Place::new();
    let journal = SqliteJournal::open(&place.file()).unwrap();
    let sketch = graph_of("1 -> 2");
    journal.accept(sketch.submission(&sketch.plan())).await.unwrap();
    assert!(journal.is_healthy());

    let disk = Disk::fill(&place.file());
    let mut receipts: Vec<_> = (0..100).map(|number| journal.append(1, warning(number))).collect();
    unhealthy(&journal).await;
    let other = graph_of("1 -> 2").id("a2");
    let refused = journal.accept(other.submission(&other.plan())).await;
    assert!(matches!(&refused, Err(JournalError::Write(why)) if why.contains("full")), "{refused:?}");
    receipts.extend((100..200).map(|number| journal.append(1, warning(number))));
    actix::clock::sleep(Duration::from_millis(500)).await;
    assert!(receipts.iter_mut().all(|receipt| receipt.now_or_never().is_none()), "nobody is told anything meanwhile");
    assert!(!journal.is_healthy() && warnings(&place.file(), 1).is_empty());

    disk.make_room();
    let mut last = 0;
    for receipt in receipts {
        let seq = receipt.await.unwrap();
        assert!(seq > last, "{seq} after {last}");
        last = seq;
    }
    assert!(journal.is_healthy());
    assert_eq!(warnings(&place.file(), 1), numbers(200));
    assert!(journal.accept(other.submission(&other.plan())).await.is_ok());
}

#[actix::test]
async fn a_journal_that_nobody_writes_to_notices_that_there_is_room_again() {
    let place = Place::new();
    let journal = SqliteJournal::open(&place.file()).unwrap();
    let disk = Disk::fill(&place.file());
    let sketch = graph_of("1 -> 2");
    assert!(journal.accept(sketch.submission(&sketch.plan())).await.is_err());
    assert!(!journal.is_healthy());
    journal.flush().await.unwrap();
    actix::clock::sleep(Duration::from_millis(500)).await;
    assert!(!journal.is_healthy(), "nothing was written");
    disk.make_room();
    let since = Instant::now();
    while !journal.is_healthy() {
        assert!(since.elapsed() < PATIENCE, "the room is not noticed");
        actix::clock::sleep(Duration::from_millis(5)).await;
    }
    assert!(journal.accept(sketch.submission(&sketch.plan())).await.is_ok());
}

/// What cannot be read of one run must not keep the others, or the whole process, from going on.
#[actix::test]
async fn a_record_that_is_no_json_keeps_nobody_from_starting() {
    let place = Place::new();
    let journal = SqliteJournal::open(&place.file()).unwrap();
    for id in ["a1", "a2"] {
        let sketch = graph_of("1 -> 2").id(id);
        journal.accept(sketch.submission(&sketch.plan())).await.unwrap();
    }
    let failure = JobFailure::new(FailureKind::TimedOut, "too slow");
    journal.append(1, Record::JobFailed { job: 1, attempt: 1, failure }).await.unwrap();
    let other = Connection::open(place.file()).unwrap();
    other.execute_batch("INSERT INTO journal (run_id, at, record) VALUES (1, 0, '{torn'), (2, 0, '')").unwrap();
    let history = SqliteHistory::open(&place.file());
    assert_eq!(history.let_go_since(0).unwrap(), [1], "the run that can be found");
    assert!(matches!(history.entries(1).unwrap().last().unwrap().record, Record::Unreadable { .. }));
    assert_eq!(let_go_functions(&history, journal.tick(), Duration::from_secs(600), &[]).unwrap(), []);
    let open = open_runs(&history, journal.tick()).unwrap();
    let outcomes: Vec<_> = open.iter().map(|run| run.progress.stopping.as_ref().map(|(outcome, _)| *outcome)).collect();
    assert_eq!(outcomes, [Some(RunOutcome::Failed); 2], "neither can be read, so both end as failed");
}

/// One record can never be written, and the disk is full: the others are not broken by that.
#[actix::test]
async fn a_full_disk_in_the_midst_of_singles_breaks_nobody_else() {
    let place = Place::new();
    let journal = SqliteJournal::open(&place.file()).unwrap();
    for id in ["a1", "a2"] {
        let sketch = graph_of("1 -> 2").id(id);
        journal.accept(sketch.submission(&sketch.plan())).await.unwrap();
    }
    let other = Disk::of(&place.file());
    let refuse = "CREATE TRIGGER no BEFORE INSERT ON journal WHEN NEW.run_id = 1 BEGIN SELECT RAISE(ABORT, 'no'); END;
        CREATE TABLE full (id INTEGER PRIMARY KEY AUTOINCREMENT);
        INSERT INTO full VALUES (9223372036854775807);
        CREATE TRIGGER no_room BEFORE INSERT ON journal WHEN NEW.run_id = 2 BEGIN INSERT INTO full VALUES (NULL); END;";
    other.0.execute_batch(refuse).unwrap();
    let (lost, kept) = (journal.append(1, warning(0)), journal.append(2, warning(1)));
    assert!(lost.await.is_err());
    other.0.execute_batch("DROP TRIGGER no_room").unwrap();
    kept.await.unwrap();
    assert_eq!(warnings(&place.file(), 2), numbers(2)[1..]);
}

#[actix::test]
async fn a_file_that_somebody_else_holds_for_longer_than_sqlite_waits_loses_nothing() {
    let place = Place::new();
    let journal = SqliteJournal::open(&place.file()).unwrap();
    let sketch = graph_of("1 -> 2");
    journal.accept(sketch.submission(&sketch.plan())).await.unwrap();

    let other = Disk::of(&place.file()).0;
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let receipts: Vec<_> = (0..50).map(|number| journal.append(1, warning(number))).collect();
    unhealthy(&journal).await;
    let locked_out = graph_of("1 -> 2").id("a2");
    let refused = journal.accept(locked_out.submission(&locked_out.plan())).await;
    assert!(matches!(&refused, Err(JournalError::Write(why)) if why.contains("locked")), "{refused:?}");
    other.execute_batch("COMMIT").unwrap();
    for receipt in receipts {
        receipt.await.unwrap();
    }
    assert!(journal.is_healthy());
    assert_eq!(warnings(&place.file(), 1), numbers(50));
}

#[actix::test]
async fn what_is_held_when_the_journal_is_closed_is_written_before_it_is_gone() {
    let place = Place::new();
    let journal = SqliteJournal::open(&place.file()).unwrap();
    let sketch = graph_of("1 -> 2");
    journal.accept(sketch.submission(&sketch.plan())).await.unwrap();
    let disk = Disk::fill(&place.file());
    for number in 0..10 {
        drop(journal.append(1, warning(number)));
    }
    unhealthy(&journal).await;
    let closing = std::thread::spawn(move || drop(journal));
    actix::clock::sleep(Duration::from_millis(300)).await;
    assert!(!closing.is_finished());
    disk.make_room();
    closing.join().unwrap();
    assert_eq!(warnings(&place.file(), 1), numbers(10));
}

#[actix::test]
async fn a_run_waits_for_the_disk_and_tells_everything_afterwards() {
    let place = Place::new();
    let journal = SqliteJournal::open(&place.file()).unwrap();
    let (jobs, latch) = (ScriptedRunner::new(), Latch::new());
    jobs.tells_milestones().step("2").waits_for(&latch);
    let engine = EngineHandle::start_here(EngineLimits::default(), Arc::new(journal.clone()), Rc::new(jobs.clone()));
    let sketch = graph_of("1 -> 2 -> 3");
    submit(&engine, &sketch).await.unwrap();
    while !jobs.steps().contains(&"2".to_owned()) || jobs.notices().len() < 2 {
        actix::clock::sleep(Duration::from_millis(5)).await;
    }

    let disk = Disk::fill(&place.file());
    latch.open();
    unhealthy(&journal).await;
    actix::clock::sleep(Duration::from_millis(500)).await;
    assert_eq!(jobs.steps(), ["1", "2"], "no start without its intent");
    assert_eq!(jobs.notices(), ["accepted", "1 succeeded"], "nothing is told that is not durable");
    let refused = submit(&engine, &graph_of("1 -> 2").id("a2")).await;
    assert!(matches!(refused, Err(SubmitError::NotDurable(_))), "{refused:?}");

    disk.make_room();
    let history = SqliteHistory::open(&place.file());
    ended(&history, "a1").await;
    let run = history.find(Space::Analysis, "a1", None).unwrap().unwrap();
    assert_eq!(run.state.as_str(), "succeeded");
    assert_eq!(jobs.notices(), ["accepted", "1 succeeded", "2 succeeded", "3 succeeded", "finished well"]);
}

/// Records of the platform, in the order of their insertion.
fn documents(stack: &Stack, collection: &str) -> Vec<Value> {
    let db = Connection::open(stack.orchestrator.state_file()).unwrap();
    let mut query = db.prepare("SELECT document FROM documents WHERE collection = ?1 ORDER BY rowid").unwrap();
    let texts = query.query_map([collection], |row| row.get::<_, String>(0)).unwrap();
    texts.map(|text| serde_json::from_str(&text.unwrap()).unwrap()).collect()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the orchestrator is another process, on the real clock")]
fn a_completion_that_cannot_be_written_delays_its_document_and_its_notice() {
    let slow = Behaviour { latency_ms: 1_000, ..Behaviour::default() };
    let script = Script { jobs: [("disk-2".to_owned(), slow)].into(), ..Script::default() };
    let stack = Stack::answering(Stores::Embedded, script, &[]);
    let playbook = |analysis: &str| {
        json!({
            "analysis-id": analysis, "database-id": "disk", "metadata": {"n": 1},
            "jobs": [
                {"step": 1, "id": format!("{analysis}-1"), "title": "dataset", "label": "d", "from": 0, "next": [2]},
                {"step": 2, "id": format!("{analysis}-2"), "title": "cleaning", "from": 1, "next": [3]},
                {"step": 3, "id": format!("{analysis}-3"), "title": "data-sink", "from": 2, "next": [0]},
            ],
        })
    };
    stack.orchestrator.submit(&playbook("Disk"));
    wait_for("the cleaning is started", PATIENCE, || {
        stack.dummies.ledger().iter().any(|entry| entry.service == "POST /data-cleaning").then_some(())
    });
    std::thread::sleep(Duration::from_millis(200));
    let disk = Disk::fill(&stack.orchestrator.state_file());
    wait_for("the trouble is noticed", PATIENCE, || {
        stack.orchestrator.said().contains("the journal cannot be written").then_some(())
    });
    let refused = stack.orchestrator.post("/analysis", &playbook("Late"));
    assert_eq!(refused.status, 503, "{refused:?}");
    std::thread::sleep(Duration::from_millis(700));
    let about = |id: &str| -> Vec<String> {
        stack.dummies.notices().into_iter().filter(|text| text.to_lowercase().ends_with(&format!(": {id}"))).collect()
    };
    assert_eq!(stack.orchestrator.run("analyses", "Disk")["state"], "running");
    assert_eq!((about("disk"), documents(&stack, "analysis_disk")), (vec![], vec![]));

    disk.make_room();
    let run = stack.orchestrator.settled("analyses", "Disk", PATIENCE);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let expected = [
        "update: Cleaning executed for the analysis with ID: Disk",
        "update: Data Sink Executed for the analysis with ID: Disk",
        "update: Analysis completed with ID: disk",
    ];
    assert_eq!(about("disk"), expected);
    let kinds: Vec<Value> =
        documents(&stack, "analysis_disk").iter().map(|document| document["directory-kind"].clone()).collect();
    assert_eq!(kinds.len(), 2, "{kinds:?}");
    assert!(kinds.contains(&json!("cleaned-data")), "{kinds:?}");
    assert_eq!(documents(&stack, "pipelines")[0]["status"], "completed");
    assert_eq!(stack.orchestrator.post("/analysis", &playbook("Late")).status, 202);
    stack.orchestrator.settled("analyses", "Late", PATIENCE);
}
