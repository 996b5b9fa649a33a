//! Small worlds of which every state is looked at: every graph of up to three jobs, with one fault of each kind.
//!
//! `WORLD_CRASHES=2` lets the process die twice in each of them, which takes long.

#![allow(clippy::disallowed_methods, reason = "WORLD_CRASHES is the tests' own switch, no setting")]
#![allow(clippy::print_stdout, reason = "how much was looked at is part of the result")]

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use orchestrator::chaos::{Bug, seed_on_this_thread};
use orchestrator::playbook::When;
use orchestrator::playbook::job::Service;

use super::explorer::{Counterexample, Explored, explore};
use super::shapes::{RULES, graphs};
use super::{BUGS, Faults, Setting, World};

/// A world with a name, for whoever has to find out what is wrong with it.
type Named = (String, Setting, Faults);

fn crashes(crashes: u8) -> Faults {
    Faults { crashes, ..Faults::default() }
}

/// Two jobs of a data service with everything that can go wrong, by itself and together with crashes.
fn pairs(most: u8) -> Vec<Named> {
    let pair = || Setting::new(2, &[(0, 1)]).all_by(Service::Cleaning);
    let faults = [
        ("two crashes", crashes(2)),
        ("a lost reply", Faults { lost_replies: 1, ..crashes(most) }),
        ("a message twice", Faults { duplicates: 1, ..crashes(most) }),
        ("a message lost", Faults { drops: 1, ..crashes(most) }),
        ("cancelled", Faults { cancels: 1, ..crashes(most) }),
        ("paused", Faults { pauses: 1, ..crashes(most) }),
        ("late", Faults { deadlines: 1, ..crashes(most) }),
        ("a limit passes", Faults { time_limits: 1, ..crashes(most) }),
        ("a node dies", Faults { panics: 1, ..crashes(most) }),
        ("messages and replies", Faults { lost_replies: 1, duplicates: 1, drops: 1, ..crashes(most) }),
    ];
    let mut worlds: Vec<Named> =
        faults.iter().map(|(name, faults)| (format!("pair, {name}"), pair(), *faults)).collect();
    for (name, faults) in faults.into_iter().skip(1).take(3) {
        worlds.push((format!("pair with retries, {name}"), pair().attempts(2), faults));
    }
    for service in [Service::Function, Service::Spark] {
        let by = pair().all_by(service);
        worlds.push((format!("pair by {}", service.as_str()), by, Faults { lost_replies: 1, ..crashes(most) }));
    }
    worlds
}

/// Every graph of up to three jobs, with up to two edges between each two, under every rule.
fn every_graph(most: u8) -> Vec<Named> {
    let mut worlds = Vec::new();
    for jobs in 1..=3 {
        for edges in graphs(jobs, 2) {
            let setting = || Setting::new(jobs, &edges);
            let (twice, lost) = (Faults { duplicates: 1, ..Faults::default() }, Faults { drops: 1, ..crashes(most) });
            worlds.push((format!("{edges:?} of {jobs}, a message twice"), setting(), twice));
            worlds.push((format!("{edges:?} of {jobs}, a message lost"), setting(), lost));
            for rule in RULES.into_iter().filter(|rule| *rule != When::AllSuccess || jobs < 3) {
                worlds.push((format!("{edges:?} of {jobs}, {rule:?}"), setting().goes_on(rule), crashes(most)));
            }
        }
    }
    worlds
}

/// What there was in all worlds.
#[derive(Debug, Default)]
struct Sum {
    worlds: usize,
    states: usize,
    steps: usize,
    largest: usize,
    ends: BTreeSet<&'static str>,
}

impl Sum {
    fn add(&mut self, explored: &Explored) {
        self.worlds += 1;
        self.states += explored.states;
        self.steps += explored.steps;
        self.largest = self.largest.max(explored.states);
        self.ends.extend(&explored.ends);
    }
}

/// Looks at all of them on as many threads as there are processors; answers the first counterexample too.
fn explore_all(worlds: &[Named], bug: Option<Bug>) -> (Sum, Option<(String, Counterexample)>) {
    let (next, sum, wrong) = (AtomicUsize::new(0), Mutex::new(Sum::default()), Mutex::new(None));
    let work = || {
        seed_on_this_thread(bug);
        while let Some((name, setting, faults)) = worlds.get(next.fetch_add(1, Ordering::Relaxed)) {
            // a fault that is put in may also end in a panic
            let world = AssertUnwindSafe(|| explore(&World::new(Arc::new(setting.clone()), *faults)));
            let panicked = |_| Err(Counterexample { wrong: "it panics", way: Vec::new() });
            match catch_unwind(world).unwrap_or_else(panicked) {
                Ok(explored) => sum.lock().unwrap().add(&explored),
                Err(found) => {
                    next.store(worlds.len(), Ordering::Relaxed);
                    wrong.lock().unwrap().get_or_insert((name.clone(), found));
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    (sum.into_inner().unwrap(), wrong.into_inner().unwrap())
}

#[track_caller]
fn hold(worlds: &[Named]) -> Sum {
    let (sum, wrong) = explore_all(worlds, None);
    if let Some((name, wrong)) = wrong {
        panic!("{name}: {wrong}");
    }
    println!("{sum:?}");
    sum
}

fn most() -> u8 {
    std::env::var("WORLD_CRASHES").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

#[test]
fn nothing_forbidden_can_happen_to_two_jobs_whatever_goes_wrong() {
    let sum = hold(&pairs(most()));
    assert_eq!(sum.ends, BTreeSet::from(["cancelled", "failed", "stopped", "succeeded"]), "each end can be reached");
}

#[test]
fn the_end_stays_in_reach_in_every_graph_of_up_to_three_jobs() {
    let sum = hold(&every_graph(most()));
    assert!(sum.states > 10_000, "{sum:?}");
}

#[test]
fn faults_that_are_put_in_are_found_in_small_worlds() {
    for bug in BUGS {
        let worlds = [pairs(1), every_graph(1)].concat();
        let (sum, wrong) = explore_all(&worlds, Some(bug));
        let (name, wrong) = wrong.unwrap_or_else(|| panic!("{bug:?} stays unseen: {sum:?}"));
        println!("{bug:?} in {name}: {wrong}");
    }
}
