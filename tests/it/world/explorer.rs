//! Goes through every state that a small world can get into.
//!
//! Two things are looked for: a state in which something has happened that must never happen, and a state from which the
//! run cannot reach its end any more although nothing else goes wrong. The second one is why this is no library: it needs
//! all steps backward from the ends, and checkers that forget the steps cannot say it.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

use orchestrator::store::record::RunOutcome;

use super::World;
use super::actions::Action;

/// What there was.
#[derive(Debug, Default)]
pub(super) struct Explored {
    pub(super) states: usize,
    pub(super) steps: usize,
    /// How runs have ended.
    pub(super) ends: BTreeSet<&'static str>,
}

/// The way to a state that must not be.
#[derive(Debug)]
pub(super) struct Counterexample {
    pub(super) wrong: &'static str,
    pub(super) way: Vec<Action>,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(to, "{} after {} steps:", self.wrong, self.way.len())?;
        self.way.iter().try_for_each(|action| writeln!(to, "  {action:?}"))
    }
}

/// No way to the end.
const NO_END: &str = "I8: the run cannot reach its end any more";

/// A state's number is its place in the order of discovery.
type Number = u32;

/// Every state that was seen: by which step it was reached first.
#[derive(Default)]
struct Map {
    numbers: HashMap<u64, Number, BuildHasherDefault<Identity>>,
    reached_by: Vec<(Number, Option<Action>)>,
    /// Steps without faults, from and to.
    steps: Vec<(Number, Number)>,
    ends: Vec<Number>,
}

/// Explores everything that can become of a world; nearest states first, so that ways come out short.
pub(super) fn explore(world: &World) -> Result<Explored, Counterexample> {
    let mut map = Map::default();
    let mut explored = Explored::default();
    let mut waiting = VecDeque::new();
    map.reached_by.push((0, None));
    map.numbers.insert(fingerprint(world), 0);
    waiting.push_back((0, world.clone()));
    while let Some((number, world)) = waiting.pop_front() {
        if let Some(wrong) = world.wrong {
            return Err(Counterexample { wrong, way: map.way_to(number) });
        }
        if world.is_over() {
            map.ends.push(number);
            explored.ends.extend(world.book.durable.finished.as_ref().map(|end| RunOutcome::as_str(end.outcome)));
            continue;
        }
        for action in world.actions() {
            explored.steps += 1;
            let mut next = world.clone();
            next.apply(action);
            let fresh = map.reached_by.len() as Number;
            let to = *map.numbers.entry(fingerprint(&next)).or_insert(fresh);
            if to == fresh {
                map.reached_by.push((number, Some(action)));
                waiting.push_back((to, next));
            }
            if !action.is_fault() {
                map.steps.push((number, to));
            }
        }
    }
    explored.states = map.reached_by.len();
    match map.first_without_end() {
        Some(number) => Err(Counterexample { wrong: NO_END, way: map.way_to(number) }),
        None => Ok(explored),
    }
}

impl Map {
    fn way_to(&self, mut number: Number) -> Vec<Action> {
        let mut way = Vec::new();
        while let (from, Some(action)) = self.reached_by[number as usize] {
            way.push(action);
            number = from;
        }
        way.reverse();
        way
    }

    /// Goes back from the ends over steps without faults; answers the first state that is never met.
    fn first_without_end(&mut self) -> Option<Number> {
        self.steps.sort_unstable_by_key(|(_, to)| *to);
        let mut has_end = vec![false; self.reached_by.len()];
        let mut open = std::mem::take(&mut self.ends);
        open.iter().for_each(|number| has_end[*number as usize] = true);
        while let Some(number) = open.pop() {
            let first = self.steps.partition_point(|(_, to)| *to < number);
            let into = self.steps[first..].iter().take_while(|(_, to)| *to == number);
            for (from, _) in into {
                if !std::mem::replace(&mut has_end[*from as usize], true) {
                    open.push(*from);
                }
            }
        }
        has_end.iter().position(|has_end| !has_end).map(|number| number as Number)
    }
}

/// 64 bits: with a million states, two of them have the same ones with a chance of 1 to 30 million.
fn fingerprint(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}

/// Fingerprints are hashes already.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, fingerprint: u64) {
        self.0 = fingerprint;
    }
}
