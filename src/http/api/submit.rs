//! `POST /api/v1/analyses` and `/ingestions`: the platform's documents without a token of their own.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::lookup::read_query;
use super::validate::full_report;
use crate::http::body::{Received, read_object};
use crate::http::preflight::Outlook;
use crate::http::spaces::id_member;
use crate::http::submission::{self, Sender};
use crate::http::trail::Trail;
use crate::http::{ApiError, Caller, Door, IngestionTester, names, platform};
use crate::playbook::Space;

/// What may be asked for; a misspelt `dry-run` must start nothing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    /// Whether the document is only judged.
    #[serde(default, rename = "dry-run")]
    dry_run: bool,
}

/// Whom a submission is handed to.
pub(super) type Helpers = (web::Data<IngestionTester>, web::Data<Outlook>);

/// Accepts a document; the token is the request's.
pub(super) async fn submit(
    request: HttpRequest,
    (caller, trail): (Caller, Trail),
    payload: web::Payload,
    door: web::Data<Door>,
    space: web::Data<Space>,
    (tester, outlook): Helpers,
) -> Result<HttpResponse, ApiError> {
    let query: Query = read_query(&request)?;
    let received = read_object(&request, payload, &door).await?;
    let sender = Sender { caller, trail };
    if query.dry_run {
        return judge_only(&door, &sender, **space, received, &outlook).await;
    }
    match **space {
        Space::Analysis => platform::take_analysis(&request, &door, &sender, received).await,
        Space::Ingestion => platform::take_ingestion(&request, &door, &tester, &sender, received).await,
    }
}

/// Refuses as a submission would, telling nobody; what would be accepted is answered 200 with a report. Nothing starts.
async fn judge_only(
    door: &web::Data<Door>,
    sender: &Sender,
    space: Space,
    received: Received,
    outlook: &Outlook,
) -> Result<HttpResponse, ApiError> {
    sender.trail.document(&received, id_member(space));
    sender.trail.verb("dry-run");
    sender.caller.judge_tenant(&received.document)?;
    let (document, plan) = submission::build_plan(door, space, received.document).await?;
    let plan = plan.map_err(|refusal| ApiError::unprocessable(refusal.problems))?;
    if space == Space::Ingestion {
        names::judge(&door.checks.ingestion_urls, document.get("ingestion_json")).await?;
    }
    Ok(HttpResponse::Ok().json(full_report(&Ok(plan), Some(outlook)).await))
}
