//! Services that say by themselves how their jobs ended, over real sockets.

use std::collections::BTreeMap;

use dummy_services::{Behaviour, Kind, Script};
use orchestrator::playbook::Space;
use orchestrator::store::{History, Record, SqliteHistory};
use serde_json::{Value, json};

use super::{PATIENCE, Stack, Stores};
use crate::peers::free_port;

/// An orchestrator that services may call, with such services.
pub(crate) fn calling(script: Script) -> Stack {
    let port = free_port().to_string();
    let url = format!("http://127.0.0.1:{port}");
    Stack::answering(Stores::Embedded, script, &[("PORT", &port), ("PUBLIC_URL", &url)])
}

fn behave(kinds: &[Kind], behaviour: &Behaviour) -> Script {
    Script { kinds: kinds.iter().map(|kind| (*kind, behaviour.clone())).collect(), ..Script::default() }
}

/// `dataset -> cleaning -> data-join`, with ids of its own.
fn playbook(analysis: &str) -> Value {
    json!({
        "analysis-id": analysis, "database-id": "calls",
        "jobs": [
            {"step": 1, "id": format!("{analysis}-1"), "title": "dataset", "label": "d", "from": 0, "next": [2]},
            {"step": 2, "id": format!("{analysis}-2"), "title": "cleaning", "from": 1, "next": [3, 3]},
            {"step": 3, "id": format!("{analysis}-3"), "title": "data-join", "column": "c", "join-type": "inner", "from": [2, 2], "next": [0]},
        ],
    })
}

/// Everything that was written about an analysis.
fn records(stack: &Stack, analysis: &str) -> Vec<Record> {
    let history = SqliteHistory::open(&stack.orchestrator.state_file());
    let run = history.find(Space::Analysis, &analysis.to_lowercase(), None).unwrap().expect("it was accepted");
    history.entries(run.run_id).unwrap().into_iter().map(|entry| entry.record).collect()
}

/// Asked, these services would say `progress` for weeks.
#[test]
fn an_analysis_goes_on_as_its_services_call() {
    let calls = Behaviour { calls_back: true, progress_answers: u32::MAX, latency_ms: 20, ..Behaviour::default() };
    let stack = calling(behave(&[Kind::Cleaning, Kind::Join], &calls));
    let run = stack.play(&playbook("Calls-1"));
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let ledger = stack.dummies.ledger();
    // the data service moves a start to its final slash: the address goes with it
    for endpoint in ["308 /data-cleaning", "POST /data-cleaning", "308 /join", "POST /join"] {
        let entry = ledger.iter().find(|entry| entry.service == endpoint).unwrap_or_else(|| panic!("{endpoint}"));
        let address = entry.headers.get("diastema-callback").unwrap_or_else(|| panic!("{endpoint}: {entry:?}"));
        assert!(address.contains("/api/v1/callbacks/"), "{address}");
    }
    let words = |record: &&Record| matches!(record, Record::CallbackReceived { .. });
    assert_eq!(records(&stack, "Calls-1").iter().filter(words).count(), 2);
    let secret = ledger.iter().find_map(|entry| entry.headers.get("diastema-callback")).unwrap();
    let secret = secret.rsplit('/').next().unwrap();
    assert!(!stack.orchestrator.said().contains(secret), "secrets are not logged");
}

#[test]
fn a_service_that_calls_with_an_error_fails_its_job() {
    let error = Some(dummy_services::Fault::Error { message: Some("no such <column>".to_owned()) });
    let calls = Behaviour {
        calls_back: true,
        progress_answers: u32::MAX,
        latency_ms: 20,
        fault: error,
        ..Behaviour::default()
    };
    let stack = calling(behave(&[Kind::Cleaning], &calls));
    let run = stack.play(&playbook("Calls-2"));
    assert_eq!(run["cause"]["failure"], json!({"kind": "service-error", "message": "no such <column>"}), "{run:#}");
}

/// Calls and answers come at about the same moment, many times; each job has exactly one end.
#[test]
fn calls_and_answers_at_the_same_time_end_each_job_once() {
    const ANALYSES: usize = 150;
    let mut jobs = BTreeMap::new();
    for number in 0..ANALYSES {
        // done between 1 and 30 ms after the start, in the rhythm of the looks
        let calls = Behaviour { calls_back: true, latency_ms: 1 + number as u64 % 30, ..Behaviour::default() };
        for step in [2, 3] {
            jobs.insert(format!("race-{number}-{step}"), calls.clone());
        }
    }
    let stack = calling(Script { jobs, ..Script::default() });
    for number in 0..ANALYSES {
        stack.orchestrator.submit(&playbook(&format!("Race-{number}")));
    }
    let mut called = 0;
    for number in 0..ANALYSES {
        let analysis = format!("Race-{number}");
        let run = stack.orchestrator.settled("analyses", &analysis, PATIENCE);
        assert_eq!(run["state"], "succeeded", "{run:#}");
        let records = records(&stack, &analysis);
        for job in 0..3 {
            let end = |record: &&Record| match record {
                Record::JobSucceeded { job: of, .. } | Record::JobFailed { job: of, .. } => *of == job,
                _ => false,
            };
            assert_eq!(records.iter().filter(end).count(), 1, "job {job}: {records:#?}");
        }
        let is_word = |record: &&Record| matches!(record, Record::CallbackReceived { .. });
        called += records.iter().filter(is_word).count();
    }
    for endpoint in ["POST /data-cleaning", "POST /join"] {
        let starts = stack.dummies.ledger().iter().filter(|entry| entry.service == endpoint).count();
        assert_eq!(starts, ANALYSES, "{endpoint}");
    }
    assert!((1..2 * ANALYSES).contains(&called), "both ways have to win sometimes: {called} words were taken");
    let ends = stack.dummies.notices().iter().filter(|text| text.contains("Analysis completed")).count();
    assert_eq!(ends, ANALYSES);
}

/// The secret and what is waited for are the same after a restart.
#[test]
fn a_service_may_call_a_later_life_of_the_process() {
    let calls = Behaviour { calls_back: true, progress_answers: u32::MAX, latency_ms: 1_500, ..Behaviour::default() };
    let mut stack = calling(behave(&[Kind::Cleaning], &calls));
    stack.orchestrator.submit(&playbook("Calls-3"));
    crate::peers::wait_for("the cleaning runs", PATIENCE, || {
        let run = stack.orchestrator.run("analyses", "Calls-3");
        (run["jobs"][1]["state"] == "running").then_some(())
    });
    stack.orchestrator = stack.orchestrator.kill_and_start();
    let run = stack.orchestrator.settled("analyses", "Calls-3", PATIENCE);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let starts = stack.dummies.ledger().iter().filter(|entry| entry.service == "POST /data-cleaning").count();
    assert_eq!(starts, 1);
}
