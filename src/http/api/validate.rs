//! `POST /api/v1/validate`: what a submission would be told, and more, without submitting anything; and the schema.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::lookup::read_query;
use crate::graph::Plan;
use crate::http::body::read_object;
use crate::http::preflight::Outlook;
use crate::http::report::{report, shown};
use crate::http::spaces::id_member;
use crate::http::trail::Trail;
use crate::http::{ApiError, Caller, Door, names, submission};
use crate::playbook::Space;
use crate::playbook::check::Refusal;
use crate::playbook::schema::playbook_schema;

/// What may be asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    /// Whether the outside is asked, too.
    #[serde(default)]
    preflight: bool,
    /// Whether the document is an ingestion.
    #[serde(default)]
    ingestion: bool,
}

/// Answers 200 with everything that is wrong, odd or could be better; the document may be as wrong as it likes.
pub(super) async fn validate(
    request: HttpRequest,
    (caller, trail): (Caller, Trail),
    payload: web::Payload,
    door: web::Data<Door>,
    outlook: web::Data<Outlook>,
) -> Result<HttpResponse, ApiError> {
    let query: Query = read_query(&request)?;
    let received = read_object(&request, payload, &door).await?;
    let space = if query.ingestion { Space::Ingestion } else { Space::Analysis };
    trail.document(&received, id_member(space));
    // a preflight tells what a tenant has
    caller.judge_tenant(&received.document)?;
    let (document, verdict) = submission::build_plan(&door, space, received.document).await?;
    let verdict = match (verdict, names::judge(&door.checks.ingestion_urls, document.get("ingestion_json")).await) {
        (Ok(plan), Err(error)) if space == Space::Ingestion => Err(Refusal {
            problems: error.problems,
            warnings: plan.warnings,
            analysis_id: None,
            tenant: Some(plan.playbook.tenant),
        }),
        (verdict, _) => verdict,
    };
    let outlook = query.preflight.then_some(&**outlook);
    Ok(HttpResponse::Ok().json(full_report(&verdict, outlook).await))
}

/// The report on a document; one that can run is held against the outside if there is somebody to ask.
pub(super) async fn full_report(verdict: &Result<Plan, Refusal>, outlook: Option<&Outlook>) -> Value {
    let mut report = report(verdict);
    if let (Ok(plan), Some(outlook)) = (verdict, outlook) {
        let missing = outlook.look(plan).await;
        report["ready"] = json!(missing.is_empty());
        report["preflight"] = json!(shown(&missing));
    }
    report
}

/// `GET /api/v1/playbook.schema.json`: the JSON Schema of what this server accepts.
pub(super) async fn schema(_caller: Caller, door: web::Data<Door>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().content_type("application/schema+json").body(playbook_schema(&door.checks).to_string()))
}
