//! Why a job waits, and what happens in all runs, as the API says it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use dummy_services::{Behaviour, Fault, Script};
use serde_json::{Value, json};

use super::refused;
use super::tenants::{Shared, entry, token};
use crate::peers::{KEY, wait_for};
use crate::stack::{PATIENCE, Stack, Stores};

/// 1 feeds 2 and 3, which feed 4.
fn diamond(analysis: &str, tenant: &str) -> Value {
    let id = |step: u32| format!("{analysis}-{step}");
    let jobs = json!([
        {"step": 1, "id": id(1), "title": "dataset", "label": "d", "from": 0, "next": [2, 3]},
        {"step": 2, "id": id(2), "title": "cleaning", "max-shrink": 0.5, "from": 1, "next": [4]},
        {"step": 3, "id": id(3), "title": "cleaning", "max-shrink": 0.5, "from": 1, "next": [4]},
        {"step": 4, "id": id(4), "title": "data-join", "column": "key", "join-type": "inner", "from": [2, 3], "next": [0]},
    ]);
    json!({"diastema-token": KEY, "analysis-id": analysis, "database-id": tenant, "metadata": {}, "jobs": jobs})
}

/// Step 3 of the analysis never ends.
fn half_stuck(analysis: &str, settings: &[(&str, &str)]) -> Stack {
    let never = Behaviour { fault: Some(Fault::NeverFinishes), ..Behaviour::default() };
    let script = Script { jobs: [(format!("{analysis}-3"), never)].into(), ..Script::default() };
    Stack::answering(Stores::Embedded, script, settings)
}

fn ask(stack: &Stack, verb: &str) {
    let bearer = format!("Bearer {KEY}");
    let path = format!("/api/v1/analyses/forked/{verb}");
    let answer = stack.orchestrator.server.ask("POST", &path, &[("Authorization", &bearer)], "");
    assert_eq!(answer.status, 202, "{answer:?}");
}

fn why(stack: &Stack, analysis: &str, step: u32) -> Value {
    let answer = stack.orchestrator.server.get_with(&format!("/api/v1/analyses/{analysis}/jobs/{step}/why"), KEY);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[test]
fn a_join_names_the_input_that_is_missing_and_what_that_does() {
    let stack = half_stuck("forked", &[]);
    stack.orchestrator.submit(&diamond("forked", "door"));
    let join = wait_for("step 2 has ended and step 3 is at work", PATIENCE, || {
        let why = why(&stack, "forked", 4);
        let is_there = why["inputs"]["arrived"] == 1 && why["waits-for"][0]["missing"][0]["state"] == "running";
        is_there.then_some(why)
    });
    assert_eq!((&join["state"], &join["inputs"]["of"]), (&json!("waiting"), &json!(2)), "{join:#}");
    let missing = &join["waits-for"][0]["missing"];
    assert_eq!((&missing[0]["step"], missing.as_array().unwrap().len()), (&json!("3"), 1), "{join:#}");
    assert!(missing[0]["for-ms"].is_u64(), "{join:#}");
    let says = join["summary"].as_str().unwrap();
    assert!(says.starts_with("1 of 2 inputs: step 3 (cleaning, running "), "{says}");

    let at_work = why(&stack, "forked", 3);
    assert_eq!(at_work["waits-for"], json!([]));
    assert!(at_work["summary"].as_str().unwrap().starts_with("nothing: it is running for "), "{at_work:#}");
    assert_eq!(why(&stack, "forked", 2)["summary"], "nothing: it has succeeded");

    ask(&stack, "pause");
    let paused = wait_for("the pause has reached the node", PATIENCE, || {
        let why = why(&stack, "forked", 4);
        (why["waits-for"].as_array().unwrap().len() == 2).then_some(why)
    });
    assert_eq!(paused["waits-for"][1], json!({"what": "resume", "says": "its analysis to be resumed: it is paused"}));
    refused(&stack.orchestrator.server.get_with("/api/v1/analyses/forked/jobs/9/why", KEY), 404, "not-found");
    ask(&stack, "cancel");
    stack.orchestrator.settled("analyses", "forked", PATIENCE);
    assert_eq!(why(&stack, "forked", 4)["summary"], "nothing: it has been skipped");
    assert_eq!(why(&stack, "forked", 3)["summary"], "nothing: it has been cancelled");
}

#[test]
fn a_job_and_a_run_in_line_name_the_limit_and_their_place() {
    let stack = half_stuck("first", &[("SERVICE_CONCURRENCY", "1"), ("TENANT_RUNNING_ANALYSES", "2")]);
    for (analysis, tenant) in [("first", "door"), ("second", "door"), ("third", "door"), ("fourth", "door")] {
        stack.orchestrator.submit(&diamond(analysis, tenant));
        if analysis == "first" {
            wait_for("step 3 has the only slot", PATIENCE, || {
                (why(&stack, "first", 3)["state"] == "running" && why(&stack, "first", 2)["state"] == "succeeded")
                    .then_some(())
            });
        }
    }
    let slot = wait_for("step 2 of the second run stands in line", PATIENCE, || {
        let why = why(&stack, "second", 2);
        (why["waits-for"][0]["what"] == "slot").then_some(why)
    });
    assert_eq!(slot["waits-for"][0]["limits"], json!([{"limit": "service", "used": 1, "most": 1}]), "{slot:#}");
    let places: Vec<_> = [2, 3].map(|step| why(&stack, "second", step)["waits-for"][0]["ahead"].clone()).into();
    assert!(places.contains(&json!(0)) && places.contains(&json!(1)), "{places:?}");
    for (analysis, ahead) in [("third", 0), ("fourth", 1)] {
        let queued = why(&stack, analysis, 4);
        let line = &queued["waits-for"][0];
        assert_eq!((&line["what"], &line["ahead"]), (&json!("run-line"), &json!(ahead)), "{queued:#}");
        assert_eq!(line["limits"], json!([{"limit": "tenant", "used": 2, "most": 2}]));
        assert_eq!(queued["waits-for"][1]["what"], "inputs");
    }
}

/// The live events of all runs, until one of a name comes.
fn live_until(address: &str, token: &str, last: Option<u64>, name: &str) -> Vec<Value> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
    let request = format!(
        "GET /api/v1/events HTTP/1.0\r\nAuthorization: Bearer {token}\r\nAccept: text/event-stream\r\n{last}\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut events = Vec::new();
    for line in BufReader::new(stream).lines() {
        if let Some(data) = line.unwrap().strip_prefix("data: ") {
            events.push(serde_json::from_str::<Value>(data).unwrap());
            if events.last().is_some_and(|event| event["event"] == name) {
                break;
            }
        }
    }
    events
}

#[test]
fn one_stream_has_the_events_of_all_runs_that_the_token_may_see() {
    let tokens = [
        entry("alpha", json!(["alpha"]), &["submit", "read"]),
        entry("beta", json!(["beta"]), &["submit", "read"]),
        entry("ops", json!("all"), &["read"]),
    ];
    let shared = Shared::start(&tokens, &[]);
    for (tenant, analysis) in [("alpha", "Of-alpha"), ("beta", "Of-beta")] {
        let mut document = super::playbook(analysis);
        document["database-id"] = json!(tenant);
        assert_eq!(shared.post(tenant, "/analysis", document).status, 202);
        wait_for("it is settled", PATIENCE, || {
            let run = shared.ask("ops", "GET", &format!("/api/v1/analyses/{analysis}"), "").json();
            (run["settled"] == true).then_some(())
        });
    }
    let pages = |name: &str| {
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let answer = shared.ask(name, "GET", &format!("/api/v1/events?after={after}&limit=4"), "");
            assert_eq!(answer.status, 200, "{answer:?}");
            let page = answer.json();
            all.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next-after"].as_u64() {
                Some(next) => after = next,
                None => return all,
            }
        }
    };
    let (all, of_beta) = (pages("ops"), pages("beta"));
    let tenants: Vec<&str> = all.iter().map(|event| event["tenant"].as_str().unwrap()).collect();
    assert!(tenants.contains(&"alpha") && tenants.contains(&"beta"), "{tenants:?}");
    let expected: Vec<Value> = all.iter().filter(|event| event["tenant"] == "beta").cloned().collect();
    assert_eq!(of_beta, expected);
    assert_eq!((&of_beta[0]["event"], &of_beta[0]["analysis-id"]), (&json!("accepted"), &json!("Of-beta")));
    let finished = of_beta.iter().find(|event| event["event"] == "analysis-finished").unwrap();
    assert_eq!(finished["outcome"], "succeeded");

    let address = &shared.stack.orchestrator.server.address;
    let live = live_until(address, &token("beta"), Some(0), "settled");
    assert_eq!(live, of_beta);
    let half = of_beta[of_beta.len() / 2]["id"].as_u64().unwrap();
    let rest = live_until(address, &token("beta"), Some(half), "settled");
    assert_eq!(rest, of_beta[of_beta.len() / 2 + 1..], "it goes on behind the last event");
}
