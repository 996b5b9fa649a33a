//! The platform's two endpoints (contract section 2).

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value};

use super::body::{Received, read_object};
use super::error::ApiError;
use super::spaces::id_member;
use super::submission::{Sender, submit};
use super::trail::Trail;
use super::{Door, IngestionTester, names};
use crate::access::Role;
use crate::playbook::Space;
use crate::playbook::ingestion::{check_test_call, is_test_call};
use crate::playbook::job::Service;
use crate::ports::CallError;

/// `POST /analysis`.
pub(super) async fn analysis(
    request: HttpRequest,
    trail: Trail,
    payload: web::Payload,
    door: web::Data<Door>,
) -> Result<HttpResponse, ApiError> {
    let received = read_object(&request, payload, &door).await?;
    let caller = door.doorkeeper.judge_document(&request, &received.document, Role::Submit)?;
    take_analysis(&request, &door, &Sender { caller, trail }, received).await
}

/// `POST /ingestion`: in the background, or as a test call whose answer is passed through.
pub(super) async fn ingestion(
    request: HttpRequest,
    trail: Trail,
    payload: web::Payload,
    door: web::Data<Door>,
    tester: web::Data<IngestionTester>,
) -> Result<HttpResponse, ApiError> {
    let received = read_object(&request, payload, &door).await?;
    let caller = door.doorkeeper.judge_document(&request, &received.document, Role::Submit)?;
    take_ingestion(&request, &door, &tester, &Sender { caller, trail }, received).await
}

/// A playbook, wherever its token was.
pub(super) async fn take_analysis(
    request: &HttpRequest,
    door: &web::Data<Door>,
    sender: &Sender,
    received: Received,
) -> Result<HttpResponse, ApiError> {
    sender.trail.document(&received, id_member(Space::Analysis));
    submit(request, door, sender, Space::Analysis, received.document).await
}

/// An ingestion, wherever its token was.
pub(super) async fn take_ingestion(
    request: &HttpRequest,
    door: &web::Data<Door>,
    tester: &IngestionTester,
    sender: &Sender,
    received: Received,
) -> Result<HttpResponse, ApiError> {
    sender.trail.document(&received, id_member(Space::Ingestion));
    let document = received.document;
    sender.caller.judge_tenant(&document)?;
    let testing = is_test_call(&document).map_err(|problem| ApiError::unprocessable(vec![problem]))?;
    if testing {
        sender.trail.verb("test");
        return Ok(test_call(door, tester, &document).await);
    }
    submit(request, door, sender, Space::Ingestion, document).await
}

/// The client shows the body of 200 and 400 only, as text.
async fn test_call(door: &Door, tester: &IngestionTester, document: &Map<String, Value>) -> HttpResponse {
    let asked = match check_test_call(document, &door.checks) {
        Ok(asked) => asked,
        Err(refusal) => {
            let error = ApiError::unprocessable(refusal.problems);
            return plain(StatusCode::BAD_REQUEST, error.reason());
        }
    };
    if let Err(error) = names::judge(&door.checks.ingestion_urls, Some(&asked)).await {
        return plain(StatusCode::BAD_REQUEST, error.reason());
    }
    let asking = tester.services.post(Service::Ingestion, "data-ingesting/test", &asked, None);
    let Some(answer) = door.draining.cut_short(asking).await else {
        return plain(StatusCode::SERVICE_UNAVAILABLE, ApiError::draining().reason());
    };
    match answer {
        Ok(answer) => {
            let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
            plain(status, answer.body)
        }
        Err(CallError::NoAnswer { .. }) => {
            plain(StatusCode::GATEWAY_TIMEOUT, "the data service did not answer in time".to_owned())
        }
        Err(CallError::NotConnected { .. }) => {
            plain(StatusCode::BAD_GATEWAY, "the data service cannot be reached".to_owned())
        }
        Err(CallError::Unusable { .. }) => {
            plain(StatusCode::BAD_GATEWAY, "the data service gave an unusable answer".to_owned())
        }
    }
}

fn plain(status: StatusCode, text: String) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, "text/plain; charset=utf-8"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(text)
}
