//! How a run ended, for tests.

use std::time::Duration;

use crate::store::record::{Cause, RunOutcome};

/// How a run ended, as its last record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// How.
    pub outcome: RunOutcome,
    /// The first cause unless it succeeded.
    pub cause: Option<Cause>,
    /// From acceptance to the end of the last job.
    pub elapsed: Duration,
}
