//! What an analysis costs beside its jobs, measured; the bounds leave room for a busy machine.

#![expect(clippy::print_stderr, reason = "the measured times are worth knowing")]

use dummy_services::{Behaviour, Kind, Script};
use serde_json::{Value, json};

use super::{Stack, Stores};
use crate::peers::Mongo;

/// `dataset -> several cleanings beside each other -> function over all of them`.
fn diamond(analysis: &str, branches: u32) -> Value {
    let steps: Vec<u32> = (2..2 + branches).collect();
    let last = 2 + branches;
    let mut jobs = vec![
        json!({"step": 1, "id": format!("{analysis}-1"), "title": "dataset", "label": "d", "from": 0, "next": steps}),
    ];
    jobs.extend(steps.iter().map(|step| {
        json!({"step": step, "id": format!("{analysis}-{step}"), "title": "cleaning", "from": 1, "next": [last]})
    }));
    jobs.push(json!({"step": last, "id": format!("{analysis}-{last}"), "title": "function", "function": {}, "from": steps, "next": [0]}));
    json!({"analysis-id": analysis, "database-id": "speed", "jobs": jobs})
}

#[track_caller]
fn millis(run: &Value) -> i64 {
    assert_eq!(run["state"], "succeeded", "{run:#}");
    run["elapsed-ms"].as_i64().expect("a time")
}

#[test]
fn branches_run_at_the_same_time() {
    let kinds = [(Kind::Cleaning, Behaviour { latency_ms: 1_000, ..Behaviour::default() })].into();
    let stack = Stack::answering(Stores::Embedded, Script { kinds, ..Script::default() }, &[]);
    let took = millis(&stack.play(&diamond("Branches", 2)));
    eprintln!("two branches of a job of 1 s each: {took} ms");
    assert!((1_000..1_600).contains(&took), "{took} ms");
    assert_eq!(stack.dummies.max_in_flight(Kind::Cleaning), 2);
}

#[test]
fn instant_jobs_cost_little() {
    for stores in [Stores::Embedded, Stores::Real] {
        let stack = Stack::answering(stores, Script::default(), &[]);
        Mongo::shared().deploy(&format!("Chain-{stores:?}"), "speed");
        let jobs: Vec<Value> = (1..=7)
            .map(|step| {
                let (title, next) = (if step == 1 { "dataset" } else { "cleaning" }, if step == 7 { 0 } else { step + 1 });
                json!({"step": step, "id": format!("chain-{step}"), "title": title, "label": "d", "from": step - 1, "next": [next]})
            })
            .collect();
        let took = millis(
            &stack.play(&json!({"analysis-id": format!("Chain-{stores:?}"), "database-id": "speed", "jobs": jobs})),
        );
        eprintln!(
            "a chain of six instant cleanings, {stores:?} stores: {took} ms (a debug build; the original takes 12 s)"
        );
        assert!(took < 5_000, "{took} ms");
    }
}

#[test]
fn jobs_at_the_function_service_run_one_after_the_other() {
    let kinds = [(Kind::Function, Behaviour { latency_ms: 50, ..Behaviour::default() })].into();
    let stack = Stack::answering(Stores::Embedded, Script { kinds, ..Script::default() }, &[]);
    let jobs: Vec<Value> = (1..=6)
        .map(|step| json!({"step": step, "id": format!("f-{step}"), "title": "function", "function": {}, "from": 0, "next": [0]}))
        .collect();
    millis(&stack.play(&json!({"analysis-id": "Functions", "database-id": "speed", "jobs": jobs})));
    assert_eq!(stack.dummies.max_in_flight(Kind::Function), 1, "it mixes the inputs of jobs at the same time");
}
