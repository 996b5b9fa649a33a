//! The real journal, in a directory of its own, on the real clock.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use orchestrator::engine::messages::{Accepted, SubmitError};
use orchestrator::engine::{EngineHandle, EngineLimits};
use orchestrator::playbook::Space;
use orchestrator::store::{History, Journal, Record, RunProgress, SqliteHistory, SqliteJournal};
use orchestrator::testing::{Latch, ScriptedRunner, Sketch, graph_of};

/// A directory that goes away with the test.
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("orchestrator-it-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("state.db")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

pub(crate) async fn submit(engine: &EngineHandle, sketch: &Sketch) -> Result<Accepted, SubmitError> {
    let plan = sketch.plan();
    let submission = sketch.submission(&plan);
    engine.submit(plan, submission).await
}

/// Waits until the newest run of an id has ended.
pub(crate) async fn ended(history: &SqliteHistory, id: &str) {
    for _ in 0..2_000 {
        let run = history.find(Space::Analysis, id, None).unwrap();
        if run.is_some_and(|run| run.settled) {
            return;
        }
        actix::clock::sleep(Duration::from_millis(5)).await;
    }
    panic!("{id} does not end");
}

#[actix::test]
async fn ids_of_submissions_and_jobs_are_decided_by_the_real_journal() {
    let place = Place::new();
    let journal = SqliteJournal::open(&place.file()).unwrap();
    let history = SqliteHistory::open(&place.file());
    let (jobs, latch) = (ScriptedRunner::new(), Latch::new());
    jobs.step_of("a1", "2").waits_for(&latch);
    let engine = EngineHandle::start_here(EngineLimits::default(), Arc::new(journal.clone()), Rc::new(jobs.clone()));
    let sketch = graph_of("1 -> 2 -> 3").id("a1").member("2", "id", "shared");

    let (one, two) = futures::join!(submit(&engine, &sketch), submit(&engine, &sketch));
    let news = [one.unwrap(), two.unwrap()].map(|accepted| (accepted.number, accepted.is_new));
    assert!(news.contains(&(1, true)) && news.contains(&(1, false)), "{news:?}");
    assert_eq!(submit(&engine, &graph_of("1 -> 2").id("a1")).await, Err(SubmitError::IdInUse));
    assert_eq!(submit(&engine, &sketch.clone().tenant("other")).await, Err(SubmitError::IdInUse));
    let theirs = graph_of("1 -> 2").id("b1").tenant("other").member("2", "id", "SHARED");
    assert_eq!(submit(&engine, &theirs).await, Err(SubmitError::JobIdInUse { job: 1 }));

    latch.open();
    ended(&history, "a1").await;
    let again = submit(&engine, &sketch).await.unwrap();
    assert_eq!((again.number, again.is_new), (2, true));
    ended(&history, "a1").await;
    let run = history.find(Space::Analysis, "a1", None).unwrap().unwrap();
    assert_eq!((run.state.as_str(), run.reused_ids.into_iter().collect::<Vec<_>>()), ("succeeded", vec![1, 2]));
    assert_eq!(jobs.steps().len(), 6);
    let progress = RunProgress::fold(3, &history.entries(run.run_id).unwrap()).unwrap();
    assert!(progress.settled && progress.jobs.iter().all(|job| job.phase.is_terminal()));
}

#[actix::test]
async fn what_was_acknowledged_is_there_after_reopening_in_its_order() {
    let place = Place::new();
    let sketch = graph_of("1 -> 2");
    let plan = sketch.plan();
    let texts: Vec<String> = (0..500).map(|number| number.to_string()).collect();
    {
        let journal = SqliteJournal::open(&place.file()).unwrap();
        journal.accept(sketch.submission(&plan)).await.unwrap();
        let warning = |text: &String| Record::Warning { job: None, code: "w".to_owned(), text: text.clone() };
        let receipts: Vec<_> = texts.iter().map(|text| journal.append(1, warning(text))).collect();
        let mut last = 0;
        for receipt in receipts {
            let seq = receipt.await.unwrap();
            assert!(seq > last, "numbers grow in the order of the calls");
            last = seq;
        }
    }
    drop(SqliteJournal::open(&place.file()).unwrap());
    let entries = SqliteHistory::open(&place.file()).entries(1).unwrap();
    assert_eq!(entries[0].record, Record::Accepted);
    let found: Vec<String> = entries[1..]
        .iter()
        .map(|entry| match &entry.record {
            Record::Warning { text, .. } => text.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(found, texts);
}

#[actix::test]
async fn everything_that_waits_goes_into_one_commit() {
    let place = Place::new();
    let journal = SqliteJournal::open(&place.file()).unwrap();
    let sketch = graph_of("1 -> 2");
    journal.accept(sketch.submission(&sketch.plan())).await.unwrap();
    // a reader that counts commits: the data version changes once for each
    let reader = rusqlite::Connection::open(place.file()).unwrap();
    let version = || reader.query_row("PRAGMA data_version", [], |row| row.get::<_, i64>(0)).unwrap();
    let before = version();
    let receipts: Vec<_> = (0..2_000).map(|_| journal.append(1, Record::Settled)).collect();
    let mut commits = 0;
    let mut seen = before;
    for receipt in receipts {
        receipt.await.unwrap();
        let now = version();
        commits += i64::from(now != seen);
        seen = now;
    }
    assert!(commits < 500, "{commits} commits for 2000 records");
    assert_eq!(SqliteHistory::open(&place.file()).entries(1).unwrap().len(), 2_001);
}

#[actix::test]
async fn a_record_that_cannot_be_written_is_refused() {
    let place = Place::new();
    let journal = SqliteJournal::open(&place.file()).unwrap();
    let sketch = graph_of("1 -> 2");
    journal.accept(sketch.submission(&sketch.plan())).await.unwrap();
    let other = rusqlite::Connection::open(place.file()).unwrap();
    other.execute_batch("DROP TABLE journal").unwrap();
    assert!(journal.append(1, Record::Settled).await.is_err());
}

#[actix::test]
async fn after_a_lost_record_nothing_more_is_written_about_its_run() {
    let place = Place::new();
    let journal = SqliteJournal::open(&place.file()).unwrap();
    for id in ["a1", "a2"] {
        let sketch = graph_of("1 -> 2").id(id);
        journal.accept(sketch.submission(&sketch.plan())).await.unwrap();
    }
    let other = rusqlite::Connection::open(place.file()).unwrap();
    let refuse = "CREATE TRIGGER no BEFORE INSERT ON journal WHEN NEW.run_id = 1 BEGIN SELECT RAISE(ABORT, 'no'); END";
    other.execute_batch(refuse).unwrap();
    assert!(journal.append(1, Record::JobSkipped { job: 0 }).await.is_err());
    other.execute_batch("DROP TRIGGER no").unwrap();
    assert!(journal.append(1, Record::Settled).await.is_err());
    assert!(journal.append(2, Record::Settled).await.is_ok());
    let history = SqliteHistory::open(&place.file());
    assert_eq!((history.entries(1).unwrap().len(), history.entries(2).unwrap().len()), (1, 2));
}

#[actix::test]
async fn a_run_is_read_back_with_everything_that_was_queued_before() {
    let place = Place::new();
    let journal = SqliteJournal::open(&place.file()).unwrap();
    let sketch = graph_of("1 -> 2");
    journal.accept(sketch.submission(&sketch.plan())).await.unwrap();
    for number in 1..=50 {
        drop(journal.append(1, Record::JobSkipped { job: 0 }));
        drop(journal.append(2, Record::Begun));
        let entries = journal.read_back(1).await.unwrap();
        assert_eq!(entries.len(), 1 + number);
        assert!(entries.iter().all(|entry| entry.run_id == 1) && entries.is_sorted_by_key(|entry| entry.seq));
    }
    let history = SqliteHistory::open(&place.file());
    assert_eq!(journal.read_back(1).await.unwrap(), history.entries(1).unwrap());
}

/// *Shape*: pairs of a record and the state that the run's row has from then on.
async fn states(records: &[(Record, &str)]) {
    let place = Place::new();
    let (journal, history) = (SqliteJournal::open(&place.file()).unwrap(), SqliteHistory::open(&place.file()));
    let sketch = graph_of("1 -> 2");
    journal.accept(sketch.submission(&sketch.plan())).await.unwrap();
    for (record, state) in records {
        journal.append(1, record.clone()).await.unwrap();
        let run = history.find(Space::Analysis, "a1", None).unwrap().unwrap();
        assert_eq!(run.state, *state, "after {record:?} of {records:?}");
    }
}

#[actix::test]
async fn a_run_that_is_resumed_is_in_line_again_if_it_was() {
    use Record::{Begun, PauseAsked, Queued, ResumeAsked};
    states(&[(PauseAsked, "paused"), (ResumeAsked, "running")]).await;
    states(&[(Queued, "queued"), (PauseAsked, "paused"), (ResumeAsked, "queued"), (Begun, "running")]).await;
    states(&[(Queued, "queued"), (PauseAsked, "paused"), (Begun, "paused"), (ResumeAsked, "running")]).await;
    // the process was started again meanwhile
    states(&[(PauseAsked, "paused"), (Begun, "paused"), (Queued, "paused"), (ResumeAsked, "queued")]).await;
}
