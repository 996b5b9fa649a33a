//! One integration binary.

mod failure;
mod tenancy;

use std::time::Duration;

/// Seconds, for short.
fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
