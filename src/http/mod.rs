//! The HTTP door: the platform's two endpoints, the API, health, metrics. Judges submissions, speaks to the engine through
//! [`EngineHandle`] and reads the journal; knows no actor.

pub mod api;
mod auth;
mod body;
mod draining;
mod error;
mod health;
mod metrics;
mod names;
mod platform;
mod spaces;
mod submission;
mod throttle;

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;

pub use auth::ApiKey;
pub use draining::Draining;
pub use error::ApiError;

use crate::engine::EngineHandle;
use crate::jobs::callbacks;
use crate::playbook::check::CheckSettings;
use crate::ports::{JobServices, Outages};
use crate::store::{History, Journal};

/// Largest body of a request in bytes.
pub const LARGEST_BODY: usize = 8 * 1024 * 1024;

/// What every worker shares.
pub struct Door {
    /// Runs what was accepted.
    pub engine: EngineHandle,
    /// Remembers what was accepted.
    pub journal: Arc<dyn Journal>,
    /// Knows what was accepted.
    pub history: Arc<dyn History>,
    /// Who may come in.
    pub key: ApiKey,
    /// How submissions are judged.
    pub checks: CheckSettings,
    /// Which neighbours do not answer.
    pub outages: Outages,
    /// Whether anything is taken at all.
    pub draining: Draining,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// Whether `/metrics` wants no token, because only this machine can ask.
    pub metrics_for_everybody: bool,
    /// Which attempts their services may speak of, if they may at all.
    pub callbacks: Option<callbacks::Callbacks>,
    /// Playbooks of runs that were looked at lately.
    pub playbooks: api::PlaybookCache,
}

/// The service behind test calls of ingestions. Made by each worker for itself: HTTP clients cannot move.
pub struct IngestionTester {
    /// The data services, with a time limit of their own.
    pub services: Box<dyn JobServices>,
}

/// Every route of the program.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/analysis").route(web::post().to(platform::analysis)).default_service(takes_only("POST")),
        )
        .service(
            web::resource("/ingestion").route(web::post().to(platform::ingestion)).default_service(takes_only("POST")),
        )
        .service(web::resource("/health").route(web::get().to(health::health)).default_service(takes_only("GET")))
        .service(web::resource("/ready").route(web::get().to(health::ready)).default_service(takes_only("GET")))
        .service(web::resource("/metrics").route(web::get().to(metrics::metrics)).default_service(takes_only("GET")))
        .service(web::scope("/api/v1").configure(api::configure))
        .default_service(web::to(error::no_such_route));
}

/// Answers every method that a resource has no route for.
fn takes_only(allowed: &'static str) -> actix_web::Route {
    web::to(move || async move { error::method_not_allowed(allowed) })
}
