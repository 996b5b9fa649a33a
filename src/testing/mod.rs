//! A harness for tests of graphs, without networks, files and waiting: scripted jobs, a journal in memory, virtual time.
//!
//! ```
//! use std::time::Duration;
//! use orchestrator::store::record::RunOutcome;
//! use orchestrator::testing::{ScriptedRunner, TestEngine, graph_of};
//!
//! #[actix::main]
//! async fn main() {
//!     let jobs = ScriptedRunner::new();
//!     jobs.every().succeeds_after(Duration::from_secs(3600));
//!     let engine = TestEngine::new(&jobs);
//!
//!     // 1 and 2 feed 3, which feeds 4 and 5
//!     let end = engine.run(&graph_of("1,2 -> 3 -> 4,5")).await;
//!
//!     assert_eq!(end.outcome, RunOutcome::Succeeded);
//!     assert_eq!(end.elapsed.as_secs(), 3 * 3600); // virtual hours
//!     assert_eq!(jobs.only("3").inputs, ["1", "2"]);
//!     engine.finish().await; // fails if anything of the analysis is still alive
//! }
//! ```
//!
//! Time is tokio's paused clock: it passes only while everybody waits, and then at once. So never use it with real
//! sockets or threads; a job that takes a day takes no time, a job that never ends fails the test after [`PATIENCE`].
//! Timers tick in milliseconds: compare whole seconds.

mod end;
mod engine;
pub mod fuzz;
mod history;
mod journal;
mod probe;
mod runner;
mod script;
mod shapes;
mod sketch;

use std::cell::Cell;
use std::time::Duration;

pub use end::End;
pub use engine::TestEngine;
pub use journal::MemoryJournal;
pub use probe::{Probe, probe};
pub use runner::{Ran, RanEnd, ScriptedRunner, Told};
pub use script::{Latch, Scripting};
pub use shapes::{Dice, Shape};
pub use sketch::{Sketch, bare_plan, graph_of};

/// How much virtual time something may take before the test fails: more than any time limit of the product.
pub const PATIENCE: Duration = Duration::from_secs(400 * 86_400);

thread_local! {
    /// The actix system of this thread whose clock stands still already.
    static FROZEN: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Pauses the clock of the running system, once.
pub fn freeze_time() {
    let system = actix::System::current().id();
    if FROZEN.replace(Some(system)) != Some(system) {
        tokio::time::pause();
    }
}

/// Resolves when nobody has anything to do but to wait for time to pass. Needs the paused clock.
pub async fn quiet() {
    actix::clock::sleep(Duration::from_millis(1)).await;
}
