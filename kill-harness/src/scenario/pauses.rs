//! The whole process stands still (SIGSTOP) for longer than it waits for answers, and goes on.

use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use tokio::time::sleep;

use super::{Life, heal};
use crate::orchestrator::Recipe;
use crate::world::World;

pub(crate) async fn run(world: &Rc<World>, recipe: &Recipe, pauses: &[u64], rng: &mut Rng) -> Result<Life, String> {
    let mut life = Life::start(recipe, &[]).await?;
    for seconds in pauses {
        sleep(Duration::from_millis(rng.u64(500..2000))).await;
        life.process.pause().await;
        sleep(Duration::from_secs(*seconds)).await;
        life.process.resume().await;
        sleep(Duration::from_millis(200)).await;
        life.must_be_alive()?;
    }
    heal(world, &life).await;
    Ok(life)
}
