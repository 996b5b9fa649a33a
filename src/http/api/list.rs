//! `GET /api/v1/analyses`: the newest runs first, page by page.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::lookup::read_query;
use crate::http::spaces::id_member;
use crate::http::{ApiError, Caller, Door};
use crate::playbook::text::quoted;
use crate::playbook::{Problem, Space};
use crate::store::{Filter, RunSummary};

/// Runs on a page unless asked otherwise, and at most.
const PAGE: u32 = 50;
const LARGEST_PAGE: u32 = 500;

/// States that runs may be listed by.
pub(in crate::http) const STATES: [&str; 7] =
    ["queued", "running", "paused", "succeeded", "failed", "cancelled", "stopped"];

/// What may be asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Query {
    state: Option<String>,
    tenant: Option<String>,
    cursor: Option<String>,
    limit: Option<u32>,
}

/// Lists the runs that the caller reaches.
pub(super) async fn list(
    request: HttpRequest,
    caller: Caller,
    door: web::Data<Door>,
    space: web::Data<Space>,
) -> Result<HttpResponse, ApiError> {
    let query: Query = read_query(&request)?;
    if let Some(state) = query.state.as_deref().filter(|state| !STATES.contains(state)) {
        let reason = format!("there is no state {}", quoted(state));
        let hint = format!("states are {}", STATES.join(", "));
        return Err(ApiError::bad_request(Problem::new("bad-query", "", reason).hint(hint)));
    }
    let limit = query.limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
    let filter = Filter {
        space: **space,
        tenants: wanted_tenants(&caller, query.tenant),
        state: query.state,
        before: query.cursor.map(|cursor| read_cursor(&cursor)).transpose()?,
        limit,
    };
    let runs = web::block(move || door.history.list(&filter)).await.map_err(|_| ApiError::draining())?;
    let runs = runs.map_err(|error| ApiError::unreadable(&error))?;
    let full = runs.len() == limit as usize;
    let next = runs.last().filter(|_| full).map(|last| last.run_id.to_string());
    let items: Vec<Value> = runs.iter().map(|run| summary(**space, run)).collect();
    Ok(HttpResponse::Ok().json(json!({"items": items, "next-cursor": next})))
}

/// Whose runs are listed: a tenant that the caller does not reach has none.
fn wanted_tenants(caller: &Caller, asked: Option<String>) -> Option<Vec<String>> {
    match asked.map(|tenant| tenant.to_lowercase()) {
        Some(tenant) => Some(Some(tenant).filter(|tenant| caller.reaches(tenant)).into_iter().collect()),
        None => caller.tenant_names(),
    }
}

fn read_cursor(cursor: &str) -> Result<i64, ApiError> {
    cursor.parse().map_err(|_| {
        ApiError::bad_request(
            Problem::new("bad-query", "", "the cursor is not one of ours").hint("use `next-cursor` of the page before"),
        )
    })
}

/// A run without its jobs.
pub(super) fn summary(space: Space, run: &RunSummary) -> Value {
    json!({
        id_member(space): run.id,
        "run": run.number,
        "tenant": run.tenant,
        "state": run.state,
        "settled": run.settled,
        "accepted-at": run.accepted_at,
        "finished-at": run.finished_at,
        "elapsed-ms": run.finished_at.map(|end| end - run.accepted_at),
        "cause": run.cause,
    })
}
