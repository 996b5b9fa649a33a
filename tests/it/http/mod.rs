//! The door over real sockets: every status in the order of the checks, texts, headers, and what the API shows.

#![allow(clippy::disallowed_methods, reason = "the server is another process, on the real clock")]

mod any_request;
mod api;
mod audit;
mod callbacks;
mod events;
mod exhaustion;
mod idempotency;
mod ingestion;
mod json;
mod limits;
mod metrics;
mod roles;
mod slow_sockets;
mod tenants;
mod tls;
mod token;
mod transport;
mod ui;
mod usage;
mod validate;
mod verdicts;
mod why;

use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::peers::{Answer, KEY, Server};
use crate::stack::{Stack, Stores};

/// One orchestrator for all tests of this folder; every test has analysis ids of its own.
fn door() -> &'static Stack {
    static DOOR: OnceLock<Stack> = OnceLock::new();
    DOOR.get_or_init(|| {
        let variables =
            [("BODY_TIMEOUT_SECONDS", "1"), ("INGESTION_TEST_TIMEOUT_SECONDS", "1"), ("WRONG_TOKENS", "100000")];
        Stack::answering(Stores::Embedded, Default::default(), &variables)
    })
}

fn server() -> &'static Server {
    &door().orchestrator.server
}

/// A playbook that runs, with the right token.
fn playbook(analysis: &str) -> Value {
    json!({
        "diastema-token": KEY, "analysis-id": analysis, "database-id": "door",
        "jobs": [
            {"step": 1, "id": format!("{analysis}-1"), "title": "dataset", "label": "d", "from": 0, "next": [2]},
            {"step": 2, "id": format!("{analysis}-2"), "title": "cleaning", "max-shrink": 0.5, "from": 1, "next": [3]},
            {"step": 3, "id": format!("{analysis}-3"), "title": "data-sink", "from": 2, "next": [0]},
        ],
        "metadata": {},
    })
}

/// A refusal: JSON with a code, a reason and a place, no cache, no sniffing.
#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/json", "{answer:?}");
    assert_eq!(answer.header("x-content-type-options"), "nosniff", "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store", "{answer:?}");
    let body = answer.json();
    assert_eq!(body["error"], code, "{body}");
    assert!(body["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{body}");
    assert!(body["at"].is_string(), "{body}");
}
