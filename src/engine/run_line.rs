//! Which runs may have living actors: limits per tenant and in all, fair turns between tenants for those that wait.
//!
//! Pure: the supervisor asks and acts on the answers. Priorities count within a tenant only.

use std::collections::{BTreeMap, HashMap};

use actix::clock::Instant;

use super::standing::{Limit, Reached, Standing};
use super::turns::{FairLine, Rank, first_of_each_priority};
use crate::playbook::TenantId;

/// A run that wants to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Key of the run.
    pub run_id: i64,
    /// Whose it is.
    pub tenant: TenantId,
    /// Those of a tenant that have a higher one begin first.
    pub priority: u8,
    /// When it was accepted, for whoever wants to know how long it has waited.
    pub since: Instant,
}

/// Most runs that have begun and not ended.
pub trait RunLimits {
    /// Over all tenants.
    fn in_all(&self) -> usize;
    /// Of one tenant.
    fn of(&self, tenant: &TenantId) -> usize;
}

/// How many runs are going, and the line of those that wait.
#[derive(Debug, Clone, Default)]
pub struct RunLine {
    running: HashMap<TenantId, usize>,
    in_all: usize,
    line: FairLine<Waiting>,
    /// A tree, which does not hold everybody up when it grows.
    places: BTreeMap<i64, (TenantId, Rank)>,
}

impl RunLine {
    /// A run wants to begin: true when it may now and is counted, otherwise it stands in line.
    pub fn ask(&mut self, run: Waiting, limits: &dyn RunLimits) -> bool {
        if self.in_all < limits.in_all() && self.running_of(&run.tenant) < limits.of(&run.tenant) {
            self.begins(&run.tenant);
            return true;
        }
        let (run_id, tenant) = (run.run_id, run.tenant.clone());
        let rank = self.line.add(&tenant, run.priority, run);
        self.places.insert(run_id, (tenant, rank));
        false
    }

    /// A run begins whatever the limits say.
    pub fn begins(&mut self, tenant: &TenantId) {
        *self.running.entry(tenant.clone()).or_default() += 1;
        self.in_all += 1;
    }

    /// A run of a tenant has ended.
    pub fn ends(&mut self, tenant: &TenantId) {
        self.in_all = self.in_all.saturating_sub(1);
        if let Some(running) = self.running.get_mut(tenant) {
            *running -= 1;
            if *running == 0 {
                self.running.remove(tenant);
            }
        }
    }

    /// Takes the run whose turn it is out of the line and counts it, if one may begin.
    pub fn next(&mut self, limits: &dyn RunLimits) -> Option<Waiting> {
        if self.in_all >= limits.in_all() {
            return None;
        }
        let running = &self.running;
        let run = self.line.next(|tenant| running.get(tenant).copied().unwrap_or(0) < limits.of(tenant))?;
        self.places.remove(&run.run_id);
        self.begins(&run.tenant);
        Some(run)
    }

    /// A run does not wait any more.
    pub fn leave(&mut self, run_id: i64) -> Option<Waiting> {
        let (tenant, rank) = self.places.remove(&run_id)?;
        self.line.remove(&tenant, rank)
    }

    /// Whether a run waits.
    pub fn has(&self, run_id: i64) -> bool {
        self.places.contains_key(&run_id)
    }

    /// Where a run stands that waits; `None` when it does not.
    pub fn standing(&self, run_id: i64, limits: &dyn RunLimits) -> Option<Standing> {
        let (tenant, rank) = self.places.get(&run_id)?;
        let ahead = self.line.of(tenant).map_or(0, |line| line.range(..rank).count());
        let limits =
            [(Limit::Total, self.in_all, limits.in_all()), (Limit::Tenant, self.running_of(tenant), limits.of(tenant))];
        Some(Standing { reached: Reached::among(limits), closed: false, ahead })
    }

    /// Runs of a tenant that are going.
    pub fn running_of(&self, tenant: &TenantId) -> usize {
        self.running.get(tenant).copied().unwrap_or(0)
    }

    /// Runs that are going, over all tenants.
    pub fn running(&self) -> usize {
        self.in_all
    }

    /// Runs of a tenant that wait, and since when the first of them does.
    pub fn waiting_of(&self, tenant: &TenantId) -> (usize, Option<Instant>) {
        let Some(line) = self.line.of(tenant) else { return (0, None) };
        (line.len(), first_of_each_priority(line).map(|run| run.since).min())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    struct Most(usize, usize);

    impl RunLimits for Most {
        fn in_all(&self) -> usize {
            self.0
        }

        fn of(&self, _: &TenantId) -> usize {
            self.1
        }
    }

    fn run(tenant: &str, run_id: i64, priority: u8) -> Waiting {
        let tenant = TenantId::parse(tenant).expect("a legal tenant");
        Waiting { run_id, tenant, priority, since: Instant::now() }
    }

    fn end(line: &mut RunLine, tenant: &str, limits: &Most) -> Option<i64> {
        line.ends(&TenantId::parse(tenant).expect("a legal tenant"));
        line.next(limits).map(|run| run.run_id)
    }

    #[test]
    fn tenants_take_turns_for_what_may_run_in_all() {
        let (mut line, limits) = (RunLine::default(), Most(1, 9));
        assert!(line.ask(run("aaa", 1, 5), &limits));
        assert!((2..5).all(|run_id| !line.ask(run("aaa", run_id, 5), &limits)));
        assert!(!line.ask(run("bbb", 5, 5), &limits));
        assert_eq!(end(&mut line, "aaa", &limits), Some(2));
        assert_eq!(end(&mut line, "aaa", &limits), Some(5));
        assert_eq!(end(&mut line, "bbb", &limits), Some(3));
    }

    #[test]
    fn a_tenant_at_its_limit_holds_back_nobody_else() {
        let (mut line, limits) = (RunLine::default(), Most(9, 1));
        assert!(line.ask(run("aaa", 1, 5), &limits));
        assert!(!line.ask(run("aaa", 2, 5), &limits) && !line.ask(run("aaa", 3, 9), &limits));
        assert!(line.ask(run("bbb", 4, 5), &limits));
        assert_eq!(end(&mut line, "bbb", &limits), None);
        assert_eq!(end(&mut line, "aaa", &limits), Some(3), "the higher priority");
        assert_eq!(line.waiting_of(&run("aaa", 0, 0).tenant).0, 1);
        assert_eq!(line.leave(2).map(|run| run.run_id), Some(2));
        assert_eq!((line.has(2), end(&mut line, "aaa", &limits), line.running()), (false, None, 0));
    }

    proptest! {
        /// Limits hold, nobody who could begin waits, and each tenant's turn comes after at most one of every other.
        #[test]
        fn turns_are_fair_and_no_place_is_left_free(
            asks in vec((0..4_usize, 1..4_u8), 1..60), ends in vec(any::<usize>(), 100), all in 1..6_usize, each in 1..4_usize,
        ) {
            let limits = Most(all, each);
            let mut line = RunLine::default();
            let mut going = Vec::new();
            for (at, (by, priority)) in asks.into_iter().enumerate() {
                let one = run(["aaa", "bbb", "ccc", "ddd"][by], at as i64, priority);
                if line.ask(one.clone(), &limits) {
                    going.push(one.tenant);
                }
            }
            let mut passed: HashMap<TenantId, usize> = HashMap::new();
            for which in ends {
                if going.is_empty() {
                    break;
                }
                let ended = going.swap_remove(which % going.len());
                line.ends(&ended);
                while let Some(next) = line.next(&limits) {
                    passed.remove(&next.tenant);
                    for tenant in line.line.tenants().filter(|tenant| line.running_of(tenant) < each) {
                        *passed.entry(tenant.clone()).or_default() += 1;
                    }
                    going.push(next.tenant);
                }
                prop_assert!(line.running() <= all && line.running() == going.len());
                prop_assert!(passed.values().all(|turns| *turns <= 4), "{passed:?}");
                for tenant in line.line.tenants() {
                    prop_assert!(line.running() == all || line.running_of(tenant) == each, "{tenant} could go on");
                }
            }
        }
    }
}
