//! Sets a scene, plays a scenario, has it judged.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use fastrand::Rng;
use test_peers::Folder;
use tokio::task::spawn_local;

use crate::checker::{self, Findings, Tolerance};
use crate::client;
use crate::options::{Common, Kills, Scenario};
use crate::orchestrator::Recipe;
use crate::report::{Deaths, Report};
use crate::scenario::{self, kills};
use crate::workload;
use crate::world::World;

/// What a scenario plays on.
pub(crate) struct Stage {
    pub(crate) world: Rc<World>,
    pub(crate) recipe: Recipe,
    pub(crate) rng: Rng,
    pub(crate) seed: u64,
    folder: Folder,
    keep: Option<PathBuf>,
    since: Instant,
}

/// Plays a scenario.
pub(crate) async fn run(scenario: Scenario) -> Result<Vec<Report>, String> {
    match scenario {
        Scenario::Kills(flags) => Ok(vec![play_kills(flags.resolved()).await?]),
    }
}

async fn play_kills(flags: Kills) -> Result<Report, String> {
    let mut stage = Stage::set(&flags.common, flags.analyses).await?;
    let each = if kills::knows_places(&stage.recipe.binary) { flags.each } else { 0 };
    let plan = kills::Plan { kills: flags.kills, each };
    let mut deaths = Deaths::default();
    let played = kills::run(&stage.world, &stage.recipe, plan, &mut stage.rng, &mut deaths).await;
    let mut report = stage.judge("kills", played, Tolerance::default()).await?;
    if deaths.at_work * 10 < flags.kills * 8 {
        let what = format!("{} of {} kills", deaths.at_work, flags.kills);
        report.findings.violation("too few kills while work was under way", what);
    }
    let reached = if each == 0 { 0 } else { deaths.named.len() };
    if each > 0 && reached < crate::schedule::POINTS.len() {
        report.findings.violation("places that nobody came by", deaths.missed.join(" "));
    }
    report.deaths = deaths;
    Ok(report)
}

impl Stage {
    /// Starts the neighbours and the client, not the orchestrator.
    pub(crate) async fn set(flags: &Common, analyses: usize) -> Result<Self, String> {
        let clock =
            || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64 % 1_000_000);
        let seed = flags.seed.unwrap_or_else(clock);
        let mut rng = Rng::with_seed(seed);
        let folder = Folder::new("kill-harness");
        let binary = match &flags.binary {
            Some(path) => path.clone(),
            None => test_peers::target().join("debug/orchestrator"),
        };
        if !binary.is_file() {
            return Err(format!("{} is not there: cargo build", binary.display()));
        }
        // a copy: a build that goes on at the same time must not change the program between two lives
        let copy = folder.path().join("orchestrator");
        std::fs::copy(&binary, &copy).map_err(|error| error.to_string())?;
        let analyses = workload::generate(&mut rng, analyses, &format!("{:03}", seed % 1000));
        let world = World::start(analyses, folder.path()).await?;
        checker::deploy(&world).await?;
        let mut recipe = world.recipe(&copy, folder.path());
        recipe.variables.extend(flags.bug.map(|bug| ("SEEDED_BUG".to_owned(), bug.to_string())));
        spawn_local(Rc::clone(&world).watch());
        spawn_local(client::submit_all(Rc::clone(&world), flags.in_flight));
        Ok(Self { world, recipe, rng, seed, folder, keep: flags.keep.clone(), since: Instant::now() })
    }

    /// Judges what was played; keeps data and logs where something is wrong.
    pub(crate) async fn judge(
        self,
        scenario: &str,
        played: Result<scenario::Life, String>,
        tolerance: Tolerance,
    ) -> Result<Report, String> {
        let duration = self.since.elapsed();
        let mut findings = match &played {
            Ok(_) => checker::check(&self.world, tolerance).await?,
            Err(_) => Findings::default(),
        };
        match played {
            Ok(life) => life.kill().await,
            Err(why) => findings.violation("the orchestrator did not keep going", why),
        }
        let failed = !findings.violations.is_empty();
        let mut notes = Vec::new();
        if let Some(place) = self.keep.clone().or_else(|| failed.then(|| failed_place(self.seed))) {
            keep(self.folder.path(), &place)?;
            notes.push(format!("data and logs are in {}", place.display()));
        }
        Ok(Report {
            scenario: scenario.to_owned(),
            seed: self.seed,
            deaths: Deaths::default(),
            findings,
            duration,
            notes,
        })
    }
}

fn failed_place(seed: u64) -> PathBuf {
    test_peers::target().join(format!("kill-harness/failed-{seed}"))
}

fn keep(folder: &Path, place: &Path) -> Result<(), String> {
    std::fs::create_dir_all(place).map_err(|error| error.to_string())?;
    for part in ["data", "orchestrator.log"] {
        let to = place.join(part);
        drop(std::fs::remove_dir_all(&to));
        drop(std::fs::rename(folder.join(part), to));
    }
    Ok(())
}
