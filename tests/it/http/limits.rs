//! Refusals because of too much to do: 429 and 503, with the time to come back, and told to the web application.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use dummy_services::{Behaviour, Script};

use super::{playbook, refused};
use crate::peers::wait_for;
use crate::stack::{PATIENCE, Stack, Stores};

fn slow() -> Script {
    Script { default: Behaviour { latency_ms: 700, ..Behaviour::default() }, ..Script::default() }
}

#[test]
fn a_tenant_with_too_many_open_analyses_is_told_to_wait() {
    limit("TENANT_OPEN_ANALYSES", 429, "tenant-quota", &["Quota"]);
}

#[test]
fn an_orchestrator_with_too_many_open_analyses_is_busy() {
    limit("TOTAL_OPEN_ANALYSES", 503, "busy", &["Busy", "another"]);
}

/// A full house is no reason to turn away who is inside already, still less to announce the death of what runs.
#[test]
fn a_running_analysis_may_be_submitted_again_when_there_is_no_room() {
    let stack = Stack::answering(Stores::Embedded, slow(), &[("TENANT_OPEN_ANALYSES", "1")]);
    let door = &stack.orchestrator.server;
    let document = playbook("Inside");
    assert_eq!(door.post("/analysis", &document.to_string()).status, 202);

    let again = door.post("/analysis", &document.to_string());
    assert_eq!((again.status, &again.json()["run"]), (202, &1.into()), "{again:?}");
    let mut other = document.clone();
    other["jobs"][1]["max-shrink"] = 0.9.into();
    refused(&door.post("/analysis", &other.to_string()), 409, "id-in-use");
    refused(&door.post("/analysis", &playbook("Outside").to_string()), 429, "tenant-quota");

    let about = |id: &str| -> Vec<String> {
        stack.dummies.notices().into_iter().filter(|text| text.to_lowercase().ends_with(&format!(": {id}"))).collect()
    };
    let told = wait_for("the refusal is told", PATIENCE, || Some(about("outside")).filter(|told| told.len() == 2));
    assert!(told[0].starts_with("error: ") && told[1].ends_with("terminated with error: outside"), "{told:?}");
    let run = stack.orchestrator.settled("analyses", "Inside", PATIENCE);
    assert_eq!((&run["state"], &run["run"]), (&"succeeded".into(), &1.into()), "{run:#}");
    let expected = [
        "update: Cleaning executed for the analysis with ID: Inside",
        "update: Data Sink Executed for the analysis with ID: Inside",
        "update: Analysis completed with ID: inside",
    ];
    assert_eq!(about("inside"), expected);
}

/// Fault matrix: *overload, ten times what there is room for*. Refusals are quick and say when to come back; what was
/// accepted is done.
#[test]
fn ten_times_too_much_is_refused_quickly_and_what_was_accepted_is_done() {
    const ROOM: usize = 20;
    let stack = Stack::answering(Stores::Embedded, slow(), &[("TOTAL_OPEN_ANALYSES", &ROOM.to_string())]);
    let door = &stack.orchestrator.server;
    let answers = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..10 {
            let answers = &answers;
            scope.spawn(move || {
                for number in 0..ROOM {
                    let id = format!("Over-{thread}-{number}");
                    let since = Instant::now();
                    let answer = door.post("/analysis", &playbook(&id).to_string());
                    answers.lock().unwrap().push((id, answer, since.elapsed()));
                }
            });
        }
    });
    let (accepted, refused_ones): (Vec<_>, Vec<_>) =
        answers.into_inner().unwrap().into_iter().partition(|(_, answer, _)| answer.status == 202);
    assert!(accepted.len() >= ROOM && refused_ones.len() >= ROOM, "{} of {}", accepted.len(), 10 * ROOM);
    for (id, answer, took) in &refused_ones {
        refused(answer, 503, "busy");
        assert_eq!(answer.header("retry-after"), "5");
        assert!(*took < Duration::from_secs(2), "{id}: {took:?}");
    }
    for (id, ..) in &accepted {
        assert_eq!(stack.orchestrator.settled("analyses", id, PATIENCE)["state"], "succeeded");
    }
}

#[track_caller]
fn limit(variable: &str, status: u16, code: &str, tenants: &[&str]) {
    let stack = Stack::answering(Stores::Embedded, slow(), &[(variable, "2")]);
    let door = &stack.orchestrator.server;
    let mut accepted = Vec::new();
    for number in 0..3 {
        let analysis = format!("Limit-{number}");
        let mut document = playbook(&analysis);
        document["database-id"] = tenants[number % tenants.len()].into();
        let answer = door.post("/analysis", &document.to_string());
        if number < 2 {
            assert_eq!(answer.status, 202, "{answer:?}");
            accepted.push(analysis);
            continue;
        }
        refused(&answer, status, code);
        assert_eq!(answer.header("retry-after"), "5");
    }
    let told = wait_for("the refusal is told", PATIENCE, || {
        let told: Vec<String> =
            stack.dummies.notices().into_iter().filter(|text| text.to_lowercase().ends_with(": limit-2")).collect();
        (told.len() == 2).then_some(told)
    });
    assert_eq!(told[1], "error: Analysis with the given ID terminated with error: limit-2");
    for analysis in accepted {
        assert_eq!(stack.orchestrator.settled("analyses", &analysis, PATIENCE)["state"], "succeeded");
    }
    let again = door.post("/analysis", &playbook("Limit-2").to_string());
    assert_eq!(again.status, 202, "room again: {again:?}");
}
