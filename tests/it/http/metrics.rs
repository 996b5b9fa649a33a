//! `/metrics`: what is counted, in the form that Prometheus reads.

use std::collections::BTreeMap;

use dummy_services::{Behaviour, Fault, Kind, Script};
use serde_json::{Value, json};

use super::{playbook, refused};
use crate::peers::{CLOSED_PORT, KEY, Server, wait_for};
use crate::stack::{PATIENCE, Stack, Stores};

/// Every series with its value.
#[track_caller]
fn series(server: &Server) -> BTreeMap<String, f64> {
    let answer = server.get("/metrics");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let lines = answer.text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
            (name.to_owned(), value.parse().unwrap_or_else(|error| panic!("{line}: {error}")))
        })
        .collect()
}

#[test]
fn what_was_accepted_and_how_it_ended_is_counted() {
    let fault = Some(Fault::Error { message: Some("no".to_owned()) });
    let jobs = [("bad-2".to_owned(), Behaviour { fault, ..Behaviour::default() })].into();
    let stack = Stack::answering(Stores::Embedded, Script { jobs, ..Script::default() }, &[]);
    let server = &stack.orchestrator.server;
    let untouched = series(server);
    for service in ["automl", "cleaning", "data-sink", "function", "ingestion", "join", "spark"] {
        for name in ["starts_ambiguous_total", "outcomes_unknown_total", "retries_total"] {
            assert_eq!(untouched.get(&format!("{name}{{service=\"{service}\"}}")), Some(&0.0), "{untouched:#?}");
        }
    }
    for id in ["Good-1", "Good-2", "Bad"] {
        stack.orchestrator.submit(&playbook(id));
        stack.orchestrator.settled("analyses", id, PATIENCE);
    }
    let counted = wait_for("everything has left", PATIENCE, || {
        Some(series(server)).filter(|counted| counted["outbox_depth{lane=\"notices\"}"] == 0.0)
    });
    for (name, value) in [
        ("analyses_accepted_total", 3.0),
        ("analyses_total{outcome=\"succeeded\"}", 2.0),
        ("analyses_total{outcome=\"failed\"}", 1.0),
        ("analyses_total{outcome=\"stopped\"}", 0.0),
        ("analyses_open", 0.0),
        ("analyses_untold", 0.0),
        ("outbox_depth{lane=\"records\"}", 0.0),
        ("journal_healthy", 1.0),
        ("draining", 0.0),
        ("late_results_dropped_total", 0.0),
        ("ignored_messages_total", 0.0),
        ("stuck_healed_total", 0.0),
        ("quarantined_total", 0.0),
        ("unreadable_total", 0.0),
        ("refusals_not_announced_total", 0.0),
    ] {
        assert_eq!(counted.get(name), Some(&value), "{name}: {counted:#?}");
    }
    refused(&server.post("/metrics", "{}"), 405, "method");
}

/// Invariant: a second start that may be a duplicate is counted, each of them and nothing else.
#[test]
fn a_start_that_may_have_been_sent_twice_is_counted() {
    let slow_to_answer = Behaviour { answer_delay_ms: 1_500, ..Behaviour::default() };
    let script = Script { kinds: [(Kind::Function, slow_to_answer)].into(), ..Script::default() };
    // so long it is taken for granted that the first one is at work
    let linger = [("FUNCTION_SERVICE_LINGER_SECONDS", "2")];
    let mut stack = Stack::answering(Stores::Embedded, script, &linger);
    let mut document = playbook("Twice");
    document["jobs"][1]["title"] = json!("function");
    document["jobs"][1]["function"] = json!({"name": "f", "args": []});
    stack.orchestrator.submit(&document);
    let starts =
        |stack: &Stack| stack.dummies.ledger().iter().filter(|entry| entry.service == "POST /function").count();
    wait_for("the function service has got the start", PATIENCE, || (starts(&stack) == 1).then_some(()));
    stack.orchestrator = stack.orchestrator.kill_and_start();
    let run = stack.orchestrator.settled("analyses", "twice", PATIENCE);
    assert_eq!((&run["state"], starts(&stack)), (&json!("succeeded"), 2), "{run:#}");
    let counted = series(&stack.orchestrator.server);
    let ambiguous: Vec<(&String, &f64)> =
        counted.iter().filter(|(name, value)| name.starts_with("starts_ambiguous") && **value > 0.0).collect();
    assert_eq!(ambiguous, [(&"starts_ambiguous_total{service=\"function\"}".to_owned(), &1.0)]);
}

#[test]
fn records_and_notices_that_wait_are_counted() {
    let nobody = [("DIASTEMA_FRONTEND_PORT", CLOSED_PORT)];
    let stack = Stack::answering(Stores::Embedded, Script::default(), &nobody);
    stack.orchestrator.submit(&playbook("Waits"));
    wait_for("the run ends and its notices wait", PATIENCE, || {
        let counted = series(&stack.orchestrator.server);
        let waiting = counted["outbox_depth{lane=\"notices\"}"] == 3.0
            && counted["analyses_open"] == 0.0
            && counted["analyses_untold"] == 1.0;
        waiting.then_some(())
    });
}

/// Names of what `increase(draining[1h])` and the like ask for.
fn asked_for(expression: &str) -> Vec<&str> {
    const WORDS: [&str; 6] = ["sum", "by", "rate", "increase", "outcome", "service"];
    let words = expression.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with(|letter: char| letter.is_ascii_lowercase()) && !WORDS.contains(word)).collect()
}

#[test]
fn the_dashboard_asks_for_nothing_that_is_not_there() {
    let dashboard: Value = serde_json::from_str(include_str!("../../../docs/grafana.json")).unwrap();
    let stack = Stack::answering(Stores::Embedded, Script::default(), &[]);
    let there = series(&stack.orchestrator.server);
    let names: Vec<&str> = there.keys().map(|series| series.split('{').next().unwrap()).collect();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let expressions: Vec<&str> = targets.map(|target| target["expr"].as_str().unwrap()).collect();
    let mut asked: Vec<&str> = expressions.iter().flat_map(|expression| asked_for(expression)).collect();
    assert!(asked.iter().all(|name| names.contains(name)), "{asked:?} of {names:?}");
    asked.sort_unstable();
    asked.dedup();
    assert!(asked.len() >= 14, "{asked:?}");
}

#[test]
fn who_asks_from_outside_needs_the_token() {
    let stack = Stack::answering(Stores::Embedded, Script::default(), &[("HOST", "0.0.0.0")]);
    let server = &stack.orchestrator.server;
    refused(&server.get("/metrics"), 401, "token");
    refused(&server.get_with("/metrics", "wrong"), 401, "token");
    assert_eq!(server.get_with("/metrics", KEY).status, 200);
}
