//! The time limit of a run: it runs while the run does and stands still while the run is paused.

use std::time::Duration;

use actix::SpawnHandle;
use actix::clock::Instant;

/// What is left of a time limit.
#[derive(Debug)]
pub(super) struct Deadline {
    left: Duration,
    running: Option<(Instant, SpawnHandle)>,
}

impl Deadline {
    /// A limit of which some time is spent already; it does not run yet.
    pub(super) fn new(limit: Duration, spent: Duration) -> Self {
        Self { left: limit.saturating_sub(spent), running: None }
    }

    /// What was left when it last began to run.
    pub(super) fn left(&self) -> Duration {
        self.left
    }

    /// It runs from now on; `timer` goes off when nothing is left.
    pub(super) fn runs(&mut self, now: Instant, timer: SpawnHandle) {
        self.running = Some((now, timer));
    }

    /// It stands still from now on; answers the timer that has to be stopped.
    pub(super) fn stand_still(&mut self, now: Instant) -> Option<SpawnHandle> {
        let (since, timer) = self.running.take()?;
        self.left = self.left.saturating_sub(now.saturating_duration_since(since));
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_costs_no_time() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut deadline = Deadline::new(10 * second, 3 * second);
        deadline.runs(now, SpawnHandle::default());
        assert!(deadline.stand_still(now + 2 * second).is_some());
        assert_eq!(deadline.left(), 5 * second);
        assert!(deadline.stand_still(now + 99 * second).is_none());
        deadline.runs(now + 100 * second, SpawnHandle::default());
        deadline.stand_still(now + 101 * second);
        assert_eq!(deadline.left(), 4 * second);
    }

    #[test]
    fn a_limit_that_is_spent_is_over_at_once() {
        assert_eq!(Deadline::new(Duration::from_secs(1), Duration::from_secs(9)).left(), Duration::ZERO);
    }
}
