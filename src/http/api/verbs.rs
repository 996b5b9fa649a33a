//! `POST /api/v1/analyses/{id}/cancel`, `/pause`, `/resume`: what can be asked of a run that is not over.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use super::list::member;
use crate::engine::messages::{SteerError, SubmitError, Verb};
use crate::http::{ApiError, Door};
use crate::playbook::{Problem, Space};
use crate::store::RunSummary;

/// Which run is meant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    run: Option<u32>,
}

/// No job starts until the run is resumed; pausing twice is pausing once.
pub(super) async fn pause(
    request: HttpRequest,
    id: web::Path<String>,
    door: web::Data<Door>,
    space: web::Data<Space>,
) -> Result<HttpResponse, ApiError> {
    steer(&request, &id, &door, **space, Verb::Pause).await
}

/// A paused run goes on.
pub(super) async fn resume(
    request: HttpRequest,
    id: web::Path<String>,
    door: web::Data<Door>,
    space: web::Data<Space>,
) -> Result<HttpResponse, ApiError> {
    steer(&request, &id, &door, **space, Verb::Resume).await
}

/// The run ends; services that can be told are told.
pub(super) async fn cancel(
    request: HttpRequest,
    id: web::Path<String>,
    door: web::Data<Door>,
    space: web::Data<Space>,
) -> Result<HttpResponse, ApiError> {
    steer(&request, &id, &door, **space, Verb::Cancel).await
}

async fn steer(
    request: &HttpRequest,
    id: &str,
    door: &web::Data<Door>,
    space: Space,
    verb: Verb,
) -> Result<HttpResponse, ApiError> {
    door.key.judge_header(request)?;
    let query = web::Query::<Query>::from_query(request.query_string())
        .map_err(|error| ApiError::bad_request(Problem::new("bad-query", "", error.to_string())))?;
    let run = find(door, space, id, query.run).await?;
    if run.finished_at.is_none() {
        match door.engine.steer(run.run_id, verb).await {
            Ok(()) => {}
            Err(SteerError::Over) => judge_end(&find(door, space, id, Some(run.number)).await?, verb)?,
            Err(SteerError::NotDurable(error)) => return Err(SubmitError::NotDurable(error).into()),
            Err(SteerError::Stopped) => return Err(ApiError::draining()),
        }
    } else {
        judge_end(&run, verb)?;
    }
    let asked = find(door, space, id, Some(run.number)).await?;
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
        // the process has just been started and has not come to this run yet
        (None, _, _) => {
            let reason = format!("run {} is about to go on after a restart", run.number);
            Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "recovering", reason).hint("try again in a moment"))
        }
    }
}

/// The run that is meant, the newest one of the id unless a number is given.
pub(super) async fn find(
    door: &web::Data<Door>,
    space: Space,
    id: &str,
    number: Option<u32>,
) -> Result<RunSummary, ApiError> {
    let (shared, key) = (door.clone(), id.to_lowercase());
    let run = web::block(move || shared.history.find(space, &key, number)).await.map_err(|_| ApiError::draining())?;
    run.map_err(|error| ApiError::unreadable(&error))?.ok_or_else(|| ApiError::not_found(space.as_str()))
}

fn answer(space: Space, run: &RunSummary) -> HttpResponse {
    let status_url = status_url(space, &run.id, run.number);
    HttpResponse::Accepted().insert_header((header::LOCATION, status_url.clone())).json(json!({
        member(space): run.id,
        "run": run.number,
        "state": run.state,
        "status-url": status_url,
    }))
}

/// Where a run can be looked at.
pub(super) fn status_url(space: Space, id: &str, number: u32) -> String {
    let collection = match space {
        Space::Analysis => "analyses",
        Space::Ingestion => "ingestions",
    };
    format!("/api/v1/{collection}/{id}?run={number}")
}
