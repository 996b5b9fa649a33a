//! How long a failed job waits until it is tried again: its own back-off, and a budget that all jobs share.
//!
//! Pure: the clock and the dice are the caller's.

use std::time::Duration;

use actix::clock::Instant;

use crate::playbook::Retry;

/// The wait before the attempt after `failed` ones: doubles from `backoff` to `max_backoff`, of which a random part
/// between a half and the whole is taken, so that jobs that failed together do not come back together.
///
/// `dice` is a number from 0 to 1.
pub fn wait_after(retry: &Retry, failed: u32, dice: f64) -> Duration {
    let doublings = failed.saturating_sub(1).min(32);
    let longest = retry.backoff.saturating_mul(1 << doublings.min(31)).min(retry.max_backoff);
    longest.mul_f64(0.5 + 0.5 * dice.clamp(0.0, 1.0))
}

/// Second attempts that all jobs together may begin: a store of tokens that fills with time and with every first attempt
/// at a service.
///
/// A service that fails everything is not asked much more often than it would be without retries; waiting is the default,
/// so a retry that finds the store empty [waits for its token](super::retry_line).
#[derive(Debug)]
pub struct RetryBudget {
    per_second: f64,
    tokens: f64,
    filled: Instant,
}

/// Tokens that each first attempt adds: at most a fifth more requests by retries.
const PER_ATTEMPT: f64 = 0.2;

/// Seconds of filling that the store holds at most.
const LARGEST: f64 = 10.0;

impl RetryBudget {
    /// A full store that fills with so many tokens a second.
    pub fn new(per_second: f64, now: Instant) -> Self {
        Self { per_second, tokens: (per_second * LARGEST).max(1.0), filled: now }
    }

    /// A first attempt at a service begins.
    pub fn on_first_attempt(&mut self) {
        self.tokens = (self.tokens + PER_ATTEMPT).min(self.per_second * LARGEST);
    }

    /// Takes a token for a retry, if one is there.
    pub fn take(&mut self, now: Instant) -> bool {
        self.fill(now);
        let is_there = self.tokens >= 1.0;
        if is_there {
            self.tokens -= 1.0;
        }
        is_there
    }

    /// How long it will be until a token is there.
    pub fn until_next(&mut self, now: Instant) -> Duration {
        self.fill(now);
        let missing = (1.0 - self.tokens).max(0.0);
        // a whole nanosecond more: rounding down would come too early
        Duration::try_from_secs_f64(missing / self.per_second)
            .unwrap_or(Duration::MAX)
            .saturating_add(Duration::from_nanos(1))
    }

    /// So many tokens a second from now on.
    pub fn set_rate(&mut self, per_second: f64, now: Instant) {
        self.fill(now);
        self.per_second = per_second;
        self.tokens = self.tokens.min(per_second * LARGEST);
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = now;
        self.tokens = (self.tokens + passed * self.per_second).min((self.per_second * LARGEST).max(1.0));
    }

    /// A retry whose token was taken will never begin.
    pub fn give_back(&mut self) {
        self.tokens = (self.tokens + 1.0).min(self.per_second * LARGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_cap_and_are_spread() {
        let retry = Retry { attempts: 99, backoff: Duration::from_secs(2), max_backoff: Duration::from_secs(10) };
        let longest: Vec<u64> = (1..6).map(|failed| wait_after(&retry, failed, 1.0).as_secs()).collect();
        assert_eq!(longest, [2, 4, 8, 10, 10]);
        let shortest: Vec<u64> = (1..6).map(|failed| wait_after(&retry, failed, 0.0).as_secs()).collect();
        assert_eq!(shortest, [1, 2, 4, 5, 5]);
        assert_eq!(wait_after(&retry, u32::MAX, 1.0).as_secs(), 10);
    }

    #[test]
    fn no_backoff_is_no_wait() {
        let retry = Retry { attempts: 3, backoff: Duration::ZERO, max_backoff: Duration::from_secs(10) };
        assert_eq!(wait_after(&retry, 2, 1.0), Duration::ZERO);
    }

    #[test]
    fn a_retry_beyond_the_budget_has_to_wait_for_its_token() {
        let now = Instant::now();
        let mut budget = RetryBudget::new(2.0, now);
        assert_eq!((0..100).filter(|_| budget.take(now)).count(), 20);
        let wait = budget.until_next(now);
        assert_eq!(wait.as_millis(), 500);
        assert!(budget.take(now + wait) && !budget.take(now + wait));
    }

    #[test]
    fn a_token_that_is_given_back_is_there_again() {
        let now = Instant::now();
        let mut budget = RetryBudget::new(1.0, now);
        while budget.take(now) {}
        budget.give_back();
        assert!(budget.take(now) && !budget.take(now));
    }

    #[test]
    fn first_attempts_pay_for_a_fifth_of_a_retry_each() {
        let now = Instant::now();
        let mut budget = RetryBudget::new(1.0, now);
        while budget.take(now) {}
        (0..10).for_each(|_| budget.on_first_attempt());
        assert!(budget.take(now) && budget.take(now + Duration::from_millis(1)) && !budget.take(now));
    }

    #[test]
    fn another_rate_counts_at_once() {
        let now = Instant::now();
        let mut budget = RetryBudget::new(0.001, now);
        budget.set_rate(4.0, now);
        while budget.take(now) {}
        assert!(budget.until_next(now) <= Duration::from_millis(251));
    }
}
