//! The top of the tree: accepts submissions, starts a graph for each, keeps the gates.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;

use actix::clock::Instant;
use actix::prelude::*;
use futures::FutureExt;

use super::admission::{Admission, Request};
use super::graph_actor::{GraphActor, GraphSetup};
use super::lane_order::LaneOrder;
use super::limits::EngineLimits;
use super::messages::{
    Accepted, AnalysisFinished, AnnounceRefusal, Drain, Gate, SlotGranted, SlotReleased, SlotWanted, SubmitAnalysis,
    SubmitError, Ticket, Verb,
};
use super::panics::text_of;
use super::places::{Place, Places};
use super::rates::Rates;
use super::retry_line::RetryLine;
use super::waiting_runs::WaitingRuns;
use crate::chaos::{self, Point};
use crate::graph::{JobGraph, Plan};
use crate::metrics;
use crate::playbook::{Playbook, TenantId};
use crate::ports::{JobRunner, RunSpec};
use crate::store::{Acceptance, Entry, Journal, Record, RunProgress};

/// A run with living actors.
pub(super) struct Running {
    /// Holding the address keeps the graph alive until its final word.
    pub(super) graph: Addr<GraphActor>,
    tenant: TenantId,
    max_parallel: Option<usize>,
    priority: u8,
}

/// A durable run that has no actors yet.
pub(super) struct Ready {
    pub(super) run: Rc<RunSpec>,
    pub(super) graph: JobGraph,
    pub(super) before: RunProgress,
    pub(super) place: Place,
}

/// The actor at the top. If it dies the process ends: nobody could start it again with its state.
pub struct AnalysisSupervisor {
    pub(super) journal: Arc<dyn Journal>,
    pub(super) runner: Rc<dyn JobRunner>,
    pub(super) limits: EngineLimits,
    pub(super) gate: Admission,
    /// Nodes in line, by ticket.
    in_line: HashMap<Ticket, Recipient<SlotGranted>>,
    pub(super) runs: HashMap<i64, Running>,
    pub(super) waiting: WaitingRuns,
    pub(super) places: Places,
    pub(super) rates: Rates,
    /// Bytes that tenants have stored, by name.
    pub(super) stored: HashMap<String, u64>,
    /// Runs of an earlier life of the process that are about to be handed over, with what was asked of them until then
    /// and its place in the journal.
    pub(super) awaited: HashMap<i64, Vec<(Verb, u64)>>,
    pub(super) retries: RetryLine,
    lanes: LaneOrder,
    /// Nobody is let in any more: the process is about to stop.
    draining: bool,
}

impl AnalysisSupervisor {
    /// A supervisor without runs.
    pub fn new(journal: Arc<dyn Journal>, runner: Rc<dyn JobRunner>, limits: EngineLimits) -> Self {
        let gate = Admission::new(limits.slots.clone().unwrap_or_default());
        Self {
            retries: RetryLine::new(limits.retries_per_second),
            journal,
            runner,
            limits,
            gate,
            in_line: HashMap::new(),
            runs: HashMap::new(),
            waiting: WaitingRuns::default(),
            places: Places::default(),
            rates: Rates::default(),
            stored: HashMap::new(),
            awaited: HashMap::new(),
            lanes: LaneOrder::default(),
            draining: false,
        }
    }

    /// Starts a durable run that has been counted.
    pub(super) fn start(&mut self, ready: Ready, ctx: &mut Context<Self>) {
        let Ready { run, graph, before, place } = ready;
        let tenant = run.playbook.tenant.clone();
        let (run_id, max_parallel, priority) =
            (run.run_id, run.playbook.options.max_parallel, run.playbook.options.priority);
        let address = ctx.address();
        let gate = self
            .limits
            .slots
            .as_ref()
            .map(|_| Gate { wanted: address.downgrade().recipient(), released: address.downgrade().recipient() });
        let setup = GraphSetup {
            turns: self.lanes.next(&run),
            run,
            graph,
            before,
            // it may have waited in line since the journal was read
            before_at: self.journal.tick(),
            runner: Rc::clone(&self.runner),
            journal: Arc::clone(&self.journal),
            supervisor: address.downgrade().recipient(),
            gate,
            retries: self.retries.clone(),
            sweep: self.limits.sweep,
            place,
        };
        let graph = GraphActor::new(setup).start();
        self.runs.insert(run_id, Running { graph, tenant, max_parallel, priority });
    }

    /// A run that ended without being heard is over all the same.
    fn look_after(&mut self, ctx: &mut Context<Self>) {
        let ended: Vec<i64> =
            self.runs.iter().filter(|(_, run)| !run.graph.connected()).map(|(run_id, _)| *run_id).collect();
        ended.into_iter().for_each(|run_id| self.on_finished(run_id, ctx));
    }

    fn on_finished(&mut self, run_id: i64, ctx: &mut Context<Self>) {
        let Some(ended) = self.runs.remove(&run_id) else { return };
        self.waiting.line.ends(&ended.tenant);
        let granted = self.gate.forget(run_id);
        self.let_in(granted);
        self.begin_next(ctx);
    }

    /// Whether no job is let in any more, because the process is about to stop.
    pub(super) fn is_draining(&self) -> bool {
        self.draining
    }

    pub(super) fn let_in(&mut self, tickets: Vec<Ticket>) {
        for ticket in tickets {
            if let Some(node) = self.in_line.remove(&ticket) {
                node.do_send(SlotGranted);
            }
        }
    }
}

impl Actor for AnalysisSupervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(self.limits.sweep, Self::look_after);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        if std::thread::panicking() {
            log::error!("the engine's supervisor has panicked: the process ends and has to be started again");
            System::current().stop_with_code(70);
        }
    }
}

impl Handler<SubmitAnalysis> for AnalysisSupervisor {
    type Result = ResponseActFuture<Self, Result<Accepted, SubmitError>>;

    /// The journal decides first whether it is a new run at all: a repeated submission of a running one needs no room.
    fn handle(&mut self, message: SubmitAnalysis, _: &mut Self::Context) -> Self::Result {
        let SubmitAnalysis { plan, mut submission } = message;
        let room = self.place_for(&plan.playbook.tenant);
        submission.has_room = room.is_ok();
        let rerun = submission.rerun.clone();
        let decided = self.journal.accept(submission).into_actor(self);
        let tenant = plan.playbook.tenant.clone();
        Box::pin(decided.map(move |acceptance, supervisor, ctx| {
            let (was_counted, answer) = match (acceptance, room) {
                (Ok(Acceptance::NoRoom), Err(refused)) => (false, Err(refused)),
                (Ok(acceptance), room) => {
                    (room.is_ok(), supervisor.on_decided(acceptance, plan, rerun, room.ok(), ctx))
                }
                (Err(error), room) => (room.is_ok(), Err(error.into())),
            };
            if was_counted && !matches!(answer, Ok(Accepted { is_new: true, .. })) {
                supervisor.rates.give_back(&tenant);
            }
            answer
        }))
    }
}

impl AnalysisSupervisor {
    fn on_decided(
        &mut self,
        acceptance: Acceptance,
        plan: Plan,
        rerun: Option<Record>,
        place: Option<Place>,
        ctx: &mut Context<Self>,
    ) -> Result<Accepted, SubmitError> {
        match acceptance {
            Acceptance::New { run_id, number, reused_ids } => {
                chaos::at(Point::K2);
                log_acceptance(&plan.playbook, number, plan.graph.len());
                let before = first_record(run_id, plan.graph.len(), rerun)?;
                metrics::analysis_accepted();
                let place = place.unwrap_or_else(|| self.places.take(&plan.playbook.tenant));
                let playbook = Arc::new(plan.playbook);
                let run = RunSpec { run_id, number, playbook, accepted: Instant::now(), reused_ids };
                let ready = Ready { run: Rc::new(run), graph: plan.graph, before, place };
                let queued = !self.begin(ready, ctx);
                Ok(Accepted { number, queued, is_new: true, ended: None, warnings: plan.warnings })
            }
            Acceptance::Running { run_id, number } => {
                let queued = !self.runs.contains_key(&run_id);
                Ok(Accepted { number, queued, is_new: false, ended: None, warnings: plan.warnings })
            }
            Acceptance::Ended { number, outcome, .. } => {
                let ended = Some(outcome);
                Ok(Accepted { number, queued: false, is_new: false, ended, warnings: plan.warnings })
            }
            Acceptance::KeyReused => Err(SubmitError::KeyReused),
            Acceptance::IdInUse => Err(SubmitError::IdInUse),
            Acceptance::JobIdInUse { job } => Err(SubmitError::JobIdInUse { job }),
            Acceptance::NoRoom => Err(SubmitError::Busy { open: self.places.all() }),
        }
    }
}

/// What is known of a run that has just been accepted: nothing, unless it takes over results of an earlier one.
fn first_record(run_id: i64, jobs: usize, rerun: Option<Record>) -> Result<RunProgress, SubmitError> {
    match rerun {
        None => Ok(RunProgress::nothing()),
        Some(record) => {
            RunProgress::fold(jobs, &[Entry { seq: 0, run_id, at: 0, tick: 0, record }]).map_err(SubmitError::from)
        }
    }
}

fn log_acceptance(playbook: &Playbook, number: u32, jobs: usize) {
    let Playbook { tenant, id, space, .. } = playbook;
    log::info!("tenant={tenant} {}={id} run={number}: accepted, {jobs} jobs", space.as_str());
}

impl Handler<AnalysisFinished> for AnalysisSupervisor {
    type Result = ();

    fn handle(&mut self, message: AnalysisFinished, ctx: &mut Self::Context) {
        self.on_finished(message.run_id, ctx);
    }
}

impl Handler<SlotWanted> for AnalysisSupervisor {
    type Result = ();

    fn handle(&mut self, message: SlotWanted, _: &mut Self::Context) {
        let SlotWanted { ticket, service, reply } = message;
        // a run that has ended needs no slots; its node is about to stop
        let Some(run) = self.runs.get(&ticket.run_id) else { return };
        let Running { tenant, max_parallel, priority, .. } = run;
        let (tenant, max_parallel, priority) = (tenant.clone(), *max_parallel, *priority);
        let request = Request { ticket, tenant, service, max_parallel, priority, since: Instant::now() };
        if !self.draining && self.gate.ask(request) {
            reply.do_send(SlotGranted);
        } else {
            self.in_line.insert(ticket, reply);
        }
    }
}

impl Handler<SlotReleased> for AnalysisSupervisor {
    type Result = ();

    fn handle(&mut self, message: SlotReleased, _: &mut Self::Context) {
        self.in_line.remove(&message.ticket);
        if self.draining {
            return;
        }
        let granted = self.gate.release(message.ticket);
        self.let_in(granted);
    }
}

impl Handler<Drain> for AnalysisSupervisor {
    type Result = ();

    fn handle(&mut self, _: Drain, _: &mut Self::Context) {
        self.draining = true;
    }
}

impl Handler<AnnounceRefusal> for AnalysisSupervisor {
    type Result = ();

    fn handle(&mut self, message: AnnounceRefusal, ctx: &mut Self::Context) {
        let AnnounceRefusal { room, analysis, notices } = message;
        let runner = Rc::clone(&self.runner);
        // best effort: a panic here must not end the engine
        let announced =
            AssertUnwindSafe(async move { runner.announce_refusal(analysis, notices).await }).catch_unwind();
        ctx.spawn(announced.into_actor(self).map(move |announced, _, _| {
            drop(room);
            if let Err(panic) = announced {
                log::warn!("a refusal was not announced: {}", text_of(panic.as_ref()));
            }
        }));
    }
}
