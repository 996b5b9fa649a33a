//! The top of the tree: accepts submissions, starts a graph for each, keeps the gates.

use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::clock::Instant;
use actix::prelude::*;
use futures::FutureExt;

use super::admission::{Admission, Request, SlotLimits};
use super::graph_actor::{GraphActor, GraphSetup};
use super::lane_order::LaneOrder;
use super::messages::{
    Accepted, AnalysisFinished, AnnounceRefusal, Drain, Gate, SlotGranted, SlotReleased, SlotWanted, SubmitAnalysis,
    SubmitError, Ticket, Verb,
};
use super::panics::text_of;
use super::places::{Place, Places};
use super::retry::RetryBudget;
use super::tenant_runs::TenantRuns;
use crate::chaos::{self, Point};
use crate::graph::{JobGraph, Plan};
use crate::metrics;
use crate::playbook::{Playbook, TenantId};
use crate::ports::{JobRunner, RunSpec};
use crate::store::{Acceptance, Entry, Journal, Record, RunProgress};

/// How much the engine takes on (decision 23). Waiting is the default, refusing the last resort.
#[derive(Debug, Clone)]
pub struct EngineLimits {
    /// Jobs in flight; `None` removes the gate, for benches.
    pub slots: Option<SlotLimits>,
    /// Accepted runs that have not ended, or have something left to tell, per tenant; beyond: refused.
    pub open_per_tenant: usize,
    /// The same over all tenants.
    pub open_total: usize,
    /// Runs of a tenant with living actors; beyond: queued.
    pub running_per_tenant: usize,
    /// Second and later attempts of jobs that may begin per second, over all runs, in the long run.
    pub retries_per_second: f64,
    /// Between two looks at whether a run can go on by itself.
    pub sweep: Duration,
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self {
            slots: Some(SlotLimits::default()),
            open_per_tenant: 20_000,
            open_total: 50_000,
            running_per_tenant: 1_000,
            retries_per_second: 10.0,
            sweep: Duration::from_secs(30),
        }
    }
}

/// A run with living actors.
pub(super) struct Running {
    /// Holding the address keeps the graph alive until its final word.
    pub(super) graph: Addr<GraphActor>,
    tenant: TenantId,
    max_parallel: Option<usize>,
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
    limits: EngineLimits,
    pub(super) gate: Admission,
    /// Nodes in line, by ticket.
    in_line: HashMap<Ticket, Recipient<SlotGranted>>,
    pub(super) runs: HashMap<i64, Running>,
    pub(super) tenants: HashMap<TenantId, TenantRuns>,
    pub(super) places: Places,
    /// Runs of an earlier life of the process that are about to be handed over, with what was asked of them until then
    /// and its place in the journal.
    pub(super) awaited: HashMap<i64, Vec<(Verb, u64)>>,
    retries: Rc<RefCell<RetryBudget>>,
    lanes: LaneOrder,
    /// Nobody is let in any more: the process is about to stop.
    draining: bool,
}

impl AnalysisSupervisor {
    /// A supervisor without runs.
    pub fn new(journal: Arc<dyn Journal>, runner: Rc<dyn JobRunner>, limits: EngineLimits) -> Self {
        let gate = Admission::new(limits.slots.clone().unwrap_or_default());
        let retries = RetryBudget::new(limits.retries_per_second, Instant::now());
        Self {
            retries: Rc::new(RefCell::new(retries)),
            journal,
            runner,
            limits,
            gate,
            in_line: HashMap::new(),
            runs: HashMap::new(),
            tenants: HashMap::new(),
            places: Places::default(),
            awaited: HashMap::new(),
            lanes: LaneOrder::default(),
            draining: false,
        }
    }

    /// Counts a submission in before it is durable, so that a burst cannot slip past the limits.
    fn place_for(&self, tenant: &TenantId) -> Result<Place, SubmitError> {
        let (all, theirs) = (self.places.all(), self.places.of(tenant));
        if all >= self.limits.open_total {
            return Err(SubmitError::Busy { open: all });
        }
        if theirs >= self.limits.open_per_tenant {
            return Err(SubmitError::TenantBusy { open: theirs });
        }
        Ok(self.places.take(tenant))
    }

    /// Starts a durable run now, or when one of its tenant's has ended; answers whether it was now.
    pub(super) fn begin(&mut self, ready: Ready, ctx: &mut Context<Self>) -> bool {
        let runs = self.tenants.entry(ready.run.playbook.tenant.clone()).or_default();
        if runs.running >= self.limits.running_per_tenant {
            drop(self.journal.append(ready.run.run_id, Record::Queued));
            runs.queued.push_back(ready);
            return false;
        }
        self.begin_now(ready, ctx);
        true
    }

    /// Starts a durable run, whatever the limits say.
    pub(super) fn begin_now(&mut self, ready: Ready, ctx: &mut Context<Self>) {
        let Ready { run, graph, before, place } = ready;
        let tenant = run.playbook.tenant.clone();
        self.tenants.entry(tenant.clone()).or_default().running += 1;
        let (run_id, max_parallel) = (run.run_id, run.playbook.options.max_parallel);
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
            retries: Rc::clone(&self.retries),
            sweep: self.limits.sweep,
            place,
        };
        let graph = GraphActor::new(setup).start();
        self.runs.insert(run_id, Running { graph, tenant, max_parallel });
    }

    /// A run that ended without being heard is over all the same.
    fn look_after(&mut self, ctx: &mut Context<Self>) {
        let ended: Vec<i64> =
            self.runs.iter().filter(|(_, run)| !run.graph.connected()).map(|(run_id, _)| *run_id).collect();
        ended.into_iter().for_each(|run_id| self.on_finished(run_id, ctx));
    }

    fn on_finished(&mut self, run_id: i64, ctx: &mut Context<Self>) {
        let Some(ended) = self.runs.remove(&run_id) else { return };
        let most = self.limits.running_per_tenant;
        let next = self.tenants.get_mut(&ended.tenant).and_then(|runs| {
            runs.running -= 1;
            // some may have begun beyond the limit
            if runs.running < most { runs.queued.pop_front() } else { None }
        });
        if self.tenants.get(&ended.tenant).is_some_and(|runs| runs.running == 0 && next.is_none()) {
            self.tenants.remove(&ended.tenant);
        }
        let granted = self.gate.forget(run_id);
        self.let_in(granted);
        if let Some(ready) = next {
            drop(self.journal.append(ready.run.run_id, Record::Begun));
            self.begin(ready, ctx);
        }
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
        Box::pin(decided.map(move |acceptance, supervisor, ctx| match (acceptance, room) {
            (Ok(Acceptance::NoRoom), Err(refused)) => Err(refused),
            (Ok(acceptance), room) => supervisor.on_decided(acceptance, plan, rerun, room.ok(), ctx),
            (Err(error), _) => Err(error.into()),
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
        let request = Request { ticket, tenant: run.tenant.clone(), service, max_parallel: run.max_parallel };
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
