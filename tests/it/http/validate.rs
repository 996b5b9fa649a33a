//! `POST /api/v1/validate`, `?dry-run=true` and the schema: everything is said, nothing is started.

use dummy_services::Script;
use mongodb::bson::doc;
use serde_json::{Value, json};

use super::{door, playbook, refused, server};
use crate::peers::{Answer, CLOSED_PORT, KEY, Mongo, Server};
use crate::stack::{Stack, Stores};

fn post(server: &Server, path: &str, document: &Value) -> Answer {
    let token = format!("Bearer {KEY}");
    let headers = [("Authorization", token.as_str()), ("Content-Type", "application/json")];
    server.ask("POST", path, &headers, &document.to_string())
}

fn report(server: &Server, query: &str, document: &Value) -> Value {
    let answer = post(server, &format!("/api/v1/validate{query}"), document);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Code and place of every finding of one sort.
fn found(report: &Value, sort: &str) -> Vec<(String, String)> {
    let text = |finding: &Value, member: &str| finding[member].as_str().unwrap_or_default().to_owned();
    let findings = report[sort].as_array().into_iter().flatten();
    findings.map(|finding| (text(finding, "error"), text(finding, "at"))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(code, at)| ((*code).to_owned(), (*at).to_owned())).collect()
}

#[test]
fn every_problem_is_told_at_once_with_its_place_and_a_hint() {
    let mut document = playbook("Validated");
    document["jobs"][0]["label"] = json!("<b>");
    document["jobs"][1]["title"] = json!("clening");
    document["jobs"][2]["form"] = json!(2);
    document["jobs"][2].as_object_mut().expect("a job").shift_remove("from");
    let report = report(server(), "", &document);
    assert_eq!(report["valid"], false);
    let expected = [("charset", "/jobs/0/label"), ("unknown-title", "/jobs/1/title"), ("bad-from", "/jobs/2/from")];
    assert_eq!(found(&report, "problems"), pairs(&expected), "{report:#}");
    assert_eq!(report["problems"][1]["hint"], "did you mean \"cleaning\"?");
    assert_eq!(report["problems"][2]["hint"], "there is a member \"form\": did you mean `from`?");
    assert_eq!(server().get_with("/api/v1/analyses/validated", KEY).status, 404);
}

#[test]
fn hundreds_of_problems_are_listed() {
    let mut document = playbook("Validated");
    document["jobs"] =
        (0..500).map(|step| json!({"step": step + 1, "id": step, "title": "x", "from": 0, "next": [0]})).collect();
    let report = report(server(), "", &document);
    assert_eq!(report["problem-count"], 500);
    assert_eq!(report["problems"].as_array().map(Vec::len), Some(500));
}

#[test]
fn what_is_odd_and_what_could_be_better_is_told_of_what_can_run() {
    let mut document = playbook("Validated");
    document["jobs"][2] = json!({"step": 3, "id": 3, "title": "function", "function": {}, "from": [2], "next": [4]});
    let last =
        json!({"step": 4, "id": 4, "title": "regression", "column": "c", "algoritm": "x", "from": 3, "next": [0]});
    document["jobs"].as_array_mut().expect("jobs").push(last);
    let report = report(server(), "", &document);
    assert_eq!((&report["valid"], &report["jobs"], &report["edges"]), (&json!(true), &json!(4), &json!(3)));
    let odd = [
        ("unusual-end", "/jobs/3"),
        ("unknown-member", "/jobs/3/algoritm"),
        ("missing-algorithm", "/jobs/3/algorithm"),
    ];
    assert_eq!(found(&report, "warnings"), pairs(&odd), "{report:#}");
    assert_eq!(found(&report, "advice"), pairs(&[("not-cleaned", "/jobs/3/from")]));
    assert!(report.get("preflight").is_none() && report.get("ready").is_none(), "nobody was asked");
}

#[test]
fn ingestions_are_validated_too() {
    let good = json!({
        "ingestion-id": "V", "database-id": "door", "user": "u", "dataset-label": "l",
        "ingestion_json": {"method": "GET", "url": "http://example.org/x.csv", "separator": ","},
    });
    assert_eq!(report(server(), "?ingestion=true", &good)["valid"], true);
    let mut bad = good.clone();
    bad["ingestion_json"]["url"] = json!("file:///etc/passwd");
    let found = found(&report(server(), "?ingestion=true", &bad), "problems");
    assert_eq!(found, pairs(&[("scheme", "/ingestion_json/url")]));
    assert_eq!(server().get_with("/api/v1/ingestions/V", KEY).status, 404);
    assert_eq!(post(server(), "/api/v1/ingestions?dry-run=true", &good).status, 200);
    refused(&post(server(), "/api/v1/ingestions?dry-run=true", &bad), 422, "scheme");
    assert_eq!(server().get_with("/api/v1/ingestions/V", KEY).status, 404);
}

/// A data set, a cleaning, a classification of one column.
fn classification(tenant: &str, label: &str, column: &str) -> Value {
    json!({"analysis-id": "Preflight", "database-id": tenant, "jobs": [
        {"step": 1, "id": 1, "title": "dataset", "label": label, "from": 0, "next": [2]},
        {"step": 2, "id": 2, "title": "cleaning", "max-shrink": 0.5, "from": 1, "next": [3]},
        {"step": 3, "id": 3, "title": "classification", "column": column, "algorithm": "naive bayes", "from": 2, "next": [4]},
        {"step": 4, "id": 4, "title": "visualization", "label": "chart", "from": 3, "next": [0]},
    ]})
}

#[track_caller]
fn ready(report: &Value, expected: &[(&str, &str)]) {
    assert_eq!(found(report, "preflight"), pairs(expected), "{report:#}");
    assert_eq!((&report["valid"], &report["ready"]), (&json!(true), &json!(expected.is_empty())));
}

#[test]
fn a_preflight_looks_for_data_sets_and_columns() {
    let stack = Stack::start(Stores::Embedded, Script::default(), &[]);
    let door = &stack.orchestrator.server;
    let look = |label: &str, column: &str| report(door, "?preflight=true", &classification("pre", label, column));
    ready(&look("People", "age"), &[("unknown-dataset", "/jobs/0/label")]);
    stack.ingest("pre", "People");
    ready(&look("People", "age"), &[]);
    ready(&look("people", "age"), &[]);
    let near = look("Peple", "age");
    ready(&near, &[("unknown-dataset", "/jobs/0/label")]);
    assert_eq!(near["preflight"][0]["hint"], "did you mean \"People\"?");
    let near = look("People", "eduction");
    ready(&near, &[("unknown-column", "/jobs/2/column")]);
    assert_eq!(near["preflight"][0]["hint"], "did you mean \"education\"?");
    let foreign = report(door, "?preflight=true", &classification("other", "People", "age"));
    ready(&foreign, &[("unknown-dataset", "/jobs/0/label")]);
}

#[test]
fn a_preflight_reads_what_the_web_application_knows() {
    let stack = Stack::start(Stores::Real, Script::default(), &[]);
    let door = &stack.orchestrator.server;
    let entry = doc! {"organization": "premongo", "user": "u", "label": "People"};
    Mongo::shared().insert("UIDB", "datasets", entry);
    let look = |column: &str| report(door, "?preflight=true", &classification("premongo", "People", column));
    ready(&look("age"), &[("not-ingested", "/jobs/0/label")]);
    let features = vec![doc! {"name": "age", "type": "int"}, doc! {"name": "income", "type": "int"}];
    let entry = doc! {"organization": "premongo", "user": "u", "label": "Wages", "features": features};
    Mongo::shared().insert("UIDB", "datasets", entry);
    let wages = |column: &str| report(door, "?preflight=true", &classification("premongo", "Wages", column));
    ready(&wages("age"), &[("not-ingested", "/jobs/0/label")]);
    ready(&wages("agge"), &[("not-ingested", "/jobs/0/label"), ("unknown-column", "/jobs/2/column")]);
}

#[test]
fn a_preflight_says_who_is_not_there() {
    let away = [("DIASTEMA_SERVICES_PORT", CLOSED_PORT), ("MONGO_HOST", "127.0.0.1"), ("MONGO_PORT", CLOSED_PORT)];
    let stack = Stack::answering(Stores::Embedded, Script::default(), &away);
    let report = report(&stack.orchestrator.server, "?preflight=true", &classification("pre", "People", "age"));
    ready(&report, &[("store-away", ""), ("unknown-dataset", "/jobs/0/label"), ("service-away", "/jobs/1")]);
}

#[test]
fn a_dry_run_starts_nothing_and_tells_nobody() {
    let answer = post(server(), "/api/v1/analyses?dry-run=true", &playbook("Dry-Run"));
    assert_eq!((answer.status, &answer.json()["valid"]), (200, &json!(true)), "{answer:?}");
    assert_eq!(found(&answer.json(), "preflight"), pairs(&[("unknown-dataset", "/jobs/0/label")]));
    let mut broken = playbook("Dry-Run");
    broken["jobs"] = json!([]);
    refused(&post(server(), "/api/v1/analyses?dry-run=true", &broken), 422, "empty-graph");
    for misspelt in ["?dry_run=true", "?dry-run=yes", "?dryrun"] {
        refused(&post(server(), &format!("/api/v1/analyses{misspelt}"), &playbook("Dry-Run")), 400, "bad-query");
    }
    assert_eq!(server().get_with("/api/v1/analyses/dry-run", KEY).status, 404);
    let about = |text: &String| text.to_lowercase().contains("dry-run");
    assert!(!door().dummies.notices().iter().any(about));
    assert!(!door().dummies.ledger().iter().any(|entry| entry.body.to_string().contains("Dry-Run")));
}

#[test]
fn the_schema_is_served_to_those_who_may_submit() {
    let answer = server().get_with("/api/v1/playbook.schema.json", KEY);
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/schema+json"));
    let schema = answer.json();
    assert_eq!(schema["title"], "DIASTEMA playbook");
    assert!(jsonschema::is_valid(&schema, &playbook("Schema")));
    assert!(!jsonschema::is_valid(&schema, &json!({"jobs": []})));
    refused(&server().get("/api/v1/playbook.schema.json"), 401, "token");
    refused(&server().post("/api/v1/validate", "{}"), 401, "token");
    refused(&server().ask("GET", "/api/v1/validate", &[], ""), 405, "method");
}
