//! Every route is closed to whoever has no token, and to tokens without the role that it wants.

use std::collections::BTreeMap;

use actix_web::http::Method;
use orchestrator::access::Role;
use orchestrator::http::{Wants, routes};
use serde_json::json;

use super::tenants::{Shared, entry};
use super::{playbook, refused, server};

/// Public routes exactly as they were decided; the callbacks' secret is judged by its own tests.
#[test]
fn only_these_routes_want_no_token() {
    let open: Vec<String> = routes()
        .into_iter()
        .filter(|(.., wants)| matches!(wants, Wants::Nothing | Wants::SecretInPath))
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    assert_eq!(
        open,
        [
            "GET /health",
            "GET /ready",
            "GET /openapi.json",
            "GET /ui",
            "GET /ui/{file:.*}",
            "POST /api/v1/callbacks/{secret}"
        ]
    );
}

/// Invariant: default deny. Every route times every method, without a token: 401 where the method is one of the route's,
/// 405 where it is not, never anything else.
#[test]
fn every_route_and_method_without_a_token_is_refused() {
    let mut methods: BTreeMap<String, Vec<(Method, Wants)>> = BTreeMap::new();
    for (method, path, wants) in routes() {
        methods.entry(path).or_default().push((method, wants));
    }
    assert!(methods.len() >= 18, "{methods:#?}");
    let mut judged = 0;
    for (path, known) in &methods {
        let real = path
            .replace("{id}", "some-id")
            .replace("{secret}", "some-secret")
            .replace("{file:.*}", "app.js")
            .replace("{step}", "1");
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"] {
            let wants = known.iter().find(|(known, _)| known.as_str() == method).map(|(_, wants)| *wants);
            let answer = server().ask(method, &real, &[("Content-Type", "application/json")], "{}");
            match wants {
                Some(Wants::Nothing) => assert_eq!(answer.status, 200, "{method} {path}"),
                Some(Wants::SecretInPath) => refused(&answer, 404, "not-found"),
                // the tests' door is on loopback
                Some(Wants::TokenFromOutside(_)) => assert_eq!(answer.status, 200, "{method} {path}"),
                Some(Wants::Token(_) | Wants::TokenInDocument(_)) => {
                    refused(&answer, 401, "token");
                    judged += 1;
                }
                None => assert_eq!(answer.status, 405, "{method} {path}"),
            }
            let kept = ["cache-control", "x-content-type-options"].map(|header| answer.header(header));
            assert_eq!(kept, ["no-store", "nosniff"], "{method} {path}");
            let others = ["access-control-allow-origin", "set-cookie"].map(|header| answer.header(header));
            assert_eq!(others, ["", ""], "{method} {path}");
        }
    }
    assert!(judged >= 16, "{judged}");
}

/// No spelling of a path comes past the gate: what the router finds is what is judged.
#[test]
fn other_spellings_of_a_path_are_judged_or_not_there() {
    for path in [
        "/%61nalysis",
        "/analysis?x=/health",
        "/api/v1/%61nalyses",
        "/api/v1/analyses/x%2fcancel",
        "/api/v1/./analyses",
        "/api//v1/analyses",
        "/API/v1/analyses",
        "/health/../api/v1/analyses",
        "/api/v1/analyses/",
        "/api/v1/analyses;x",
    ] {
        for method in ["GET", "POST"] {
            let answer = server().ask(method, path, &[("Content-Type", "application/json")], "{}");
            assert!(matches!(answer.status, 400 | 401 | 404 | 405), "{method} {path}: {answer:?}");
        }
    }
}

#[test]
fn a_role_opens_its_own_routes_and_admin_opens_all() {
    let tokens: Vec<_> = Role::ALL.iter().map(|role| entry(role.as_str(), json!("all"), &[role.as_str()])).collect();
    let shared = Shared::start(&tokens, &[]);
    for (method, path, wants) in routes() {
        let (Wants::Token(wanted) | Wants::TokenInDocument(wanted)) = wants else { continue };
        let real = path.replace("{id}", "some-id");
        for role in Role::ALL {
            let name = role.as_str();
            let answer = match wants {
                Wants::TokenInDocument(_) => shared.post(name, &real, json!({})),
                _ => shared.ask(name, method.as_str(), &real, "{}"),
            };
            if role == wanted || role == Role::Admin {
                assert!(matches!(answer.status, 200 | 404 | 422), "{name} {method} {path}: {answer:?}");
            } else {
                refused(&answer, 403, "role");
                assert_eq!(answer.json()["hint"], format!("its roles are {name}"));
            }
        }
    }
}

/// A token that may not submit learns nothing about the document, not even whether its tenant is its own.
#[test]
fn the_role_is_judged_before_the_document() {
    let shared = Shared::start(&[entry("reader", json!(["alpha"]), &["read"])], &[]);
    for tenant in ["alpha", "beta", "UIDB", "a/b"] {
        let mut document = playbook("Role-First");
        document["database-id"] = json!(tenant);
        document["jobs"] = json!("x");
        refused(&shared.post("reader", "/analysis", document.clone()), 403, "role");
        refused(&shared.ask("reader", "POST", "/api/v1/analyses", &document.to_string()), 403, "role");
    }
}

#[test]
fn metrics_are_for_tokens_of_all_tenants() {
    let tokens = [
        entry("one", json!(["alpha"]), &["read"]),
        entry("all", json!("all"), &["read"]),
        entry("submitter", json!("all"), &["submit"]),
    ];
    let shared = Shared::start(&tokens, &[("HOST", "0.0.0.0"), ("ALLOW_PLAIN_HTTP", "1")]);
    refused(&shared.ask("nobody", "GET", "/metrics", ""), 401, "token");
    refused(&shared.ask("one", "GET", "/metrics", ""), 403, "tenant-scope");
    refused(&shared.ask("submitter", "GET", "/metrics", ""), 403, "role");
    assert_eq!(shared.ask("all", "GET", "/metrics", "").status, 200);
}
