//! A request in the form in which the services look at it: path in segments, the body both raw and as JSON, the headers
//! that the ledger keeps.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, http::Method, web::Query};
use serde_json::{Value, json};

/// The headers that the ledger keeps.
const KEPT_HEADERS: [&str; 3] = ["content-type", "idempotency-key", "diastema-callback"];

/// The services that answer a start without a final slash with a redirect, as the real ones do.
const REDIRECTING: [&str; 4] = ["data-cleaning", "join", "data-ingesting", "visualization"];

/// One request.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) method: Method,
    /// The path's segments; a final slash makes no segment.
    pub(crate) path: Vec<String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) text: String,
    /// The body as JSON; `None` if it is none.
    pub(crate) json: Option<Value>,
    query: BTreeMap<String, String>,
    host: String,
    final_slash: bool,
}

impl Question {
    pub(crate) fn new(request: &HttpRequest, body: &[u8]) -> Self {
        let path = request.match_info().as_str();
        let header = |name: &&str| Some(((*name).to_owned(), request.headers().get(*name)?.to_str().ok()?.to_owned()));
        Self {
            method: request.method().clone(),
            path: path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect(),
            headers: KEPT_HEADERS.iter().filter_map(header).collect(),
            text: String::from_utf8_lossy(body).into_owned(),
            json: serde_json::from_slice(body).ok(),
            query: Query::from_query(request.query_string()).map(Query::into_inner).unwrap_or_default(),
            host: request.connection_info().host().to_owned(),
            final_slash: path.ends_with('/'),
        }
    }

    /// The job that `?id=` names.
    pub(crate) fn id(&self) -> &str {
        self.query.get("id").map_or("", String::as_str)
    }

    /// Whether the real service would only answer with a redirect.
    pub(crate) fn needs_redirect(&self) -> bool {
        let [name] = self.path.as_slice() else { return false };
        self.method == Method::POST && !self.final_slash && REDIRECTING.contains(&name.as_str())
    }

    /// The address with a final slash, absolute, built from the `Host` header.
    pub(crate) fn with_slash(&self, name: &str) -> String {
        format!("http://{}/{name}/", self.host)
    }

    /// The request's name in the ledger.
    pub(crate) fn service_name(&self) -> String {
        let method = if self.needs_redirect() { "308" } else { self.method.as_str() };
        let path = match (self.method == Method::GET, self.path.as_slice()) {
            (_, [name, _]) if self.method == Method::DELETE => format!("{name}/{{id}}"),
            (true, [name, last]) if last != "progress" && name != "samples" => format!("{name}/{{id}}"),
            (_, segments) => segments.join("/"),
        };
        format!("{method} /{path}")
    }

    /// The request's body in the ledger.
    pub(crate) fn for_ledger(&self) -> Value {
        match (&self.json, self.path.as_slice()) {
            (Some(body), _) => body.clone(),
            (None, [_, id]) if self.method == Method::DELETE => json!({"id": id}),
            (None, _) if self.method != Method::GET => Value::from(self.text.as_str()),
            (None, [_, last]) if last == "progress" => json!({"id": self.id()}),
            (None, [name, id]) if name != "samples" => json!({"id": id}),
            (None, _) => Value::Null,
        }
    }
}
