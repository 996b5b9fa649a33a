//! New runs of a tenant per second. Pure: the clock is the caller's.

use std::collections::HashMap;

use actix::clock::Instant;

use crate::playbook::TenantId;

/// Seconds' worth of submissions that a tenant may send at once, but always one.
const AT_ONCE_SECONDS: f64 = 1.0;

/// Tenants that are remembered before those that have been quiet are looked for and forgotten.
const REMEMBERED: usize = 1_000;

/// What each tenant has sent lately.
#[derive(Debug, Default)]
pub(super) struct Rates {
    tenants: HashMap<TenantId, Bucket>,
}

/// Fills with time; every submission takes one out.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    filled: Instant,
    per_second: f64,
}

impl Bucket {
    fn size(per_second: f64) -> f64 {
        (per_second * AT_ONCE_SECONDS).max(1.0)
    }

    fn at(self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        (self.left + passed * self.per_second).min(Self::size(self.per_second))
    }
}

impl Rates {
    /// A tenant sends one more; false when that is one too many.
    pub(super) fn take(&mut self, tenant: &TenantId, per_second: f64, now: Instant) -> bool {
        if self.tenants.len() >= REMEMBERED && !self.tenants.contains_key(tenant) {
            self.tenants.retain(|_, bucket| bucket.at(now) < Bucket::size(bucket.per_second));
        }
        let fresh = Bucket { left: Bucket::size(per_second), filled: now, per_second };
        let bucket = self.tenants.entry(tenant.clone()).or_insert(fresh);
        let left = bucket.at(now).min(Bucket::size(per_second));
        let takes = left >= 1.0;
        *bucket = Bucket { left: if takes { left - 1.0 } else { left }, filled: now, per_second };
        takes
    }

    /// What was sent was nothing new after all.
    pub(super) fn give_back(&mut self, tenant: &TenantId) {
        if let Some(bucket) = self.tenants.get_mut(tenant) {
            bucket.left += 1.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn tenant(name: &str) -> TenantId {
        TenantId::parse(name).expect("a legal tenant")
    }

    #[test]
    fn a_second_worth_may_come_at_once_and_then_one_at_a_time() {
        let (mut rates, now, aaa) = (Rates::default(), Instant::now(), tenant("aaa"));
        assert_eq!((0..99).filter(|_| rates.take(&aaa, 5.0, now)).count(), 5);
        assert!(rates.take(&tenant("bbb"), 5.0, now), "another tenant's is its own");
        let later = now + Duration::from_millis(400);
        assert_eq!((0..99).filter(|_| rates.take(&aaa, 5.0, later)).count(), 2);
        rates.give_back(&aaa);
        assert!(rates.take(&aaa, 5.0, later) && !rates.take(&aaa, 5.0, later));
    }

    #[test]
    fn a_rate_below_one_a_second_still_lets_one_through() {
        let (mut rates, now, aaa) = (Rates::default(), Instant::now(), tenant("aaa"));
        assert!(rates.take(&aaa, 0.1, now) && !rates.take(&aaa, 0.1, now + Duration::from_secs(9)));
        assert!(rates.take(&aaa, 0.1, now + Duration::from_millis(10_100)));
    }

    #[test]
    fn quiet_tenants_are_forgotten() {
        let (mut rates, now) = (Rates::default(), Instant::now());
        for number in 0..REMEMBERED {
            assert!(rates.take(&tenant(&format!("t-{number}")), 1.0, now));
        }
        assert!(rates.take(&tenant("late"), 1.0, now + Duration::from_secs(2)));
        assert_eq!(rates.tenants.len(), 1);
    }
}
