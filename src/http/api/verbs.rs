//! `POST /api/v1/analyses/{id}/cancel`, `/pause`, `/resume`: what can be asked of a run that is not over.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::lookup::{StrictRunQuery, find, read_query};
use crate::engine::messages::{SteerError, SubmitError, Verb};
use crate::http::spaces::{id_member, status_url};
use crate::http::trail::Trail;
use crate::http::{ApiError, Caller, Door};
use crate::playbook::Space;
use crate::store::RunSummary;

/// No job starts until the run is resumed; pausing twice is pausing once.
pub(super) async fn pause(
    request: HttpRequest,
    caller: Caller,
    trail: Trail,
    id: web::Path<String>,
    door: web::Data<Door>,
    space: web::Data<Space>,
) -> Result<HttpResponse, ApiError> {
    steer(&request, &caller, &trail, &id, &door, **space, Verb::Pause).await
}

/// A paused run goes on.
pub(super) async fn resume(
    request: HttpRequest,
    caller: Caller,
    trail: Trail,
    id: web::Path<String>,
    door: web::Data<Door>,
    space: web::Data<Space>,
) -> Result<HttpResponse, ApiError> {
    steer(&request, &caller, &trail, &id, &door, **space, Verb::Resume).await
}

/// The run ends; services that can be told are told.
pub(super) async fn cancel(
    request: HttpRequest,
    caller: Caller,
    trail: Trail,
    id: web::Path<String>,
    door: web::Data<Door>,
    space: web::Data<Space>,
) -> Result<HttpResponse, ApiError> {
    steer(&request, &caller, &trail, &id, &door, **space, Verb::Cancel).await
}

async fn steer(
    request: &HttpRequest,
    caller: &Caller,
    trail: &Trail,
    id: &str,
    door: &web::Data<Door>,
    space: Space,
    verb: Verb,
) -> Result<HttpResponse, ApiError> {
    trail.id(id);
    let StrictRunQuery { run: number } = read_query(request)?;
    let run = find(door, caller, space, id, number).await?;
    trail.run(&run);
    if run.finished_at.is_none() {
        match door.engine.steer(run.run_id, verb).await {
            Ok(()) => {}
            Err(SteerError::Over) => judge_end(&find(door, caller, space, id, Some(run.number)).await?, verb)?,
            Err(SteerError::NotDurable(error)) => return Err(SubmitError::NotDurable(error).into()),
            Err(SteerError::Stopped) => return Err(ApiError::draining()),
        }
    } else {
        judge_end(&run, verb)?;
    }
    let asked = find(door, caller, space, id, Some(run.number)).await?;
    Ok(answer(space, &asked))
}

/// What was asked has come too late, unless the run has ended just as was asked.
fn judge_end(run: &RunSummary, verb: Verb) -> Result<(), ApiError> {
    match (run.finished_at, run.state.as_str(), verb) {
        (Some(_), "cancelled", Verb::Cancel) => Ok(()),
        (Some(_), state, _) => {
            let reason = format!("run {} is over: {state}", run.number);
            Err(ApiError::new(StatusCode::CONFLICT, "run-is-over", reason).hint("a run that is over can be run again"))
        }
        // its end is on its way to the journal, or it could not be read back when the process was started
        (None, _, _) => {
            let reason = format!("run {} is not under way at this moment", run.number);
            let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not-under-way", reason);
            Err(error.hint("try again; if that does not help, the server's log says why it does not go on"))
        }
    }
}

fn answer(space: Space, run: &RunSummary) -> HttpResponse {
    let status_url = run_url(space, &run.id, run.number);
    HttpResponse::Accepted().insert_header((header::LOCATION, status_url.clone())).json(json!({
        id_member(space): run.id,
        "run": run.number,
        "state": run.state,
        "status-url": status_url,
    }))
}

/// Where one run of an id can be looked at.
pub(super) fn run_url(space: Space, id: &str, number: u32) -> String {
    format!("{}?run={number}", status_url(space, id))
}
