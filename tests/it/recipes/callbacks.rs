//! What services say by themselves, on a paused clock: it ends a job once, whoever else says so at the same time, and only
//! the attempt that it was asked of.

use std::time::Duration;

use orchestrator::chaos::{self, Bug};
use orchestrator::jobs::JobSettings;
use orchestrator::jobs::callbacks::{Callbacks, Taken, error};
use orchestrator::playbook::job::Service;
use orchestrator::ports::{CallbackVerdict, FailureKind, JobCall};
use orchestrator::store::{Journal, Record};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::attempt::{Life, known, run_of};
use super::journal::MemoryJournal;
use super::ports::{Said, Script, broken, says};
use super::{Playing, around, begin};

const PROGRESS: &str = r#"{"status":"progress"}"#;
const COMPLETE: &str = r#"{"status":"complete"}"#;

pub(super) fn callbacks() -> Callbacks {
    Callbacks::new("http://orchestrator:5000/", [7; 32])
}

fn cleaning() -> Value {
    around(json!({"title": "cleaning"}))
}

fn never(question: &str) -> Script {
    Script::default().answering(question, [says(200, PROGRESS)])
}

/// The secret in an address.
fn secret(address: &str) -> &str {
    address.rsplit('/').next().expect("an address has a last part")
}

/// What the door does with a word: the status of its answer.
pub(super) fn speak(callbacks: &Callbacks, journal: &MemoryJournal, address: &str, verdict: CallbackVerdict) -> u16 {
    if !callbacks.may_speak(secret(address)) {
        return 404;
    }
    let write = |of: orchestrator::jobs::callbacks::AwaitedAttempt, verdict| {
        drop(journal.append(of.run_id, Record::CallbackReceived { job: of.job, attempt: of.attempt, verdict }));
    };
    match callbacks.take(secret(address), verdict, write) {
        Taken::First((), word) => callbacks.confirm(&word),
        Taken::Repeated => {}
        Taken::Unknown => return 404,
    }
    204
}

/// A run whose services may call back, right after its acceptance.
async fn playing(document: &Value, script: Script) -> (Callbacks, Playing) {
    let callbacks = callbacks();
    let playing = begin(document, script, JobSettings::default(), Some(callbacks.clone())).await;
    (callbacks, playing)
}

/// Ends of the middle job among the records.
fn ends(records: &[Record]) -> Vec<&'static str> {
    let end = |record: &Record| match record {
        Record::JobSucceeded { job: 1, .. } => Some("succeeded"),
        Record::JobFailed { job: 1, .. } => Some("failed"),
        _ => None,
    };
    records.iter().filter_map(end).collect()
}

#[actix::test]
async fn http_services_are_told_where_to_call_and_others_are_not() {
    let automl = around(json!({"title": "regression", "column": "c", "automl": true}));
    let spark = around(json!({"title": "clustering"}));
    let function = around(json!({"title": "function", "function": {}, "from": [1]}));
    for (document, expected) in [(cleaning(), 1), (function, 1), (automl, 1), (spark, 0)] {
        let (_, playing) = playing(&document, Script::default()).await;
        let played = playing.plays_to_its_end().await;
        assert_eq!(played.failures(), []);
        let told = played.world.callbacks();
        assert_eq!(told.len(), expected, "{told:?}");
        for address in told {
            assert!(address.starts_with("http://orchestrator:5000/api/v1/callbacks/"), "{address}");
            assert_eq!(secret(&address).len(), 64);
        }
    }
    let played = super::play(&cleaning(), Script::default()).await;
    assert!(played.world.callbacks().is_empty(), "nobody is told when it is off");
}

#[actix::test]
async fn a_secret_belongs_to_one_attempt_of_one_job_of_one_run() {
    let life = Life::with(Script::default(), JobSettings::default(), Some(callbacks()));
    let run = run_of(&cleaning());
    let mut other = cleaning();
    other["analysis-id"] = json!("0aF0");
    other["jobs"][1]["step"] = json!(21);
    other["jobs"][0]["next"] = json!([21]);
    other["jobs"][2]["from"] = json!(21);
    for call in [
        life.call(&run, 1),
        JobCall { attempt: 2, ..life.call(&run, 1) },
        life.call(&run_of(&other), 1),
        // the same as the first: a secret survives a restart
        life.call(&run, 1),
    ] {
        life.run(call).await.unwrap();
    }
    let told = life.world.callbacks();
    assert_eq!(told[0], told[3]);
    assert!(told[0] != told[1] && told[0] != told[2] && told[1] != told[2], "{told:?}");
    let elsewhere = Life::with(Script::default(), JobSettings::default(), Some(Callbacks::new("http://o", [8; 32])));
    elsewhere.run(elsewhere.call(&run, 1)).await.unwrap();
    assert_ne!(secret(&elsewhere.world.callbacks()[0]), secret(&told[0]), "another key, other secrets");
}

#[actix::test]
async fn a_job_is_done_when_its_service_says_so() {
    let join = json!({"title": "data-join", "from": [1, 1], "column": "c", "join-type": "inner"});
    let mut join = around(join);
    join["jobs"][0]["next"] = json!([2, 2]);
    let function = around(json!({"title": "function", "function": {}, "from": [1]}));
    for (document, path) in [(cleaning(), "data-cleaning"), (join, "join"), (function, "function")] {
        let (callbacks, playing) = playing(&document, never(&format!("GET {path}/progress"))).await;
        sleep(Duration::from_secs(3)).await;
        let address = playing.world.callbacks()[0].clone();
        assert_eq!(speak(&callbacks, &playing.journal, &address, CallbackVerdict::Complete), 204);
        let since = Instant::now();
        let played = playing.plays_to_its_end().await;
        assert_eq!((ends(&played.records), since.elapsed().as_millis()), (vec!["succeeded"], 0), "{path}");
        // it has no more to say, and may repeat itself all the same
        assert_eq!(speak(&callbacks, &MemoryJournal::default(), &address, CallbackVerdict::Complete), 204);
        assert_eq!(speak(&callbacks, &MemoryJournal::default(), &address, error(Some("no"))), 204);
    }
}

#[actix::test]
async fn a_job_has_failed_when_its_service_says_so() {
    let long = format!("no <rows>\n\u{7}{}", "x".repeat(400));
    let automl = around(json!({"title": "regression", "column": "c", "automl": true}));
    for (document, path) in [(cleaning(), "data-cleaning"), (automl, "automl")] {
        let (callbacks, playing) = playing(&document, never(&format!("GET {path}/progress"))).await;
        sleep(Duration::from_secs(3)).await;
        let address = playing.world.callbacks()[0].clone();
        assert_eq!(speak(&callbacks, &playing.journal, &address, error(Some(&long))), 204);
        let played = playing.plays_to_its_end().await;
        let failure = &played.failures()[0];
        assert_eq!(failure.kind, FailureKind::ServiceError);
        assert!(failure.message.starts_with("no <rows>xxx") && failure.message.chars().count() == 300, "{failure}");
    }
}

/// AutoML's answer has the parameters, an ingestion's result the columns: the word only says when to look.
#[actix::test]
async fn a_service_whose_answer_is_needed_is_asked_at_once_and_again() {
    let results = r#"{"status":"complete","results":{"algorithm":"gbt"}}"#;
    let ingestion = json!({
        "ingestion-id": "In-1", "database-id": "Metis", "user": "ann", "dataset-label": "People",
        "ingestion_json": {"method": "GET", "url": "http://example.org/x.csv"},
    });
    let automl = around(json!({"title": "regression", "column": "c", "automl": true}));
    for (document, path, answer) in [(automl, "automl", results), (ingestion, "data-ingesting", COMPLETE)] {
        let question = format!("GET {path}/progress");
        let (callbacks, playing) = playing(&document, never(&question)).await;
        sleep(Duration::from_secs(100)).await;
        let (address, asked) = (playing.world.callbacks()[0].clone(), playing.world.requests(&question).len());
        assert_eq!(speak(&callbacks, &playing.journal, &address, CallbackVerdict::Complete), 204);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(playing.world.requests(&question).len(), asked + 1, "{path} is asked at once");
        let since = Instant::now();
        sleep(Duration::from_millis(500)).await;
        playing.world.answers_now(&question, [says(200, answer)].into());
        let played = playing.plays_to_its_end().await;
        assert_eq!(played.failures(), [], "{path}");
        assert!(since.elapsed() < Duration::from_secs(1), "{path}: soon after: {:?}", since.elapsed());
    }
}

/// Row: a word and an answer at the same time. Every order of the two, around the same millisecond; exactly one end.
#[actix::test]
async fn a_word_and_an_answer_at_the_same_time_end_a_job_once() {
    let mut by = std::collections::BTreeMap::new();
    for round in 0..400_u64 {
        let takes = Duration::from_millis(40);
        let failing = round % 2 == 1;
        let answer = if failing { COMPLETE } else { r#"{"status":"error","message":"no"}"# };
        let script = Script { takes, ..Script::default() }.answering("GET data-cleaning/progress", [says(200, answer)]);
        let (callbacks, playing) = playing(&cleaning(), script).await;
        sleep(Duration::from_micros(38_000 + round * 30)).await;
        let address = playing.world.callbacks()[0].clone();
        // the word says the opposite of the answer
        let verdict = if failing { error(Some("no")) } else { CallbackVerdict::Complete };
        let status = speak(&callbacks, &playing.journal, &address, verdict);
        let played = playing.plays_to_its_end().await;
        let ends = ends(&played.records);
        assert_eq!(ends.len(), 1, "round {round}: {ends:?}");
        let word_won = (ends[0] == "failed") == failing;
        assert_eq!(word_won, status == 204, "round {round}: {ends:?}, answered {status}");
        let finished = played.records.iter().filter(|record| matches!(record, Record::AnalysisFinished { .. })).count();
        assert_eq!(finished, 1);
        *by.entry(word_won).or_insert(0) += 1;
    }
    assert!(by.len() == 2 && by.values().all(|count| *count > 20), "both have to win sometimes: {by:?}");
}

/// A word that is there before the start's answer, and one whose start's answer is lost.
#[actix::test]
async fn a_word_may_come_before_the_answer_to_the_start() {
    for answer in [says(200, "job submitted"), broken()] {
        let function = around(json!({"title": "function", "function": {}, "from": [1]}));
        for (document, path) in [(cleaning(), "data-cleaning"), (function, "function")] {
            let script = never(&format!("GET {path}/progress")).answering(&format!("POST {path}"), [answer.clone()]);
            let (callbacks, playing) = playing(&document, Script { delay: Duration::from_secs(2), ..script }).await;
            sleep(Duration::from_secs(1)).await;
            let address = playing.world.callbacks()[0].clone();
            assert_eq!(speak(&callbacks, &playing.journal, &address, CallbackVerdict::Complete), 204);
            let played = playing.plays_to_its_end().await;
            assert_eq!(ends(&played.records), ["succeeded"], "{path}, {answer:?}");
            assert!(played.world.requests("GET").is_empty());
        }
    }
}

/// A run whose first attempt has failed and whose second one is at work; the address of the first and of the second.
async fn second_attempt() -> (Callbacks, Playing, String, String) {
    let answers: Vec<Said> = vec![says(200, r#"{"status":"error","message":"no"}"#), says(200, PROGRESS)];
    let document = around(json!({"title": "cleaning", "retry": {"attempts": 2, "backoff-s": 1}}));
    let (callbacks, playing) =
        playing(&document, Script::default().answering("GET data-cleaning/progress", answers)).await;
    sleep(Duration::from_secs(10)).await;
    let told = playing.world.callbacks();
    assert_eq!(told.len(), 2, "{told:?}");
    (callbacks, playing, told[0].clone(), told[1].clone())
}

#[actix::test]
async fn a_word_for_an_older_attempt_changes_nothing() {
    let (callbacks, playing, older, present) = second_attempt().await;
    assert_ne!(older, present);
    for verdict in [CallbackVerdict::Complete, error(None)] {
        assert_eq!(speak(&callbacks, &playing.journal, &older, verdict), 404);
    }
    sleep(Duration::from_secs(100)).await;
    assert_eq!(ends(&playing.journal.records()), Vec::<&str>::new());
    assert!(!playing.journal.records().iter().any(|record| matches!(record, Record::CallbackReceived { .. })));
    assert_eq!(speak(&callbacks, &playing.journal, &present, CallbackVerdict::Complete), 204);
    assert_eq!(ends(&playing.plays_to_its_end().await.records), ["succeeded"]);
}

/// Seeded bug 9: the test above has to be able to fail.
#[cfg(debug_assertions)]
#[actix::test]
async fn with_the_fault_that_accepts_old_attempts_a_word_for_one_ends_the_present_one() {
    let (callbacks, playing, older, _) = second_attempt().await;
    chaos::seed_on_this_thread(Some(Bug::AcceptOldAttempt));
    assert_eq!(speak(&callbacks, &playing.journal, &older, CallbackVerdict::Complete), 204);
    sleep(Duration::from_secs(1)).await;
    chaos::seed_on_this_thread(None);
    assert_eq!(ends(&playing.journal.records()), ["succeeded"]);
}

#[actix::test]
async fn strangers_and_attempts_that_are_over_get_the_same_answer() {
    let (callbacks, playing) = playing(&cleaning(), Script::default()).await;
    let world = playing.world.clone();
    playing.plays_to_its_end().await;
    let over = world.callbacks()[0].clone();
    let stranger = format!("http://o/api/v1/callbacks/{}", "0".repeat(64));
    for address in [over.as_str(), &stranger, "http://o/x", "http://o/", &over[..over.len() - 1]] {
        let journal = MemoryJournal::default();
        assert_eq!(speak(&callbacks, &journal, address, CallbackVerdict::Complete), 404, "{address}");
        assert!(journal.records().is_empty());
    }
}

/// What was said before the process was started again, but not acted upon.
#[actix::test]
async fn a_word_that_an_earlier_life_has_taken_is_not_waited_for() {
    let function = around(json!({"title": "function", "function": {}, "from": [1]}));
    for (document, service) in [(cleaning(), Service::Cleaning), (function, Service::Function)] {
        for acknowledged in [true, false] {
            let life = Life::with(Script::default(), JobSettings::default(), Some(callbacks()));
            let call = life.call(&run_of(&document), 1);
            let known = vec![known(service, "20", acknowledged)];
            let call = JobCall { known, callback: Some(CallbackVerdict::Complete), ..call };
            life.run(call).await.unwrap();
            assert!(life.world.requests("").is_empty(), "{:?}", life.world.requests(""));
        }
    }
    let life = Life::with(Script::default(), JobSettings::default(), Some(callbacks()));
    let call = life.call(&run_of(&cleaning()), 1);
    let known = vec![known(Service::Cleaning, "20", true)];
    let failure = life.run(JobCall { known, callback: Some(error(Some("no"))), ..call }).await.unwrap_err();
    assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::ServiceError, "no"));
}

/// A start of an earlier life may be spoken of, too.
#[actix::test]
async fn an_attempt_of_an_earlier_life_is_waited_for_under_the_same_secret() {
    let callbacks = callbacks();
    let run = run_of(&cleaning());
    let first = Life::with(never("GET data-cleaning/progress"), JobSettings::default(), Some(callbacks.clone()));
    drop(actix::clock::timeout(Duration::from_secs(5), first.run(first.call(&run, 1))).await);
    let address = first.world.callbacks()[0].clone();
    assert_eq!(speak(&callbacks, &MemoryJournal::default(), &address, CallbackVerdict::Complete), 404, "nobody waits");
    let later = Life::with(never("GET data-cleaning/progress"), JobSettings::default(), Some(callbacks.clone()));
    let call = JobCall { known: vec![known(Service::Cleaning, "20", true)], ..later.call(&run, 1) };
    let says_so = async {
        sleep(Duration::from_secs(1)).await;
        speak(&callbacks, &MemoryJournal::default(), &address, CallbackVerdict::Complete)
    };
    let (ended, status) = futures::join!(later.run(call), says_so);
    assert_eq!((ended.is_ok(), status), (true, 204));
    assert!(later.world.requests("POST").is_empty());
}
