//! One integration binary.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint cannot see")]

mod acceptance;
mod actix_facts;
mod architecture;
mod attempts;
mod corpus;
mod crash_prefix;
mod durability;
mod failure;
mod fixtures;
mod fuzz;
mod graph;
mod healing;
mod http;
mod idempotency;
mod journal_faults;
mod journal_time;
mod model;
mod names;
mod node;
mod peers;
mod readme;
mod recipes;
mod reliability;
mod restarts;
mod retention;
mod retries;
mod schema;
mod secrets;
mod seeded_bugs;
mod shapes;
mod sim;
mod sqlite;
mod stack;
mod steering;
mod supervisor;
mod tenancy;
mod time_limits;
mod truth_table;
mod why;
mod world;

use std::rc::Rc;
use std::time::Duration;

use orchestrator::engine::EngineLimits;
use orchestrator::engine::admission::SlotLimits;
use orchestrator::ports::RunSpec;
use orchestrator::testing::Sketch;

/// Seconds, for short.
fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The usual limits with other slots.
fn slots(change: impl FnOnce(&mut SlotLimits)) -> EngineLimits {
    let mut slots = SlotLimits::default();
    change(&mut slots);
    EngineLimits { slots: Some(slots), ..EngineLimits::default() }
}

/// Run 1 of a sketch, for tests of one actor.
fn run_of(sketch: &Sketch) -> Rc<RunSpec> {
    Rc::new(RunSpec {
        run_id: 1,
        number: 1,
        playbook: sketch.plan().playbook.into(),
        accepted: actix::clock::Instant::now(),
        reused_ids: Default::default(),
    })
}
