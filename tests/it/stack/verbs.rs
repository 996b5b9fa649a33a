//! Cancel, pause, resume and rerun through the API and the command line, with the real binary.

use std::process::{Command, Stdio};

use dummy_services::{Behaviour, Fault, Kind, Script};
use serde_json::{Value, json};

use super::{PATIENCE, Stack, Stores};
use crate::peers::{Answer, BINARY, Folder, KEY, wait_for};

/// `1 -> 2 -> 3 -> 4`: a data set, two cleanings, a data sink.
fn chain(id: &str) -> Value {
    let cleaning = |step: u32| {
        let id = format!("{id}-{step}");
        json!({"step": step, "id": id, "title": "cleaning", "from": step - 1, "next": [step + 1]})
    };
    json!({
        "analysis-id": id, "database-id": "verbs", "metadata": {},
        "jobs": [
            {"step": 1, "id": format!("{id}-1"), "title": "dataset", "label": "d", "from": 0, "next": [2]},
            cleaning(2),
            cleaning(3),
            {"step": 4, "id": format!("{id}-4"), "title": "data-sink", "from": 3, "next": [0]},
        ],
    })
}

fn cleaning_takes(latency_ms: u64, fault: Option<Fault>) -> Script {
    let behaviour = Behaviour { latency_ms, fault, ..Behaviour::default() };
    Script { kinds: [(Kind::Cleaning, behaviour)].into(), ..Script::default() }
}

fn ask(stack: &Stack, path: &str) -> Answer {
    let bearer = format!("Bearer {KEY}");
    stack.orchestrator.server.ask("POST", &format!("/api/v1/analyses/{path}"), &[("Authorization", &bearer)], "")
}

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.json()["error"].as_str()), (status, Some(code)), "{}", answer.text);
    assert!(answer.json()["reason"].as_str().is_some_and(|reason| !reason.is_empty()));
}

fn state_of(run: &Value, step: &str) -> String {
    let job = run["jobs"].as_array().expect("jobs").iter().find(|job| job["step"] == step).expect("the step");
    job["state"].as_str().expect("a state").to_owned()
}

fn reaches(stack: &Stack, id: &str, step: &str, state: &str) {
    wait_for(&format!("step {step} of {id} is {state}"), PATIENCE, || {
        (state_of(&stack.orchestrator.run("analyses", id), step) == state).then_some(())
    });
}

/// Starts of cleanings that the service has seen.
fn cleanings(stack: &Stack) -> usize {
    stack.dummies.ledger().iter().filter(|entry| entry.service == "POST /data-cleaning").count()
}

fn command(stack: &Stack, arguments: &[&str]) -> (Option<i32>, String, String) {
    let url = format!("http://{}", stack.orchestrator.server.address);
    let output = Command::new(BINARY)
        .args(arguments)
        .env_clear()
        .envs([("DIASTEMA_URL", url.as_str()), ("DIASTEMA_KEY", KEY)])
        .stdin(Stdio::null())
        .output()
        .expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_run_is_cancelled() {
    let stack = Stack::answering(Stores::Embedded, cleaning_takes(60_000, None), &[]);
    stack.orchestrator.submit(&chain("Cancel-1"));
    reaches(&stack, "Cancel-1", "2", "running");
    let answer = ask(&stack, "cancel-1/cancel");
    assert_eq!((answer.status, answer.json()["run"].as_i64()), (202, Some(1)), "{}", answer.text);
    let run = stack.orchestrator.settled("analyses", "Cancel-1", PATIENCE);
    assert_eq!(
        (&run["state"], &run["cause"]["failure"]["kind"]),
        (&json!("cancelled"), &json!("cancelled")),
        "{run:#}"
    );
    let states = ["1", "2", "3", "4"].map(|step| state_of(&run, step));
    assert_eq!(states, ["succeeded", "cancelled", "skipped", "skipped"]);
    assert_eq!(run["jobs"][1]["may-still-run"], true, "the service has no way to be told");
    let notices = stack.dummies.notices();
    let last_two: Vec<&str> = notices.iter().rev().take(2).rev().map(String::as_str).collect();
    assert_eq!(
        last_two,
        [
            "error: The analysis was cancelled for the analysis with ID: Cancel-1",
            "error: Analysis with the given ID terminated with error: cancel-1"
        ]
    );
    assert_eq!(ask(&stack, "Cancel-1/cancel").status, 202, "it is cancelled already");
    refused(&ask(&stack, "Cancel-1/pause"), 409, "run-is-over");
    refused(&ask(&stack, "Unknown-1/cancel"), 404, "not-found");
    refused(&ask(&stack, "Cancel-1/cancel?run=7"), 404, "not-found");
    refused(&ask(&stack, "Cancel-1/cancel?ruin=1"), 400, "bad-query");
}

#[test]
fn a_pause_survives_kill_9_and_the_run_goes_on_when_it_is_resumed() {
    let mut stack = Stack::answering(Stores::Embedded, cleaning_takes(300, None), &[]);
    stack.orchestrator.submit(&chain("Pause-1"));
    reaches(&stack, "Pause-1", "2", "running");
    assert_eq!(ask(&stack, "Pause-1/pause").json()["state"], "paused");
    reaches(&stack, "Pause-1", "2", "succeeded");
    stack.orchestrator = stack.orchestrator.kill_and_start();
    // a run that is submitted later goes all the way meanwhile
    stack.orchestrator.submit(&chain("Other-1"));
    assert_eq!(stack.orchestrator.settled("analyses", "Other-1", PATIENCE)["state"], "succeeded");
    let run = stack.orchestrator.run("analyses", "Pause-1");
    assert_eq!((run["state"].as_str(), state_of(&run, "3").as_str()), (Some("paused"), "waiting"), "{run:#}");
    assert_eq!(cleanings(&stack), 3, "one of the paused run, two of the other");
    assert_eq!(ask(&stack, "Pause-1/resume").json()["state"], "running");
    assert_eq!(stack.orchestrator.settled("analyses", "Pause-1", PATIENCE)["state"], "succeeded");
    assert_eq!(cleanings(&stack), 4);
}

#[test]
fn a_failed_run_is_run_again_from_the_failure() {
    let stack = Stack::answering(Stores::Embedded, Script::default(), &[]);
    let fails = Behaviour { fault: Some(Fault::Error { message: Some("no room".to_owned()) }), ..Behaviour::default() };
    stack.dummies.set_script(Script { jobs: [("again-1-3".to_owned(), fails)].into(), ..Script::default() });
    let first = stack.play(&chain("Again-1"));
    assert_eq!(first["state"], "failed", "{first:#}");
    stack.dummies.set_script(Script::default());

    let (code, stdout, stderr) = command(&stack, &["rerun", "Again-1", "--watch"]);
    assert_eq!(code, Some(0), "{stdout}\n{stderr}");
    assert_eq!(stdout, "Again-1 run 2 running, takes over steps 1, 2 of run 1");
    let second = stack.orchestrator.settled("analyses", "Again-1", PATIENCE);
    assert_eq!((&second["state"], &second["run"], &second["rerun-of"]), (&json!("succeeded"), &json!(2), &json!(1)));
    assert_eq!((&second["jobs"][1]["reused"], &second["jobs"][2]["reused"]), (&json!(true), &json!(false)));
    assert_eq!(cleanings(&stack), 3, "step 2 once, step 3 twice");

    refused(&ask(&stack, "Again-1/rerun?from-step=33"), 422, "unknown-step");
    refused(&ask(&stack, "Again-1/rerun?from=everything"), 400, "bad-query");
    refused(&ask(&stack, "Again-1/rerun?from=all&from-step=2"), 400, "bad-query");
    let answer = ask(&stack, "Again-1/rerun?from-step=3&run=2");
    assert_eq!((answer.status, &answer.json()["reused"]), (202, &json!(["1", "2"])), "{}", answer.text);
    stack.orchestrator.settled("analyses", "Again-1", PATIENCE);
    assert_eq!(cleanings(&stack), 4);
    let (code, stdout, _) = command(&stack, &["rerun", "Again-1", "--from", "all", "--watch"]);
    assert_eq!((code, stdout.as_str()), (Some(0), "Again-1 run 4 running, takes over nothing of run 3"));
    assert_eq!(cleanings(&stack), 6);
}

#[test]
fn an_output_that_a_newer_run_has_made_again_is_not_taken_over_from_an_older_one() {
    let stack = Stack::answering(Stores::Embedded, Script::default(), &[]);
    let reused = |query: &str| {
        let answer = ask(&stack, &format!("Over-1/rerun?{query}"));
        assert_eq!(answer.status, 202, "{}", answer.text);
        stack.orchestrator.settled("analyses", "Over-1", PATIENCE);
        answer.json()["reused"].clone()
    };
    stack.play(&chain("Over-1"));
    assert_eq!(reused("from-step=3"), json!(["1", "2"]), "run 2 makes step 3 again");
    assert_eq!(reused("from-step=3&run=1"), json!(["1", "2"]), "step 2 of run 1 is what it was");
    assert_eq!(reused("from=all"), json!([]), "run 4 makes everything again");
    assert_eq!(reused("from-step=3&run=1"), json!(["1"]), "data sets are there whoever runs");
}

#[test]
fn a_run_that_is_not_over_is_not_run_again() {
    let stack = Stack::answering(Stores::Embedded, cleaning_takes(60_000, None), &[]);
    stack.orchestrator.submit(&chain("Busy-1"));
    refused(&ask(&stack, "Busy-1/rerun"), 409, "still-running");
    let (code, stdout, stderr) = command(&stack, &["rerun", "Busy-1"]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
    assert!(stderr.contains("still-running") && stderr.contains("cancel it"), "{stderr}");
    let (code, stdout, stderr) = command(&stack, &["cancel", "Busy-1", "--watch"]);
    assert_eq!(code, Some(3), "{stdout}\n{stderr}");
    assert!(stderr.contains("The analysis was cancelled"), "{stderr}");
}

#[test]
fn under_an_idempotency_key_the_command_line_means_the_run_of_the_first_time() {
    let stack = Stack::answering(Stores::Embedded, Script::default(), &[]);
    let folder = Folder::new("key");
    let file = folder.path().join("playbook.json");
    std::fs::write(&file, chain("Key-1").to_string()).expect("the file can be written");
    let file = file.display().to_string();
    for state in ["running", "succeeded"] {
        let (code, stdout, stderr) = command(&stack, &["submit", &file, "--idempotency-key", "first"]);
        assert_eq!((code, stdout), (Some(0), format!("Key-1 run 1 {state}")), "{stderr}");
        stack.orchestrator.settled("analyses", "Key-1", PATIENCE);
    }
    for state in ["running", "succeeded"] {
        let again = ["rerun", "Key-1", "--from", "all", "--idempotency-key", "second"];
        let (code, stdout, stderr) = command(&stack, &again);
        assert_eq!((code, stdout), (Some(0), format!("Key-1 run 2 {state}, takes over nothing of run 1")), "{stderr}");
        stack.orchestrator.settled("analyses", "Key-1", PATIENCE);
    }
    let (code, _, stderr) = command(&stack, &["rerun", "Key-1", "--idempotency-key", "two words"]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("visible ASCII"), "{stderr}");
}
