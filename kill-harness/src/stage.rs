//! Sets a scene, plays a scenario, has it judged.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fastrand::Rng;
use test_peers::Folder;
use tokio::task::spawn_local;

use crate::checker::{self, Findings, Tolerance};
use crate::client;
use crate::enough;
use crate::options::{Common, Kills, Scenario, Some as Flags};
use crate::orchestrator::Recipe;
use crate::overload;
use crate::report::{Deaths, OverloadReport, Report, TenantsReport};
use crate::scenario::{self, disk, drains, kills, outages, pauses, twice};
use crate::tenants;
use crate::workload;
use crate::world::World;

/// Open analyses at the same time: enough that every death finds some in every state.
const IN_FLIGHT: usize = 80;

/// The same where analyses cannot end for a while.
const IN_FLIGHT_OF_OUTAGES: usize = 400;

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

/// Plays a scenario; answers its figures, and whether nothing is wrong with them.
pub(crate) async fn run(scenario: Scenario) -> Result<(String, bool), String> {
    let report = match scenario {
        Scenario::Tenants(flags) => {
            let report = play_tenants(flags).await?;
            return Ok((report.to_string(), report.findings.violations.is_empty()));
        }
        Scenario::Overload(flags) => {
            let report = play_overload(flags).await?;
            return Ok((report.to_string(), report.wrong.is_empty()));
        }
        Scenario::Kills(flags) => play_kills(flags.resolved()).await,
        Scenario::Outages(flags) => play_outages(flags).await,
        Scenario::LostAnswers(flags) => play_lost_answers(flags).await,
        Scenario::Pause(flags) => play_pauses(flags).await,
        Scenario::Twice(flags) => play_twice(flags).await,
        Scenario::Drain(flags) => play_drains(flags).await,
        Scenario::Disk(flags) => play_disk(flags).await,
    }?;
    Ok((report.to_string(), report.findings.violations.is_empty()))
}

/// With evidence of its own: ids are not unique here.
async fn play_tenants(flags: Flags) -> Result<TenantsReport, String> {
    let since = Instant::now();
    let mut stage = Stage::set(&flags.common, 0).await?;
    // most runs are kept, so that they are shown; some are forgotten, and their ids are still their tenant's
    stage.recipe.variables.push(("RETENTION_RUNS".to_owned(), "5000".to_owned()));
    let contests = Rc::new(tenants::contests(flags.analyses.unwrap_or(300), &format!("{:03}", stage.seed % 1000)));
    tenants::deploy(&stage.world, &contests).await?;
    let seen = Rc::new(RefCell::new(tenants::Seen::default()));
    let life = tenants::play(&stage.world, &stage.recipe, &contests, &seen).await?;
    let seen = seen.take();
    let findings = tenants::judge(&stage.world, &contests, &seen).await?;
    life.kill().await?;
    Ok(TenantsReport { seed: stage.seed, duration: since.elapsed(), findings })
}

/// With evidence of its own: most of what is submitted is refused.
async fn play_overload(flags: Flags) -> Result<OverloadReport, String> {
    let since = Instant::now();
    let mut stage = Stage::set(&flags.common, 0).await?;
    let lasts = Duration::from_secs(if flags.long { 600 } else { 60 });
    let figures = Rc::new(RefCell::new(overload::Figures::default()));
    let life = overload::play(&stage.world, &mut stage.recipe, lasts, &figures).await?;
    life.kill().await?;
    let (lines, wrong) = figures.take().judged();
    Ok(OverloadReport { seed: stage.seed, duration: since.elapsed(), lines, wrong })
}

async fn play_kills(flags: Kills) -> Result<Report, String> {
    let mut stage = Stage::set(&flags.common, flags.analyses).await?;
    let each = if kills::knows_places(&stage.recipe.binary) { flags.each } else { 0 };
    let plan = kills::Plan { kills: flags.kills, each };
    let mut deaths = Deaths::default();
    let played = kills::run(&stage.world, &stage.recipe, plan, &mut stage.rng, &mut deaths).await;
    let mut report = stage.judge("kills", played, Vec::new(), Tolerance::default()).await?;
    if let Some((what, example)) = enough::too_few_at_their_place(&deaths.named, &deaths.meant) {
        report.findings.violation(what, example);
    }
    report.deaths = deaths;
    Ok(report)
}

async fn play_outages(mut flags: Flags) -> Result<Report, String> {
    flags.common.in_flight.get_or_insert(IN_FLIGHT_OF_OUTAGES);
    let mut stage = Stage::set(&flags.common, flags.analyses.unwrap_or(1500)).await?;
    stage.hurry();
    let away: &[Duration] = if flags.long { &[10, 60].map(Duration::from_secs) } else { &[Duration::from_secs(10)] };
    let plan = outages::Plan { troubles: &outages::HARMLESS, database_away: away, with_kills: true };
    stage.play_troubles("outages", &plan, Tolerance::default()).await
}

async fn play_lost_answers(flags: Flags) -> Result<Report, String> {
    let mut stage = Stage::set(&flags.common, flags.analyses.unwrap_or(800)).await?;
    stage.hurry();
    let plan = outages::Plan { troubles: &outages::UNKNOWABLE, database_away: &[], with_kills: false };
    stage.play_troubles("lost-answers", &plan, Tolerance::default()).await
}

async fn play_pauses(flags: Flags) -> Result<Report, String> {
    let mut stage = Stage::set(&flags.common, flags.analyses.unwrap_or(400)).await?;
    stage.hurry();
    let pauses: &[u64] = if flags.long { &[2, 8, 2, 60, 2] } else { &[2, 8, 2, 12] };
    let played = pauses::run(&stage.world, &stage.recipe, pauses, &mut stage.rng).await;
    let notes = vec![format!("stood still for {pauses:?} s")];
    stage.judge("pause", played, notes, Tolerance::default()).await
}

async fn play_twice(flags: Flags) -> Result<Report, String> {
    let stage = Stage::set(&flags.common, flags.analyses.unwrap_or(300)).await?;
    let mut notes = Vec::new();
    let played = twice::run(&stage.world, &stage.recipe, &mut notes).await;
    stage.judge("twice", played, notes, Tolerance::default()).await
}

async fn play_drains(flags: Flags) -> Result<Report, String> {
    let mut stage = Stage::set(&flags.common, flags.analyses.unwrap_or(400)).await?;
    let (mut notes, times) = (Vec::new(), if flags.long { 40 } else { 10 });
    let played = drains::run(&stage.world, &stage.recipe, times, &mut stage.rng, &mut notes).await;
    stage.judge("drain", played, notes, Tolerance { refusals: true }).await
}

async fn play_disk(flags: Flags) -> Result<Report, String> {
    disk::enter_own_mounts()?;
    let stage = Stage::set(&flags.common, flags.analyses.unwrap_or(400)).await?;
    let (mut notes, mut deaths) = (Vec::new(), Deaths::default());
    let played = disk::run(&stage.world, &stage.recipe, &mut deaths, &mut notes).await;
    let tolerance = Tolerance { refusals: true };
    let report = stage.judge("disk", played, notes, tolerance).await?;
    Ok(Report { deaths, ..report })
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
        let mut analyses = workload::generate(&mut rng, analyses, &format!("{:03}", seed % 1000));
        for (analysis, seconds) in analyses.iter_mut().zip(flags.spark_limit.iter().cycle()) {
            analysis.spark_limit = Duration::from_secs(*seconds);
        }
        let world = World::start(analyses, folder.path()).await?;
        checker::deploy(&world).await?;
        let mut recipe = world.recipe(&copy, folder.path());
        recipe.variables.extend(flags.bug.map(|bug| ("SEEDED_BUG".to_owned(), bug.to_string())));
        if !world.analyses.is_empty() {
            spawn_local(Rc::clone(&world).watch());
            spawn_local(checker::watch(Rc::clone(&world)));
            spawn_local(client::submit_all(Rc::clone(&world), flags.in_flight.unwrap_or(IN_FLIGHT)));
        }
        Ok(Self { world, recipe, rng, seed, folder, keep: flags.keep.clone(), since: Instant::now() })
    }

    /// Shorter waits for answers, so that troubles of seconds are long ones.
    fn hurry(&mut self) {
        let limits = [("ANSWER_TIMEOUT_SECONDS", "5"), ("CONNECT_TIMEOUT_SECONDS", "2")];
        self.recipe.variables.extend(limits.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    async fn play_troubles(
        mut self,
        scenario: &str,
        plan: &outages::Plan<'_>,
        tolerance: Tolerance,
    ) -> Result<Report, String> {
        let (mut notes, mut deaths) = (Vec::new(), Deaths::default());
        let played = outages::run(&self.world, &self.recipe, plan, &mut self.rng, &mut deaths, &mut notes).await;
        let report = self.judge(scenario, played, notes, tolerance).await?;
        Ok(Report { deaths, ..report })
    }

    /// Judges what was played; keeps data and logs where something is wrong.
    pub(crate) async fn judge(
        self,
        scenario: &str,
        played: Result<scenario::Life, String>,
        mut notes: Vec<String>,
        tolerance: Tolerance,
    ) -> Result<Report, String> {
        let duration = self.since.elapsed();
        let mut findings = match &played {
            Ok(_) => checker::check(&self.world, tolerance).await?,
            Err(_) => Findings::default(),
        };
        let ended = match played {
            Ok(mut life) => {
                let too_little = self.world.moments.borrow().too_little();
                for (what, example) in too_little.into_iter().chain(enough::too_few_ends(&findings.figures)) {
                    findings.violation(what, example);
                }
                let is_alive = life.must_be_alive();
                life.kill().await.and(is_alive)
            }
            Err(why) => Err(why),
        };
        if let Err(why) = ended {
            findings.violation("the orchestrator did not keep going", why);
        }
        let failed = !findings.violations.is_empty();
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
