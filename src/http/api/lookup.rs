//! Which run a request means: the newest of the id in the path, unless `?run=` names another.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::graph::{JobIndex, Plan};
use crate::http::{ApiError, Caller, Door};
use crate::playbook::text::one_line;
use crate::playbook::{Problem, Space};
use crate::store::{Entry, RunProgress, RunSummary};

/// What may have become of a run that is not there. The same words for all: nobody learns whose an id is.
const FORGOTTEN: &str = "finished runs are removed after RETENTION_DAYS, or when there are more than RETENTION_RUNS";

/// Longest reason in characters.
const LONGEST_REASON: usize = 160;

/// The query of a request that means one run.
#[derive(Debug, Deserialize)]
pub(super) struct RunQuery {
    pub(super) run: Option<u32>,
}

/// The same for a request that changes something: a misspelt `run` must not mean the newest one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StrictRunQuery {
    pub(super) run: Option<u32>,
}

/// Reads a query.
pub(super) fn read_query<T: DeserializeOwned>(request: &HttpRequest) -> Result<T, ApiError> {
    let query = web::Query::<T>::from_query(request.query_string());
    query.map(web::Query::into_inner).map_err(|error| bad_query(&error.to_string()))
}

/// A query that cannot be understood; what it says is repeated to some length only.
pub(super) fn bad_query(why: &str) -> ApiError {
    let why: String = one_line(why).chars().take(LONGEST_REASON).collect();
    ApiError::bad_request(Problem::new("bad-query", "", why))
}

/// Finds the run; one that the caller does not reach is not there. Blocks: use it off the workers.
pub(super) fn find_here(
    door: &Door,
    caller: &Caller,
    space: Space,
    id: &str,
    number: Option<u32>,
) -> Result<RunSummary, ApiError> {
    let run = door.history.find(space, &id.to_lowercase(), number).map_err(|error| ApiError::unreadable(&error))?;
    run.filter(|run| caller.reaches(&run.tenant)).ok_or_else(|| ApiError::not_found(space.as_str()).hint(FORGOTTEN))
}

/// Answers a request that means one run, the newest of the id unless `?run=` names another, with what `look` makes of it, off
/// the workers.
pub(super) async fn look_off_the_workers<F>(request: &HttpRequest, look: F) -> Result<HttpResponse, ApiError>
where
    F: FnOnce(Option<u32>) -> Result<Value, ApiError> + Send + 'static,
{
    let RunQuery { run: number } = read_query(request)?;
    let seen = web::block(move || look(number)).await.map_err(|_| ApiError::draining())??;
    Ok(HttpResponse::Ok().json(seen))
}

/// A run, and what the journal says about it if that can be read.
pub(super) struct Known {
    pub(super) run: RunSummary,
    pub(super) content: Result<Content, ApiError>,
}

/// What the journal says about a run.
pub(super) struct Content {
    pub(super) plan: Arc<Plan>,
    pub(super) entries: Vec<Entry>,
    pub(super) progress: RunProgress,
}

/// Finds the run and reads it. Blocks: use it off the workers.
pub(super) fn read_run(
    door: &Door,
    caller: &Caller,
    space: Space,
    id: &str,
    number: Option<u32>,
) -> Result<Known, ApiError> {
    let run = find_here(door, caller, space, id, number)?;
    let content = read_content(door, space, &run);
    must_be_there(door, caller, space, &run)?;
    Ok(Known { run, content })
}

fn read_content(door: &Door, space: Space, run: &RunSummary) -> Result<Content, ApiError> {
    let history = door.history.as_ref();
    let plan = door.playbooks.get(history, space, run.run_id)?;
    let entries = history.entries(run.run_id).map_err(|error| ApiError::unreadable(&error))?;
    let progress = RunProgress::fold_readable(plan.playbook.jobs.len(), &entries);
    Ok(Content { plan, entries, progress })
}

/// Which job of a run a step is.
pub(super) fn job_at(plan: &Plan, step: &str) -> Result<JobIndex, ApiError> {
    let found = plan.playbook.jobs.iter().position(|job| job.step.text().eq_ignore_ascii_case(step));
    found.ok_or_else(|| ApiError::not_found("step").hint("the steps of a run are in its `jobs`"))
}

/// Fails for a run that was removed after it was found: what has been read about it since may be a part of it only.
pub(super) fn must_be_there(door: &Door, caller: &Caller, space: Space, run: &RunSummary) -> Result<(), ApiError> {
    find_here(door, caller, space, &run.id, Some(run.number)).map(|_| ())
}

/// Finds the run; one that the caller does not reach is not there.
pub(super) async fn find(
    door: &web::Data<Door>,
    caller: &Caller,
    space: Space,
    id: &str,
    number: Option<u32>,
) -> Result<RunSummary, ApiError> {
    let (shared, caller, id) = (door.clone(), caller.clone(), id.to_owned());
    web::block(move || find_here(&shared, &caller, space, &id, number)).await.map_err(|_| ApiError::draining())?
}
