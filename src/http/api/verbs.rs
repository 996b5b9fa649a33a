//! `POST /api/v1/analyses/{id}/cancel`, `/pause` and `/resume`: what can be asked of a run that is not over.
//!
//! Each may be repeated: a run that is paused already stays paused, one that was cancelled stays cancelled.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::rt::time::timeout;
use actix_web::{HttpRequest, HttpResponse, web};

use super::asked::Asked;
use crate::engine::messages::{SteerError, SubmitError, Verb};
use crate::http::{ApiError, Door};
use crate::playbook::Space;
use crate::store::record::RunOutcome;
use crate::store::{JournalError, RunSummary};

/// Longest wait until what was asked is durable: a journal that cannot be written now keeps it and writes it later.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks it; answers when that is durable.
pub(super) async fn steer(
    request: HttpRequest,
    id: web::Path<String>,
    door: web::Data<Door>,
    space: web::Data<Space>,
    verb: web::Data<Verb>,
) -> Result<HttpResponse, ApiError> {
    door.key.judge_header(&request)?;
    let asked = Asked::read(&request, &id, **space)?;
    let run = asked.look_up(&door).await?;
    let steered = match run.finished_at {
        Some(_) => Err(SteerError::Over),
        None => {
            timeout(PATIENCE, door.engine.steer(run.run_id, **verb)).await.unwrap_or_else(|_| Err(not_durable_yet()))
        }
    };
    let now = Asked { number: Some(run.number), ..asked.clone() }.look_up(&door).await?;
    match steered {
        Ok(()) => {}
        Err(SteerError::Over) if **verb == Verb::Cancel && now.state == RunOutcome::Cancelled.as_str() => {}
        Err(SteerError::Over) => return Err(over(&now)),
        Err(SteerError::NotDurable(error)) => return Err(SubmitError::NotDurable(error).into()),
        Err(SteerError::Stopped) => return Err(SubmitError::Stopped.into()),
    }
    Ok(HttpResponse::Accepted().json(asked.answer(&now.id, now.number, &now.state)))
}

fn not_durable_yet() -> SteerError {
    SteerError::NotDurable(JournalError::Write("what was asked of a run is still waiting".to_owned()))
}

fn over(run: &RunSummary) -> ApiError {
    if run.finished_at.is_none() {
        return ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "not-under-way",
            format!("run {} is not under way yet", run.number),
        )
        .hint("try again; if it stays like this, the server's log says why");
    }
    ApiError::new(StatusCode::CONFLICT, "run-is-over", format!("run {} has ended: {}", run.number, run.state))
        .hint("`rerun` does it again, from what did not succeed or from a step")
}
