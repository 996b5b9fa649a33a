//! From a document to an accepted run, for the platform's endpoints and the API alike.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::spaces::{id_member, status_url};
use super::trail::Trail;
use super::{Caller, Door, names};
use crate::engine::messages::{Accepted, SubmitError};
use crate::graph::Plan;
use crate::graph::build::{build, build_ingestion};
use crate::jobs::notices;
use crate::playbook::check::Refusal;
use crate::playbook::{AnalysisId, Problem, Space};
use crate::store::{IdempotencyKey, Submission};

/// Documents beyond this many jobs are judged off the worker, which has others to serve.
const JUDGED_ON_THE_SPOT: usize = 200;

/// Who sent a document, and where it is noted.
pub(super) struct Sender {
    pub(super) caller: Caller,
    pub(super) trail: Trail,
}

/// Judges, accepts and answers 202; refusals are announced where the contract's decision 9 says so.
pub(super) async fn submit(
    request: &HttpRequest,
    door: &web::Data<Door>,
    sender: &Sender,
    space: Space,
    document: Map<String, Value>,
) -> Result<HttpResponse, ApiError> {
    sender.caller.judge_tenant(&document)?;
    let key = idempotency_key(request)?;
    let (document, plan) = judge(door, space, document).await?;
    if space == Space::Ingestion {
        names::judge(&door.checks.ingestion_urls, document.get("ingestion_json")).await?;
    }
    let submission = Submission { idempotency_key: key, ..Submission::new(&plan.playbook, &document) };
    let id = plan.playbook.id.clone();
    let decided =
        if door.draining.has_begun() { Err(SubmitError::Draining) } else { door.engine.submit(plan, submission).await };
    match decided {
        Ok(accepted) => {
            sender.trail.number(accepted.number);
            Ok(answer(space, &id, &accepted))
        }
        Err(refused) => {
            announce_limits(door, space, &id, &refused);
            Err(refused.into())
        }
    }
}

/// The header `Idempotency-Key`, if there is one.
///
/// *Errors*: 400 when there are several, or it is none.
pub(super) fn idempotency_key(request: &HttpRequest) -> Result<Option<IdempotencyKey>, ApiError> {
    let mut values = request.headers().get_all("idempotency-key");
    let Some(value) = values.next() else { return Ok(None) };
    let key = IdempotencyKey::parse(value.as_bytes()).filter(|_| values.next().is_none());
    key.map(Some).ok_or_else(|| {
        let reason = "`Idempotency-Key` is not one key of 1 to 255 visible ASCII characters";
        ApiError::bad_request(
            Problem::new("bad-idempotency-key", "", reason).hint("send a new UUID with each document"),
        )
    })
}

/// Judges a document; a large one off the worker.
///
/// *Errors*: the process is about to stop.
pub(super) async fn build_plan(
    door: &web::Data<Door>,
    space: Space,
    document: Map<String, Value>,
) -> Result<(Map<String, Value>, Result<Plan, Refusal>), ApiError> {
    let jobs = document.get("jobs").and_then(Value::as_array).map_or(0, Vec::len);
    let shared = door.clone();
    let work = move || {
        let plan = match space {
            Space::Analysis => build(&document, &shared.checks),
            Space::Ingestion => build_ingestion(&document, &shared.checks),
        };
        (document, plan)
    };
    if jobs <= JUDGED_ON_THE_SPOT { Ok(work()) } else { web::block(work).await.map_err(|_| ApiError::draining()) }
}

async fn judge(
    door: &web::Data<Door>,
    space: Space,
    document: Map<String, Value>,
) -> Result<(Map<String, Value>, Plan), ApiError> {
    let (document, plan) = build_plan(door, space, document).await?;
    let plan = plan.map_err(|refusal| {
        let error = ApiError::unprocessable(refusal.problems);
        let tenant_is_theirs = refusal.tenant.is_some() && error.status.as_u16() == 422;
        if let (Space::Analysis, true, Some(analysis)) = (space, tenant_is_theirs, refusal.analysis_id) {
            announce_unless_bound(door.clone(), analysis, error.problems.clone());
        }
        error
    })?;
    Ok((document, plan))
}

/// A refusal of an id that belongs to somebody already could announce the death of an analysis that runs well, or of somebody else's.
fn announce_unless_bound(door: web::Data<Door>, analysis: String, problems: Vec<Problem>) {
    let Some(room) = door.engine.room_for_refusal() else { return };
    actix_web::rt::spawn(async move {
        let shared = door.clone();
        let key = analysis.to_lowercase();
        let bound = web::block(move || shared.history.is_bound(Space::Analysis, &key)).await;
        if matches!(bound, Ok(Ok(false))) {
            let texts = notices::refusal(&analysis, &problems);
            door.engine.announce_refusal(room, analysis, texts);
        }
    });
}

fn announce_limits(door: &web::Data<Door>, space: Space, id: &AnalysisId, refused: &SubmitError) {
    let told = match refused {
        SubmitError::TenantBusy { .. }
        | SubmitError::TenantFull { .. }
        | SubmitError::TooFast { .. }
        | SubmitError::Busy { .. }
        | SubmitError::NotDurable(_)
        | SubmitError::Draining => true,
        SubmitError::IdInUse | SubmitError::KeyReused | SubmitError::JobIdInUse { .. } | SubmitError::Stopped => false,
    };
    if told && space == Space::Analysis {
        let problem = Problem::new("busy", "", refused.to_string());
        announce_unless_bound(door.clone(), id.text().to_owned(), vec![problem]);
    }
}

/// 202 with a small body that old clients ignore.
fn answer(space: Space, id: &AnalysisId, accepted: &Accepted) -> HttpResponse {
    let status_url = status_url(space, id.text());
    HttpResponse::Accepted().insert_header((header::LOCATION, status_url.clone())).json(json!({
        id_member(space): id.text(),
        "run": accepted.number,
        "state": accepted.state(),
        "status-url": status_url,
        "warnings": accepted.warnings,
    }))
}
