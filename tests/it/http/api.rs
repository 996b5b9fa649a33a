//! `/api/v1`: runs and the state of every job, page by page.

use dummy_services::{Behaviour, Fault, Script};
use serde_json::{Value, json};

use super::{playbook, refused};
use crate::peers::{Answer, KEY};
use crate::stack::{PATIENCE, Stack, Stores};

fn get(stack: &Stack, path: &str) -> Answer {
    stack.orchestrator.server.get_with(path, KEY)
}

fn ids(page: &Value) -> Vec<&str> {
    page["items"].as_array().into_iter().flatten().filter_map(|item| item["analysis-id"].as_str()).collect()
}

#[test]
fn runs_are_listed_page_by_page_the_newest_first() {
    let fault = Some(Fault::Error { message: Some("no".to_owned()) });
    let jobs = [("list-4-2".to_owned(), Behaviour { fault, ..Behaviour::default() })].into();
    let stack = Stack::answering(Stores::Embedded, Script { jobs, ..Script::default() }, &[]);
    for number in 0..7 {
        let mut document = playbook(&format!("List-{number}"));
        document["database-id"] = json!(if number % 2 == 0 { "Even" } else { "odd" });
        stack.orchestrator.submit(&document);
        stack.orchestrator.settled("analyses", &format!("list-{number}"), PATIENCE);
    }
    let first = get(&stack, "/api/v1/analyses?limit=3").json();
    assert_eq!(ids(&first), ["List-6", "List-5", "List-4"]);
    let cursor = first["next-cursor"].as_str().expect("more pages").to_owned();
    let second = get(&stack, &format!("/api/v1/analyses?limit=3&cursor={cursor}")).json();
    assert_eq!(ids(&second), ["List-3", "List-2", "List-1"]);
    let cursor = second["next-cursor"].as_str().expect("one more page").to_owned();
    let third = get(&stack, &format!("/api/v1/analyses?limit=3&cursor={cursor}")).json();
    assert_eq!((ids(&third), &third["next-cursor"]), (vec!["List-0"], &Value::Null));

    assert_eq!(ids(&get(&stack, "/api/v1/analyses?tenant=EVEN").json()), ["List-6", "List-4", "List-2", "List-0"]);
    assert_eq!(ids(&get(&stack, "/api/v1/analyses?state=failed").json()), ["List-4"]);
    assert_eq!(ids(&get(&stack, "/api/v1/analyses?state=succeeded&tenant=odd&limit=2").json()), ["List-5", "List-3"]);
    assert!(ids(&get(&stack, "/api/v1/analyses?tenant=nobody").json()).is_empty());
    assert!(ids(&get(&stack, "/api/v1/ingestions").json()).is_empty());
    assert_eq!(get(&stack, "/api/v1/analyses?limit=0").json()["items"].as_array().map(Vec::len), Some(1));
    for wrong in ["cursor=x", "limit=-1", "limit=many"] {
        refused(&get(&stack, &format!("/api/v1/analyses?{wrong}")), 400, "bad-query");
    }
}

#[test]
fn a_run_shows_the_state_of_every_job() {
    let fault = Some(Fault::Error { message: Some("not enough rows".to_owned()) });
    let jobs = [("shown-2".to_owned(), Behaviour { fault, ..Behaviour::default() })].into();
    let stack = Stack::answering(Stores::Embedded, Script { jobs, ..Script::default() }, &[]);
    stack.orchestrator.submit(&playbook("Shown"));
    stack.orchestrator.settled("analyses", "SHOWN", PATIENCE);
    let run = get(&stack, "/api/v1/analyses/shown").json();
    for (member, value) in [
        ("analysis-id", json!("Shown")),
        ("run", json!(1)),
        ("tenant", json!("door")),
        ("state", json!("failed")),
        ("settled", json!(true)),
        ("cause", json!({"step": "2", "failure": {"kind": "service-error", "message": "not enough rows"}})),
    ] {
        assert_eq!(run[member], value, "{member}: {run:#}");
    }
    let states: Vec<(&str, &str)> = run["jobs"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|job| Some((job["title"].as_str()?, job["state"].as_str()?)))
        .collect();
    assert_eq!(states[..2], [("dataset", "succeeded"), ("cleaning", "failed")]);
    assert!(matches!(states[2], ("data-sink", "skipped" | "waiting")), "{states:?}");
    let job = &run["jobs"][1];
    assert_eq!((&job["id"], &job["inputs"], &job["attempt"]), (&json!("Shown-2"), &json!(["1"]), &json!(1)));
    assert!(job["started-at"].as_i64() <= job["finished-at"].as_i64(), "{job:#}");
    assert_eq!(run["jobs"][0]["output"], "door/datasets/d");
    assert!(run["elapsed-ms"].as_i64().is_some_and(|millis| (0..60_000).contains(&millis)));

    refused(&get(&stack, "/api/v1/analyses/unknown"), 404, "not-found");
    refused(&get(&stack, "/api/v1/analyses/shown?run=2"), 404, "not-found");
    refused(&get(&stack, "/api/v1/analyses/shown?run=x"), 400, "bad-query");
    refused(&get(&stack, "/api/v1/ingestions/shown"), 404, "not-found");
    assert_eq!(get(&stack, "/api/v1/analyses/shown?run=1").status, 200);
}

#[test]
fn playbooks_may_come_without_a_token_of_their_own() {
    let stack = Stack::answering(Stores::Embedded, Script::default(), &[]);
    let mut document = playbook("By-Api");
    document.as_object_mut().expect("an object").shift_remove("diastema-token");
    let token = format!("Bearer {KEY}");
    let headers = [("Authorization", token.as_str()), ("Content-Type", "application/json")];
    let answer = stack.orchestrator.server.ask("POST", "/api/v1/analyses", &headers, &document.to_string());
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(stack.orchestrator.settled("analyses", "by-api", PATIENCE)["state"], "succeeded");
    document["jobs"] = json!([]);
    document["analysis-id"] = json!("By-Api-2");
    let refusal = stack.orchestrator.server.ask("POST", "/api/v1/analyses", &headers, &document.to_string());
    refused(&refusal, 422, "empty-graph");
    for method in ["PUT", "DELETE"] {
        assert_eq!(stack.orchestrator.server.ask(method, "/api/v1/analyses", &headers, "").status, 405);
    }
}
