//! A data directory of one megabyte: new work is refused while it is full, nothing is lost, everything goes on when there
//! is space again.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Life, heal};
use crate::orchestrator::Recipe;
use crate::report::Deaths;
use crate::world::World;

/// Set in the process that has a mount namespace of its own.
const INSIDE: &str = "KILL_HARNESS_HAS_ITS_OWN_MOUNTS";

/// How long the disk may take to be full.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long it stays full.
const FULL: Duration = Duration::from_secs(5);

/// Starts the harness again where mounts are its own: what is mounted there is gone with it.
///
/// *Errors*: the system does not allow it.
pub(crate) fn enter_own_mounts() -> Result<(), String> {
    if std::env::var_os(INSIDE).is_some() {
        return Ok(());
    }
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    // root needs no user namespace, everybody else does
    let is_allowed =
        |flags: &[&str]| Command::new("unshare").args(flags).arg("true").status().is_ok_and(|how| how.success());
    let flags: &[&str] = if is_allowed(&["-m"]) { &["-m"] } else { &["-r", "-m"] };
    if !is_allowed(flags) {
        return Err("this system allows no mount namespace, which a small disk needs: run it as root".to_owned());
    }
    let error = Command::new("unshare").args(flags).arg(own).args(std::env::args_os().skip(1)).env(INSIDE, "1").exec();
    Err(error.to_string())
}

pub(crate) async fn run(
    world: &Rc<World>,
    recipe: &Recipe,
    deaths: &mut Deaths,
    notes: &mut Vec<String>,
) -> Result<Life, String> {
    std::fs::create_dir_all(&recipe.data).map_err(|error| error.to_string())?;
    mount(&recipe.data, "size=1m")?;
    let mut life = Life::start(recipe).await?;
    for size in ["size=2m", "size=128m"] {
        let accepted = wait_until_full(world, &mut life).await?;
        let (put_off, open) = (world.submissions.put_off.get(), world.evidence.borrow().open());
        sleep(FULL).await;
        life.must_be_alive()?;
        let refused = world.submissions.put_off.get() - put_off;
        notes
            .push(format!("disk full after {accepted} analyses, {open} open; {refused} submissions put off meanwhile"));
        if refused == 0 {
            return Err("nothing was refused while the disk was full".to_owned());
        }
        // what is not on the disk by now must not have been promised
        life.kill().await?;
        deaths.count(world, None);
        let on_full_disk = Life::start(recipe).await?;
        sleep(Duration::from_secs(1)).await;
        on_full_disk.kill().await?;
        deaths.count(world, None);
        mount(&recipe.data, &format!("remount,{size}"))?;
        life = Life::start(recipe).await?;
    }
    heal(world, &mut life).await?;
    Ok(life)
}

/// Waits until a submission is put off; answers how many were accepted by then.
async fn wait_until_full(world: &World, life: &mut Life) -> Result<usize, String> {
    let (since, before) = (Instant::now(), world.submissions.put_off.get());
    while world.submissions.put_off.get() == before {
        life.must_be_alive()?;
        if since.elapsed() > PATIENCE {
            return Err("the disk does not get full".to_owned());
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(world.over() + world.evidence.borrow().open())
}

fn mount(place: &Path, options: &str) -> Result<(), String> {
    let how = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(place).status();
    if how.is_ok_and(|how| how.success()) { Ok(()) } else { Err(format!("mount -o {options} is not allowed")) }
}
