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
/// so a retry that finds the store empty waits for its token.
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
        Self { per_second, tokens: per_second * LARGEST, filled: now }
    }

    /// A first attempt at a service begins.
    pub fn on_first_attempt(&mut self) {
        self.tokens = (self.tokens + PER_ATTEMPT).min(self.per_second * LARGEST);
    }

    /// Takes a token for a retry; answers how long it will be until it is there.
    pub fn take(&mut self, now: Instant) -> Duration {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = now;
        self.tokens = (self.tokens + passed * self.per_second).min(self.per_second * LARGEST) - 1.0;
        if self.tokens >= 0.0 { Duration::ZERO } else { Duration::from_secs_f64(-self.tokens / self.per_second) }
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
    fn retries_beyond_the_budget_wait_for_their_token() {
        let now = Instant::now();
        let mut budget = RetryBudget::new(2.0, now);
        let at_once = (0..100).take_while(|_| budget.take(now).is_zero()).count();
        assert_eq!(at_once, 20);
        assert_eq!(budget.take(now).as_millis(), 1000, "the second one past the store");
        assert_eq!(budget.take(now + Duration::from_secs(1)).as_millis(), 500);
    }

    #[test]
    fn retries_that_never_begin_leave_no_debt() {
        let now = Instant::now();
        let mut budget = RetryBudget::new(1.0, now);
        for _ in 0..20_000 {
            budget.take(now);
        }
        (0..20_000).for_each(|_| budget.give_back());
        assert_eq!((budget.take(now), budget.tokens), (Duration::ZERO, 9.0));
    }

    #[test]
    fn first_attempts_pay_for_a_fifth_of_a_retry_each() {
        let now = Instant::now();
        let mut budget = RetryBudget::new(1.0, now);
        while budget.take(now).is_zero() {}
        for _ in 0..10 {
            budget.on_first_attempt();
        }
        assert_eq!(budget.take(now), Duration::ZERO);
    }
}
