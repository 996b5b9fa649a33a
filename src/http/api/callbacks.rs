//! `POST /api/v1/callbacks/{secret}`: a service says by itself how a job ended (decision 28). The secret is all it needs.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value};

use crate::engine::messages::SubmitError;
use crate::http::Door;
use crate::http::body::read_object_of;
use crate::http::error::ApiError;
use crate::jobs::callbacks;
use crate::playbook::Problem;
use crate::ports::CallbackVerdict;
use crate::store::Record;

/// Largest body in bytes.
const LARGEST_BODY: usize = 64 * 1024;

/// 204 when the word is durable, and again for every repetition of it, which has no effect. 404 for everything that
/// nobody waits for: a stranger learns nothing from it, and its body is not read.
pub(super) async fn take(
    request: HttpRequest,
    secret: web::Path<String>,
    payload: web::Payload,
    door: web::Data<Door>,
) -> Result<HttpResponse, ApiError> {
    let unknown = || ApiError::not_found("callback");
    let callbacks = door.callbacks.as_ref().ok_or_else(unknown)?;
    if !callbacks.may_speak(&secret) {
        return Err(unknown());
    }
    let body = read_object_of(&request, payload, &door, LARGEST_BODY).await?;
    let verdict = read(&body.document).map_err(ApiError::bad_request)?;
    let write = |of: callbacks::AwaitedAttempt, verdict| {
        let record = Record::CallbackReceived { job: of.job, attempt: of.attempt, verdict };
        door.journal.append(of.run_id, record)
    };
    match callbacks.take(&secret, verdict, write) {
        callbacks::Taken::First(durable, word) => {
            durable.await.map_err(SubmitError::NotDurable)?;
            callbacks.confirm(&word);
        }
        callbacks::Taken::Repeated => {}
        callbacks::Taken::Unknown => return Err(unknown()),
    }
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// `{"status":"complete"}` or `{"status":"error","message":"..."}`, and nothing else.
fn read(body: &Map<String, Value>) -> Result<CallbackVerdict, Problem> {
    let problem = |at: &str, reason: String| {
        let hint = "send {\"status\":\"complete\"} or {\"status\":\"error\",\"message\":\"...\"}";
        Problem::new("bad-callback", at, reason).hint(hint)
    };
    if let Some(other) = body.keys().find(|name| !["status", "message"].contains(&name.as_str())) {
        return Err(problem("", format!("{:?} has no meaning here", other.chars().take(64).collect::<String>())));
    }
    let message = match body.get("message") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.as_str()),
        Some(_) => return Err(problem("/message", "the message is not a text".to_owned())),
    };
    match body.get("status").and_then(Value::as_str) {
        Some("complete") => Ok(CallbackVerdict::Complete),
        Some("error") => Ok(callbacks::error(message)),
        _ => Err(problem("/status", "the status is neither \"complete\" nor \"error\"".to_owned())),
    }
}
