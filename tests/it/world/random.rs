//! Random walks through random worlds: whatever goes wrong on the way, once nothing more does the run reaches its end.
//!
//! A seed is a world and a way through it: `WORLD_SEED=7 cargo test --test it world::random` goes one way again, makes it as
//! short as it can while it goes wrong, and prints it. `WORLD_CASES` is how many seeds are tried.

#![allow(clippy::disallowed_methods, reason = "WORLD_SEED and WORLD_CASES are the tests' own switches, not settings")]
#![allow(clippy::print_stdout, reason = "how much was tried is part of the result")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use orchestrator::chaos::{Bug, seed_on_this_thread};
use orchestrator::store::record::RunOutcome;
use orchestrator::store::{Record, RunProgress};
use orchestrator::testing::Dice;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use super::actions::Action;
use super::shapes::{faults, settings};
use super::{BUGS, Faults, Setting, World};

/// How many ways CI goes.
const CASES: u64 = 100_000;

/// More steps than any run of a few jobs needs when nothing goes wrong any more.
const PATIENCE: usize = 3_000;

/// On one way out of so many the process dies after every single step, in a world of its own each time.
const DIES_EVERYWHERE: u64 = 64;

/// How a walk went on, for whoever has to find out why it went wrong.
#[derive(Debug, Clone)]
struct Walk {
    world: World,
    way: Vec<Action>,
}

/// A world and a way through it.
#[derive(Debug, Clone)]
struct Case {
    setting: Arc<Setting>,
    faults: Faults,
    picks: Vec<u16>,
    seed: u64,
}

fn cases() -> impl Strategy<Value = Case> {
    (settings(5), faults(), vec(any::<u16>(), 0..60), any::<u64>()).prop_map(|(setting, faults, picks, seed)| Case {
        setting,
        faults,
        picks,
        seed,
    })
}

impl Case {
    /// Goes where the picks lead, some of them into trouble; then without trouble to the end.
    ///
    /// *Errors*: what must never happen has happened, or the end is not reached; with the way there.
    fn walk(&self, dies_everywhere: bool) -> Result<(Walk, u64), TestCaseError> {
        let mut walk = Walk { world: World::new(Arc::clone(&self.setting), self.faults), way: Vec::new() };
        let mut dice = Dice::new(self.seed);
        let mut deaths = 0;
        for pick in &self.picks {
            let (trouble, pick) = (pick % 4 == 0, usize::from(pick / 4));
            let (wanted, others): (Vec<_>, Vec<_>) =
                walk.world.actions().into_iter().partition(|action| action.is_fault() == trouble);
            match if wanted.is_empty() { others } else { wanted }.as_slice() {
                [] => break,
                choice => walk.goes(choice[pick % choice.len()])?,
            }
            if dies_everywhere {
                deaths += walk.dies_here(&mut dice)?;
            }
        }
        walk.comes_to_its_end(&mut dice)?;
        Ok((walk, deaths))
    }
}

impl Walk {
    fn comes_to_its_end(&mut self, dice: &mut Dice) -> Result<(), TestCaseError> {
        self.world.faults = Faults::default();
        for _ in 0..PATIENCE {
            if self.world.is_over() {
                return check_history(&self.world).map_err(|wrong| self.fails(&wrong.to_string()));
            }
            let mut choice = self.world.actions();
            choice.retain(|action| !action.is_fault());
            match choice.as_slice() {
                [] => return Err(self.fails("I8: nothing can happen any more")),
                choice => self.goes(choice[dice.below(choice.len())])?,
            }
        }
        Err(self.fails("I8: the run does not come to its end"))
    }

    /// In worlds of their own the process dies here, with every number of the records that wait on the disk.
    fn dies_here(&self, dice: &mut Dice) -> Result<u64, TestCaseError> {
        let mut deaths = 0;
        let with_one_more = Faults { crashes: 1, ..Faults::default() };
        let mut here = self.clone();
        here.world.faults = with_one_more;
        for death in here.world.actions() {
            if let Action::Crash(_) = death {
                let mut after = here.clone();
                after.goes(death)?;
                after.comes_to_its_end(dice)?;
                deaths += 1;
            }
        }
        Ok(deaths)
    }

    fn goes(&mut self, action: Action) -> Result<(), TestCaseError> {
        self.way.push(action);
        self.world.apply(action);
        match self.world.wrong {
            Some(wrong) => Err(self.fails(wrong)),
            None => Ok(()),
        }
    }

    fn fails(&self, wrong: &str) -> TestCaseError {
        TestCaseError::fail(format!("{wrong} after {:?}", self.way))
    }
}

/// The journal of a run that is over says all there is to say, once and for ever.
fn check_history(world: &World) -> Result<(), TestCaseError> {
    let history = world.book.history.as_ref().expect("it is kept");
    let ends = history.iter().filter(|entry| matches!(entry.record, Record::AnalysisFinished { .. })).count();
    prop_assert_eq!(ends, 1, "I2: a run ends once");
    let mut again = RunProgress::new(world.jobs());
    for (at, entry) in history.iter().enumerate() {
        again.apply(entry).expect("it names jobs that there are");
        // a fold that goes on anywhere, with what it knows already
        let before = again.clone();
        for known in &history[at.saturating_sub(3)..=at] {
            again.apply(known).expect("it names jobs that there are");
        }
        prop_assert_eq!(&before, &again, "I10: what is folded again changes nothing");
    }
    prop_assert_eq!(&again, world.book.durable.as_ref(), "I10: the state is the fold of the journal");
    for job in &again.jobs {
        prop_assert!(job.phase.is_terminal(), "I2: a job of a run that is over has ended");
    }
    Ok(())
}

/// What was on the ways: a test that never meets trouble proves nothing.
#[derive(Debug, Default)]
struct Met {
    steps: u64,
    /// Worlds of their own in which the process died after some step.
    deaths: u64,
    crashes: u64,
    retries: u64,
    doubles: u64,
    drops: u64,
    lost_replies: u64,
    panics: u64,
    cancelled: u64,
    paused: u64,
    stopped: u64,
    failed: u64,
    succeeded: u64,
    rules: u64,
}

impl Met {
    fn add(&mut self, walk: &Walk, deaths: u64) {
        let history = walk.world.book.history.as_ref().expect("it is kept");
        let some = |wanted: &dyn Fn(&Record) -> bool| u64::from(history.iter().any(|entry| wanted(&entry.record)));
        let ways = |wanted: &dyn Fn(&Action) -> bool| u64::from(walk.way.iter().any(wanted));
        let ended =
            |outcome| u64::from(walk.world.book.durable.finished.as_ref().is_some_and(|end| end.outcome == outcome));
        self.steps += walk.way.len() as u64;
        self.deaths += deaths;
        self.crashes += ways(&|action| matches!(action, Action::Crash(_)));
        self.retries += some(&|record| matches!(record, Record::JobRetrying { .. }));
        self.doubles += ways(&|action| matches!(action, Action::Double(_) | Action::EndsTwice(_)));
        self.drops += ways(&|action| matches!(action, Action::Drop(_)));
        self.lost_replies += ways(&|action| matches!(action, Action::Work(..)) && action.is_fault());
        self.panics += ways(&|action| matches!(action, Action::Dies(_)));
        self.cancelled += ended(RunOutcome::Cancelled);
        self.paused += some(&|record| *record == Record::PauseAsked);
        self.stopped += ended(RunOutcome::Stopped);
        self.failed += ended(RunOutcome::Failed);
        self.succeeded += ended(RunOutcome::Succeeded);
        self.rules += some(&|record| matches!(record, Record::JobSkipped { .. }));
    }

    fn least(&self) -> u64 {
        let Self { crashes, retries, doubles, drops, lost_replies, panics, .. } = *self;
        let Self { deaths, cancelled, paused, stopped, failed, succeeded, rules, .. } = *self;
        [
            crashes,
            retries,
            doubles,
            drops,
            lost_replies,
            panics,
            deaths,
            cancelled,
            paused,
            stopped,
            failed,
            succeeded,
            rules,
        ]
        .into_iter()
        .min()
        .unwrap_or(0)
    }
}

/// Goes the way of a seed; a way that goes wrong is made shorter as long as it does.
fn go(seed: u64) -> Result<(Walk, u64), String> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = ProptestConfig { failure_persistence: None, max_shrink_iters: 2_000, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let tree = cases().new_tree(&mut runner).map_err(|reason| reason.to_string())?;
    let dies_everywhere = seed.is_multiple_of(DIES_EVERYWHERE);
    let went = catch_unwind(AssertUnwindSafe(|| tree.current().walk(dies_everywhere)));
    went.unwrap_or_else(|_| Err(TestCaseError::fail("it panics"))).map_err(|_| {
        let wrong = runner.run_one(tree, |case| case.walk(dies_everywhere).map(|_| ()));
        wrong.err().map_or_else(|| "it went wrong once only".to_owned(), |wrong| wrong.to_string())
    })
}

/// Goes the ways of many seeds on as many threads as there are processors, until one goes wrong.
fn go_all(cases: u64, bug: Option<Bug>) -> (Met, Option<(u64, String)>) {
    let (next, goes_on) = (AtomicU64::new(0), AtomicBool::new(true));
    let (met, wrong) = (Mutex::new(Met::default()), Mutex::new(None));
    let work = || {
        seed_on_this_thread(bug);
        while goes_on.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= cases {
                break;
            }
            match go(seed) {
                Ok((walk, deaths)) => met.lock().unwrap().add(&walk, deaths),
                Err(reason) => {
                    goes_on.store(false, Ordering::Relaxed);
                    wrong.lock().unwrap().get_or_insert((seed, reason));
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    (met.into_inner().unwrap(), wrong.into_inner().unwrap())
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn every_run_ends_once_and_rightly_whatever_goes_wrong_on_the_way() {
    if let Some(seed) = number("WORLD_SEED") {
        let (walk, _) = go(seed).unwrap_or_else(|wrong| panic!("WORLD_SEED={seed}: {wrong}"));
        walk.way.iter().for_each(|action| println!("{action:?}"));
        return;
    }
    let cases = number("WORLD_CASES").unwrap_or(CASES);
    let (met, wrong) = go_all(cases, None);
    if let Some((seed, wrong)) = wrong {
        panic!("WORLD_SEED={seed}: {wrong}");
    }
    println!("{cases} ways: {met:#?}");
    assert!(met.least() > cases / 100, "every trouble is met now and then: {met:#?}");
}

#[track_caller]
fn is_caught(bug: Bug) {
    let (met, wrong) = go_all(CASES, Some(bug));
    let (seed, wrong) = wrong.unwrap_or_else(|| panic!("{bug:?} stays unseen: {met:#?}"));
    println!("{bug:?} by seed {seed}: {wrong}");
}

#[test]
fn faults_that_are_put_in_are_seen_on_the_way() {
    for bug in BUGS {
        is_caught(bug);
    }
}
