//! `GET /openapi.json`: every route with what it takes and answers, made from the table of routes.

use actix_web::HttpResponse;
use actix_web::http::Method;
use serde_json::{Map, Value, json};

use super::routes::routes;
use super::{Wants, api};

/// What the table of routes does not say.
struct About {
    route: &'static str,
    says: &'static str,
    query: &'static [(&'static str, Kind)],
    takes: Takes,
    /// Statuses of answers that are no refusals.
    well: &'static [u16],
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Flag,
    Number,
    Words(&'static [&'static str]),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    /// A JSON object of a platform endpoint or its twin below `/api/v1`.
    Document,
    /// Any JSON object, or none.
    MaybeObject,
}

const RUN: (&str, Kind) = ("run", Kind::Number);
const DRY_RUN: (&str, Kind) = ("dry-run", Kind::Flag);

/// One for every route; `{runs}` stands for both collections.
const ABOUT: &[About] = &[
    About {
        route: "POST /analysis",
        says: "Submit a playbook, as the platform does",
        query: &[],
        takes: Takes::Document,
        well: &[202],
    },
    About {
        route: "POST /ingestion",
        says: "Submit an ingestion, or try its request",
        query: &[("test", Kind::Text)],
        takes: Takes::Document,
        well: &[200, 202],
    },
    About { route: "GET /health", says: "The process is alive", query: &[], takes: Takes::Nothing, well: &[200] },
    About { route: "GET /ready", says: "It can accept work", query: &[], takes: Takes::Nothing, well: &[200] },
    About { route: "GET /metrics", says: "Counts for Prometheus", query: &[], takes: Takes::Nothing, well: &[200] },
    About { route: "GET /ui", says: "Pages for browsers", query: &[], takes: Takes::Nothing, well: &[200] },
    About { route: "GET /ui/{file:.*}", says: "A part of the pages", query: &[], takes: Takes::Nothing, well: &[200] },
    About { route: "GET /openapi.json", says: "This document", query: &[], takes: Takes::Nothing, well: &[200] },
    About {
        route: "GET /api/v1/{runs}",
        says: "Runs, newest first, page by page",
        query: &[
            ("state", Kind::Words(&api::STATES)),
            ("tenant", Kind::Text),
            ("cursor", Kind::Number),
            ("limit", Kind::Number),
        ],
        takes: Takes::Nothing,
        well: &[200],
    },
    About {
        route: "POST /api/v1/{runs}",
        says: "Submit",
        query: &[DRY_RUN],
        takes: Takes::Document,
        well: &[200, 202],
    },
    About {
        route: "GET /api/v1/{runs}/{id}",
        says: "One run with the state of every job",
        query: &[RUN],
        takes: Takes::Nothing,
        well: &[200],
    },
    About {
        route: "GET /api/v1/{runs}/{id}/events",
        says: "The history of a run, or its events as they happen",
        query: &[RUN, ("after", Kind::Number), ("limit", Kind::Number)],
        takes: Takes::Nothing,
        well: &[200],
    },
    About {
        route: "GET /api/v1/{runs}/{id}/jobs/{step}",
        says: "One job with its attempts and where its time went",
        query: &[RUN],
        takes: Takes::Nothing,
        well: &[200],
    },
    About {
        route: "GET /api/v1/{runs}/{id}/jobs/{step}/why",
        says: "What a job waits for, answered by its node",
        query: &[RUN],
        takes: Takes::Nothing,
        well: &[200],
    },
    About {
        route: "GET /api/v1/{runs}/{id}/view",
        says: "The jobs of a run and where to draw them",
        query: &[RUN],
        takes: Takes::Nothing,
        well: &[200],
    },
    About {
        route: "POST /api/v1/{runs}/{id}/cancel",
        says: "End a run now",
        query: &[RUN],
        takes: Takes::Nothing,
        well: &[200, 202],
    },
    About {
        route: "POST /api/v1/{runs}/{id}/pause",
        says: "Let nothing more of a run start",
        query: &[RUN],
        takes: Takes::Nothing,
        well: &[200, 202],
    },
    About {
        route: "POST /api/v1/{runs}/{id}/resume",
        says: "Let a paused run go on",
        query: &[RUN],
        takes: Takes::Nothing,
        well: &[200, 202],
    },
    About {
        route: "POST /api/v1/{runs}/{id}/rerun",
        says: "Run a finished one again",
        query: &[RUN, ("from", Kind::Words(&["failed", "all"])), ("from-step", Kind::Text)],
        takes: Takes::Nothing,
        well: &[200, 202],
    },
    About {
        route: "GET /api/v1/events",
        says: "What happens in all runs that the token may see, as history or live",
        query: &[("after", Kind::Number), ("limit", Kind::Number)],
        takes: Takes::Nothing,
        well: &[200],
    },
    About {
        route: "GET /api/v1/tenants",
        says: "Limits, use, queues and the oldest wait",
        query: &[],
        takes: Takes::Nothing,
        well: &[200],
    },
    About {
        route: "POST /api/v1/validate",
        says: "Everything that is wrong with a playbook",
        query: &[("preflight", Kind::Flag), ("ingestion", Kind::Flag)],
        takes: Takes::Document,
        well: &[200],
    },
    About {
        route: "GET /api/v1/playbook.schema.json",
        says: "JSON Schema of a playbook",
        query: &[],
        takes: Takes::Nothing,
        well: &[200],
    },
    About {
        route: "POST /api/v1/callbacks/{secret}",
        says: "A service says how its job ended",
        query: &[],
        takes: Takes::MaybeObject,
        well: &[200, 202, 204],
    },
];

/// Answers with the document.
pub(super) async fn openapi() -> HttpResponse {
    HttpResponse::Ok().json(document())
}

/// The document. Routes that nothing is said about are not in it: a test finds them.
pub fn document() -> Value {
    let mut paths = Map::new();
    for (method, path, wants) in routes() {
        if let Some(about) = about(&method, &path) {
            let path = spelt(&path);
            let item = paths.entry(path.clone()).or_insert_with(|| json!({}));
            item[method.as_str().to_lowercase()] = operation(about, &path, wants);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "DIASTEMA orchestrator", "version": env!("CARGO_PKG_VERSION")},
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Refusal": refusal()},
        },
    })
}

/// A path as the document spells it: the router's patterns are its own.
fn spelt(path: &str) -> String {
    path.replace(":.*}", "}")
}

fn about(method: &Method, path: &str) -> Option<&'static About> {
    let route = format!("{method} {path}").replace("/analyses", "/{runs}").replace("/ingestions", "/{runs}");
    ABOUT.iter().find(|about| about.route == route)
}

fn operation(about: &About, path: &str, wants: Wants) -> Value {
    let mut parameters: Vec<Value> = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "minLength": 1}}))
        .collect();
    let query =
        |(name, kind): &(&str, Kind)| json!({"name": name, "in": "query", "required": false, "schema": kind.schema()});
    parameters.extend(about.query.iter().map(query));
    let mut operation =
        json!({"summary": about.says, "parameters": parameters, "responses": responses(about, path, wants)});
    if about.takes != Takes::Nothing {
        let content = json!({"application/json": {"schema": {"type": "object"}}});
        operation["requestBody"] = json!({"required": about.takes == Takes::Document, "content": content});
    }
    if matches!(wants, Wants::Token(_)) {
        operation["security"] = json!([{"token": []}]);
    }
    operation
}

fn responses(about: &About, path: &str, wants: Wants) -> Value {
    let mut statuses: Vec<u16> = vec![503];
    statuses.extend(
        matches!(wants, Wants::Token(_) | Wants::TokenInDocument(_) | Wants::TokenFromOutside(_))
            .then_some([401, 403, 429])
            .into_iter()
            .flatten(),
    );
    if path.contains('{') {
        statuses.push(404);
    }
    if !about.query.is_empty() {
        statuses.push(400);
    }
    if about.takes != Takes::Nothing {
        statuses.extend([400, 408, 409, 413, 415, 422, 429]);
    }
    if path.contains("{id}/") {
        statuses.extend([409, 410, 422]);
    }
    let mut responses = Map::new();
    let refusal = json!({"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}});
    for status in statuses {
        responses.insert(status.to_string(), json!({"description": "refused", "content": refusal}));
    }
    for status in about.well {
        responses.insert(status.to_string(), json!({"description": about.says}));
    }
    Value::Object(responses)
}

impl Kind {
    fn schema(self) -> Value {
        match self {
            Kind::Text => json!({"type": "string"}),
            Kind::Flag => json!({"type": "boolean"}),
            Kind::Number => json!({"type": "integer", "minimum": 1, "maximum": u32::MAX}),
            Kind::Words(words) => json!({"type": "string", "enum": words}),
        }
    }
}

/// What every refusal looks like.
fn refusal() -> Value {
    let members = json!({
        "error": {"type": "string"}, "reason": {"type": "string"}, "at": {"type": "string"}, "hint": {"type": "string"},
        "problems": {"type": "array"},
    });
    json!({"type": "object", "properties": members, "required": ["error", "reason", "at"]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_in_the_document() {
        let document = document();
        for (method, path, _) in routes() {
            let operation = &document["paths"][spelt(&path)][method.as_str().to_lowercase()];
            assert!(operation["summary"].is_string(), "nothing is said about {method} {path}");
        }
        let documented: usize = document["paths"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(_, item)| item.as_object())
            .map(Map::len)
            .sum();
        assert_eq!(documented, routes().len());
    }

    #[test]
    fn nothing_is_said_about_routes_that_are_not_there() {
        for known in ABOUT {
            let is_there = routes()
                .iter()
                .any(|(method, path, _)| about(method, path).is_some_and(|found| found.route == known.route));
            assert!(is_there, "{}", known.route);
        }
    }
}
