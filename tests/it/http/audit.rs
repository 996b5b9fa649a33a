//! The audit trail: who wanted to change what, and what became of it.

use dummy_services::{Behaviour, Fault, Kind, Script};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::tenants::{Shared, entry, token};
use super::{playbook, refused};
use crate::peers::wait_for;
use crate::stack::PATIENCE;

fn of_alpha(analysis: &str) -> Value {
    let mut document = playbook(analysis);
    document["database-id"] = json!("Alpha");
    document
}

fn shared() -> Shared {
    let tokens = [
        entry("alpha", json!(["alpha"]), &["submit", "read", "operate"]),
        entry("beta", json!(["beta"]), &["submit", "operate"]),
        entry("reader", json!(["alpha"]), &["read"]),
    ];
    Shared::start(&tokens, &[])
}

/// Waits until the trail has so many events.
#[track_caller]
fn trail(shared: &Shared, events: usize) -> Vec<Value> {
    wait_for(&format!("the trail has {events} events"), PATIENCE, || {
        Some(shared.stack.orchestrator.trail()).filter(|trail| trail.len() >= events)
    })
}

/// An event without its time.
fn event(trail: &[Value], at: usize) -> Value {
    let mut event = trail[at].clone();
    event.as_object_mut().unwrap().shift_remove("at").expect("every event has a time");
    event
}

#[test]
fn who_submitted_and_changed_what_is_written_down_without_payload_and_token() {
    let shared = shared();
    let mut document = of_alpha("Audited");
    document["metadata"] = json!({"canary": "canary-of-the-payload"});
    assert_eq!(shared.post("alpha", "/analysis", document.clone()).status, 202);
    wait_for("the run settles", PATIENCE, || {
        let run = shared.ask("alpha", "GET", "/api/v1/analyses/audited", "").json();
        (run["settled"] == true).then_some(())
    });
    assert_eq!(shared.ask("alpha", "POST", "/api/v1/analyses/AUDITED/rerun?from=all", "").status, 202);
    refused(&shared.ask("beta", "POST", "/api/v1/analyses/audited/cancel", ""), 404, "not-found");
    refused(&shared.post("beta", "/analysis", document.clone()), 403, "tenant-scope");
    refused(&shared.post("reader", "/analysis", document.clone()), 403, "role");

    let trail = trail(&shared, 5);
    document.as_object_mut().unwrap().shift_remove("diastema-token");
    let sha256 = hex::encode(Sha256::digest(document.to_string()));
    let accepted = json!({
        "token": "alpha", "address": "127.0.0.1", "verb": "submit", "route": "POST /analysis", "tenant": "Alpha",
        "id": "Audited", "run": 1, "sha256": sha256, "decision": "accepted", "status": 202, "code": null,
    });
    assert_eq!(event(&trail, 0), accepted);
    let rerun = json!({
        "token": "alpha", "address": "127.0.0.1", "verb": "rerun", "route": "POST /api/v1/analyses/{id}/rerun",
        "tenant": "alpha", "id": "Audited", "run": 2, "sha256": null, "decision": "accepted", "status": 202, "code": null,
    });
    assert_eq!(event(&trail, 1), rerun);
    // whose the id is does not get into the events of others
    let foreign = json!({
        "token": "beta", "address": "127.0.0.1", "verb": "cancel", "route": "POST /api/v1/analyses/{id}/cancel",
        "tenant": null, "id": "audited", "run": null, "sha256": null, "decision": "refused", "status": 404,
        "code": "not-found",
    });
    assert_eq!(event(&trail, 2), foreign);
    for (at, name, code) in [(3, "beta", "tenant-scope"), (4, "reader", "role")] {
        let told = [&trail[at]["token"], &trail[at]["decision"], &trail[at]["status"], &trail[at]["code"]];
        assert_eq!(told, [&json!(name), &json!("refused"), &json!(403), &json!(code)]);
    }
    assert_eq!(trail.len(), 5, "looking at a run is no change: {trail:#?}");
    let text = json!(trail).to_string();
    for secret in [token("alpha").as_str(), "canary-of-the-payload", "cleaning"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[test]
fn who_has_gone_before_the_answer_leaves_an_event_too() {
    let tokens = [entry("alpha", json!("all"), &["submit"])];
    let silent = Behaviour { fault: Some(Fault::BlackHole), ..Behaviour::default() };
    let script = Script { kinds: [(Kind::Ingestion, silent)].into(), ..Script::default() };
    let shared = Shared::start_with(script, &tokens, &[("INGESTION_TEST_TIMEOUT_SECONDS", "1")]);
    let body =
        json!({"testing": true, "ingestion_json": {"method": "GET", "url": "http://example.com/", "separator": ","}});
    let body = body.to_string();
    let mut connection = shared.stack.orchestrator.server.connect();
    let head = format!(
        "POST /api/v1/ingestions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        token("alpha"),
        body.len()
    );
    connection.say(head.as_bytes());
    drop(connection);
    let trail = trail(&shared, 1);
    assert_eq!((&trail[0]["token"], &trail[0]["verb"]), (&json!("alpha"), &json!("test")), "{trail:#?}");
    assert_ne!(trail[0]["decision"], "accepted");
}

#[test]
fn strangers_leave_nothing_and_hostile_texts_stay_on_their_line() {
    let shared = shared();
    let server = &shared.stack.orchestrator.server;
    refused(&server.get_with("/api/v1/analyses", "wrong"), 401, "token");
    refused(&server.post("/analysis", &playbook("Stranger").to_string()), 401, "token");
    let mut document = of_alpha("Hostile");
    let forged = "x\n{\"token\":\"forged\"}\r\u{2028}\u{1b}[2J";
    document["analysis-id"] = json!(format!("{forged}{}", "y".repeat(10_000)));
    document["user"] = json!(forged);
    refused(&shared.post("alpha", "/analysis", document), 422, "bad-id");
    refused(
        &shared.ask("alpha", "POST", "/api/v1/analyses/a%0A%7B%22token%22:%22forged%22%7D/cancel", ""),
        404,
        "not-found",
    );
    let trail = trail(&shared, 2);
    assert!(trail.iter().all(|event| event["token"] == "alpha"), "{trail:#?}");
    let ids: Vec<&str> = trail.iter().filter_map(|event| event["id"].as_str()).collect();
    assert!(ids.iter().all(|id| id.chars().count() < 130 && !id.contains(char::is_control)), "{ids:?}");
    // every line of the log begins as the logger's own do
    for line in shared.stack.orchestrator.said().lines() {
        assert!(line.starts_with("[20"), "{line}");
    }
}
