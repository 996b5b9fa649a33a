//! Whether the process is alive, and whether it can take work.

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::Door;
use super::error::ApiError;
use crate::engine::messages::SubmitError;
use crate::playbook::Space;
use crate::store::{Filter, JournalError};

/// `GET /health`: the process answers.
pub(super) async fn health() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "alive", "version": env!("CARGO_PKG_VERSION")}))
}

/// `GET /ready`: the process is not about to stop, the journal answers and can be written: submissions can be accepted.
pub(super) async fn ready(door: web::Data<Door>) -> Result<HttpResponse, ApiError> {
    if door.draining.has_begun() {
        return Err(ApiError::draining());
    }
    if !door.journal.is_healthy() {
        return Err(ApiError::from(SubmitError::NotDurable(JournalError::Write(
            "the last record is still waiting".to_owned(),
        ))));
    }
    let filter = Filter { space: Space::Analysis, tenants: None, state: None, before: None, limit: 1 };
    let answer = web::block(move || door.history.list(&filter)).await.map_err(|_| ApiError::draining())?;
    answer.map_err(|error| ApiError::unreadable(&error))?;
    Ok(HttpResponse::Ok().json(json!({"status": "ready"})))
}
