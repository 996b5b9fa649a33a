//! Runs seeds and adds up what happened in them.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::checks::{Facts, judge};
use super::life::World;
use super::outside::Violation;
use super::plan::{Crash, Effect, Plan, Time};
use super::run::live;
use orchestrator::store::record::RunOutcome;

/// What happened in one world.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) seed: u64,
    /// Stable names and texts of what must never be.
    pub(crate) violations: Vec<(&'static str, String)>,
    /// Stands for everything that happened.
    pub(crate) hash: u64,
    /// Everything that happened, if it was to be kept.
    pub(crate) lines: Vec<String>,
    pub(crate) figures: Figures,
}

/// Sums over worlds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Figures {
    pub(crate) seeds: u64,
    pub(crate) runs: u64,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    pub(crate) cancelled: u64,
    pub(crate) stopped: u64,
    pub(crate) starts: u64,
    /// Starts of which the caller has heard nothing.
    pub(crate) unheard_starts: u64,
    /// Warnings `start-ambiguous` and `outcome-unknown`.
    pub(crate) ambiguous: u64,
    /// Functions that were at work at once because nothing told of the older one.
    pub(crate) overlaps: u64,
    /// Functions that were at work at once because the older one was let go in an earlier life of the process.
    pub(crate) forgotten: u64,
    pub(crate) crashes: u64,
    /// Crashes while jobs were at work.
    pub(crate) crashes_at_work: u64,
    pub(crate) boundaries: u64,
    pub(crate) virtual_ms: Time,
    /// Runs that went on after a crash, once for each time.
    pub(crate) resumed: u64,
    /// Crashes by the sort of effect at whose boundary they were, in the order of [`Effect::ALL`].
    pub(crate) died_at: [u64; Effect::ALL.len()],
}

impl Figures {
    pub(crate) fn add(&mut self, other: &Figures) {
        self.seeds += other.seeds;
        self.runs += other.runs;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.cancelled += other.cancelled;
        self.stopped += other.stopped;
        self.starts += other.starts;
        self.unheard_starts += other.unheard_starts;
        self.ambiguous += other.ambiguous;
        self.overlaps += other.overlaps;
        self.forgotten += other.forgotten;
        self.crashes += other.crashes;
        self.crashes_at_work += other.crashes_at_work;
        self.boundaries += other.boundaries;
        self.virtual_ms += other.virtual_ms;
        self.resumed += other.resumed;
        for (sum, more) in self.died_at.iter_mut().zip(other.died_at) {
            *sum += more;
        }
    }
}

/// Lives the world of a seed.
pub(crate) fn simulate(seed: u64, keeps_lines: bool) -> Told {
    tell(Plan::of(seed), keeps_lines)
}

/// Lives the world of a seed with one death only, at this effect boundary; without any for 0.
pub(crate) fn simulate_dying_at(seed: u64, boundary: u32, keeps_lines: bool) -> Told {
    let mut plan = Plan::of(seed);
    // by turns, half or nothing or all of what waits survives
    let survives = [500, 0, 1_000][boundary as usize % 3];
    let crash = Crash { effect: None, nth: boundary, away: 1_000, survives };
    plan.crashes = if boundary == 0 { Vec::new() } else { vec![crash] };
    plan.faults.foreign_ids = 0;
    tell(plan, keeps_lines)
}

/// Lives many worlds on as many threads as there are processors; `with` is told of each and answers whether to go on.
/// `prepare` is called on each thread before.
pub(crate) fn simulate_all(seeds: Range<u64>, prepare: impl Fn() + Sync, with: impl Fn(Told) -> bool + Sync) {
    let (next, goes_on) = (AtomicU64::new(seeds.start), AtomicBool::new(true));
    let work = || {
        prepare();
        while goes_on.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            if !with(simulate(seed, false)) {
                goes_on.store(false, Ordering::Relaxed);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
}

fn tell(plan: Plan, keeps_lines: bool) -> Told {
    let seed = plan.seed;
    let (world, came_to_rest) = live(plan, keeps_lines);
    let violations = judge(&world, came_to_rest).into_iter().map(|Violation { code, text }| (code, text)).collect();
    Told { seed, violations, hash: world.trace_hash(), lines: world.trace_lines(), figures: figures(&world) }
}

fn figures(world: &World) -> Figures {
    let (outside, lives) = (world.outside.borrow(), world.lives.borrow());
    let facts = Facts::new(world, &outside);
    let ended = |outcome: RunOutcome| {
        facts.runs.iter().filter(|run| run.progress.finished.as_ref().is_some_and(|end| end.outcome == outcome)).count()
    };
    let warnings = facts.runs.iter().flat_map(|run| &run.progress.warnings);
    let ambiguous = warnings.filter(|warning| ["start-ambiguous", "outcome-unknown"].contains(&warning.code.as_str()));
    let died = lives.iter().filter(|life| life.died_at.is_some());
    let begun = |run: &super::checks::RunFacts| {
        run.entries.iter().filter(|entry| entry.record == orchestrator::store::Record::Begun).count() as u64
    };
    let overlaps = |wanted: &dyn Fn(usize, usize) -> bool| {
        outside.overlaps.iter().filter(|(older, newer)| wanted(*older, *newer)).count() as u64
    };
    Figures {
        seeds: 1,
        runs: facts.runs.len() as u64,
        succeeded: ended(RunOutcome::Succeeded) as u64,
        failed: ended(RunOutcome::Failed) as u64,
        cancelled: ended(RunOutcome::Cancelled) as u64,
        stopped: ended(RunOutcome::Stopped) as u64,
        starts: outside.starts.iter().filter(|start| start.left).count() as u64,
        unheard_starts: outside.starts.iter().filter(|start| start.left && !start.answered).count() as u64,
        ambiguous: ambiguous.count() as u64,
        overlaps: overlaps(&|older, newer| facts.is_ambiguous_overlap(older, newer)),
        forgotten: overlaps(&|older, newer| facts.is_forgotten_overlap(older, newer)),
        crashes: died.clone().count() as u64,
        died_at: Effect::ALL.map(|effect| died.clone().filter(|life| life.died_at == Some(effect)).count() as u64),
        crashes_at_work: died.filter(|life| life.running_jobs > 0).count() as u64,
        boundaries: world.boundaries.get(),
        virtual_ms: lives.iter().map(|life| life.to - life.from).sum(),
        resumed: facts.runs.iter().map(begun).sum(),
    }
}
