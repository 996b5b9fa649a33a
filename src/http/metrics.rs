//! `GET /metrics`: what is counted, for Prometheus.

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpResponse, web};

use super::{ApiError, Door};
use crate::metrics;

/// Everything that is counted, over all tenants.
pub(super) async fn metrics(door: web::Data<Door>) -> Result<HttpResponse, ApiError> {
    let text = metrics::text(door.journal.is_healthy(), door.journal.disk_bytes()).map_err(|error| {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "metrics", format!("the metrics cannot be written: {error}"))
    })?;
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, metrics::CONTENT_TYPE)).body(text))
}
