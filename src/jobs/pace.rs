//! How long to wait before looking again.

use std::time::Duration;

/// The shortest wait between two looks.
const SHORTEST: Duration = Duration::from_millis(5);

/// Wait before the next look at a job: a tenth of the time it has taken so far, up to the configured interval. A finished
/// job is seen at most a tenth late, a long one is asked as seldom as the platform asks.
pub(super) fn poll_delay(waited: Duration, longest: Duration) -> Duration {
    (waited / 10).max(SHORTEST).min(longest)
}

/// Longest wait before the next try of something that should be up again soon: doubles from 50 ms to 5 s.
fn retry_delay(tries: u32) -> Duration {
    Duration::from_millis(50 << tries.min(7)).min(Duration::from_secs(5))
}

/// Between half of a wait and all of it, so that those who wait for the same do not come back in step. `chance` is between
/// 0 and 1.
fn spread(longest: Duration, chance: f64) -> Duration {
    longest.mul_f64(0.5 + chance / 2.0)
}

/// Pauses between tries, about twice as long each time.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    tries: u32,
}

impl Backoff {
    /// Waits until the next try.
    pub(super) async fn pause(&mut self) {
        actix::clock::sleep(spread(retry_delay(self.tries), fastrand::f64())).await;
        self.tries = self.tries.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polling_starts_quickly_and_ends_at_the_configured_interval() {
        let longest = Duration::from_secs(2);
        let delays: Vec<u128> = [0, 100, 1_000, 10_000, 100_000]
            .map(|ms| poll_delay(Duration::from_millis(ms), longest).as_millis())
            .into();
        assert_eq!(delays, [5, 10, 100, 1_000, 2_000]);
        assert_eq!(poll_delay(Duration::ZERO, Duration::from_millis(1)).as_millis(), 1);
    }

    #[test]
    fn retries_back_off_to_five_seconds() {
        let delays: Vec<u128> = (0..9).map(|tries| retry_delay(tries).as_millis()).collect();
        assert_eq!(delays, [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    }

    #[test]
    fn pauses_are_spread_over_half_of_themselves() {
        let of = |chance| spread(Duration::from_millis(800), chance).as_millis();
        assert_eq!([of(0.0), of(0.5), of(1.0)], [400, 600, 800]);
    }
}
