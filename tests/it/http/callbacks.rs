//! `POST /api/v1/callbacks/{secret}`: the secret is all that a service needs, and strangers learn nothing.

use dummy_services::{Behaviour, Fault, Kind, Script};
use serde_json::json;

use super::{playbook, refused};
use crate::peers::{Answer, KEY};
use crate::stack::callbacks::calling;
use crate::stack::{PATIENCE, Stack};

const JSON: [(&str, &str); 1] = [("Content-Type", "application/json")];

/// An analysis whose cleaning never ends by itself, and the path at which its service may call.
fn waiting(analysis: &str) -> (Stack, String) {
    let endless = Behaviour { fault: Some(Fault::NeverFinishes), ..Behaviour::default() };
    let stack = calling(Script { kinds: [(Kind::Cleaning, endless)].into(), ..Script::default() });
    stack.orchestrator.submit(&playbook(analysis));
    let address = crate::peers::wait_for("the start", PATIENCE, || {
        let started = stack.dummies.ledger().into_iter().find(|entry| entry.service == "POST /data-cleaning");
        started.and_then(|entry| entry.headers.get("diastema-callback").cloned())
    });
    let path = address.split_once("/api/").map(|(_, path)| format!("/api/{path}")).expect("a path");
    (stack, path)
}

fn call(stack: &Stack, path: &str, body: &str) -> Answer {
    stack.orchestrator.server.ask("POST", path, &JSON, body)
}

#[test]
fn a_word_is_taken_without_a_token_once() {
    let (stack, path) = waiting("word-1");
    for _ in 0..3 {
        let answer = call(&stack, &path, r#"{"status":"complete"}"#);
        assert_eq!((answer.status, answer.text.as_str()), (204, ""), "{answer:?}");
    }
    let run = stack.orchestrator.settled("analyses", "word-1", PATIENCE);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    assert_eq!(call(&stack, &path, r#"{"status":"error"}"#).status, 204, "a repetition has no effect");
    assert_eq!(stack.orchestrator.run("analyses", "word-1")["state"], "succeeded");
}

#[test]
fn bad_bodies_are_refused_and_the_attempt_waits_on() {
    let (stack, path) = waiting("word-2");
    for body in [
        r#"{"status":"done"}"#,
        r#"{"status":true}"#,
        r#"{"message":"x"}"#,
        r#"{"status":"error","message":5}"#,
        r#"{"status":"complete","result":[]}"#,
    ] {
        refused(&call(&stack, &path, body), 400, "bad-callback");
    }
    refused(&call(&stack, &path, "{"), 400, "bad-json");
    refused(&call(&stack, &path, "[]"), 400, "not-object");
    refused(&call(&stack, &path, r#"{"status":"complete","status":"error"}"#), 400, "duplicate-key");
    let long = json!({"status": "error", "message": "x".repeat(65 * 1024)}).to_string();
    refused(&call(&stack, &path, &long), 413, "too-large");
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    refused(&stack.orchestrator.server.ask("POST", &path, &form, "status=complete"), 415, "json-required");
    refused(&stack.orchestrator.server.get(&path), 405, "method");
    assert_eq!(stack.orchestrator.run("analyses", "word-2")["state"], "running");
    let last = json!({"status": "error", "message": format!("no\u{7} {}", "x".repeat(60 * 1024))}).to_string();
    assert_eq!(call(&stack, &path, &last).status, 204);
    let run = stack.orchestrator.settled("analyses", "word-2", PATIENCE);
    let message = run["cause"]["failure"]["message"].as_str().expect("a message");
    assert!(message.starts_with("no xxx") && message.len() == 300, "{message}");
}

#[test]
fn strangers_get_one_answer_whatever_they_say() {
    let (stack, path) = waiting("word-3");
    let (place, secret) = path.rsplit_once('/').expect("a secret");
    let other = if secret.starts_with('0') { format!("1{}", &secret[1..]) } else { format!("0{}", &secret[1..]) };
    for wrong in [other.as_str(), &secret[1..], "x", "..", "%00"] {
        for body in [r#"{"status":"complete"}"#, "{", ""] {
            let answer = call(&stack, &format!("{place}/{wrong}"), body);
            refused(&answer, 404, "not-found");
        }
    }
    let with_key = [("Content-Type", "application/json"), ("Authorization", &format!("Bearer {KEY}"))];
    let answer = stack.orchestrator.server.ask("POST", &format!("{place}/{other}"), &with_key, "{}");
    refused(&answer, 404, "not-found");
    assert_eq!(stack.orchestrator.run("analyses", "word-3")["state"], "running");
}

#[test]
fn without_a_public_address_there_are_no_callbacks() {
    let answer = super::server().ask("POST", &format!("/api/v1/callbacks/{}", "0".repeat(64)), &JSON, "{}");
    refused(&answer, 404, "not-found");
    super::door().orchestrator.submit(&playbook("word-4"));
    super::door().orchestrator.settled("analyses", "word-4", PATIENCE);
    assert!(super::door().dummies.ledger().iter().all(|entry| !entry.headers.contains_key("diastema-callback")));
}
