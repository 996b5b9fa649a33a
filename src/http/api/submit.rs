//! `POST /api/v1/analyses` and `/ingestions`: the platform's documents without a token of their own.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::http::body::read_object;
use crate::http::submission::Sender;
use crate::http::trail::Trail;
use crate::http::{ApiError, Caller, Door, IngestionTester, platform};
use crate::playbook::Space;

/// Accepts a document; the token is the request's.
pub(super) async fn submit(
    request: HttpRequest,
    caller: Caller,
    trail: Trail,
    payload: web::Payload,
    door: web::Data<Door>,
    space: web::Data<Space>,
    tester: web::Data<IngestionTester>,
) -> Result<HttpResponse, ApiError> {
    let received = read_object(&request, payload, &door).await?;
    let sender = Sender { caller, trail };
    match **space {
        Space::Analysis => platform::take_analysis(&request, &door, &sender, received).await,
        Space::Ingestion => platform::take_ingestion(&request, &door, &tester, &sender, received).await,
    }
}
