//! The simulator in CI: some hundred seeds, every boundary of some small worlds, the same seed twice, and bugs put in on
//! purpose.

#![allow(clippy::disallowed_methods, reason = "SIM_SEED and SIM_BOUNDARY are the tests' own switches, not settings")]
#![allow(clippy::print_stdout, reason = "one seed prints what happened in it")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use orchestrator::chaos::{Bug, seed_on_this_thread};

use super::report::{Figures, Told, simulate, simulate_all, simulate_dying_at};

/// How many worlds CI lives; `SIM_SEEDS` more of them, beginning with `SIM_FIRST`.
const SEEDS: u64 = 400;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[track_caller]
fn holds(told: &Told, how: &str) {
    let seed = told.seed;
    assert!(told.violations.is_empty(), "SIM_SEED={seed}{how} violates {:#?}", told.violations);
}

/// `SIM_SEED=7 cargo test --test it sim::tests::one_seed -- --nocapture` prints what happened in a world; with
/// `SIM_BOUNDARY=12` the process dies once, at that effect boundary, and with `SEEDED_BUG=6` it has a bug.
#[test]
fn one_seed() {
    let seed = number("SIM_SEED").unwrap_or(7);
    let (told, how) = match number("SIM_BOUNDARY") {
        Some(boundary) => (simulate_dying_at(seed, boundary as u32, true), format!(" SIM_BOUNDARY={boundary}")),
        None => (simulate(seed, true), String::new()),
    };
    assert!(!told.lines.is_empty());
    told.lines.iter().for_each(|line| println!("{line}"));
    println!("{:#?}", told.figures);
    holds(&told, &how);
}

#[test]
fn whatever_goes_wrong_nothing_is_lost_repeated_or_stuck() {
    let figures = Mutex::new(Figures::default());
    let failed = Mutex::new(None);
    let told = |told: Told| {
        figures.lock().unwrap().add(&told.figures);
        let is_well = told.violations.is_empty();
        if !is_well {
            failed.lock().unwrap().get_or_insert(told);
        }
        is_well
    };
    let first = number("SIM_FIRST").unwrap_or(0);
    simulate_all(first..first + number("SIM_SEEDS").unwrap_or(SEEDS), || (), told);
    if let Some(told) = failed.into_inner().unwrap() {
        holds(&told, "");
    }
    let figures = figures.into_inner().unwrap();
    println!("{figures:#?}");
    // a world in which nothing works would violate nothing
    assert!(figures.succeeded * 2 > figures.runs, "most analyses succeed");
    assert!(figures.failed * 20 > figures.runs, "some fail");
    assert!(figures.crashes_at_work * 2 > figures.crashes, "most crashes hit running work");
    assert!(figures.died_at.iter().all(|count| *count > 10), "the process dies at effects of every sort");
    assert!(figures.unheard_starts > 50 && figures.ambiguous > 10, "answers are lost, and that is told");
}

#[test]
fn the_process_may_die_at_any_boundary() {
    let is_small = |seed: &u64| (30..=150).contains(&simulate_dying_at(*seed, 0, false).figures.boundaries);
    for seed in (0..).filter(is_small).take(10) {
        let boundaries = simulate_dying_at(seed, 0, false).figures.boundaries as u32;
        for boundary in 1..=boundaries {
            let told = simulate_dying_at(seed, boundary, false);
            assert_eq!(told.figures.crashes, 1);
            holds(&told, &format!(" SIM_BOUNDARY={boundary}"));
        }
    }
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in 0..40 {
        let (once, twice) = (simulate(seed, false), simulate(seed, true));
        assert_eq!(once.hash, twice.hash, "seed {seed}");
        assert_eq!(once.figures, twice.figures, "seed {seed}");
    }
    assert_ne!(simulate(1, false).hash, simulate(2, false).hash);
}

/// Lives worlds with a bug until one of these violations is seen.
#[track_caller]
fn is_caught(bug: Bug, by: &[&str]) {
    let caught = Mutex::new(None);
    let lived = AtomicU64::new(0);
    let told = |told: Told| {
        lived.fetch_add(1, Ordering::Relaxed);
        let code = told.violations.iter().map(|(code, _)| *code).find(|code| by.contains(code));
        if let Some(code) = code {
            caught.lock().unwrap().get_or_insert((told.seed, code));
        }
        code.is_none()
    };
    simulate_all(0..SEEDS, || seed_on_this_thread(Some(bug)), told);
    let lived = lived.into_inner();
    println!("{bug:?}: {:?} after {lived} worlds", caught.lock().unwrap());
    assert!(caught.into_inner().unwrap().is_some(), "{bug:?} violates none of {by:?} in {lived} worlds");
}

#[test]
fn a_start_that_is_not_written_down_is_caught() {
    is_caught(Bug::NoIntent, &["start-without-intent"]);
}

#[test]
fn a_start_that_is_sent_again_without_asking_is_caught() {
    is_caught(Bug::BlindRepost, &["double-start", "blind-start"]);
}

#[test]
fn evidence_that_is_deleted_too_early_is_caught() {
    is_caught(Bug::DeleteEvidenceEarly, &["evidence-ignored"]);
}

#[test]
fn a_reply_of_spark_that_is_trusted_is_caught() {
    is_caught(Bug::TrustSparkReply, &["false-success"]);
}

#[test]
fn documents_that_come_twice_are_caught() {
    is_caught(Bug::RandomDocumentIds, &["documents"]);
}

#[test]
fn two_functions_at_once_are_caught() {
    is_caught(Bug::TwoFunctionsAtOnce, &["functions-mixed"]);
}

#[test]
fn edges_that_are_counted_once_per_predecessor_are_caught() {
    is_caught(Bug::CountNodesNotEdges, &["not-settled", "false-failure", "out-of-turn"]);
}
