//! The whole process stands still (SIGSTOP) for longer than it waits for answers, and goes on.

use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use tokio::time::sleep;

use super::{Life, heal};
use crate::evidence::Harm;
use crate::orchestrator::Recipe;
use crate::world::World;

pub(crate) async fn run(world: &Rc<World>, recipe: &Recipe, pauses: &[u64], rng: &mut Rng) -> Result<Life, String> {
    let mut life = Life::start(recipe).await?;
    for seconds in pauses {
        sleep(Duration::from_millis(rng.u64(500..2000))).await;
        world.moment("standstill");
        let since = world.evidence.borrow().now();
        life.process.pause().await;
        sleep(Duration::from_secs(*seconds)).await;
        life.process.resume().await;
        sleep(Duration::from_millis(200)).await;
        world.look();
        world.evidence.borrow_mut().harm(Harm::Standstill, since);
        life.must_be_alive()?;
    }
    heal(world, &mut life).await?;
    Ok(life)
}
