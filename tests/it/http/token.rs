//! Who may come in: the contract's texts, exactly, in valid JSON.

use serde_json::{Value, json};

use super::{playbook, refused, server};
use crate::peers::{Answer, KEY};
use crate::stack::{Stack, Stores};

fn with_token(path: &str, token: Option<Value>) -> Answer {
    let mut document = playbook("Unauthorized");
    match token {
        Some(token) => document["diastema-token"] = token,
        None => drop(document.as_object_mut().and_then(|document| document.shift_remove("diastema-token"))),
    }
    server().post(path, &document.to_string())
}

#[test]
fn no_token() {
    for path in ["/analysis", "/ingestion"] {
        let answer = with_token(path, None);
        refused(&answer, 401, "token");
        assert_eq!(answer.json()["reason"], "No Diastema Token given!");
    }
}

#[test]
fn a_wrong_token() {
    let wrong = [
        json!(""),
        Value::Null,
        json!(true),
        json!(0),
        json!([]),
        json!({}),
        json!({"$ne": null}),
        json!([KEY]),
        json!(format!("{KEY} ")),
        json!(KEY.to_uppercase()),
        json!(format!("{KEY}\u{0}")),
        json!(&KEY[..KEY.len() - 1]),
        json!("x".repeat(1_000_000)),
        json!("diastema-key"),
    ];
    for token in wrong {
        for path in ["/analysis", "/ingestion"] {
            let answer = with_token(path, Some(token.clone()));
            refused(&answer, 401, "token");
            assert_eq!(answer.json()["reason"], "Invalid Diastema Token!");
        }
    }
}

#[test]
fn a_wrong_token_learns_nothing_about_the_document() {
    let documents = [
        json!({"diastema-token": "bad", "jobs": "x", "database-id": "UIDB"}),
        json!({"diastema-token": "bad", "testing": true, "ingestion_json": {"url": "file:///etc/passwd"}}),
    ];
    for document in documents {
        for path in ["/analysis", "/ingestion"] {
            let answer = server().post(path, &document.to_string());
            refused(&answer, 401, "token");
            assert!(answer.json().get("problems").is_none());
        }
    }
}

#[test]
fn the_api_wants_the_token_in_the_header() {
    for path in ["/api/v1/analyses", "/api/v1/ingestions", "/api/v1/analyses/x", "/api/v1/ingestions/x"] {
        let bare = server().get(path);
        refused(&bare, 401, "token");
        assert!(bare.json()["hint"].as_str().is_some_and(|hint| hint.contains("Authorization")));
        refused(&server().get_with(path, "bad"), 401, "token");
        refused(&server().ask("GET", path, &[("Authorization", KEY)], ""), 401, "token");
        refused(&server().ask("GET", path, &[("Authorization", "Basic eDp5")], ""), 401, "token");
    }
    refused(&server().post("/api/v1/analyses", &playbook("Unauthorized").to_string()), 401, "token");
    for collection in ["analyses", "ingestions"] {
        for verb in ["cancel", "pause", "resume", "rerun"] {
            let path = format!("/api/v1/{collection}/x/{verb}");
            refused(&server().ask("POST", &path, &[], ""), 401, "token");
            refused(&server().ask("POST", &path, &[("Authorization", "Bearer bad")], ""), 401, "token");
        }
    }
}

#[test]
fn health_is_for_everybody() {
    for (path, status) in [("/health", "alive"), ("/ready", "ready")] {
        let answer = server().get(path);
        assert_eq!((answer.status, &answer.json()["status"]), (200, &json!(status)));
    }
}

#[test]
fn many_wrong_tokens_are_told_to_wait_and_the_right_one_is_not() {
    let stack = Stack::answering(Stores::Embedded, Default::default(), &[("WRONG_TOKENS", "3")]);
    let server = &stack.orchestrator.server;
    let statuses: Vec<u16> = (0..5).map(|_| server.get_with("/api/v1/analyses", "guess").status).collect();
    assert_eq!(statuses, [401, 401, 401, 429, 429]);
    assert_eq!(server.get_with("/api/v1/analyses", KEY).status, 200);
    let mut document = playbook("guess");
    document["diastema-token"] = json!("guess");
    let told = server.post("/analysis", &document.to_string());
    assert_eq!((told.status, told.json()["error"].as_str()), (429, Some("auth-throttle")));
}
