//! `POST /api/v1/analyses` and `/ingestions`: the platform's documents without a token of their own.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::http::body::read_object;
use crate::http::{ApiError, Door, IngestionTester, platform, submission};
use crate::playbook::Space;
use crate::playbook::ingestion::is_test_call;

/// Accepts a document; the token is the request's.
pub(super) async fn submit(
    request: HttpRequest,
    payload: web::Payload,
    door: web::Data<Door>,
    space: web::Data<Space>,
    tester: web::Data<IngestionTester>,
) -> Result<HttpResponse, ApiError> {
    door.key.judge_header(&request)?;
    let document = read_object(&request, payload, &door).await?;
    if **space == Space::Ingestion
        && is_test_call(&document).map_err(|problem| ApiError::unprocessable(vec![problem]))?
    {
        return Ok(platform::test_call(&door, &tester, &document).await);
    }
    submission::submit(&door, **space, document).await
}
