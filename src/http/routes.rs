//! Every route with what it wants of a caller. There is no other way to register one, so none can be open by mistake.

use std::rc::Rc;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::{Error, HttpRequest, Route, web};

use super::spaces::{SPACES, collection};
use super::trail::Recording;
use super::{ApiError, Door, api, error, health, metrics, openapi, platform, ui};
use crate::access::Role;
use crate::playbook::Space;

/// Stands in paths for the collection of a space's runs; such a route is there for both spaces.
const RUNS: &str = "{runs}";

/// What a route wants of who calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// Nothing: it is public (decision 25).
    Nothing,
    /// A secret in its path, which the handler judges.
    SecretInPath,
    /// A token in the document, which the handler judges once it has read that.
    TokenInDocument(Role),
    /// A token in the header.
    Token(Role),
    /// A token in the header that is for all tenants, unless only this machine can ask.
    TokenFromOutside(Role),
}

/// One method of one path.
pub(super) struct Row {
    method: Method,
    path: &'static str,
    wants: Wants,
    answer: fn(Route) -> Route,
}

impl Row {
    /// Gives a handler to a bare route.
    pub(super) fn new(method: Method, path: &'static str, wants: Wants, answer: fn(Route) -> Route) -> Self {
        Self { method, path, wants, answer }
    }
}

fn rows() -> Vec<Row> {
    use Wants::{Nothing, TokenFromOutside, TokenInDocument};
    let mut rows = vec![
        Row::new(Method::POST, "/analysis", TokenInDocument(Role::Submit), |route| route.to(platform::analysis)),
        Row::new(Method::POST, "/ingestion", TokenInDocument(Role::Submit), |route| route.to(platform::ingestion)),
        Row::new(Method::GET, "/health", Nothing, |route| route.to(health::health)),
        Row::new(Method::GET, "/ready", Nothing, |route| route.to(health::ready)),
        Row::new(Method::GET, "/openapi.json", Nothing, |route| route.to(openapi::openapi)),
        Row::new(Method::GET, "/ui", Nothing, |route| route.to(ui::index)),
        Row::new(Method::GET, "/ui/{file:.*}", Nothing, |route| route.to(ui::file)),
        Row::new(Method::GET, "/metrics", TokenFromOutside(Role::Read), |route| route.to(metrics::metrics)),
    ];
    rows.extend(api::rows());
    rows
}

/// A path as it is registered, with the space of its runs if it has one.
fn spelt_out(path: &str) -> Vec<(String, Option<Space>)> {
    if !path.contains(RUNS) {
        return vec![(path.to_owned(), None)];
    }
    SPACES.iter().map(|space| (path.replace(RUNS, collection(*space)), Some(*space))).collect()
}

/// Every route: method, path with its variables in braces, what it wants.
pub fn routes() -> Vec<(Method, String, Wants)> {
    let spelt_out =
        |row: Row| spelt_out(row.path).into_iter().map(move |(path, _)| (row.method.clone(), path, row.wants));
    rows().into_iter().flat_map(spelt_out).collect()
}

/// Registers every route of the program; everything else is 404, other methods are 405.
pub fn configure(config: &mut web::ServiceConfig) {
    let mut resources: Vec<(&'static str, Vec<Row>)> = Vec::new();
    for row in rows() {
        match resources.iter_mut().find(|(path, _)| *path == row.path) {
            Some((_, methods)) => methods.push(row),
            None => resources.push((row.path, vec![row])),
        }
    }
    for (path, rows) in &resources {
        for (path, space) in spelt_out(path) {
            register(config, &path, space, rows);
        }
    }
    config.default_service(web::to(error::no_such_route));
}

fn register(config: &mut web::ServiceConfig, path: &str, space: Option<Space>, rows: &[Row]) {
    let allowed = rows.iter().map(|row| row.method.as_str()).collect::<Vec<_>>().join(", ");
    let other_methods = web::to(move || {
        let refused = error::method_not_allowed(&allowed);
        async move { refused }
    });
    let mut resource = web::resource(path).default_service(other_methods);
    if let Some(space) = space {
        resource = resource.app_data(web::Data::new(space));
    }
    for row in rows {
        resource = resource.route((row.answer)(web::method(row.method.clone())));
    }
    let gate = Rc::new(Gate {
        path: path.to_owned(),
        methods: rows.iter().map(|row| (row.method.clone(), row.wants)).collect(),
    });
    config.service(resource.wrap(from_fn(move |request, next| pass(Rc::clone(&gate), request, next))));
}

/// What stands before the handlers of one resource. The router has found it already: nothing is matched a second time.
struct Gate {
    path: String,
    methods: Vec<(Method, Wants)>,
}

async fn pass(gate: Rc<Gate>, request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
    let wanted = gate.methods.iter().find(|(method, _)| method == request.method()).map(|(_, wants)| *wants);
    let (Some(wants), Some(door)) = (wanted, request.app_data::<web::Data<Door>>().cloned()) else {
        // nobody has such a method: the answer is 405
        return next.call(request).await;
    };
    let recording = (request.method() != Method::GET).then(|| Recording::begin(&request, &door, &gate.path));
    let outcome = match judge(&door, request.request(), wants) {
        Ok(()) => next.call(request).await,
        Err(refusal) => Err(refusal.into()),
    };
    if let Some(recording) = recording {
        recording.end(&outcome);
    }
    outcome.map(keep_to_the_caller)
}

/// An answer is for its caller: nobody on the way keeps it, no browser guesses what it is.
fn keep_to_the_caller(mut answer: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

fn judge(door: &Door, request: &HttpRequest, wants: Wants) -> Result<(), ApiError> {
    match wants {
        Wants::Nothing | Wants::SecretInPath | Wants::TokenInDocument(_) => Ok(()),
        Wants::TokenFromOutside(_) if door.metrics_for_everybody => Ok(()),
        Wants::TokenFromOutside(role) => door.doorkeeper.judge_header(request, role)?.judge_all_tenants(),
        Wants::Token(role) => door.doorkeeper.judge_header(request, role).map(|_| ()),
    }
}
