//! A service that does not answer any more is out of contact, which fails nothing; the words for it stand in the journal
//! once each way.

use std::time::Duration;

use orchestrator::jobs::JobSettings;
use orchestrator::playbook::job::Service;
use orchestrator::ports::{FailureKind, JobCall};
use orchestrator::store::Record;
use serde_json::json;
use tokio::time::Instant;

use super::attempt::{Life, known, run_of};
use super::ports::{Said, Script, broken, says};
use super::{around, play, play_with};

const PROGRESS: &str = r#"{"status":"progress"}"#;
const QUESTION: &str = "GET data-cleaning/progress";

/// So many answers of a kind.
fn times(count: usize, said: Said) -> Vec<Said> {
    vec![said; count]
}

/// The records about contact, in order.
fn words(records: &[Record]) -> Vec<&'static str> {
    let word = |record: &Record| match record {
        Record::JobLostContact { job: 1, attempt: 1, .. } => Some("lost"),
        Record::JobContactRegained { job: 1, attempt: 1 } => Some("regained"),
        Record::JobSucceeded { job: 1, .. } => Some("succeeded"),
        Record::JobFailed { job: 1, .. } => Some("failed"),
        _ => None,
    };
    records.iter().filter_map(word).collect()
}

fn cleaning() -> serde_json::Value {
    around(json!({"title": "cleaning"}))
}

#[actix::test]
async fn contact_is_lost_after_ten_seconds_and_the_job_fails_only_after_its_patience() {
    let since = Instant::now();
    let played = play(&cleaning(), Script::default().answering(QUESTION, [broken()])).await;
    assert_eq!(words(&played.records), ["lost", "failed"]);
    assert_eq!(played.failures()[0].kind, FailureKind::Unreachable);
    assert!((300..310).contains(&since.elapsed().as_secs()));
    let why = played.records.iter().find_map(|record| match record {
        Record::JobLostContact { why, .. } => Some(why.clone()),
        _ => None,
    });
    assert!(why.as_ref().is_some_and(|why| why.contains("connection reset") && why.contains("for 1")), "{why:?}");
}

#[actix::test]
async fn a_service_that_comes_back_is_in_contact_again() {
    // silence of about half a minute, twice
    let mut answers = times(80, broken());
    answers.extend(times(3, says(200, PROGRESS)));
    answers.extend(times(30, broken()));
    answers.push(says(200, r#"{"status":"complete"}"#));
    let played = play(&cleaning(), Script::default().answering(QUESTION, answers)).await;
    assert_eq!(words(&played.records), ["lost", "regained", "lost", "regained", "succeeded"]);
}

#[actix::test]
async fn a_short_silence_is_nothing() {
    let mut answers = times(20, broken());
    answers.push(says(200, r#"{"status":"complete"}"#));
    let played = play(&cleaning(), Script::default().answering(QUESTION, answers)).await;
    assert_eq!(words(&played.records), ["succeeded"]);
}

#[actix::test]
async fn contact_is_lost_halfway_to_a_patience_that_is_short() {
    let settings = JobSettings { no_answer: Duration::from_secs(4), ..JobSettings::default() };
    let since = Instant::now();
    let played = play_with(&cleaning(), Script::default().answering(QUESTION, [broken()]), settings).await;
    assert_eq!(words(&played.records), ["lost", "failed"]);
    assert!((4..6).contains(&since.elapsed().as_secs()));
}

/// What was lost before a restart is regained after it.
#[actix::test]
async fn contact_is_regained_by_a_later_life_of_the_process() {
    for (lost, expected) in [(true, vec!["regained"]), (false, vec![])] {
        let life = Life::new(
            Script::default().answering(QUESTION, [says(200, PROGRESS), says(200, r#"{"status":"complete"}"#)]),
        );
        let call = life.call(&run_of(&cleaning()), 1);
        let call = JobCall { known: vec![known(Service::Cleaning, "20", true)], lost_contact: lost, ..call };
        life.run(call).await.unwrap();
        assert_eq!(life.log.lines(), expected);
    }
}

/// Row: `Job ID doesn't exist` mid-run, the service has lost its data. The next attempt has an id of its own.
#[actix::test]
async fn a_job_that_its_service_has_lost_is_tried_again_under_another_id() {
    let unknown = says(400, r#"{"status":"error","message":"Job ID doesn't exist"}"#);
    let answers = [says(200, PROGRESS), unknown, says(200, r#"{"status":"complete"}"#)];
    let job = json!({"title": "cleaning", "retry": {"attempts": 2, "backoff-s": 1}});
    let played = play(&around(job), Script::default().answering(QUESTION, answers)).await;
    assert_eq!(words(&played.records), ["succeeded"]);
    let ids: Vec<String> = played
        .records
        .iter()
        .filter_map(|record| match record {
            Record::JobStarting { service, wire_id, attempt, .. } if service == "cleaning" => {
                Some(format!("{attempt} {wire_id}"))
            }
            _ => None,
        })
        .collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert!(ids[0] == "1 20" && ids[1].starts_with("2 20-") && ids[1].len() == "2 20-".len() + 8, "{ids:?}");
    let starts = played.world.requests("POST data-cleaning");
    assert!(starts.len() == 2 && starts[0] != starts[1], "{starts:?}");
    assert_eq!(played.failures(), []);
}
