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
pub mod openapi;
mod platform;
mod preflight;
mod report;
mod routes;
mod spaces;
mod submission;
mod throttle;
mod trail;
mod ui;

use std::sync::Arc;
use std::time::Duration;

pub use auth::{Caller, Doorkeeper};
pub use draining::Draining;
pub use error::ApiError;
pub use preflight::Outlook;
pub use report::report;
pub use routes::{Wants, configure, routes};

use crate::audit::AuditLog;
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
    pub doorkeeper: Doorkeeper,
    /// Remembers who wanted to change what.
    pub audit: AuditLog,
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
