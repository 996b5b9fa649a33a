//! Neighbours that are away, slow, or swallow answers, one after the other, with time to heal in between.

use std::rc::Rc;
use std::time::Duration;

use dummy_services::Kind as Service;
use fastrand::Rng;
use test_peers::MongoServer;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

use super::{Life, heal};
use crate::evidence::Harm;
use crate::orchestrator::Recipe;
use crate::proxy::{Fault, Proxy};
use crate::report::Deaths;
use crate::world::{Roads, World};

/// Between two faults.
const HEALING: Duration = Duration::from_secs(3);

/// Pieces in which the work of a trouble is sent.
const PIECES: usize = 8;

/// One thing that goes wrong.
#[derive(Clone, Copy)]
pub(crate) struct Trouble {
    /// What it is called in the report.
    pub(crate) name: &'static str,
    /// Whose road it is.
    pub(crate) road: fn(&Roads) -> &Proxy,
    pub(crate) fault: Fault,
    pub(crate) seconds: u64,
    /// The service of which nobody can know afterwards what it got.
    pub(crate) cuts_off: Option<Service>,
}

/// Troubles that must cost nobody anything: everything is waited for or asked about.
pub(crate) const HARMLESS: [Trouble; 13] = [
    trouble("front end down", |roads| &roads.front_end, Fault::Down, 10),
    trouble("front end resets", |roads| &roads.front_end, Fault::Reset, 5),
    trouble("front end's answers lost", |roads| &roads.front_end, Fault::LoseAnswers, 5),
    trouble("front end silent", |roads| &roads.front_end, Fault::BlackHole, 8),
    trouble("data services down", |roads| &roads.data, Fault::Down, 8),
    trouble("data services' answers to starts lost", |roads| &roads.data, Fault::LoseAnswers, 10),
    trouble("data services slow", |roads| &roads.data, Fault::Delay(Duration::from_millis(400)), 8),
    trouble("data services' answers in pieces", |roads| &roads.data, Fault::Trickle, 5),
    trouble("function service down", |roads| &roads.function, Fault::Refuse, 5),
    trouble("Spark component down", |roads| &roads.spark, Fault::Refuse, 5),
    trouble("database resets", |roads| &roads.mongo, Fault::Reset, 5),
    trouble("object store down", |roads| &roads.objects, Fault::Down, 8),
    trouble("object store slow", |roads| &roads.objects, Fault::Delay(Duration::from_millis(100)), 5),
];

/// Troubles after which nobody can know what happened, at services that cannot be asked.
pub(crate) const UNKNOWABLE: [Trouble; 10] = [
    cut_off("function service's answers lost", |roads| &roads.function, Fault::LoseAnswers, 5, Service::Function),
    cut_off("function service cut in the request", |roads| &roads.function, Fault::CutAfter(40), 4, Service::Function),
    trouble("AutoML's answers lost", |roads| &roads.automl, Fault::LoseAnswers, 5),
    cut_off("Spark's replies lost", |roads| &roads.spark, Fault::LoseAnswers, 5, Service::Spark),
    cut_off("Spark cut in the header", |roads| &roads.spark, Fault::CutAfter(20), 4, Service::Spark),
    cut_off("Spark cut in the message", |roads| &roads.spark, Fault::CutAfter(100), 4, Service::Spark),
    cut_off("Spark half-closes", |roads| &roads.spark, Fault::HalfClose, 4, Service::Spark),
    cut_off("Spark's replies in pieces", |roads| &roads.spark, Fault::Trickle, 4, Service::Spark),
    cut_off("Spark replies garbage", |roads| &roads.spark, Fault::Garbage, 4, Service::Spark),
    cut_off("Spark replies too much", |roads| &roads.spark, Fault::Flood, 4, Service::Spark),
];

const fn trouble(name: &'static str, road: fn(&Roads) -> &Proxy, fault: Fault, seconds: u64) -> Trouble {
    Trouble { name, road, fault, seconds, cuts_off: None }
}

const fn cut_off(
    name: &'static str,
    road: fn(&Roads) -> &Proxy,
    fault: Fault,
    seconds: u64,
    service: Service,
) -> Trouble {
    Trouble { cuts_off: Some(service), ..trouble(name, road, fault, seconds) }
}

/// Troubles one after the other; in the midst of some the orchestrator is killed as well.
pub(crate) struct Plan<'a> {
    pub(crate) troubles: &'a [Trouble],
    /// The database is killed, and is away for each of these.
    pub(crate) database_away: &'a [Duration],
    /// Whether the orchestrator dies in the midst of every second trouble.
    pub(crate) with_kills: bool,
}

pub(crate) async fn run(
    world: &Rc<World>,
    recipe: &Recipe,
    plan: &Plan<'_>,
    rng: &mut Rng,
    deaths: &mut Deaths,
    notes: &mut Vec<String>,
) -> Result<Life, String> {
    let shares = Shares { world, all: plan.database_away.len() + plan.troubles.len() };
    world.submissions.send_at_most(world, 0);
    let mut life = Life::start(recipe).await?;
    sleep(HEALING).await;
    for (number, away) in plan.database_away.iter().enumerate() {
        shares.send(number, *away);
        life = lose_the_database(world, recipe, life, *away, rng, deaths, notes).await?;
    }
    for (number, trouble) in plan.troubles.iter().enumerate() {
        let road = (trouble.road)(&world.roads);
        let (before, since) = (road.disturbed(), world.evidence.borrow().now());
        road.set(trouble.fault);
        let time = Duration::from_secs(trouble.seconds);
        shares.send(plan.database_away.len() + number, time);
        if plan.with_kills && number % 2 == 1 {
            life = die_in_the_midst(world, recipe, life, time, rng, deaths).await?;
        } else {
            sleep(time).await;
        }
        road.set(Fault::None);
        world.moment("trouble");
        if let Some(service) = trouble.cuts_off {
            world.evidence.borrow_mut().harm(Harm::CutOff(service), since);
        }
        let met = road.disturbed() - before;
        notes.push(format!("{}: {} s, {met} connections", trouble.name, trouble.seconds));
        // who finds nobody listening is not counted
        if met == 0 && !matches!(trouble.fault, Fault::Refuse | Fault::Down) {
            world.moments.borrow_mut().met_nobody(trouble.name);
        }
        sleep(HEALING).await;
        life.must_be_alive()?;
    }
    heal(world, &mut life).await?;
    Ok(life)
}

/// The analyses in equal shares, one for each trouble and sent while it lasts: it finds work in every state.
struct Shares<'a> {
    world: &'a Rc<World>,
    all: usize,
}

impl Shares<'_> {
    /// Begins to send the share with this number, from 0.
    fn send(&self, number: usize, time: Duration) {
        let (world, all) = (Rc::clone(self.world), self.all * PIECES);
        spawn_local(async move {
            for piece in 1..=PIECES {
                let count = world.analyses.len() * (number * PIECES + piece) / all;
                world.submissions.send_at_most(&world, count);
                sleep(time / PIECES as u32).await;
            }
        });
    }
}

async fn die_in_the_midst(
    world: &Rc<World>,
    recipe: &Recipe,
    life: Life,
    time: Duration,
    rng: &mut Rng,
    deaths: &mut Deaths,
) -> Result<Life, String> {
    let first = time.mul_f64(0.2 + 0.6 * rng.f64());
    sleep(first).await;
    life.kill().await?;
    deaths.count(world, None);
    let next = Life::start(recipe).await?;
    sleep(time.saturating_sub(first)).await;
    Ok(next)
}

/// Kills the database as well, and starts it again on its data. Meanwhile jobs go on and their records wait.
async fn lose_the_database(
    world: &Rc<World>,
    recipe: &Recipe,
    mut life: Life,
    away: Duration,
    rng: &mut Rng,
    deaths: &mut Deaths,
    notes: &mut Vec<String>,
) -> Result<Life, String> {
    let folder = recipe.data.with_file_name("mongo");
    drop(world.mongo.borrow_mut().take());
    let starts = |world: &World| world.evidence.borrow().seen.iter().map(|seen| seen.starts.len()).sum::<usize>();
    let (before, since) = (starts(world), Instant::now());
    if away > Duration::from_secs(30) {
        life = die_in_the_midst(world, recipe, life, away, rng, deaths).await?;
    } else {
        sleep(away).await;
    }
    world.moment("trouble");
    let meanwhile = starts(world) - before;
    if meanwhile == 0 {
        world.moments.borrow_mut().met_nobody("database killed");
    }
    let port = world.mongo_port;
    let server = tokio::task::spawn_blocking(move || MongoServer::start(&folder, port)).await;
    world.mongo.replace(Some(server.map_err(|error| error.to_string())?));
    let seconds = since.elapsed().as_secs();
    notes.push(format!("database killed: away for {seconds} s, {meanwhile} jobs started meanwhile"));
    sleep(HEALING).await;
    life.must_be_alive()?;
    Ok(life)
}
