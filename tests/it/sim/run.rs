//! Runs a world: life after life of the real engine with the real recipes, each on a fresh system, until all is quiet.

use std::rc::Rc;
use std::sync::Arc;

use actix::System;
use futures::future::{Either, select};
use orchestrator::engine::messages::Verb;
use orchestrator::engine::{EngineHandle, EngineLimits};
use orchestrator::graph::build::{Plan as RunPlan, build, build_ingestion};
use orchestrator::jobs::PlatformJobs;
use orchestrator::playbook::Space;
use orchestrator::playbook::check::CheckSettings;
use orchestrator::playbook::ingestion_url::{UrlPolicy, UrlRule};
use orchestrator::store::let_go::let_go_functions;
use orchestrator::store::recovery::open_runs;
use orchestrator::store::{Filter, History, JobPhase, Journal, RunProgress, RunSummary, Submission};
use serde_json::{Map, Value};
use tokio::sync::Notify;

use super::dice::Rolls;
use super::journal::{SimJournal, commit_in_groups, crash};
use super::life::{Life, LifeLog, World};
use super::plan::{Client, Crash, Effect, HOUR, Plan, SECOND, Time};
use super::ports::ports;

/// How a life ended.
enum End {
    /// At an effect boundary.
    Died(Effect),
    /// Nothing is left to be done.
    Quiet,
    /// Something is left to be done, and there was more than enough time for it.
    OutOfTime,
}

/// Runs the world of a plan to its end; false if it never came to rest.
pub(super) fn live(plan: Plan, keeps_trace: bool) -> (Rc<World>, bool) {
    // the product spreads its retries with these dice
    fastrand::seed(plan.seed);
    let world = Rc::new(World::new(plan, keeps_trace));
    let (mut now, mut number) = (0, 0);
    let came_to_rest = loop {
        let ends = world.plan.crashes.get(number as usize).copied();
        number += 1;
        let (end, at) = one_life(&world, number, now, ends);
        let died_at = if let End::Died(effect) = end { Some(effect) } else { None };
        let running_jobs = if died_at.is_some() { running_jobs(&world) } else { 0 };
        world.lives.borrow_mut().push(LifeLog { from: now, to: at, died_at, running_jobs });
        now = at + ends.map_or(0, |crash| crash.away);
        match end {
            End::Died(_) => {}
            End::Quiet => break true,
            End::OutOfTime => break false,
        }
    };
    (world, came_to_rest)
}

/// A life on a system of its own, which ends with it.
fn one_life(world: &Rc<World>, number: u32, base: Time, ends: Option<Crash>) -> (End, Time) {
    let system = System::with_tokio_rt(|| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().start_paused(true).build().expect("a runtime without sockets can always be made")
    });
    system.block_on(async {
        let life = Life::begin(world, number, base, ends);
        let journal = SimJournal::open(&life);
        actix::spawn(commit_in_groups(Rc::clone(&life), Arc::clone(&journal)));
        let settings = world.plan.settings.clone();
        let let_go = let_go_functions(&world.journal, journal.tick(), settings.function_linger, &[])
            .expect("the journal in memory can be read");
        let jobs = PlatformJobs::new(ports(&life), settings).holding(let_go);
        let engine = EngineHandle::start_here(EngineLimits::default(), Arc::clone(&journal) as _, Rc::new(jobs));
        let open = open_runs(&world.journal, journal.tick()).expect("the journal in memory can be read");
        life.trace(format_args!("the process starts, {} runs go on", open.len()));
        engine.resume(open).await;
        let served = Rc::new(Notify::new());
        for (at, client) in world.plan.clients.iter().enumerate() {
            actix::spawn(serve(Rc::clone(&life), engine.clone(), at, plan_of(client), Rc::clone(&served)));
        }
        let quiet = std::pin::pin!(quiet(&life, &journal, &served));
        let death = std::pin::pin!(life.death());
        let time = std::pin::pin!(life.wait(longest(&world.plan).saturating_sub(base)));
        let end = match select(death, select(quiet, time)).await {
            Either::Left((effect, _)) => {
                crash(&life, ends.map_or(0, |crash| crash.survives));
                End::Died(effect)
            }
            Either::Right((Either::Left(_), _)) => End::Quiet,
            Either::Right((Either::Right(_), _)) => End::OutOfTime,
        };
        (end, life.now())
    })
}

/// Resolves when everybody has an answer and every run is settled, and nothing has stirred for an hour after that.
async fn quiet(life: &Rc<Life>, journal: &Arc<SimJournal>, served: &Rc<Notify>) {
    while !is_quiet(&life.world) {
        let (commit, answer) = (std::pin::pin!(journal.commit()), std::pin::pin!(served.notified()));
        select(commit, answer).await;
    }
    life.trace(format_args!("all is quiet"));
    life.wait(HOUR).await;
    life.world.outside.borrow_mut().catch_up(life.now());
}

fn is_quiet(world: &World) -> bool {
    let clients = world.clients.borrow();
    let served = clients.iter().zip(&world.plan.clients);
    served.into_iter().all(|(log, client)| log.answer.is_some() && log.wishes == client.wishes.len())
        && world.journal.unsettled().is_empty()
}

/// More time than all jobs of all runs one after the other may take, every attempt in every life.
fn longest(plan: &Plan) -> Time {
    let jobs = |client: &Client| client.document.get("jobs").and_then(Value::as_array).map_or(1, Vec::len) as Time;
    let all: Time = plan.clients.iter().map(jobs).sum();
    let one = plan.settings.job_timeout + plan.settings.store_wait * 3 + plan.settings.function_linger;
    let lives = plan.crashes.len() as Time + 1;
    let wishes = plan.clients.iter().flat_map(|client| &client.wishes).map(|(at, _)| *at).max().unwrap_or(0);
    let away: Time = plan.crashes.iter().map(|crash| crash.away).sum();
    plan.faults.until + wishes + away + all * 3 * one.as_millis() as Time * lives + 24 * HOUR
}

fn running_jobs(world: &World) -> usize {
    let open = world.journal.unsettled();
    open.into_iter().map(|run_id| running_jobs_of(&world.journal.progress(run_id, jobs_of(world, run_id)))).sum()
}

fn running_jobs_of(run: &RunProgress) -> usize {
    let at_work = [JobPhase::Starting, JobPhase::Running, JobPhase::LostContact, JobPhase::Retrying];
    at_work.into_iter().map(|phase| run.count(phase)).sum()
}

fn jobs_of(world: &World, run_id: i64) -> usize {
    let document = world.journal.document(run_id).ok().flatten().unwrap_or_default();
    let document: Value = serde_json::from_str(&document).unwrap_or_default();
    document.get("jobs").and_then(Value::as_array).map_or(1, Vec::len)
}

/// The checked document of a client.
pub(super) fn plan_of(client: &Client) -> RunPlan {
    let document = &client.document;
    let settings = CheckSettings {
        ingestion_urls: UrlRule { policy: UrlPolicy::Any, ..UrlRule::default() },
        ..CheckSettings::default()
    };
    let plan = match space_of(document) {
        Space::Ingestion => build_ingestion(document, &settings),
        Space::Analysis => build(document, &settings),
    };
    plan.unwrap_or_else(|refusal| panic!("{document:?} was refused: {:#?}", refusal.problems))
}

pub(super) fn space_of(document: &Map<String, Value>) -> Space {
    if document.contains_key("ingestion-id") { Space::Ingestion } else { Space::Analysis }
}

/// The run that a client's submission has become, the newest of its id.
pub(super) fn run_of(world: &World, client: &Client) -> Option<RunSummary> {
    let member = if space_of(&client.document) == Space::Ingestion { "ingestion-id" } else { "analysis-id" };
    let id = client.document.get(member).and_then(Value::as_str)?.to_lowercase();
    world.journal.find(space_of(&client.document), &id, None).ok().flatten()
}

/// All runs, oldest first.
pub(super) fn all_runs(world: &World) -> Vec<(Space, RunSummary)> {
    let all = |space| Filter { space, tenants: None, state: None, before: None, limit: u32::MAX };
    let mut runs = Vec::new();
    for space in [Space::Analysis, Space::Ingestion] {
        runs.extend(world.journal.list(&all(space)).unwrap_or_default().into_iter().map(|run| (space, run)));
    }
    runs.sort_by_key(|(_, run)| run.run_id);
    runs
}

/// A client that sends again what was not answered, and then asks for what it wishes.
async fn serve(life: Rc<Life>, engine: EngineHandle, at: usize, plan: RunPlan, served: Rc<Notify>) {
    let world = Rc::clone(&life.world);
    let client = &world.plan.clients[at];
    let answered = world.clients.borrow()[at].answer.is_some();
    if !answered {
        until(&life, client.at).await;
        submit(&life, &engine, at, plan).await;
    }
    loop {
        let next = world.clients.borrow()[at].wishes;
        let Some((when, verb)) = client.wishes.get(next).copied() else { break };
        until(&life, when).await;
        wish(&life, &engine, client, verb).await;
        world.clients.borrow_mut()[at].wishes += 1;
    }
    served.notify_one();
}

async fn until(life: &Life, at: Time) {
    let left = at.saturating_sub(life.now());
    // who waits for a process that is away comes back a little later
    life.wait(left + life.roll(|dice| dice.between(1, 50))).await;
}

async fn submit(life: &Rc<Life>, engine: &EngineHandle, at: usize, plan: RunPlan) {
    let world = &life.world;
    let client = &world.plan.clients[at];
    life.trace(format_args!("client {at} submits {}", plan.playbook.id));
    if world.clients.borrow()[at].sent.is_none() {
        // the web application does not await its own saves
        let delay = life.roll(|dice| if dice.odds(800) { 0 } else { dice.between(1, 6 * SECOND) });
        world.outside.borrow_mut().documents.entry_comes(plan.playbook.id.text(), life.now() + delay);
        world.clients.borrow_mut()[at].sent = Some(life.now());
    }
    let submission = Submission::new(&plan.playbook, &client.document);
    let answer = engine.submit(plan, submission).await;
    life.passes(Effect::Answer).await;
    life.trace(format_args!("client {at} hears {answer:?}"));
    world.clients.borrow_mut()[at].answer = Some(answer);
}

async fn wish(life: &Rc<Life>, engine: &EngineHandle, client: &Client, verb: Verb) {
    let Some(run) = run_of(&life.world, client) else { return };
    let answer = engine.steer(run.run_id, verb).await;
    life.passes(Effect::Answer).await;
    life.trace(format_args!("run {} {verb:?}: {answer:?}", run.run_id));
}
