//! `POST /ingestion`: test calls pass the service's status and text through; everything else runs in the background.

use std::time::{Duration, Instant};

use dummy_services::{Behaviour, Fault, Kind, Script};
use serde_json::{Value, json};

use super::{door, refused};
use crate::peers::{Answer, CLOSED_PORT, KEY};
use crate::stack::{PATIENCE, Stack, Stores};

fn ingestion(stack: &Stack, testing: Value) -> Value {
    let url = format!("http://{}/samples/people.csv", stack.dummies.http());
    json!({
        "testing": testing, "diastema-token": KEY, "ingestion-id": "T-1", "database-id": "door", "user": "demo",
        "dataset-label": "people", "ingestion_json": {"method": "GET", "url": url, "separator": ",", "token": "token-of-the-source"},
    })
}

fn post(stack: &Stack, document: &Value) -> Answer {
    stack.orchestrator.server.post("/ingestion", &document.to_string())
}

#[track_caller]
fn plain(answer: &Answer, status: u16, text: &str) {
    assert_eq!((answer.status, answer.text.as_str()), (status, text), "{answer:?}");
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

#[test]
fn a_test_call_shows_what_the_service_says() {
    for testing in [json!(true), json!(1), json!(1.0)] {
        let answer = post(door(), &ingestion(door(), testing));
        assert_eq!(answer.status, 200, "{answer:?}");
        let rows = answer.json();
        assert!(rows.as_str().is_some_and(|rows| rows.contains("name")) || rows.is_array(), "{rows}");
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    }
    let asked: Vec<Value> = door()
        .dummies
        .ledger()
        .into_iter()
        .filter(|entry| entry.service == "POST /data-ingesting/test")
        .map(|entry| entry.body)
        .collect();
    // the service gets the request alone, unchanged
    assert_eq!(asked[0].to_string(), ingestion(door(), json!(true))["ingestion_json"].to_string());
}

#[test]
fn a_test_call_keeps_the_status_of_the_service() {
    let stack = Stack::answering(Stores::Embedded, Script::default(), &[("INGESTION_TEST_TIMEOUT_SECONDS", "0.5")]);
    let fault = |fault| {
        let kinds = [(Kind::Ingestion, Behaviour { fault: Some(fault), ..Behaviour::default() })].into();
        stack.dummies.set_script(Script { kinds, ..Script::default() });
        post(&stack, &ingestion(&stack, json!(true)))
    };
    plain(&fault(Fault::Error { message: Some("<no> such file".to_owned()) }), 400, "<no> such file");
    plain(&fault(Fault::Http500OnStart), 500, "Internal Server Error");
    let since = Instant::now();
    plain(&fault(Fault::BlackHole), 504, "the data service did not answer in time");
    assert!(since.elapsed() < Duration::from_secs(5));
    plain(&fault(Fault::CutOnStart), 504, "the data service did not answer in time");
}

#[test]
fn a_test_call_without_a_service_is_a_bad_gateway() {
    let stack = Stack::answering(Stores::Embedded, Script::default(), &[("DIASTEMA_SERVICES_PORT", CLOSED_PORT)]);
    let answer = post(&stack, &ingestion(&stack, json!(true)));
    plain(&answer, 502, "the data service cannot be reached");
}

/// The client shows the body of a 400 as text and nothing else.
#[test]
fn a_refused_test_call_says_why_in_plain_text() {
    let mut document = ingestion(door(), json!(true));
    document["ingestion_json"] = json!({"method": "PATCH", "url": "file:///etc/passwd"});
    let answer = post(door(), &document);
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    assert!(answer.text.ends_with("(and 1 more)") && !answer.text.starts_with('{'), "{answer:?}");
}

#[test]
fn other_values_of_testing_are_refused() {
    for testing in [json!("true"), json!([]), json!({}), json!(2), json!("")] {
        refused(&post(door(), &ingestion(door(), testing)), 422, "type");
    }
}

#[test]
fn everything_else_runs_in_the_background() {
    for (number, testing) in [json!(false), json!(0), Value::Null].into_iter().enumerate() {
        let mut document = ingestion(door(), testing);
        document["ingestion-id"] = json!(format!("Background-{number}"));
        let answer = post(door(), &document);
        let expected = json!({
            "ingestion-id": format!("Background-{number}"), "run": 1, "state": "running",
            "status-url": format!("/api/v1/ingestions/Background-{number}"), "warnings": [],
        });
        assert_eq!((answer.status, answer.json()), (202, expected));
        assert_eq!(answer.header("location"), format!("/api/v1/ingestions/Background-{number}"));
    }
    let mut document = ingestion(door(), json!(true));
    document.as_object_mut().expect("an object").shift_remove("testing");
    document["ingestion-id"] = json!("Background-3");
    assert_eq!(post(door(), &document).status, 202);
    for number in 0..4 {
        let run = door().orchestrator.settled("ingestions", &format!("background-{number}"), PATIENCE);
        assert_eq!(run["state"], "succeeded", "{run:#}");
    }
    let of_ingestions = |text: &String| text.contains("ackground");
    assert!(!door().dummies.notices().iter().any(of_ingestions), "an ingestion tells nobody");
}

#[test]
fn an_ingestion_cannot_read_what_only_the_orchestrator_can_reach() {
    let stack = Stack::answering(Stores::Embedded, Script::default(), &[("INGESTION_URL_POLICY", "no-loopback")]);
    for url in
        ["http://127.0.0.1:27017/", "http://[::1]/", "http://2130706433/", "http://169.254.169.254/latest/meta-data"]
    {
        for testing in [true, false] {
            let mut document = ingestion(&stack, json!(testing));
            document["ingestion_json"]["url"] = json!(url);
            let answer = post(&stack, &document);
            if testing {
                assert_eq!(answer.status, 400, "{url}: {answer:?}");
            } else {
                refused(&answer, 422, "blocked-address");
            }
        }
    }
    assert!(stack.dummies.ledger().is_empty(), "nobody was asked");
    let log = stack.orchestrator.said();
    assert!(!log.contains("token-of-the-source"), "{log}");
}
