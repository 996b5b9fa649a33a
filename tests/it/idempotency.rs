//! What a submission under an idempotency key turns out to be: the same in the real journal and in the one of the tests.

use std::sync::Arc;

use orchestrator::store::record::RunOutcome;
use orchestrator::store::{Acceptance, IdempotencyKey, Journal, Record, SqliteJournal, Submission};
use orchestrator::testing::{MemoryJournal, Sketch, graph_of};
use rusqlite::Connection;

use crate::sqlite::Place;

fn under(key: Option<&str>, sketch: &Sketch) -> Submission {
    let key = key.map(|key| IdempotencyKey::parse(key.as_bytes()).unwrap());
    Submission { idempotency_key: key, ..sketch.submission(&sketch.plan()) }
}

async fn end(journal: &dyn Journal, run_id: i64, outcome: RunOutcome) {
    journal.append(run_id, Record::AnalysisFinished { outcome, cause: None, elapsed_ms: 1 }).await.unwrap();
}

async fn the_rules_hold(journal: Arc<dyn Journal>) {
    let accept = async |submission: Submission| journal.accept(submission).await.unwrap();
    let (document, other) = (graph_of("1 -> 2").id("a"), graph_of("1 -> 2,3").id("a"));
    let running = |number| Acceptance::Running { run_id: 1, number };
    let ended = |outcome| Acceptance::Ended { run_id: 1, number: 1, outcome };

    assert!(matches!(accept(under(Some("k"), &document)).await, Acceptance::New { run_id: 1, number: 1, .. }));
    assert_eq!(accept(under(Some("k"), &document)).await, running(1));
    assert_eq!(accept(under(Some("k"), &other)).await, Acceptance::KeyReused, "other jobs");
    let elsewhere = document.clone().id("b");
    assert_eq!(accept(under(Some("k"), &elsewhere)).await, Acceptance::KeyReused, "another id");
    assert_eq!(accept(under(Some("l"), &other)).await, Acceptance::IdInUse, "a new key does not free an id");
    assert_eq!(accept(under(Some("late"), &document)).await, running(1), "the run's second key");
    let full = |key| Submission { has_room: false, ..under(Some(key), &document) };
    assert_eq!(accept(full("k")).await, running(1), "what is there needs no room");

    end(journal.as_ref(), 1, RunOutcome::Failed).await;
    assert_eq!(accept(under(Some("k"), &document)).await, ended(RunOutcome::Failed));
    assert_eq!(accept(under(Some("late"), &document)).await, ended(RunOutcome::Failed));
    assert_eq!(accept(full("k")).await, ended(RunOutcome::Failed));
    assert_eq!(accept(under(Some("k"), &other)).await, Acceptance::KeyReused, "also when it has ended");
    assert_eq!(accept(full("new")).await, Acceptance::NoRoom);
    assert!(matches!(accept(under(None, &document)).await, Acceptance::New { run_id: 2, number: 2, .. }));
    assert_eq!(accept(under(Some("k"), &document)).await, ended(RunOutcome::Failed), "its own run, not the newest");
    end(journal.as_ref(), 2, RunOutcome::Succeeded).await;
    assert!(matches!(accept(under(Some("new"), &document)).await, Acceptance::New { run_id: 3, number: 3, .. }));

    let stranger = graph_of("1 -> 2").id("c").tenant("somebody");
    assert!(matches!(accept(under(Some("k"), &stranger)).await, Acceptance::New { .. }), "keys belong to tenants");
    assert_eq!(accept(under(Some("k"), &document)).await, ended(RunOutcome::Failed));
    for (run_id, outcome) in (5..).zip(RunOutcome::ALL) {
        let (document, key) = (graph_of("1 -> 2").id(outcome.as_str()), outcome.as_str());
        assert!(matches!(accept(under(Some(key), &document)).await, Acceptance::New { .. }));
        end(journal.as_ref(), run_id, outcome).await;
        assert_eq!(accept(under(Some(key), &document)).await, Acceptance::Ended { run_id, number: 1, outcome });
    }
}

#[actix::test]
async fn a_key_means_one_run_in_the_real_journal() {
    let place = Place::new();
    the_rules_hold(Arc::new(SqliteJournal::open(&place.file()).unwrap())).await;
}

#[actix::test]
async fn a_key_means_one_run_in_the_journal_of_the_tests() {
    the_rules_hold(Arc::new(MemoryJournal::new())).await;
}

fn again(key: Option<&str>, sketch: &Sketch, asked: &str) -> Submission {
    let first = Record::Rerun { of: 1, reused: Vec::new() };
    let rerun = Submission::again(&sketch.plan().playbook, &sketch.document(), first, asked);
    Submission { idempotency_key: under(key, sketch).idempotency_key, ..rerun }
}

async fn the_rules_of_reruns_hold(journal: Arc<dyn Journal>) {
    let accept = async |submission: Submission| journal.accept(submission).await.unwrap();
    let document = graph_of("1 -> 2").id("a");
    assert!(matches!(accept(under(Some("first"), &document)).await, Acceptance::New { run_id: 1, .. }));
    assert_eq!(accept(again(Some("early"), &document, "failed")).await, Acceptance::IdInUse, "it is not over");
    end(journal.as_ref(), 1, RunOutcome::Failed).await;

    assert!(matches!(accept(again(Some("k"), &document, "failed")).await, Acceptance::New { run_id: 2, .. }));
    let running = Acceptance::Running { run_id: 2, number: 2 };
    assert_eq!(accept(again(Some("k"), &document, "failed")).await, running);
    assert_eq!(
        accept(again(Some("l"), &document, "failed")).await,
        Acceptance::IdInUse,
        "another key is another rerun"
    );
    assert_eq!(accept(again(None, &document, "failed")).await, Acceptance::IdInUse);
    assert_eq!(accept(again(Some("k"), &document, "all")).await, Acceptance::KeyReused, "from elsewhere");
    assert_eq!(accept(under(Some("k"), &document)).await, Acceptance::KeyReused, "no rerun");
    assert_eq!(accept(again(Some("first"), &document, "failed")).await, Acceptance::KeyReused, "a rerun");
    assert_eq!(accept(under(Some("double"), &document)).await, running, "a double click is the run that is there");

    end(journal.as_ref(), 2, RunOutcome::Succeeded).await;
    let ended = Acceptance::Ended { run_id: 2, number: 2, outcome: RunOutcome::Succeeded };
    assert_eq!(accept(again(Some("k"), &document, "failed")).await, ended);
    assert_eq!(accept(under(Some("double"), &document)).await, ended);
    let after = |newest| Submission { follows: Some(newest), ..again(None, &document, "failed") };
    for newest in [0, 1, 3] {
        assert_eq!(
            accept(after(newest)).await,
            Acceptance::IdInUse,
            "the newest that was looked at is {newest}, not 2"
        );
    }
    assert!(matches!(accept(after(2)).await, Acceptance::New { run_id: 3, .. }));
}

#[actix::test]
async fn a_rerun_under_a_key_is_one_run_in_the_real_journal() {
    let place = Place::new();
    the_rules_of_reruns_hold(Arc::new(SqliteJournal::open(&place.file()).unwrap())).await;
}

#[actix::test]
async fn a_rerun_under_a_key_is_one_run_in_the_journal_of_the_tests() {
    the_rules_of_reruns_hold(Arc::new(MemoryJournal::new())).await;
}

#[actix::test]
async fn keys_from_before_reruns_had_any_mean_what_they_meant() {
    let place = Place::new();
    let document = graph_of("1 -> 2").id("a");
    let journal = SqliteJournal::open(&place.file()).unwrap();
    assert!(matches!(journal.accept(under(Some("k"), &document)).await, Ok(Acceptance::New { run_id: 1, .. })));
    Connection::open(place.file()).unwrap().execute("UPDATE idempotency_keys SET request = NULL", []).unwrap();
    let answered = journal.accept(under(Some("k"), &document)).await.unwrap();
    assert_eq!(answered, Acceptance::Running { run_id: 1, number: 1 });
    let other = graph_of("1 -> 2,3").id("a");
    assert_eq!(journal.accept(under(Some("k"), &other)).await.unwrap(), Acceptance::KeyReused);
}

#[actix::test]
async fn a_key_is_forgotten_with_its_run_and_not_before() {
    let place = Place::new();
    let document = graph_of("1 -> 2").id("a");
    let journal = SqliteJournal::open(&place.file()).unwrap();
    assert!(matches!(journal.accept(under(Some("k"), &document)).await, Ok(Acceptance::New { run_id: 1, .. })));
    end(&journal, 1, RunOutcome::Succeeded).await;
    drop(journal);
    let journal = SqliteJournal::open(&place.file()).unwrap();
    let again = journal.accept(under(Some("k"), &document)).await.unwrap();
    assert_eq!(again, Acceptance::Ended { run_id: 1, number: 1, outcome: RunOutcome::Succeeded });

    let retention = Connection::open(place.file()).unwrap();
    retention.execute("DELETE FROM runs WHERE run_id = 1", []).unwrap();
    let other = graph_of("1 -> 2,3").id("b");
    assert!(
        matches!(journal.accept(under(None, &other)).await, Ok(Acceptance::New { run_id: 1, .. })),
        "a number again"
    );
    assert!(matches!(journal.accept(under(Some("k"), &document)).await, Ok(Acceptance::New { run_id: 2, .. })));
}
