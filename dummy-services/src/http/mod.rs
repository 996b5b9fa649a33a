//! The HTTP server: one entry for every request, which goes into the ledger and then to the service its path names.

mod answer;
mod callback;
mod data;
mod front_end;
mod question;
mod starts;

use std::{io, net::TcpListener, sync::Arc, time::Duration};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, dev::Server, http::Method, web};
use serde_json::json;

use crate::{Kind, samples, state::State};
use answer::{Answer, Reply};
use question::Question;

/// Requests carry playbook parts, not data.
const BODY_LIMIT: usize = 16 << 20;

/// Longer than clients keep idle connections, so that none is closed in the moment a client takes it up again.
const KEEP_ALIVE: Duration = Duration::from_secs(120);

/// How long a download of a data set may take.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(20);

/// The server on a listening socket.
pub(crate) fn server(listener: TcpListener, state: Arc<State>) -> io::Result<Server> {
    let app = move || {
        App::new()
            .app_data(web::PayloadConfig::new(BODY_LIMIT))
            .app_data(web::Data::from(Arc::clone(&state)))
            .app_data(web::Data::new(awc::Client::builder().timeout(DOWNLOAD_LIMIT).finish()))
            .default_service(web::to(handle))
    };
    let server = HttpServer::new(app).workers(1).keep_alive(KEEP_ALIVE).disable_signals().shutdown_timeout(0);
    Ok(server.listen(listener)?.run())
}

async fn handle(
    request: HttpRequest,
    body: web::Bytes,
    state: web::Data<State>,
    client: web::Data<awc::Client>,
) -> HttpResponse {
    let question = Question::new(&request, &body);
    route(question, state.into_inner(), &client).await.send().await
}

/// Finds the service of a request.
async fn route(question: Question, state: Arc<State>, client: &awc::Client) -> Reply {
    let path = question.path.clone();
    let segments: Vec<&str> = path.iter().map(String::as_str).collect();
    let is_get = question.method == Method::GET;
    let is_delete = question.method == Method::DELETE;
    match (question.method == Method::POST, segments.as_slice()) {
        (false, ["health"]) if is_get => return Answer::Json(200, json!({"status": "ok"})).now(),
        (false, ["ledger"]) if is_get => return Answer::Json(200, json!(state.ledger())).now(),
        _ => {}
    }
    state.record(question.service_name(), question.headers.clone(), question.for_ledger());
    match (question.method == Method::POST, segments.as_slice()) {
        (true, [name]) if question.needs_redirect() => Answer::Redirect(question.with_slash(name)).now(),
        (true, ["messages"]) => front_end::message(&question, &state),
        (true, ["data-sink"]) => front_end::sink(&question, &state),
        (true, ["data-ingesting", "test"]) => data::test(&question, &state, client).await,
        (true, [name]) => match kind_of(name) {
            Some(kind) => starts::start(kind, &question, &state, client),
            None => unknown(),
        },
        (false, ["samples", name]) if is_get => {
            samples::find(name).map_or_else(unknown, |text| Answer::Csv(text).now())
        }
        (false, [name, "progress"]) if is_get => match kind_of(name) {
            Some(kind) => data::progress(kind, &question, &state),
            None => unknown(),
        },
        (false, [name, id]) if is_delete => match kind_of(name) {
            Some(kind) => data::cancel(kind, id, &state),
            None => unknown(),
        },
        (false, [name, id]) if is_get => match kind_of(name) {
            Some(kind) => data::result(kind, id, &state),
            None => unknown(),
        },
        _ => unknown(),
    }
}

/// The services that have jobs to be asked about, by the first segment of their path.
fn kind_of(name: &str) -> Option<Kind> {
    Some(match name {
        "data-cleaning" => Kind::Cleaning,
        "join" => Kind::Join,
        "data-ingesting" => Kind::Ingestion,
        "visualization" => Kind::Visualization,
        "function" => Kind::Function,
        "automl" => Kind::Automl,
        _ => return None,
    })
}

fn unknown() -> Reply {
    Answer::Json(404, json!({"reason": "no such service"})).now()
}
