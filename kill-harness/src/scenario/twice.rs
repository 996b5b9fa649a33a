//! A second orchestrator on the same data directory, also while the first one stands still.

use std::rc::Rc;
use std::time::Duration;

use test_peers::free_port;
use tokio::time::{sleep, timeout};

use super::{Life, heal};
use crate::orchestrator::Recipe;
use crate::world::World;

/// What the second one has to say.
const REASON: &str = "another orchestrator is using it";

/// How soon it has to say so.
const AT_ONCE: Duration = Duration::from_secs(10);

pub(crate) async fn run(world: &Rc<World>, recipe: &Recipe, notes: &mut Vec<String>) -> Result<Life, String> {
    let mut life = Life::start(recipe).await?;
    for number in 0..6 {
        sleep(Duration::from_millis(700)).await;
        let is_paused = number % 2 == 1;
        if is_paused {
            life.process.pause().await;
        }
        world.moment("second instance");
        let refused = is_refused(recipe, number).await;
        if is_paused {
            sleep(Duration::from_secs(2)).await;
            life.process.resume().await;
        }
        refused?;
        life.must_be_alive()?;
    }
    notes.push("a second instance was refused 6 times, 3 of them while the first one stood still".to_owned());
    heal(world, &mut life).await?;
    Ok(life)
}

async fn is_refused(recipe: &Recipe, number: usize) -> Result<(), String> {
    let log = recipe.log.with_file_name(format!("second-{number}.log"));
    let second = Recipe { port: free_port(), log: log.clone(), ..recipe.clone() };
    let mut life = Life::launch(&second)?;
    let how = timeout(AT_ONCE, life.process.wait()).await.map_err(|_| "a second instance goes on".to_owned())?;
    let said = std::fs::read_to_string(&log).unwrap_or_default();
    if how.is_some_and(|how| how.success()) || !said.contains(REASON) {
        return Err(format!("a second instance ended with {how:?} and said: {said}"));
    }
    Ok(())
}
