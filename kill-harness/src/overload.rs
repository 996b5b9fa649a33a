//! Ten times what there is room for, for minutes: what was accepted is done, what is refused is refused at once, and the
//! memory stays as it is.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use dummy_services::{Behaviour, Script};
use reqwest::Client;
use serde_json::json;
use tokio::task::spawn_local;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::orchestrator::{Recipe, TOKEN};
use crate::report::note;
use crate::scenario::Life;
use crate::tenants::ended;
use crate::world::World;

/// Places for open analyses.
const ROOM: usize = 50;

/// How long the only job of an analysis takes, so that a second has room for a hundred analyses at most.
const WORK: Duration = Duration::from_millis(500);

/// Submissions a second: ten times that.
const OFFERED: u32 = 1_000;

const TENANTS: u32 = 4;

/// Submissions that wait for their answer at the same time; further ones are late, and count from when they were due.
const MOST_WAITING: usize = 400;

/// Connections, caches and the first runs that are forgotten.
const WARM_UP: Duration = Duration::from_secs(20);

/// After the last answer, an accepted analysis that has not ended by then is lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// A refusal may take so long, at the 99th percentile.
const QUICK: Duration = Duration::from_millis(50);

/// *Unit*: KiB a minute. The noise of a minute's measurements is about half of that.
const FLAT: f64 = 1024.0;

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    accepted: HashSet<String>,
    /// How often the end of which analysis was told.
    ends: HashMap<String, usize>,
    refused: BTreeMap<u16, u64>,
    refusals: Vec<Duration>,
    acceptances: Vec<Duration>,
    unexpected: Vec<String>,
    waiting: usize,
    /// *Shape*: seconds since the beginning, KiB.
    memory: Vec<(f64, f64)>,
}

/// Everything works a little while.
fn script() -> Script {
    let latency_ms = WORK.as_millis() as u64;
    Script { default: Behaviour { latency_ms, ..Behaviour::default() }, ..Script::default() }
}

/// Offers too much for so long; answers with the life that still runs.
///
/// *Errors*: the orchestrator ends by itself, or loses something.
pub(crate) async fn play(
    world: &World,
    recipe: &mut Recipe,
    lasts: Duration,
    figures: &Rc<RefCell<Figures>>,
) -> Result<Life, String> {
    // its own stores: what is measured is the orchestrator
    recipe.variables.retain(|(name, _)| !name.starts_with("MONGO_") && !name.starts_with("MINIO_"));
    let room = [
        ("TOTAL_OPEN_ANALYSES", ROOM),
        ("TENANT_OPEN_ANALYSES", ROOM * 2 / TENANTS as usize),
        ("RETENTION_RUNS", 2000),
    ];
    recipe.variables.extend(room.map(|(name, most)| (name.to_owned(), most.to_string())));
    world.dummies.set_script(script());
    let mut life = Life::start(recipe).await?;
    let client = Client::builder().no_proxy().build().map_err(|error| error.to_string())?;
    let url = format!("http://127.0.0.1:{}/analysis", world.port);
    let mut due = interval(Duration::from_secs(1) / OFFERED);
    due.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (beginning, mut number, mut looked) = (Instant::now(), 0_u32, Instant::now());
    while beginning.elapsed() < lasts {
        let when = due.tick().await;
        while figures.borrow().waiting >= MOST_WAITING {
            sleep(Duration::from_millis(1)).await;
        }
        number += 1;
        figures.borrow_mut().waiting += 1;
        spawn_local(submit(client.clone(), url.clone(), number, when, Rc::clone(figures)));
        if looked.elapsed() >= Duration::from_secs(1) {
            looked = Instant::now();
            look(world, figures);
            life.must_be_alive()?;
            figures.borrow_mut().memory.push((beginning.elapsed().as_secs_f64(), life.process.memory()?));
            if number % (10 * OFFERED) < OFFERED {
                note(&format!("{number} offered, {} accepted", figures.borrow().accepted.len()));
            }
        }
    }
    let last = Instant::now();
    while last.elapsed() < PATIENCE && (figures.borrow().waiting > 0 || !figures.borrow().lost().is_empty()) {
        sleep(Duration::from_millis(20)).await;
        look(world, figures);
    }
    life.must_be_alive()?;
    Ok(life)
}

async fn submit(client: Client, url: String, number: u32, due: Instant, figures: Rc<RefCell<Figures>>) {
    let id = format!("over-{number}");
    let jobs = json!([
        {"step": 1, "id": format!("{id}-1"), "title": "dataset", "label": "d", "from": 0, "next": [2]},
        {"step": 2, "id": format!("{id}-2"), "title": "cleaning", "max-shrink": 0.5, "from": 1, "next": [0]},
    ]);
    let tenant = format!("tenant-{}", number % TENANTS);
    let document =
        json!({"diastema-token": TOKEN, "analysis-id": id, "database-id": tenant, "metadata": {}, "jobs": jobs});
    let request = client.post(url).header("content-type", "application/json").body(document.to_string());
    let answer = match request.send().await {
        Ok(answer) => {
            let status = answer.status().as_u16();
            answer.text().await.map(|text| (status, text))
        }
        Err(error) => Err(error),
    };
    let took = due.elapsed();
    let mut figures = figures.borrow_mut();
    figures.waiting -= 1;
    match answer {
        Ok((202, _)) => {
            figures.accepted.insert(id);
            figures.acceptances.push(took);
        }
        Ok((status @ (429 | 503), _)) => {
            *figures.refused.entry(status).or_default() += 1;
            figures.refusals.push(took);
        }
        Ok((status, text)) => figures.unexpected.push(format!("{id}: {status} {text}")),
        Err(error) => figures.unexpected.push(format!("{id}: {error}")),
    }
}

/// Reads which analyses have ended. Refused ones are announced as terminated, too: those do not count.
fn look(world: &World, figures: &Rc<RefCell<Figures>>) {
    let (entries, _) = world.dummies.take_ledger();
    let mut figures = figures.borrow_mut();
    for entry in entries.iter().filter(|entry| entry.service == "POST /messages") {
        let text = entry.body.as_str().unwrap_or_default();
        if let Some(id) = ended(text).filter(|_| text.contains("completed")) {
            *figures.ends.entry(id).or_default() += 1;
        }
    }
}

impl Figures {
    fn lost(&self) -> Vec<&String> {
        self.accepted.iter().filter(|id| !self.ends.contains_key(*id)).collect()
    }

    /// The lines of the report, and what is wrong.
    pub(crate) fn judged(mut self) -> (Vec<(&'static str, String)>, Vec<String>) {
        let refusals = percentile(&mut self.refusals, 99);
        let slope = slope(&self.memory);
        let resident: Vec<f64> = self.memory.iter().map(|(_, kib)| kib / 1024.0).collect();
        let span = |values: &[f64]| {
            let (least, most) =
                values.iter().fold((f64::MAX, 0.0_f64), |(least, most), value| (least.min(*value), most.max(*value)));
            format!("{least:.1} to {most:.1} MiB")
        };
        let offered = self.accepted.len() as u64 + self.refused.values().sum::<u64>();
        let lines = vec![
            ("offered", format!("{offered} analyses, {OFFERED} a second: ten times what there is room for")),
            ("accepted", format!("{}, {} lost", self.accepted.len(), self.lost().len())),
            (
                "",
                format!(
                    "answered within {:?} (p50), {:?} (p99)",
                    percentile(&mut self.acceptances, 50),
                    percentile(&mut self.acceptances, 99)
                ),
            ),
            (
                "refused",
                format!(
                    "{:?}, within {:?} (p50), {refusals:?} (p99)",
                    self.refused,
                    percentile(&mut self.refusals, 50)
                ),
            ),
            ("memory", format!("{} after {} s, {slope:+.0} KiB a minute", span(&resident), WARM_UP.as_secs())),
        ];
        let mut wrong = Vec::new();
        let mut demand = |holds: bool, what: String| {
            if !holds {
                wrong.push(what)
            }
        };
        demand(
            !self.accepted.is_empty() && !self.refused.is_empty(),
            "nothing was accepted, or nothing refused".to_owned(),
        );
        let lost = self.lost();
        demand(lost.is_empty(), format!("{} accepted analyses are lost, {:?}", lost.len(), lost.first()));
        let twice: Vec<_> = self.ends.iter().filter(|(_, count)| **count > 1).collect();
        demand(twice.is_empty(), format!("{} ended twice, {:?}", twice.len(), twice.first()));
        demand(
            self.unexpected.is_empty(),
            format!("{} other answers, {:?}", self.unexpected.len(), self.unexpected.first()),
        );
        demand(refusals <= QUICK, format!("refusals take {refusals:?} at the 99th percentile, {QUICK:?} is allowed"));
        demand(slope.abs() <= FLAT, format!("the memory changes by {slope:+.0} KiB a minute"));
        (lines, wrong)
    }
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// The line that fits best. *Unit*: KiB a minute.
fn slope(memory: &[(f64, f64)]) -> f64 {
    let points: Vec<_> = memory.iter().filter(|(at, _)| *at >= WARM_UP.as_secs_f64()).collect();
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(|point| of(point)).sum::<f64>() / count;
    let (at, kib) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - at).powi(2)).sum();
    let together: f64 = points.iter().map(|point| (point.0 - at) * (point.1 - kib)).sum();
    if spread > 0.0 { 60.0 * together / spread } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leak_is_seen_as_a_slope_and_noise_is_not() {
        let noisy = |per_second: f64| -> Vec<(f64, f64)> {
            (0..600)
                .map(|at| (f64::from(at), 50_000.0 + f64::from(at) * per_second + f64::from(at * 37 % 11) * 300.0))
                .collect()
        };
        assert!(slope(&noisy(0.0)).abs() < FLAT / 10.0);
        assert!((slope(&noisy(50.0)) - 3000.0).abs() < FLAT / 10.0);
    }

    #[test]
    fn what_is_lost_is_wrong() {
        let mut figures = Figures::default();
        figures.accepted.extend(["over-1", "over-2"].map(str::to_owned));
        figures.refused.insert(503, 5);
        figures.ends.insert("over-1".to_owned(), 1);
        let (_, wrong) = figures.judged();
        assert_eq!(wrong, ["1 accepted analyses are lost, Some(\"over-2\")"]);
    }
}
