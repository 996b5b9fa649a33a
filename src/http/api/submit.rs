//! `POST /api/v1/analyses` and `/ingestions`: the platform's documents without a token of their own.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::lookup::read_query;
use super::validate::full_report;
use crate::http::body::read_object;
use crate::http::preflight::Outlook;
use crate::http::{ApiError, Door, IngestionTester, names, platform, submission};
use crate::playbook::Space;
use crate::playbook::ingestion::is_test_call;

/// What may be asked for; a misspelt `dry-run` must start nothing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    /// Whether the document is only judged.
    #[serde(default, rename = "dry-run")]
    dry_run: bool,
}

/// Accepts a document; the token is the request's.
pub(super) async fn submit(
    request: HttpRequest,
    payload: web::Payload,
    door: web::Data<Door>,
    space: web::Data<Space>,
    tester: web::Data<IngestionTester>,
    outlook: web::Data<Outlook>,
) -> Result<HttpResponse, ApiError> {
    door.key.judge_header(&request)?;
    let query: Query = read_query(&request)?;
    let document = read_object(&request, payload, &door).await?;
    if query.dry_run {
        return judge_only(&door, **space, document, &outlook).await;
    }
    if **space == Space::Ingestion
        && is_test_call(&document).map_err(|problem| ApiError::unprocessable(vec![problem]))?
    {
        return Ok(platform::test_call(&door, &tester, &document).await);
    }
    submission::submit(&door, **space, submission::idempotency_key(&request)?, document).await
}

/// Refuses as a submission would, telling nobody; what would be accepted is answered 200 with a report. Nothing starts.
async fn judge_only(
    door: &web::Data<Door>,
    space: Space,
    document: Map<String, Value>,
    outlook: &Outlook,
) -> Result<HttpResponse, ApiError> {
    let (document, plan) = submission::build_plan(door, space, document).await?;
    let plan = plan.map_err(|refusal| ApiError::unprocessable(refusal.problems))?;
    if space == Space::Ingestion {
        names::judge(&door.checks.ingestion_urls, document.get("ingestion_json")).await?;
    }
    Ok(HttpResponse::Ok().json(full_report(&Ok(plan), Some(outlook)).await))
}
