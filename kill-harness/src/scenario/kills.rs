//! Kills the orchestrator while it works, at named places and at random moments, and starts it again on the same data.

use std::collections::VecDeque;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use tokio::time::{Instant, sleep};

use super::{Life, heal};
use crate::orchestrator::Recipe;
use crate::report::{Deaths, progress};
use crate::schedule::{self, Blow, RECOVERY};
use crate::world::World;

/// A place that nobody has come by for so long is left for the next one.
const PATIENCE: Duration = Duration::from_secs(20);

/// Places that nobody came by are tried again, so often in all.
const AGAIN: usize = 20;

/// No place is waited for longer than for this passage: the analyses that are open then have come by some of theirs already.
const LATEST: f64 = 30.0;

/// How much and how often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) kills: usize,
    /// Deaths at each named place.
    pub(crate) each: usize,
}

/// Runs all deaths, then lets everything come to its end. Answers with the last life still running.
pub(crate) async fn run(
    world: &Rc<World>,
    recipe: &Recipe,
    plan: Plan,
    rng: &mut Rng,
    deaths: &mut Deaths,
) -> Result<Life, String> {
    let mut blows = VecDeque::from(schedule::schedule(rng, plan.kills, plan.each));
    for blow in &blows {
        if let Blow::At { point, .. } = blow {
            *deaths.meant.entry(point).or_default() += 1;
        }
    }
    let mut again = AGAIN;
    while let Some(blow) = blows.pop_front() {
        let left = world.analyses.len().saturating_sub(world.over());
        let pace = left as f64 / (blows.len() + 1) as f64;
        let mut struck = strike(world, recipe, blow, pace, rng, deaths).await?;
        while !struck && again > 0 && world.over() < world.analyses.len() {
            again -= 1;
            // the next one who comes by, whoever that is
            struck = strike(world, recipe, blow, 0.0, rng, deaths).await?;
        }
        if deaths.kills.is_multiple_of(10) {
            progress(world, deaths);
        }
    }
    let mut life = Life::start(recipe).await?;
    heal(world, &mut life).await?;
    Ok(life)
}

/// One life and its death; answers whether that came where it was meant to.
async fn strike(
    world: &Rc<World>,
    recipe: &Recipe,
    blow: Blow,
    pace: f64,
    rng: &mut Rng,
    deaths: &mut Deaths,
) -> Result<bool, String> {
    let over = world.over();
    match blow {
        Blow::At { point, rate } => {
            let open = world.evidence.borrow().open();
            // a miss must leave enough for the next try
            let pace = pace.min(world.analyses.len().saturating_sub(over) as f64 / 8.0);
            let most = if point == RECOVERY { open.min(20) as f64 } else { (0.5 * rate * pace).min(LATEST) };
            let passage = 1 + rng.u32(0..(most as u32).max(1));
            let mut life = Life::launch_with(recipe, Some(format!("{point}:{passage}")))?;
            wait_for_end(world, &mut life, over + (3.0 * pace) as usize + 5).await;
            let reached = life.kill().await?;
            deaths.count(world, reached.then_some(point));
            if !reached {
                deaths.missed.push(format!("{point}:{passage}"));
            }
            return Ok(reached);
        }
        Blow::Anytime => {
            let mut life = Life::start(recipe).await?;
            let enough = over + rng.usize(0..(2.0 * pace) as usize + 1);
            let since = Instant::now();
            while world.over() < enough && since.elapsed() < PATIENCE {
                sleep(Duration::from_millis(5)).await;
            }
            sleep(Duration::from_millis(rng.u64(0..150))).await;
            life.must_be_alive()?;
            life.kill().await?;
            deaths.count(world, None);
        }
        Blow::SoonAfterStart => {
            let mut life = Life::launch(recipe)?;
            sleep(Duration::from_millis(rng.u64(0..500))).await;
            life.must_be_alive()?;
            life.kill().await?;
            deaths.count(world, None);
        }
    }
    Ok(true)
}

/// Waits for the death that was ordered, or until nobody comes by that place any more.
async fn wait_for_end(world: &World, life: &mut Life, enough: usize) {
    let since = Instant::now();
    // with every analysis over, nobody comes by any more
    let goes_on = || since.elapsed() <= PATIENCE && world.over() < enough.min(world.analyses.len());
    while life.ended().is_none() && goes_on() {
        sleep(Duration::from_millis(5)).await;
    }
}

/// Whether a program can be killed at named places: a release has none.
pub(crate) fn knows_places(binary: &Path) -> bool {
    std::fs::read(binary).is_ok_and(|program| program.windows(7).any(|window| window == b"KILL_AT"))
}
