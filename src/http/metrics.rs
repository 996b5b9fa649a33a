//! `GET /metrics`: what is counted, for Prometheus.

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse, web};

use super::{ApiError, Door};
use crate::metrics;

/// Wants the token unless only this machine can ask (decision 25).
pub(super) async fn metrics(request: HttpRequest, door: web::Data<Door>) -> Result<HttpResponse, ApiError> {
    if !door.metrics_for_everybody {
        door.key.judge_header(&request)?;
    }
    let text = metrics::text(door.journal.is_healthy(), door.journal.disk_bytes()).map_err(|error| {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "metrics", format!("the metrics cannot be written: {error}"))
    })?;
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, metrics::CONTENT_TYPE)).body(text))
}
