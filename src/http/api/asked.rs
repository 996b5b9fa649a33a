//! Which run a request is about: the id in its path, and `?run=` unless the newest one is meant.

use actix_web::{HttpRequest, web};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::body::stopped;
use crate::http::{ApiError, Door};
use crate::playbook::{Problem, Space};
use crate::store::RunSummary;

/// What may be asked for.
#[derive(Debug, Deserialize)]
struct Query {
    run: Option<u32>,
}

/// One run of an analysis or ingestion, as a request names it.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) space: Space,
    /// The id lower-cased.
    pub(super) key: String,
    /// The newest unless given.
    pub(super) number: Option<u32>,
}

impl Asked {
    /// Reads path and query.
    pub(super) fn read(request: &HttpRequest, id: &str, space: Space) -> Result<Self, ApiError> {
        let query = web::Query::<Query>::from_query(request.query_string())
            .map_err(|error| ApiError::bad_request(Problem::new("bad-query", "", error.to_string())))?;
        Ok(Self { space, key: id.to_lowercase(), number: query.run })
    }

    /// Looks the run up; blocks.
    pub(super) fn find(&self, door: &Door) -> Result<RunSummary, ApiError> {
        let run =
            door.history.find(self.space, &self.key, self.number).map_err(|error| ApiError::unreadable(&error))?;
        run.ok_or_else(|| ApiError::not_found(self.space.as_str()))
    }

    /// Looks the run up off the workers.
    pub(super) async fn look_up(&self, door: &web::Data<Door>) -> Result<RunSummary, ApiError> {
        let (door, asked) = (door.clone(), self.clone());
        web::block(move || asked.find(&door)).await.map_err(|_| stopped())?
    }

    /// What every answer about what becomes of a run says.
    pub(super) fn answer(&self, id: &str, number: u32, state: &str) -> Value {
        let (member, collection) = match self.space {
            Space::Analysis => ("analysis-id", "analyses"),
            Space::Ingestion => ("ingestion-id", "ingestions"),
        };
        let status_url = format!("/api/v1/{collection}/{id}?run={number}");
        json!({member: id, "run": number, "state": state, "status-url": status_url})
    }
}
