//! The rows of the fault matrix about services, on a paused clock; each test is named after its row. More of them are in
//! `patience.rs`, `failures.rs`, `contact.rs`, `circuit.rs`, `silence.rs` and `spark.rs`.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use orchestrator::engine::{EngineHandle, EngineLimits};
use orchestrator::graph::build::build;
use orchestrator::jobs::{JobSettings, PlatformJobs};
use orchestrator::playbook::settings::CheckSettings;
use orchestrator::ports::FailureKind;
use orchestrator::store::Submission;
use orchestrator::testing::{MemoryJournal, freeze_time};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::ports::{Said, Script, World, says};
use super::{Played, around, play};

const QUESTION: &str = "GET data-cleaning/progress";
const START: &str = "POST data-cleaning";
const PROGRESS: &str = r#"{"status":"progress"}"#;
const COMPLETE: &str = r#"{"status":"complete"}"#;

/// A cleaning that may be tried three times.
fn thrice() -> Value {
    around(json!({"title": "cleaning", "retry": {"attempts": 3, "backoff-s": 1}}))
}

fn asking(answers: impl IntoIterator<Item = Said>) -> Script {
    Script::default().answering(QUESTION, answers)
}

#[track_caller]
fn failed(played: &Played, kind: FailureKind, words: &str) {
    let failures = played.failures();
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert_eq!(failures[0].kind, kind, "{failures:?}");
    assert!(failures[0].message.contains(words), "{failures:?}");
    assert_eq!(played.world.notices().len(), 2, "the failure and the end of the analysis");
}

/// Row: service 500.
#[actix::test]
async fn service_500_is_tried_as_often_as_allowed_and_fails_with_its_reason() {
    let played = play(&thrice(), Script::default().answering(START, [says(500, "Internal Server Error")])).await;
    failed(&played, FailureKind::ServiceError, "the service answered 500 to the start: Internal Server Error");
    let starts = played.world.requests(START);
    assert_eq!(starts.len(), 3, "{starts:?}");
    assert!(starts[0] != starts[1] && starts[1] != starts[2], "each attempt has an id of its own: {starts:?}");
    let recovers = [says(500, ""), says(503, ""), says(200, "job submitted")];
    let played = play(&thrice(), Script::default().answering(START, recovers)).await;
    assert_eq!(played.failures(), []);
}

/// Row: service 4xx on start.
#[actix::test]
async fn service_4xx_on_start_is_called_once() {
    for status in [400, 403, 404, 422] {
        let played = play(&thrice(), Script::default().answering(START, [says(status, "Invalid JSON")])).await;
        failed(&played, FailureKind::Refused, "to the start: Invalid JSON");
        assert_eq!(played.world.requests(START).len(), 1);
    }
    // it asks to come back later
    let played = play(&thrice(), Script::default().answering(START, [says(429, ""), says(200, "")])).await;
    assert_eq!((played.failures().len(), played.world.requests(START).len()), (0, 2));
}

/// Row: service hangs.
#[actix::test]
async fn service_hangs_until_the_time_limit_of_the_job() {
    for request in [START, QUESTION] {
        let since = Instant::now();
        let document = around(json!({"title": "cleaning", "timeout-s": 90}));
        let played = play(&document, Script::default().hanging(request)).await;
        failed(&played, FailureKind::TimedOut, "within 90 s");
        assert_eq!(since.elapsed().as_secs(), 90, "{request}");
    }
    let mut document = around(json!({"title": "cleaning"}));
    document["options"] = json!({"deadline-s": 60});
    let since = Instant::now();
    let played = play(&document, Script::default().hanging(QUESTION)).await;
    assert_eq!(since.elapsed().as_secs(), 60);
    assert_eq!(played.world.notices().len(), 2);
}

/// Row: malformed, huge or wrong-type poll reply; the huge ones are in `silence.rs`.
#[actix::test]
async fn malformed_poll_replies_fail_the_job_at_the_third() {
    let deep = "[".repeat(100_000);
    let bodies = [
        "",
        "[]",
        "{}",
        "null",
        "NaN",
        "5",
        r#""complete""#,
        r#"{"status":5}"#,
        r#"{"status":null}"#,
        r#"{"status":["complete"]}"#,
        r#"{"Status":"complete"}"#,
        r#"{"status":"complete""#,
        "<html>",
        "\u{0}",
        r#"{"status":"\ud800"}"#,
        deep.as_str(),
    ];
    for body in bodies {
        let played = play(&around(json!({"title": "cleaning"})), asking([says(200, body)])).await;
        failed(&played, FailureKind::BadAnswer, "the service answered 200 without");
        assert_eq!(played.world.requests("GET").len(), 3, "{}", &body[..body.len().min(20)]);
    }
}

/// Row: flapping status.
#[actix::test]
async fn flapping_status_the_first_verdict_counts() {
    let flaps = |first: &str| asking([says(200, PROGRESS), says(200, first), says(200, PROGRESS), says(200, COMPLETE)]);
    let played = play(&thrice(), flaps(COMPLETE)).await;
    assert_eq!((played.failures().len(), played.world.requests("GET").len()), (0, 2));
    let error = r#"{"status":"error","message":"no"}"#;
    let played = play(&around(json!({"title": "cleaning"})), flaps(error)).await;
    failed(&played, FailureKind::ServiceError, "no");
    assert_eq!(played.world.requests("GET").len(), 2);
}

/// Row: S3 down or 503, and 403. What the adapter makes of real answers is in `objects.rs`.
#[actix::test]
async fn s3_away_is_waited_for_and_s3_403_fails_at_once() {
    use orchestrator::ports::StoreError;
    let document = around(json!({"title": "cleaning"}));
    let away = StoreError::Unavailable { store: "the object store", why: "it answered 503 SlowDown".to_owned() };
    let since = Instant::now();
    let played = play(&document, Script { objects: vec![away; 20].into(), ..Script::default() }).await;
    assert_eq!(played.failures(), []);
    assert!((30..120).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
    let refused = StoreError::Refused { store: "the object store", why: "it answered 403 AccessDenied".to_owned() };
    let since = Instant::now();
    let played = play(&document, Script { objects: [refused].into(), ..Script::default() }).await;
    failed(&played, FailureKind::Store, "403");
    assert_eq!(since.elapsed().as_secs(), 0);
}

/// A cleaning of a tenant; its ids begin with the tenant's name.
fn analysis(tenant: &str, number: usize) -> Value {
    json!({
        "analysis-id": format!("{tenant}-{number}"), "database-id": tenant,
        "jobs": [
            {"step": 1, "id": format!("{tenant}-{number}-d"), "title": "dataset", "label": "d", "from": 0, "next": [2]},
            {"step": 2, "id": format!("{tenant}-{number}-c"), "title": "cleaning", "from": 1, "next": [0]},
        ],
    })
}

/// The longest of twenty analyses of a healthy tenant beside so many of one whose every call takes half a minute.
async fn longest_beside(slow: usize) -> Duration {
    let script = Script {
        delays: vec![("slow-", Duration::from_secs(30)), ("", Duration::from_millis(20))],
        ..Script::default()
    };
    let (world, journal) = (World::new(script), MemoryJournal::new());
    let jobs = Rc::new(PlatformJobs::new(world.ports(), JobSettings::default()));
    let engine = EngineHandle::start_here(EngineLimits::default(), Arc::new(journal.clone()), jobs);
    let tenants = [("slow", slow), ("well", 20)];
    for (tenant, count) in tenants {
        for number in 0..count {
            let document = analysis(tenant, number);
            let document = document.as_object().expect("an object");
            let plan = build(document, &CheckSettings::default()).expect("it can run");
            let submission = Submission::new(&plan.playbook, document);
            engine.submit(plan, submission).await.expect("accepted");
        }
    }
    let mut longest = Duration::ZERO;
    for number in 0..20 {
        let run = journal.newest_run(&format!("well-{number}")).expect("accepted");
        assert!(journal.wait_until(|journal| journal.end_of(run).is_some()).await);
        longest = longest.max(journal.end_of(run).expect("it has ended").elapsed);
    }
    longest
}

/// Row: service slow, 30 s per call.
#[actix::test]
async fn service_slow_for_one_tenant_is_not_slow_for_others() {
    freeze_time();
    let alone = longest_beside(0).await;
    let beside = longest_beside(40).await;
    assert!(alone > Duration::ZERO && beside <= alone * 3 / 2, "{beside:?} instead of {alone:?}");
}
