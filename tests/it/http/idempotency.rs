//! The same submission again and at once, with and without `Idempotency-Key`, over real sockets: exactly one run.

use std::collections::BTreeMap;
use std::sync::Barrier;

use dummy_services::{Behaviour, Kind, Script};
use serde_json::{Value, json};

use super::{playbook, refused};
use crate::peers::{Answer, KEY, Server};
use crate::stack::{PATIENCE, Stack, Stores};

const THREADS: usize = 50;

fn stack() -> Stack {
    let slow = Behaviour { latency_ms: 1_500, ..Behaviour::default() };
    Stack::answering(Stores::Embedded, Script { kinds: [(Kind::Cleaning, slow)].into(), ..Script::default() }, &[])
}

fn post(server: &Server, path: &str, key: Option<&str>, document: &Value) -> Answer {
    let token = format!("Bearer {KEY}");
    let mut headers = vec![("Content-Type", "application/json"), ("Authorization", token.as_str())];
    headers.extend(key.map(|key| ("Idempotency-Key", key)));
    server.ask("POST", path, &headers, &document.to_string())
}

/// Another document with the same ids.
fn other(analysis: &str) -> Value {
    let mut document = playbook(analysis);
    document["jobs"][1]["max-shrink"] = json!(0.9);
    document
}

/// All at the same moment; answers each with the number of its thread.
fn at_once(ask: impl Fn(usize) -> Answer + Sync) -> Vec<Answer> {
    let barrier = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|number| {
                let (ask, barrier) = (&ask, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    ask(number)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("it is answered")).collect()
    })
}

/// How often each status with its code was answered.
fn counted(answers: &[Answer]) -> BTreeMap<(u16, String), usize> {
    let mut counts = BTreeMap::new();
    for answer in answers {
        let code = answer.json()["error"].as_str().unwrap_or_default().to_owned();
        *counts.entry((answer.status, code)).or_default() += 1;
    }
    counts
}

/// One run, which has started its job once and ended well.
#[track_caller]
fn exactly_one_run(stack: &Stack, id: &str, space: &str) -> Value {
    let run = stack.orchestrator.settled(space, id, PATIENCE);
    assert_eq!((&run["run"], &run["state"]), (&json!(1), &json!("succeeded")), "{run:#}");
    assert_eq!(stack.orchestrator.server.get_with(&format!("/api/v1/{space}/{id}?run=2"), KEY).status, 404);
    let started = |entry: &dummy_services::LedgerEntry| {
        entry.body["job-id"].as_str().is_some_and(|job| job.starts_with(&format!("{}-2", id.to_lowercase())))
            && entry.service == "POST /data-cleaning"
    };
    assert_eq!(stack.dummies.ledger().iter().filter(|entry| started(entry)).count(), 1);
    run
}

#[test]
fn fifty_clients_that_say_the_same_at_once_get_one_run() {
    let stack = stack();
    let server = &stack.orchestrator.server;
    for (id, key_of) in [
        ("Same-Key", (|_| Some("one-key".to_owned())) as fn(usize) -> Option<String>),
        ("No-Key", |_| None),
        ("Own-Keys", |number| Some(format!("key-{number}"))),
    ] {
        let answers = at_once(|number| post(server, "/analysis", key_of(number).as_deref(), &playbook(id)));
        for answer in &answers {
            assert_eq!((answer.status, &answer.json()["run"]), (202, &json!(1)), "{answer:?}");
        }
        exactly_one_run(&stack, id, "analyses");
    }
    // every key of a run stands for it, also those that came second
    for number in 0..THREADS {
        let again = post(server, "/analysis", Some(&format!("key-{number}")), &playbook("Own-Keys"));
        assert_eq!((again.status, &again.json()["run"]), (202, &json!(1)), "{again:?}");
    }
}

#[test]
fn of_two_documents_at_once_exactly_one_wins() {
    let stack = stack();
    let server = &stack.orchestrator.server;
    for (id, key, code) in [("Mixed", None, "id-in-use"), ("Mixed-Key", Some("mixed"), "idempotency-key-reused")] {
        let document = |number: usize| if number.is_multiple_of(2) { playbook(id) } else { other(id) };
        let answers = at_once(|number| post(server, "/analysis", key, &document(number)));
        let half = THREADS / 2;
        let expected = BTreeMap::from([((202, String::new()), half), ((409, code.to_owned()), half)]);
        assert_eq!(counted(&answers), expected);
        let winner = usize::from(answers[0].status != 202);
        for (number, answer) in answers.iter().enumerate() {
            assert_eq!(answer.status == 202, number % 2 == winner, "thread {number}: {answer:?}");
        }
        exactly_one_run(&stack, id, "analyses");
    }
}

/// Bad inputs, row 75: the replay of a captured finished request.
#[test]
fn a_replay_is_a_new_run_without_a_key_and_the_old_one_with_it() {
    let mut stack = stack();
    let document = playbook("Replay");
    let first = post(&stack.orchestrator.server, "/analysis", Some("replay"), &document);
    assert_eq!((first.status, &first.json()["state"]), (202, &json!("running")));
    stack.orchestrator.settled("analyses", "replay", PATIENCE);
    for _ in 0..2 {
        let again = post(&stack.orchestrator.server, "/api/v1/analyses", Some("replay"), &document);
        let body = again.json();
        assert_eq!((again.status, &body["run"], &body["state"]), (202, &json!(1), &json!("succeeded")), "{body}");
        stack.orchestrator = stack.orchestrator.kill_and_start();
    }
    let server = &stack.orchestrator.server;
    refused(&post(server, "/analysis", Some("replay"), &other("Replay")), 409, "idempotency-key-reused");
    refused(&post(server, "/analysis", Some("replay"), &playbook("Replay-2")), 409, "idempotency-key-reused");
    exactly_one_run(&stack, "Replay", "analyses");
    let bare = post(server, "/analysis", None, &document);
    assert_eq!((bare.status, &bare.json()["run"]), (202, &json!(2)));
    let keyed = post(server, "/analysis", Some("replay"), &document);
    assert_eq!(keyed.json()["run"], 1, "{keyed:?}");
    let mut changed_time = document.clone();
    changed_time["metadata"] = json!({"analysis-time": "later"});
    let keyed = post(server, "/analysis", Some("replay"), &changed_time);
    assert_eq!(keyed.json()["run"], 1, "a double click is the same request: {keyed:?}");
}

/// The client did not hear that its rerun was accepted, and says it again: at once, after a while, after a restart.
#[test]
fn a_rerun_under_a_key_is_one_run() {
    let mut stack = stack();
    let document = playbook("Rerun-Key");
    post(&stack.orchestrator.server, "/analysis", None, &document);
    stack.orchestrator.settled("analyses", "rerun-key", PATIENCE);
    let rerun = |stack: &Stack, key: Option<&str>, query: &str| {
        post(&stack.orchestrator.server, &format!("/api/v1/analyses/rerun-key/rerun{query}"), key, &json!({}))
    };
    let said = |answer: &Answer| {
        assert_eq!(answer.status, 202, "{answer:?}");
        let body = answer.json();
        [&body["run"], &body["rerun-of"], &body["reused"], &body["state"]].map(Value::clone)
    };
    for _ in 0..2 {
        let answer = rerun(&stack, Some("again"), "?from=all");
        assert_eq!(said(&answer), [json!(2), json!(1), json!([]), json!("running")]);
    }
    refused(&rerun(&stack, None, "?from=all"), 409, "still-running");
    refused(&rerun(&stack, Some("other"), "?from=all"), 409, "still-running");
    for query in ["", "?from-step=2", "?from=all&run=1"] {
        refused(&rerun(&stack, Some("again"), query), 409, "idempotency-key-reused");
    }
    stack.orchestrator.settled("analyses", "rerun-key", PATIENCE);
    for _ in 0..2 {
        let answer = rerun(&stack, Some("again"), "?from=all");
        assert_eq!(said(&answer), [json!(2), json!(1), json!([]), json!("succeeded")]);
        stack.orchestrator = stack.orchestrator.kill_and_start();
    }
    refused(&rerun(&stack, Some("two words"), ""), 400, "bad-idempotency-key");
    let taken_over = json!(["1", "2", "3"]);
    let answer = rerun(&stack, Some("third"), "");
    assert_eq!(said(&answer)[..3], [json!(3), json!(2), taken_over.clone()], "without the key it is the next run");
    let answer = rerun(&stack, Some("third"), "");
    assert_eq!(said(&answer)[..3], [json!(3), json!(2), taken_over], "of the run that was the newest then");
}

#[test]
fn ingestions_have_keys_too() {
    let stack = stack();
    let server = &stack.orchestrator.server;
    let document = json!({
        "diastema-token": KEY, "ingestion-id": "Keyed", "database-id": "door", "user": "u", "dataset-label": "l",
        "ingestion_json": {"method": "GET", "url": "http://example.org/x.csv", "separator": ","},
    });
    for path in ["/ingestion", "/api/v1/ingestions"] {
        let answer = post(server, path, Some("ingest"), &document);
        assert_eq!((answer.status, &answer.json()["run"]), (202, &json!(1)), "{answer:?}");
        stack.orchestrator.settled("ingestions", "keyed", PATIENCE);
    }
    refused(&post(server, "/analysis", Some("ingest"), &playbook("Keyed")), 409, "idempotency-key-reused");
}

#[test]
fn keys_are_one_word_of_bounded_length() {
    let server = super::server();
    let (longest, too_long) = ("k".repeat(255), "k".repeat(256));
    for wrong in ["", "two words", "κλειδί", too_long.as_str()] {
        for path in ["/analysis", "/api/v1/analyses"] {
            refused(&post(server, path, Some(wrong), &playbook("Never")), 400, "bad-idempotency-key");
        }
    }
    let twice = [("Content-Type", "application/json"), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")];
    let answer = server.ask("POST", "/analysis", &twice, &playbook("Never").to_string());
    refused(&answer, 400, "bad-idempotency-key");
    assert_eq!(post(server, "/analysis", Some(&longest), &playbook("Longest-Key")).status, 202);
}
