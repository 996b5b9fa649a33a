//! What many times come to.

use std::time::Duration;

/// The one in the middle.
pub(super) fn median(times: &mut [Duration]) -> Duration {
    percentile(times, 50)
}

/// The one that so many percent do not exceed.
pub(super) fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}
