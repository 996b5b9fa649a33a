//! Which run a request means: the newest of the id in the path, unless `?run=` names another.

use actix_web::{HttpRequest, web};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::http::{ApiError, Door};
use crate::playbook::{Problem, Space};
use crate::store::RunSummary;

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
    query
        .map(web::Query::into_inner)
        .map_err(|error| ApiError::bad_request(Problem::new("bad-query", "", error.to_string())))
}

/// Finds the run. Blocks: use it off the workers.
pub(super) fn find_here(door: &Door, space: Space, id: &str, number: Option<u32>) -> Result<RunSummary, ApiError> {
    let run = door.history.find(space, &id.to_lowercase(), number).map_err(|error| ApiError::unreadable(&error))?;
    run.ok_or_else(|| ApiError::not_found(space.as_str()))
}

/// Finds the run.
pub(super) async fn find(
    door: &web::Data<Door>,
    space: Space,
    id: &str,
    number: Option<u32>,
) -> Result<RunSummary, ApiError> {
    let (shared, id) = (door.clone(), id.to_owned());
    web::block(move || find_here(&shared, space, &id, number)).await.map_err(|_| ApiError::draining())?
}
