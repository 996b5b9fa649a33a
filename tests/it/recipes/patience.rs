//! How long recipes wait for whom, on a paused clock: every wait has an end, and what comes back in time harms nothing.

use std::time::Duration;

use orchestrator::jobs::JobSettings;
use orchestrator::ports::{Applied, FailureKind, StoreError};
use orchestrator::store::Record;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::ports::{Spark, broken, nobody, says, unusable};
use super::{Played, Script, around, begin, play, play_with};

const PROGRESS: &str = r#"{"status":"progress"}"#;

fn cleaning() -> Value {
    around(json!({"title": "cleaning"}))
}

/// Ends with this job message and after about so many seconds.
#[track_caller]
fn failed_after(played: &Played, since: Instant, seconds: u64, message: &str) {
    let took = since.elapsed().as_secs();
    assert!((seconds..=seconds + 10).contains(&took), "after {took} s");
    let expected = [
        format!("error: {message} for the analysis with ID: 0aF"),
        "error: Analysis with the given ID terminated with error: 0af".to_owned(),
    ];
    assert_eq!(played.world.notices(), expected);
}

#[actix::test]
async fn a_start_is_repeated_while_nobody_listens() {
    let script = Script::default().answering("POST data-cleaning", [nobody(), nobody(), says(200, "")]);
    let played = play(&cleaning(), script).await;
    assert_eq!(played.world.requests("POST data-cleaning").len(), 3);
    assert_eq!(played.world.notices().len(), 3);
}

#[actix::test]
async fn a_start_is_not_repeated_for_ever() {
    let since = Instant::now();
    let played = play(&cleaning(), Script::default().answering("POST data-cleaning", [nobody()])).await;
    failed_after(&played, since, 30, "The cleaning service cannot be reached");
}

#[actix::test]
async fn a_start_that_is_never_answered_and_never_arrives_is_not_repeated_for_ever() {
    let unknown = says(400, r#"{"status":"error","message":"Job ID doesn't exist"}"#);
    for (job, start) in
        [(json!({"title": "cleaning"}), "data-cleaning"), (json!({"title": "data-join", "from": [1, 1]}), "join")]
    {
        let (mut job, since) = (job, Instant::now());
        let title = job["title"].as_str().unwrap_or_default().to_owned();
        job["column"] = json!("c");
        job["join-type"] = json!("inner");
        let mut document = around(job);
        if title == "data-join" {
            document["jobs"][0]["next"] = json!([2, 2]);
        }
        let script = Script::default()
            .answering(&format!("POST {start}"), [broken()])
            .answering(&format!("GET {start}/progress"), [unknown.clone()]);
        let played = play(&document, script).await;
        failed_after(&played, since, 30, &format!("The outcome of the {title} job is unknown"));
        assert_eq!(played.failures()[0].kind, FailureKind::OutcomeUnknown);
        let starts = played.world.requests(&format!("POST {start}"));
        assert!((2..=100).contains(&starts.len()), "{} starts", starts.len());
        assert!(starts.iter().all(|body| *body == starts[0]), "always the same intent: {starts:?}");
    }
}

#[actix::test]
async fn a_start_whose_service_was_away_first_is_sent_again_however_long_that_took() {
    let unknown = says(400, r#"{"status":"error","message":"Job ID doesn't exist"}"#);
    let away = std::iter::repeat_n(nobody(), 14);
    let script = Script::default()
        .answering("POST data-cleaning", [broken(), says(200, "")])
        .answering("GET data-cleaning/progress", away.chain([unknown, says(200, r#"{"status":"complete"}"#)]));
    let since = Instant::now();
    let played = play(&cleaning(), script).await;
    assert!(since.elapsed().as_secs() > 60, "longer than starts are repeated");
    assert_eq!(played.failures(), []);
    assert_eq!(played.world.requests("POST data-cleaning").len(), 2);
}

#[actix::test]
async fn the_result_of_an_ingestion_is_asked_for_until_the_service_has_its_database_again() {
    let document = json!({
        "ingestion-id": "In-1", "database-id": "Metis", "user": "ann", "dataset-label": "People",
        "ingestion_json": {"method": "GET", "url": "http://example.org/x.csv"},
    });
    let outage = says(400, r#"{"status":"error","message":"Failed to connect to database: timeout"}"#);
    let script = Script::default()
        .answering("GET data-ingesting", [outage.clone(), outage, says(200, r#"{"features":["id"]}"#)]);
    let played = play(&document, script).await;
    assert_eq!(played.failures(), []);
    assert_eq!(played.world.requests("GET data-ingesting/in-1").len(), 3);
}

#[actix::test]
async fn three_answers_in_a_row_that_are_not_to_be_listened_to_fail_the_job() {
    let since = Instant::now();
    let mixed = [unusable(), says(200, "<html>"), unusable(), says(200, r#"{"status":"complete"}"#)];
    for answers in [vec![unusable()], mixed.to_vec()] {
        let script = Script::default().answering("GET data-cleaning/progress", answers);
        let played = play(&cleaning(), script).await;
        failed_after(&played, since, 0, "The cleaning service gave an unusable answer");
        assert_eq!(played.failures()[0].kind, FailureKind::BadAnswer);
        assert_eq!(played.world.requests("GET data-cleaning/progress").len(), 3);
    }
}

#[actix::test]
async fn unusable_answers_with_an_outage_or_a_good_one_between_are_not_in_a_row() {
    for between in [broken(), nobody(), says(200, PROGRESS)] {
        let mut answers = Vec::new();
        for _ in 0..4 {
            answers.extend([unusable(), says(200, "<html>"), between.clone()]);
        }
        answers.push(says(200, r#"{"status":"complete"}"#));
        let script = Script::default().answering("GET data-cleaning/progress", answers);
        let played = play(&cleaning(), script).await;
        assert_eq!(played.failures(), []);
        assert_eq!(played.world.requests("GET data-cleaning/progress").len(), 13);
    }
}

#[actix::test]
async fn spark_is_not_waited_for_when_nobody_listens() {
    let since = Instant::now();
    let script = Script { spark: vec![Spark::NotThere; 1000].into(), ..Script::default() };
    let played = play(&around(json!({"title": "classification", "column": "c"})), script).await;
    failed_after(&played, since, 30, "The classification service cannot be reached");
    let intended = |record: &Record| matches!(record, Record::JobStarting { .. });
    assert!(!played.records.iter().any(intended), "nobody can wonder later whether a message was sent");
}

#[actix::test]
async fn a_silent_service_is_given_up() {
    for silence in [broken(), nobody(), says(400, r#"{"status":"error","message":"Failed to connect to database: x"}"#)]
    {
        let since = Instant::now();
        let played = play(&cleaning(), Script::default().answering("GET data-cleaning/progress", [silence])).await;
        failed_after(&played, since, 300, "The cleaning service cannot be reached");
    }
}

#[actix::test]
async fn a_service_that_comes_back_has_not_failed() {
    let outage = says(400, r#"{"status":"error","message":"Failed to connect to database"}"#);
    let mut answers = vec![outage, broken(), nobody(), says(200, "<html>"), says(200, "[]")];
    answers.push(says(500, PROGRESS));
    answers.extend([says(200, "<html>"), says(200, "{}"), says(200, r#"{"status":"ready when you are"}"#)]);
    let played = play(&cleaning(), Script::default().answering("GET data-cleaning/progress", answers)).await;
    assert_eq!(played.world.notices().last().map(String::as_str), Some("update: Analysis completed with ID: 0af"));
}

#[actix::test]
async fn a_job_that_never_finishes_ends_at_its_limit() {
    let never = || Script::default().answering("GET data-cleaning/progress", [says(200, PROGRESS)]);
    let since = Instant::now();
    let played = play(&cleaning(), never()).await;
    failed_after(&played, since, 86_400, "The cleaning job did not finish in time");
    // long jobs are asked as often as the platform asks
    let questions = played.world.requests("GET data-cleaning").len();
    assert!((43_000..44_000).contains(&questions), "{questions} questions in a day");

    let since = Instant::now();
    let played = play(&around(json!({"title": "cleaning", "timeout-s": 90})), never()).await;
    failed_after(&played, since, 90, "The cleaning job did not finish in time");
}

#[actix::test]
async fn a_spark_job_that_never_replies_ends_at_its_limit() {
    let since = Instant::now();
    let script = Script { spark: [Spark::NeverReplies].into(), ..Script::default() };
    let played = play(&around(json!({"title": "clustering"})), script).await;
    failed_after(&played, since, 86_395, "The clustering job did not finish in time");
}

#[actix::test]
async fn evidence_of_spark_counts_when_its_reply_is_lost_or_does_not_come() {
    for (does, finishes, seen) in [
        (Spark::ClosesWithoutReply, 40, 40..45),
        (Spark::ClosesWithoutReply, 3_000, 3_000..3_010),
        (Spark::NeverReplies, 40, 5_395..5_396),
    ] {
        let document = around(json!({"title": "clustering", "timeout-s": 5_400}));
        let script = Script { spark: [does].into(), ..Script::default() };
        let since = Instant::now();
        let playing = begin(&document, script, JobSettings::default(), None).await;
        let world = playing.world.clone();
        let finishes = async {
            tokio::time::sleep(Duration::from_secs(finishes)).await;
            world.leaves_evidence("metis/analysis-0af/clustered-2/_SUCCESS");
        };
        let (played, ()) = futures::join!(playing.plays_to_its_end(), finishes);
        assert_eq!(played.failures(), [], "{does:?}");
        assert_eq!(played.world.requests("SPARK").len(), 1, "nothing is sent twice");
        assert!(seen.contains(&since.elapsed().as_secs()), "{does:?}: {:?}", since.elapsed());
    }
}

#[actix::test]
async fn a_finished_job_is_seen_at_most_a_tenth_late() {
    for (millis, latest) in [(50, 60), (1_000, 1_110), (10_000, 11_100), (100_000, 102_100)] {
        let script = Script { takes: Duration::from_millis(millis), ..Script::default() };
        let played = play(&cleaning(), script).await;
        let transcript = played.transcript();
        let speed = transcript.split("exec-speed = ").nth(1).and_then(|rest| rest.lines().next());
        let took: u64 = speed.and_then(|millis| millis.parse().ok()).expect("a number");
        assert!((millis..=latest).contains(&took), "{took} ms instead of {millis}");
    }
}

#[actix::test]
async fn a_store_that_is_away_is_waited_for() {
    let away = || StoreError::Unavailable { store: "the object store", why: "connection refused".to_owned() };
    let script = Script { objects: vec![away(); 5].into(), ..Script::default() };
    let played = play(&cleaning(), script).await;
    assert_eq!(played.world.notices().last().map(String::as_str), Some("update: Analysis completed with ID: 0af"));

    let since = Instant::now();
    let script = Script { objects: vec![away(); 10_000].into(), ..Script::default() };
    let played = play(&cleaning(), script).await;
    failed_after(&played, since, 600, "The cleaning job could not use the store");
}

#[actix::test]
async fn records_wait_for_the_database_and_keep_their_order() {
    let away = StoreError::Unavailable { store: "the database", why: "no server".to_owned() };
    let script = Script { records: vec![Err(away); 40].into(), ..Script::default() };
    let played = play(&cleaning(), script).await;
    let transcript = played.transcript();
    let records =
        transcript.split("# records\n").nth(1).and_then(|rest| rest.split("# notices").next()).expect("records");
    let lines: Vec<&str> = records.lines().collect();
    assert_eq!(lines.len(), 40 + 4, "41 tries of the first, one of each other");
    assert!(lines[..41].iter().all(|line| line.contains("cleaned-data")));
    assert!(
        lines[41].contains(r#""kind":"metadata""#)
            && lines[42].contains("status = ")
            && lines[43].contains("exec-speed")
    );
    assert!(played.given_up().is_empty());
    assert_eq!(played.world.notices().len(), 3);
}

#[actix::test]
async fn an_entry_that_the_web_application_never_saved_is_skipped() {
    let since = Instant::now();
    let missing = vec![Ok(Applied::Done), Ok(Applied::Done)];
    let missing = missing.into_iter().chain(vec![Ok(Applied::NoSuchEntry); 100]);
    let script = Script { records: missing.collect(), ..Script::default() };
    let played = play(&cleaning(), script).await;
    assert!((10..20).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
    assert_eq!(played.given_up(), ["the web application has no entry for 0aF"; 2]);
    assert_eq!(played.world.notices().last().map(String::as_str), Some("update: Analysis completed with ID: 0af"));
}

#[actix::test]
async fn a_web_application_that_is_away_delays_no_job() {
    let script = Script { front_end_away: true, ..Script::default() };
    let settings = JobSettings { notice_wait: Duration::from_secs(60), ..JobSettings::default() };
    let played = play_with(&cleaning(), script, settings).await;
    let transcript = played.transcript();
    assert!(transcript.contains("status = \"completed\"") && transcript.contains("exec-speed = 0"), "{transcript}");
    assert_eq!(played.given_up().len(), 3, "each notice for itself: {:?}", played.given_up());
}
