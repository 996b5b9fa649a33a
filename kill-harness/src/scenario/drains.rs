//! SIGTERM under load: everything that is open is answered, the process ends well and soon, and goes on after a restart.

use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use tokio::time::{Instant, sleep, timeout};

use super::{Life, heal};
use crate::orchestrator::Recipe;
use crate::world::World;

/// How long it may take to end.
const LIMIT: Duration = Duration::from_secs(10);

pub(crate) async fn run(
    world: &Rc<World>,
    recipe: &Recipe,
    times: usize,
    rng: &mut Rng,
    notes: &mut Vec<String>,
) -> Result<Life, String> {
    let mut slowest = Duration::ZERO;
    for _ in 0..times {
        let mut life = Life::start(recipe).await?;
        sleep(Duration::from_millis(rng.u64(200..2500))).await;
        life.must_be_alive()?;
        world.moment("SIGTERM");
        let since = Instant::now();
        let ended = timeout(LIMIT, life.process.terminate()).await;
        let how = ended.map_err(|_| format!("SIGTERM does not end it within {} s", LIMIT.as_secs()))?;
        if !how.is_some_and(|how| how.success()) {
            return Err(format!("SIGTERM ends it with {how:?}"));
        }
        world.died();
        slowest = slowest.max(since.elapsed());
    }
    notes.push(format!("{times} times SIGTERM under load, the slowest end took {} ms", slowest.as_millis()));
    let mut life = Life::start(recipe).await?;
    heal(world, &mut life).await?;
    Ok(life)
}
