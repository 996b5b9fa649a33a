//! What is done to the orchestrator and its neighbours.

pub(crate) mod disk;
pub(crate) mod drains;
pub(crate) mod kills;
pub(crate) mod outages;
pub(crate) mod pauses;
pub(crate) mod twice;

use std::process::ExitStatus;
use std::time::Duration;

use tokio::time::sleep;

use crate::orchestrator::{Orchestrator, Recipe};
use crate::world::World;

/// With nothing happening for so long, what has not ended is stuck. Longer than every limit that ends a wait.
const STUCK_AFTER: Duration = Duration::from_secs(crate::SPARK_LIMIT.as_secs() * 2 + 30);

/// After the last analysis has ended: time for whatever should not come any more.
const AFTERMATH: Duration = Duration::from_millis(1500);

/// One life of the orchestrator.
pub(crate) struct Life {
    pub(crate) process: Orchestrator,
}

impl Life {
    /// Starts a life; it may die before it listens.
    pub(crate) fn launch(recipe: &Recipe, orders: &[(String, String)]) -> Result<Self, String> {
        Ok(Self { process: recipe.start(orders)? })
    }

    /// Starts a life and waits until it listens.
    ///
    /// *Errors*: it ends, or takes too long.
    pub(crate) async fn start(recipe: &Recipe, orders: &[(String, String)]) -> Result<Self, String> {
        let mut life = Self::launch(recipe, orders)?;
        if life.process.listens().await {
            return Ok(life);
        }
        Err(match life.ended() {
            Some(how) => format!("the orchestrator ended with {how} instead of starting"),
            None => "the orchestrator does not listen".to_owned(),
        })
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.process.ended()
    }

    /// *Errors*: it ended by itself.
    pub(crate) fn must_be_alive(&mut self) -> Result<(), String> {
        self.ended().map_or(Ok(()), |how| Err(format!("the orchestrator ended by itself with {how}")))
    }

    /// Whether an end was ordered by `KILL_AT`.
    pub(crate) fn was_aborted(how: ExitStatus) -> bool {
        const SIGABRT: i32 = 6;
        std::os::unix::process::ExitStatusExt::signal(&how) == Some(SIGABRT)
    }

    /// SIGKILL.
    pub(crate) async fn kill(self) {
        self.process.kill().await;
    }
}

/// Waits until every analysis has its answer and has ended, or nothing happens any more.
pub(crate) async fn heal(world: &World, _: &Life) {
    world.last_change.replace(tokio::time::Instant::now());
    loop {
        let done = world.submissions.are_done(world) && world.evidence.borrow().open() == 0;
        if done || world.quiet_for() > STUCK_AFTER {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    while world.quiet_for() < AFTERMATH {
        sleep(Duration::from_millis(20)).await;
    }
}
