//! The process ends in the middle of work and is started again: everything goes on, nothing is started twice.

use dummy_services::{Behaviour, Kind, Script};
use serde_json::{Value, json};

use super::{PATIENCE, Stack, Stores};
use crate::peers::{Orchestrator, wait_for};

/// Two branches of cleaning, a join, a function, a sink; every service job takes a while.
fn playbook() -> Value {
    json!({
        "analysis-id": "Goes-On", "database-id": "restart", "metadata": {},
        "jobs": [
            {"step": 1, "id": 1, "title": "dataset", "label": "a", "from": 0, "next": [3]},
            {"step": 2, "id": 2, "title": "dataset", "label": "b", "from": 0, "next": [4]},
            {"step": 3, "id": 3, "title": "cleaning", "max-shrink": 0.1, "from": 1, "next": [5]},
            {"step": 4, "id": 4, "title": "cleaning", "max-shrink": 0.1, "from": 2, "next": [5]},
            {"step": 5, "id": 5, "title": "data-join", "column": "id", "join-type": "inner", "from": [3, 4], "next": [6]},
            {"step": 6, "id": 6, "title": "function", "function": {"name": "f", "args": []}, "from": [5], "next": [7]},
            {"step": 7, "id": 7, "title": "data-sink", "from": 6, "next": [0]},
        ],
    })
}

fn stack() -> Stack {
    let slow = |kind| (kind, Behaviour { latency_ms: 600, ..Behaviour::default() });
    let kinds = [Kind::Cleaning, Kind::Join, Kind::Function].map(slow).into();
    Stack::answering(Stores::Embedded, Script { kinds, ..Script::default() }, &[])
}

/// Starts that a service has seen.
fn starts(stack: &Stack, endpoint: &str) -> usize {
    stack.dummies.ledger().iter().filter(|entry| entry.service == endpoint).count()
}

/// Waits until the job is at work and the journal has the service's answer to its start.
fn at_work(stack: &Stack, step: &str) {
    wait_for(&format!("step {step} runs"), PATIENCE, || {
        let run = stack.orchestrator.run("analyses", "Goes-On");
        let jobs = run["jobs"].as_array()?.clone();
        jobs.iter().find(|job| job["step"] == step && job["state"] == "running").map(|_| ())
    });
}

fn survives(again: impl Fn(Orchestrator) -> Orchestrator) {
    let mut stack = stack();
    stack.orchestrator.submit(&playbook());
    for step in ["3", "5", "6"] {
        at_work(&stack, step);
        stack.orchestrator = again(stack.orchestrator);
    }
    let run = stack.orchestrator.settled("analyses", "Goes-On", PATIENCE);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    for (endpoint, expected) in
        [("POST /data-cleaning", 2), ("POST /join", 1), ("POST /function", 1), ("POST /data-sink", 1)]
    {
        assert_eq!(starts(&stack, endpoint), expected, "{endpoint}");
    }
    let told = stack.dummies.ledger().into_iter().filter(|entry| entry.service == "POST /messages");
    let mut events: Vec<String> = told.filter_map(|entry| entry.headers.get("idempotency-key").cloned()).collect();
    events.dedup();
    let all: Vec<String> = (1..=6).map(|number| format!("Goes-On/1/{number}")).collect();
    assert_eq!(events, all, "every notice, in order, under the same number as before");
    assert_eq!(stack.dummies.notices().last().map(String::as_str), Some("update: Analysis completed with ID: goes-on"));
}

#[test]
fn work_goes_on_after_the_process_was_killed() {
    survives(Orchestrator::kill_and_start);
}

#[test]
fn work_goes_on_after_the_process_was_asked_to_stop() {
    survives(Orchestrator::stop_and_start);
}

#[test]
fn a_submission_that_was_answered_runs_even_if_the_process_dies_at_once() {
    let mut stack = stack();
    stack.orchestrator.submit(&playbook());
    stack.orchestrator = stack.orchestrator.kill_and_start();
    assert_eq!(stack.orchestrator.settled("analyses", "Goes-On", PATIENCE)["state"], "succeeded");
}
