//! Refusals as answers: a status and `{"error","reason","at","hint"}`, several under `problems`.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use serde_json::{Value, json};

use crate::engine::messages::SubmitError;
use crate::playbook::Problem;
use crate::store::JournalError;

/// Most problems in one answer.
const MOST_PROBLEMS: usize = 20;

/// Seconds after which a refused submission is worth another try.
const RETRY_AFTER_SECONDS: u32 = 5;

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status.
    pub status: StatusCode,
    /// The first is the answer's own, the rest is listed.
    pub problems: Vec<Problem>,
}

impl ApiError {
    /// One reason.
    pub fn new(status: StatusCode, code: &'static str, reason: impl Into<String>) -> Self {
        Self { status, problems: vec![Problem::new(code, "", reason)] }
    }

    /// A document that cannot be read: 400.
    pub fn bad_request(problem: Problem) -> Self {
        Self { status: StatusCode::BAD_REQUEST, problems: vec![problem] }
    }

    /// 401.
    pub fn unauthorized(reason: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "token", reason)
    }

    /// A document that says something impossible: 422, or 403 when it names a reserved tenant.
    pub fn unprocessable(problems: Vec<Problem>) -> Self {
        let reserved = problems.iter().any(|problem| problem.code == "reserved");
        let status = if reserved { StatusCode::FORBIDDEN } else { StatusCode::UNPROCESSABLE_ENTITY };
        Self { status, problems }
    }

    /// 404 for what is not there or not yours.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", format!("there is no such {what}"))
    }

    /// The process is about to stop, or has no time for this request any more: 503.
    pub fn draining() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "draining", "the server is about to stop").hint("try again later")
    }

    /// The journal cannot be read: 503.
    pub fn unreadable(error: &JournalError) -> Self {
        log::error!("{error}");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-readable", "the journal cannot be read")
    }

    /// The same with one thing to try.
    #[must_use]
    pub fn hint(mut self, hint: &str) -> Self {
        if let Some(problem) = self.problems.first_mut() {
            hint.clone_into(&mut problem.hint);
        }
        self
    }

    /// The first reason with the number of the others.
    pub fn reason(&self) -> String {
        let first = self.problems.first().map_or("refused", |problem| problem.reason.as_str());
        match self.problems.len() {
            0 | 1 => first.to_owned(),
            several => format!("{first} (and {} more)", several - 1),
        }
    }

    fn body(&self) -> Value {
        let mut body = self.problems.first().map_or(json!({}), |first| json!(first));
        if self.problems.len() > 1 {
            let shown: Vec<&Problem> = self.problems.iter().take(MOST_PROBLEMS).collect();
            body["problems"] = json!(shown);
            body["problem-count"] = json!(self.problems.len());
        }
        body
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.reason())
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        response.insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.insert_header((header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS)));
        }
        response.json(self.body())
    }
}

impl From<SubmitError> for ApiError {
    fn from(error: SubmitError) -> Self {
        let reason = error.to_string();
        match error {
            SubmitError::IdInUse => Self::new(StatusCode::CONFLICT, "id-in-use", reason)
                .hint("wait until the running one has ended, or use another id"),
            SubmitError::KeyReused => Self::new(StatusCode::CONFLICT, "idempotency-key-reused", reason)
                .hint("a key stands for one document: send the same one again, or another key"),
            SubmitError::JobIdInUse { job } => {
                let problem = Problem::new("job-id-in-use", format!("/jobs/{job}/id"), reason);
                Self { status: StatusCode::CONFLICT, problems: vec![problem] }.hint("use another id for this job")
            }
            SubmitError::TenantBusy { .. } => Self::new(StatusCode::TOO_MANY_REQUESTS, "tenant-quota", reason)
                .hint("wait until some of them have ended"),
            SubmitError::TenantFull { .. } => Self::new(StatusCode::TOO_MANY_REQUESTS, "tenant-quota", reason)
                .hint("remove stored objects that are not needed any more, or ask the operator for more room"),
            SubmitError::TooFast { .. } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "tenant-rate", reason).hint("submit more slowly")
            }
            SubmitError::Busy { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", reason).hint("try again later")
            }
            SubmitError::NotDurable(error) => {
                log::error!("{error}");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-durable", "the submission cannot be made durable")
                    .hint("try again later; the server's log says why")
            }
            SubmitError::Draining | SubmitError::Stopped => Self::draining(),
        }
    }
}

/// Anything that is not a route: 404.
pub(super) async fn no_such_route(request: HttpRequest) -> HttpResponse {
    let path: String = request.path().chars().take(64).collect();
    ApiError::new(StatusCode::NOT_FOUND, "route", format!("there is no {}", path.escape_debug()))
        .hint("the platform's endpoints are POST /analysis and POST /ingestion, the API begins with /api/v1")
        .error_response()
}

/// A route that is there, but not for this method: 405 with the methods that it takes.
pub(super) fn method_not_allowed(allowed: &str) -> HttpResponse {
    let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method", format!("this endpoint takes {allowed} only"));
    let mut response = error.error_response();
    if let Ok(allowed) = HeaderValue::from_str(allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}
