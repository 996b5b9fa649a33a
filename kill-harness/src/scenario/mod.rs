//! What is done to the orchestrator and its neighbours.

pub(crate) mod disk;
pub(crate) mod drains;
pub(crate) mod kills;
pub(crate) mod outages;
pub(crate) mod pauses;
pub(crate) mod twice;

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::time::sleep;

use crate::orchestrator::{Orchestrator, Recipe};
use crate::world::World;

/// With nothing happening for so long, what has not ended is stuck. Longer than every limit that ends a wait.
const STUCK_AFTER: Duration = Duration::from_secs(crate::SPARK_LIMIT.as_secs() + 30);

/// After the last analysis has ended: time for whatever should not come any more.
const AFTERMATH: Duration = Duration::from_millis(1500);

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;

/// What a process says that aborts for a reason of its own. One that was ordered to die says nothing.
const OWN_REASONS: [&str; 4] = ["panicked at", "overflowed its stack", "memory allocation of", "aborting"];

/// One life of the orchestrator.
pub(crate) struct Life {
    pub(crate) process: Orchestrator,
    log: PathBuf,
    /// Bytes of the log that earlier lives have written.
    earlier_log: u64,
    /// The place that it is to die at, and the passage.
    ordered: Option<String>,
}

impl Life {
    /// Starts a life; it may die before it listens.
    pub(crate) fn launch(recipe: &Recipe) -> Result<Self, String> {
        Self::launch_with(recipe, None)
    }

    /// The same, and it is to die when it passes a place. *Shape*: `k5:3`, the third time.
    pub(crate) fn launch_with(recipe: &Recipe, ordered: Option<String>) -> Result<Self, String> {
        let earlier_log = std::fs::metadata(&recipe.log).map_or(0, |log| log.len());
        let orders: Vec<(String, String)> = ordered.iter().map(|place| ("KILL_AT".to_owned(), place.clone())).collect();
        Ok(Self { process: recipe.start(&orders)?, log: recipe.log.clone(), earlier_log, ordered })
    }

    /// Starts a life and waits until it listens.
    ///
    /// *Errors*: it ends, or takes too long.
    pub(crate) async fn start(recipe: &Recipe) -> Result<Self, String> {
        let mut life = Self::launch(recipe)?;
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

    /// *Errors*: this end was not the one that was ordered.
    pub(crate) fn was_ordered(&self, how: ExitStatus) -> Result<(), String> {
        let said = self.said();
        let own_reason = OWN_REASONS.into_iter().find(|reason| said.contains(reason));
        match (&self.ordered, own_reason) {
            (Some(_), None) if how.signal() == Some(SIGABRT) => Ok(()),
            (ordered, reason) => {
                Err(format!("the orchestrator ended with {how}; ordered: {ordered:?}; it said: {reason:?}"))
            }
        }
    }

    /// What this life has written into the log.
    fn said(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let own = log.get(usize::try_from(self.earlier_log).unwrap_or(usize::MAX)..).unwrap_or_default();
        String::from_utf8_lossy(own).into_owned()
    }

    /// SIGKILL; answers whether it died of what was ordered just before.
    ///
    /// *Errors*: it had ended by itself.
    pub(crate) async fn kill(mut self) -> Result<bool, String> {
        let how = match self.ended() {
            Some(how) => Some(how),
            None => self.process.kill().await,
        };
        match how {
            Some(how) if how.signal() == Some(SIGKILL) => Ok(false),
            Some(how) => self.was_ordered(how).map(|()| true),
            None => Err("nobody knows how the orchestrator ended".to_owned()),
        }
    }
}

/// Waits until every analysis has its answer and has ended, or nothing happens any more.
///
/// *Errors*: the orchestrator ends by itself.
pub(crate) async fn heal(world: &World, life: &mut Life) -> Result<(), String> {
    world.submissions.send_at_most(world, world.analyses.len());
    world.last_change.replace(tokio::time::Instant::now());
    loop {
        let done = world.submissions.are_done(world) && world.evidence.borrow().open() == 0;
        if done || world.quiet_for() > STUCK_AFTER {
            break;
        }
        life.must_be_alive()?;
        sleep(Duration::from_millis(20)).await;
    }
    while world.quiet_for() < AFTERMATH {
        life.must_be_alive()?;
        sleep(Duration::from_millis(20)).await;
    }
    life.must_be_alive()
}
