//! An analysis that ends the process whenever it is taken up again: it is ended, everybody else goes on.

use dummy_services::{Behaviour, Fault, Kind, Script};
use serde_json::{Value, json};

use super::{PATIENCE, Stack, Stores};
use crate::peers::{KEY, wait_for};

/// One cleaning that takes a while.
fn playbook(id: &str) -> Value {
    json!({
        "analysis-id": id, "database-id": "poison", "metadata": {},
        "jobs": [
            {"step": 1, "id": format!("{id}-1"), "title": "dataset", "label": "a", "from": 0, "next": [2]},
            {"step": 2, "id": format!("{id}-2"), "title": "cleaning", "max-shrink": 0.1, "from": 1, "next": [0]},
        ],
    })
}

const ALL: [&str; 4] = ["Before", "Poison", "Between", "After"];
const INNOCENT: [&str; 3] = ["Before", "Between", "After"];

/// Longer than it takes to submit all of them on a busy machine.
fn a_while() -> Behaviour {
    Behaviour { latency_ms: 4_000, ..Behaviour::default() }
}

/// These analyses at work.
fn stack<'a>(ids: impl IntoIterator<Item = &'a str>, cleaning: Behaviour) -> Stack {
    let script = Script { kinds: [(Kind::Cleaning, cleaning)].into(), ..Script::default() };
    let stack = Stack::answering(Stores::Embedded, script, &[]);
    for id in ids {
        stack.orchestrator.submit(&playbook(id));
        wait_for(&format!("{id} is at work"), PATIENCE, || {
            (stack.orchestrator.run("analyses", id)["jobs"][1]["state"] == "running").then_some(())
        });
    }
    stack
}

fn notices_of(stack: &Stack, id: &str) -> Vec<String> {
    let said = stack.dummies.notices();
    said.into_iter().filter(|text| text.to_lowercase().ends_with(&id.to_lowercase())).collect()
}

fn succeed<'a>(stack: &Stack, ids: impl IntoIterator<Item = &'a str>) {
    for id in ids {
        let run = stack.orchestrator.settled("analyses", id, PATIENCE);
        assert_eq!(run["state"], "succeeded", "{run:#}");
        assert_eq!(starts_of(stack, id), 1, "{id} was started once");
    }
}

fn starts_of(stack: &Stack, id: &str) -> usize {
    let job = format!("{}-2", id.to_lowercase());
    let starts = stack.dummies.ledger();
    starts.iter().filter(|entry| entry.service == "POST /data-cleaning" && entry.body["job-id"] == job.as_str()).count()
}

#[test]
fn an_analysis_that_crashes_the_process_three_times_is_ended_as_failed_and_that_is_told() {
    let mut stack = stack(ALL, a_while());
    let (orchestrator, crashes) = stack.orchestrator.crash_until_it_says(&[("POISON", "jobs:Poison")], "quarantined");
    assert_eq!(crashes, 4, "once with others, three times alone");
    stack.orchestrator = orchestrator;
    let run = stack.orchestrator.settled("analyses", "Poison", PATIENCE);
    assert_eq!(run["state"], "failed", "{run:#}");
    let message = run["cause"]["failure"]["message"].as_str().unwrap();
    assert!(message.contains("crashed 3 times in a row"), "{message}");
    assert!(message.contains("Rerun it"), "{message}");
    assert_eq!(run["jobs"][1]["state"], "cancelled", "{run:#}");
    assert_eq!(run["jobs"][1]["may-still-run"], true, "{run:#}");
    let counted = stack.orchestrator.server.get("/metrics").text;
    assert!(counted.contains("\nquarantined_total 1\n"), "{counted}");
    assert!(counted.contains("\nanalyses_total{outcome=\"failed\"} 1\n"), "{counted}");
    succeed(&stack, INNOCENT);
    let last = "error: Analysis with the given ID terminated with error: poison";
    assert_eq!(notices_of(&stack, "poison").last().map(String::as_str), Some(last));
    stack.orchestrator = stack.orchestrator.kill_and_start();
    assert!(
        !stack.orchestrator.said().contains("alone"),
        "nobody is suspected any more: {}",
        stack.orchestrator.said()
    );
    let bearer = format!("Bearer {KEY}");
    let path = "/api/v1/analyses/Poison/rerun";
    let answer = stack.orchestrator.server.ask("POST", path, &[("Authorization", &bearer)], "");
    assert_eq!(answer.status, 202, "{}", answer.text);
    let run = stack.orchestrator.settled("analyses", "Poison", PATIENCE);
    assert_eq!((&run["state"], &run["run"]), (&json!("succeeded"), &json!(2)), "what it is told to do helps: {run:#}");
}

#[test]
fn an_analysis_that_cannot_even_be_told_of_is_settled_silently() {
    let mut stack = stack(ALL, a_while());
    let mark = "settled without telling anybody";
    let (orchestrator, crashes) = stack.orchestrator.crash_until_it_says(&[("POISON", "everything:Poison")], mark);
    assert_eq!(crashes, 5, "and once more when it was to be told");
    stack.orchestrator = orchestrator;
    let run = stack.orchestrator.settled("analyses", "Poison", PATIENCE);
    assert_eq!(run["state"], "failed", "{run:#}");
    succeed(&stack, INNOCENT);
    let told = notices_of(&stack, "poison");
    assert!(!told.iter().any(|text| text.starts_with("error")), "{told:?}");
}

#[test]
fn nobody_is_suspected_after_an_orderly_end_or_a_crash_that_was_not_in_recovery() {
    let mut stack = stack(ALL, a_while());
    for _ in 0..4 {
        stack.orchestrator = stack.orchestrator.kill_and_start();
        assert!(!stack.orchestrator.said().contains("alone"), "{}", stack.orchestrator.said());
        // it listens to signals when it answers
        stack.orchestrator.run("analyses", "Before");
        stack.orchestrator = stack.orchestrator.stop_and_start();
        assert!(!stack.orchestrator.said().contains("alone"), "{}", stack.orchestrator.said());
    }
    succeed(&stack, INNOCENT);
}

/// Kill point K14: with the batch, with the innocents alone, in every order.
#[test]
fn five_crashes_in_a_row_while_runs_are_taken_up_again_end_no_innocent_run() {
    let names: Vec<String> = (1..=12).map(|number| format!("Run-{number}")).collect();
    let ids = || names.iter().map(String::as_str);
    let mut stack = stack(ids(), Behaviour { fault: Some(Fault::NeverFinishes), ..Behaviour::default() });
    let lives = ["k14:5", "k14:9", "k14:3", "k14:11", "k14:7", ""].map(|place| ("KILL_AT", place));
    let (orchestrator, crashes) = stack.orchestrator.crash_until_it_says(&lives, "12 runs have gone on");
    stack.orchestrator = orchestrator;
    assert_eq!(crashes, 5);
    assert!(!stack.orchestrator.said().contains("quarantined"), "{}", stack.orchestrator.said());
    for id in ids() {
        let run = stack.orchestrator.run("analyses", id);
        assert_eq!(run["state"], "running", "{run:#}");
        assert_eq!(run["jobs"][1]["state"], "running", "{run:#}");
        assert_eq!(starts_of(&stack, id), 1, "{id} was started once");
    }
}

/// Functions that run at once mix their inputs, also when the run of the first one is not waited for any more.
#[test]
fn a_function_of_a_quarantined_run_keeps_its_slot_until_the_service_is_done() {
    let function = |id: &str| {
        json!({
            "analysis-id": id, "database-id": "poison", "metadata": {},
            "jobs": [{
                "step": 1, "id": format!("{id}-1"), "title": "function", "function": {"name": "f", "args": []},
                "from": 0, "next": [0],
            }],
        })
    };
    let slow = Behaviour { latency_ms: 15_000, ..Behaviour::default() };
    let script = Script { jobs: [("poison-1".to_owned(), slow)].into(), ..Script::default() };
    let mut stack = Stack::answering(Stores::Embedded, script, &[]);
    stack.orchestrator.submit(&function("Poison"));
    wait_for("the function is at work", PATIENCE, || {
        (stack.orchestrator.run("analyses", "Poison")["jobs"][0]["state"] == "running").then_some(())
    });
    let (orchestrator, _) = stack.orchestrator.crash_until_it_says(&[("POISON", "jobs:Poison")], "quarantined");
    stack.orchestrator = orchestrator;
    stack.orchestrator.submit(&function("Next"));
    let next = stack.orchestrator.settled("analyses", "Next", PATIENCE);
    assert_eq!(next["state"], "succeeded", "{next:#}");
    assert_eq!(stack.dummies.max_in_flight(Kind::Function), 1);
}
