//! The function service mixes inputs when two functions run at once: it never gets a second one while it is at work.

use dummy_services::{Behaviour, Kind, Script};
use serde_json::{Value, json};

use super::{PATIENCE, Stack, Stores};

fn with_function(tenant: &str, timeout: Value) -> Value {
    json!({
        "analysis-id": format!("fn-{tenant}"), "database-id": tenant, "metadata": {},
        "jobs": [
            {"step": 1, "id": format!("{tenant}-1"), "title": "function", "function": {"name": "f", "args": []}, "from": 0,
             "next": [2], "timeout-s": timeout},
            {"step": 2, "id": format!("{tenant}-2"), "title": "data-sink", "from": 1, "next": [0]},
        ],
    })
}

/// Nobody waits for the first function any more when the process dies.
#[test]
fn the_slot_of_a_function_that_ran_out_of_time_is_held_over_a_restart() {
    let slow = Behaviour { latency_ms: 4_000, ..Behaviour::default() };
    let script = Script { kinds: [(Kind::Function, slow)].into(), ..Script::default() };
    let mut stack = Stack::answering(Stores::Embedded, script, &[]);
    stack.orchestrator.submit(&with_function("first", json!(0.5)));
    let first = stack.orchestrator.settled("analyses", "fn-first", PATIENCE);
    assert_eq!(first["cause"]["failure"]["kind"], "timed-out", "{first:#}");
    stack.orchestrator = stack.orchestrator.kill_and_start();
    stack.orchestrator.submit(&with_function("second", json!(30)));
    let second = stack.orchestrator.settled("analyses", "fn-second", PATIENCE);
    assert_eq!(second["state"], "succeeded", "{second:#}");
    assert_eq!(stack.dummies.max_in_flight(Kind::Function), 1);
}

#[test]
fn the_slot_of_a_function_that_ran_out_of_time_is_held_until_the_service_is_done() {
    let slow = Behaviour { latency_ms: 1500, ..Behaviour::default() };
    let script = Script { kinds: [(Kind::Function, slow)].into(), ..Script::default() };
    let stack = Stack::answering(Stores::Embedded, script, &[]);
    stack.orchestrator.submit(&with_function("first", json!(0.5)));
    stack.orchestrator.submit(&with_function("second", json!(30)));
    let first = stack.orchestrator.settled("analyses", "fn-first", PATIENCE);
    assert_eq!(first["cause"]["failure"]["kind"], "timed-out", "{first:#}");
    let second = stack.orchestrator.settled("analyses", "fn-second", PATIENCE);
    assert_eq!(second["state"], "succeeded", "{second:#}");
    assert_eq!(stack.dummies.max_in_flight(Kind::Function), 1);
}
