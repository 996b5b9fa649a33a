//! What becomes of documents that can be read and whose sender may come in: 403, 422, 409, 202, and who is told.

use std::time::Duration;

use dummy_services::{Behaviour, LedgerEntry, Script};
use serde_json::{Value, json};

use super::{door, playbook, refused, server};
use crate::peers::{KEY, wait_for};
use crate::stack::{PATIENCE, Stack, Stores};

fn notices_about(stack: &Stack, analysis: &str) -> Vec<String> {
    let key = analysis.to_lowercase();
    stack.dummies.notices().into_iter().filter(|text| text.to_lowercase().ends_with(&format!(": {key}"))).collect()
}

/// A moment in which something would have been said, if anything was to be said.
fn silence_about(stack: &Stack, analysis: &str) {
    let witness = format!("Witness-{analysis}");
    let mut document = playbook(&witness);
    document["jobs"] = json!([]);
    assert_eq!(server().post("/analysis", &document.to_string()).status, 422);
    wait_for("a later refusal is told", PATIENCE, || (notices_about(stack, &witness).len() == 2).then_some(()));
    assert!(notices_about(stack, analysis).is_empty(), "{:?}", notices_about(stack, analysis));
}

#[test]
fn an_accepted_playbook() {
    let answer = server().post("/analysis", &playbook("Accepted-1").to_string());
    assert_eq!(answer.status, 202);
    assert_eq!(answer.header("location"), "/api/v1/analyses/Accepted-1");
    let expected = json!({
        "analysis-id": "Accepted-1", "run": 1, "state": "running", "status-url": "/api/v1/analyses/Accepted-1", "warnings": [],
    });
    assert_eq!(answer.json(), expected);
    door().orchestrator.settled("analyses", "Accepted-1", PATIENCE);
    // a finished one may be submitted again, in any case of its letters: a new run under the same id
    let again = server().post("/analysis", &playbook("ACCEPTED-1").to_string());
    assert_eq!((again.status, &again.json()["run"]), (202, &json!(2)));
    let run = door().orchestrator.settled("analyses", "accepted-1", PATIENCE);
    assert_eq!((&run["state"], &run["run"]), (&json!("succeeded"), &json!(2)), "{run:#}");
}

#[test]
fn warnings_come_with_the_acceptance() {
    let mut document = playbook("Warned");
    document["jobs"][1]["max-shrink"] = json!("a third");
    document["jobs"][1]["next"] = json!([]);
    let answer = server().post("/analysis", &document.to_string());
    assert_eq!(answer.status, 202, "{answer:?}");
    let body = answer.json();
    let codes: Vec<&str> =
        body["warnings"].as_array().into_iter().flatten().filter_map(|w| w["error"].as_str()).collect();
    assert!(codes == ["odd-max-shrink", "dead-end", "one-sided-edge"], "{body}");
}

#[test]
fn reserved_tenants_are_forbidden_and_nobody_is_told() {
    for tenant in ["admin", "local", "config", "UIDB", "uidb", "Diastema", "DIASTEMA", "diastemaviz"] {
        let mut document = playbook("Reserved");
        document["database-id"] = json!(tenant);
        refused(&server().post("/analysis", &document.to_string()), 403, "reserved");
    }
    silence_about(door(), "Reserved");
}

#[test]
fn a_playbook_that_cannot_run_is_refused_with_everything_that_is_wrong_and_the_web_application_is_told() {
    let mut document = playbook("Refused-0Af");
    document["jobs"][1]["from"] = json!(9);
    document["jobs"][2]["title"] = json!("<b>hack</b>");
    let answer = server().post("/analysis", &document.to_string());
    let body = answer.json();
    assert_eq!(answer.status, 422, "{body}");
    let problems = body["problems"].as_array().expect("several problems");
    let at: Vec<&str> = problems.iter().filter_map(|problem| problem["at"].as_str()).collect();
    assert!(at.contains(&"/jobs/1/from") && at.contains(&"/jobs/2/title"), "{body}");
    let told = wait_for("the refusal is told", PATIENCE, || {
        let told = notices_about(door(), "Refused-0Af");
        (told.len() == 2).then_some(told)
    });
    let more = format!(" (and {} more) for the analysis with ID: Refused-0Af", problems.len() - 1);
    assert!(told[0].starts_with("error: ") && told[0].ends_with(&more), "{told:?}");
    assert!(!told[0].contains('<'), "{told:?}");
    assert_eq!(told[1], "error: Analysis with the given ID terminated with error: refused-0af");
}

#[test]
fn at_most_twenty_problems_are_listed() {
    let mut document = playbook("Many-Problems");
    document["jobs"] =
        (0..100).map(|step| json!({"step": step + 1, "id": step, "title": "x", "from": 0, "next": [0]})).collect();
    let body = server().post("/analysis", &document.to_string()).json();
    assert_eq!(body["problems"].as_array().map(Vec::len), Some(20));
    assert!(body["problem-count"].as_u64().is_some_and(|count| count >= 100), "{body}");
}

#[test]
fn refusals_without_a_verdict_about_the_playbook_tell_nobody() {
    let bad_token = json!({"diastema-token": "bad", "analysis-id": "Silent", "database-id": "door", "jobs": []});
    assert_eq!(server().post("/analysis", &bad_token.to_string()).status, 401);
    assert_eq!(server().post("/analysis", r#"{"analysis-id": "Silent", "jobs": [}"#).status, 400);
    silence_about(door(), "Silent");
}

/// While an analysis runs: the same again is the same run, others conflict, and no notice says that it has died.
#[test]
fn an_id_that_runs_is_not_taken_away() {
    let slow = Behaviour { latency_ms: 1_500, ..Behaviour::default() };
    let jobs = [("busy-2".to_owned(), slow)].into();
    let stack = Stack::answering(Stores::Embedded, Script { jobs, ..Script::default() }, &[]);
    let door = &stack.orchestrator.server;
    let mut document = playbook("Busy");
    assert_eq!(door.post("/analysis", &document.to_string()).status, 202);

    document["metadata"] = json!({"analysis-time": 2});
    document["analysis-name"] = json!("a double click");
    let again = door.post("/analysis", &document.to_string());
    assert_eq!((again.status, &again.json()["run"]), (202, &json!(1)), "{again:?}");

    let mut other = document.clone();
    other["jobs"][1]["max-shrink"] = json!(0.9);
    let same_tenant = door.post("/analysis", &other.to_string());
    refused(&same_tenant, 409, "id-in-use");
    other["database-id"] = json!("somebody-else");
    let foreign = door.post("/analysis", &other.to_string());
    refused(&foreign, 409, "id-in-use");
    assert_eq!(same_tenant.json(), foreign.json(), "whose it is stays unsaid");

    let mut broken = document.clone();
    broken["jobs"] = json!([]);
    refused(&door.post("/analysis", &broken.to_string()), 422, "empty-graph");

    let mut job_of_another = playbook("Other");
    job_of_another["database-id"] = json!("somebody-else");
    job_of_another["jobs"][1]["id"] = json!("BUSY-2");
    let answer = door.post("/analysis", &job_of_another.to_string());
    refused(&answer, 409, "job-id-in-use");
    assert_eq!(answer.json()["at"], "/jobs/1/id");

    let run = stack.orchestrator.settled("analyses", "Busy", PATIENCE);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let expected = [
        "update: Cleaning executed for the analysis with ID: Busy",
        "update: Data Sink Executed for the analysis with ID: Busy",
        "update: Analysis completed with ID: busy",
    ];
    assert_eq!(notices_about(&stack, "Busy"), expected);
    let starts = stack.dummies.ledger().into_iter().filter(|entry| entry.service == "POST /data-cleaning").count();
    assert_eq!(starts, 1);
}

#[test]
fn two_clicks_at_once_are_one_run() {
    let body = playbook("Clicks").to_string();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (server, body) = (server().clone(), body.clone());
            std::thread::spawn(move || server.post("/analysis", &body))
        })
        .collect();
    let runs: Vec<Value> = threads
        .into_iter()
        .map(|thread| thread.join().expect("an answer"))
        .map(|answer| (answer.status, answer.json()))
        .map(|(status, body)| {
            assert_eq!(status, 202, "{body}");
            body["run"].clone()
        })
        .collect();
    door().orchestrator.settled("analyses", "Clicks", PATIENCE);
    // a click after the end of the first run is a new one; those at the same time are not
    let newest = server().get_with("/api/v1/analyses/clicks", KEY).json()["run"].as_u64().unwrap_or(0);
    let starts = wait_for("starts are counted", Duration::from_secs(5), || {
        let starts = door().dummies.ledger().iter().filter(|entry| is_start_of_clicks(entry)).count();
        (starts > 0).then_some(starts)
    });
    assert_eq!(starts as u64, newest, "{runs:?}");
}

fn is_start_of_clicks(entry: &LedgerEntry) -> bool {
    let body = &entry.body;
    entry.service == "POST /data-cleaning"
        && body["analysis-id"] == "Clicks"
        && body["job-id"].as_str().is_some_and(|id| id.starts_with("clicks-2"))
}
