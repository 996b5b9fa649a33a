//! Whose turn it is: whoever has had a turn goes to the end of the line, so that nobody waits longer than everybody else's
//! one turn.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use crate::playbook::TenantId;

/// Those who take turns, by the place of each in the line.
#[derive(Debug, Clone)]
pub struct Turns<K> {
    next_place: u64,
    line: BTreeMap<u64, K>,
    places: HashMap<K, u64>,
}

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self { next_place: 0, line: BTreeMap::new(), places: HashMap::new() }
    }
}

impl<K: Clone + Eq + Hash> Turns<K> {
    /// Takes part from now on, at the end of the line; changes nothing for those who do already.
    pub fn join(&mut self, who: &K) {
        if !self.places.contains_key(who) {
            self.stand_at_the_end(who);
        }
    }

    /// Does not take part any more.
    pub fn leave(&mut self, who: &K) {
        if let Some(place) = self.places.remove(who) {
            self.line.remove(&place);
        }
    }

    /// Has had a turn; changes nothing for those who do not take part.
    pub fn had_one(&mut self, who: &K) {
        if self.places.contains_key(who) {
            self.leave(who);
            self.stand_at_the_end(who);
        }
    }

    /// Everybody, the one whose turn is next first.
    pub fn in_order(&self) -> impl Iterator<Item = &K> {
        self.line.values()
    }

    /// How many take part.
    pub fn len(&self) -> usize {
        self.line.len()
    }

    /// Whether nobody takes part.
    pub fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    fn stand_at_the_end(&mut self, who: &K) {
        self.places.insert(who.clone(), self.next_place);
        self.line.insert(self.next_place, who.clone());
        self.next_place += 1;
    }
}

/// Place of somebody among those of the same tenant: by priority, then by arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank {
    /// The higher one first.
    pub priority: Reverse<u8>,
    /// The earlier one first.
    pub arrival: u64,
}

/// One line per tenant, and fair turns between tenants.
#[derive(Debug, Clone)]
pub struct FairLine<T> {
    turns: Turns<TenantId>,
    lines: HashMap<TenantId, BTreeMap<Rank, T>>,
    arrivals: u64,
}

impl<T> Default for FairLine<T> {
    fn default() -> Self {
        Self { turns: Turns::default(), lines: HashMap::new(), arrivals: 0 }
    }
}

impl<T> FairLine<T> {
    /// Stands in line; answers where.
    pub fn add(&mut self, tenant: &TenantId, priority: u8, what: T) -> Rank {
        let rank = Rank { priority: Reverse(priority), arrival: self.arrivals };
        self.arrivals += 1;
        self.turns.join(tenant);
        self.lines.entry(tenant.clone()).or_default().insert(rank, what);
        rank
    }

    /// Leaves the line.
    pub fn remove(&mut self, tenant: &TenantId, rank: Rank) -> Option<T> {
        let line = self.lines.get_mut(tenant)?;
        let what = line.remove(&rank);
        if line.is_empty() {
            self.lines.remove(tenant);
            self.turns.leave(tenant);
        }
        what
    }

    /// Takes whose turn it is out of the line, of those tenants that may have one.
    pub fn next(&mut self, may: impl Fn(&TenantId) -> bool) -> Option<T> {
        let tenant = self.turns.in_order().find(|tenant| may(tenant))?.clone();
        let (rank, _) = self.lines.get(&tenant)?.first_key_value()?;
        let rank = *rank;
        self.turns.had_one(&tenant);
        self.remove(&tenant, rank)
    }

    /// Whether nobody stands in line.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The line of a tenant, the first one next.
    pub fn of(&self, tenant: &TenantId) -> Option<&BTreeMap<Rank, T>> {
        self.lines.get(tenant)
    }

    /// Tenants that have somebody in line, the one whose turn is next first.
    pub fn tenants(&self) -> impl Iterator<Item = &TenantId> {
        self.turns.in_order()
    }
}

/// The first one of each priority in a line: among them is whoever came first of all.
pub fn first_of_each_priority<T>(line: &BTreeMap<Rank, T>) -> impl Iterator<Item = &T> {
    let after = |rank: &Rank| Rank { priority: rank.priority, arrival: u64::MAX };
    let first = line.first_key_value();
    std::iter::successors(first, move |(rank, _)| line.range(after(rank)..).next()).map(|(_, what)| what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_had_a_turn_waits_for_everybody_else() {
        let mut turns = Turns::default();
        ["a", "b", "c", "a"].iter().for_each(|who| turns.join(who));
        turns.had_one(&"a");
        turns.had_one(&"nobody");
        assert_eq!(turns.in_order().copied().collect::<Vec<_>>(), ["b", "c", "a"]);
        turns.leave(&"c");
        turns.join(&"d");
        assert_eq!(turns.in_order().copied().collect::<Vec<_>>(), ["b", "a", "d"]);
        assert_eq!((turns.len(), turns.is_empty()), (3, false));
    }

    #[test]
    fn the_first_of_each_priority_is_found() {
        let mut line = FairLine::default();
        let tenant = TenantId::parse("aaa").expect("a legal tenant");
        for (priority, what) in [(5, "a"), (9, "b"), (5, "c"), (1, "d"), (9, "e")] {
            line.add(&tenant, priority, what);
        }
        let line = line.of(&tenant).expect("somebody waits");
        assert_eq!(first_of_each_priority(line).copied().collect::<Vec<_>>(), ["b", "a", "d"]);
    }
}
