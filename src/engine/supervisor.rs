//! The top of the tree: accepts submissions, starts a graph for each, keeps the gates.

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;

use actix::clock::Instant;
use actix::prelude::*;
use futures::FutureExt;

use super::admission::{Admission, Request, SlotLimits};
use super::graph_actor::{GraphActor, GraphSetup};
use super::messages::{
    Accepted, AnalysisFinished, AnnounceRefusal, IsWired, ResumeRun, SlotGranted, SlotReleased, SlotWanted,
    SubmitAnalysis, SubmitError, Ticket,
};
use super::node_actor::Gate;
use super::panics::text_of;
use crate::chaos::{self, Point};
use crate::graph::JobGraph;
use crate::playbook::{Playbook, TenantId};
use crate::ports::{JobRunner, RunSpec};
use crate::store::recovery::OpenRun;
use crate::store::{Acceptance, Journal, Record, RunProgress};

/// How much the engine takes on (decision 23). Waiting is the default, refusing the last resort.
#[derive(Debug, Clone)]
pub struct EngineLimits {
    /// Jobs in flight; `None` removes the gate, for benches.
    pub slots: Option<SlotLimits>,
    /// Accepted runs that have not ended, per tenant; beyond: refused.
    pub open_per_tenant: usize,
    /// The same over all tenants.
    pub open_total: usize,
    /// Runs of a tenant with living actors; beyond: queued.
    pub running_per_tenant: usize,
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self {
            slots: Some(SlotLimits::default()),
            open_per_tenant: 20_000,
            open_total: 50_000,
            running_per_tenant: 1_000,
        }
    }
}

/// A run with living actors.
struct Running {
    /// Holding the address keeps the graph alive until its final word.
    graph: Addr<GraphActor>,
    tenant: TenantId,
    max_parallel: Option<usize>,
}

/// A durable run that has no actors yet.
struct Ready {
    run: Rc<RunSpec>,
    graph: JobGraph,
    before: RunProgress,
}

/// The runs of one tenant.
#[derive(Default)]
struct TenantRuns {
    /// Accepted and not ended, or about to be accepted.
    open: usize,
    running: usize,
    queued: VecDeque<Ready>,
}

/// The actor at the top. If it dies the process ends: nobody could start it again with its state.
pub struct AnalysisSupervisor {
    journal: Arc<dyn Journal>,
    runner: Rc<dyn JobRunner>,
    limits: EngineLimits,
    gate: Admission,
    /// Nodes in line, by ticket.
    in_line: HashMap<Ticket, Recipient<SlotGranted>>,
    runs: HashMap<i64, Running>,
    tenants: HashMap<TenantId, TenantRuns>,
    open: usize,
}

impl AnalysisSupervisor {
    /// A supervisor without runs.
    pub fn new(journal: Arc<dyn Journal>, runner: Rc<dyn JobRunner>, limits: EngineLimits) -> Self {
        let gate = Admission::new(limits.slots.clone().unwrap_or_default());
        Self {
            journal,
            runner,
            limits,
            gate,
            in_line: HashMap::new(),
            runs: HashMap::new(),
            tenants: HashMap::new(),
            open: 0,
        }
    }

    /// Counts a submission in before it is durable, so that a burst cannot slip past the limits.
    fn count_in(&mut self, tenant: &TenantId) -> Result<(), SubmitError> {
        if self.open >= self.limits.open_total {
            return Err(SubmitError::Busy { open: self.open });
        }
        let runs = self.tenants.entry(tenant.clone()).or_default();
        if runs.open >= self.limits.open_per_tenant {
            return Err(SubmitError::TenantBusy { open: runs.open });
        }
        runs.open += 1;
        self.open += 1;
        Ok(())
    }

    fn count_out(&mut self, tenant: &TenantId) {
        self.open -= 1;
        if let Some(runs) = self.tenants.get_mut(tenant) {
            runs.open -= 1;
            if runs.open == 0 {
                self.tenants.remove(tenant);
            }
        }
    }

    /// Starts a durable run now, or when one of its tenant's has ended; answers whether it was now.
    fn begin(&mut self, ready: Ready, ctx: &mut Context<Self>) -> bool {
        let tenant = ready.run.playbook.tenant.clone();
        let runs = self.tenants.entry(tenant.clone()).or_default();
        if runs.running >= self.limits.running_per_tenant {
            drop(self.journal.append(ready.run.run_id, Record::Queued));
            runs.queued.push_back(ready);
            return false;
        }
        runs.running += 1;
        let Ready { run, graph, before } = ready;
        let (run_id, max_parallel) = (run.run_id, run.playbook.options.max_parallel);
        let address = ctx.address();
        let gate = self
            .limits
            .slots
            .as_ref()
            .map(|_| Gate { wanted: address.downgrade().recipient(), released: address.downgrade().recipient() });
        let setup = GraphSetup {
            run,
            graph,
            before,
            runner: Rc::clone(&self.runner),
            journal: Arc::clone(&self.journal),
            supervisor: address.downgrade().recipient(),
            gate,
        };
        let graph = GraphActor::new(setup).start();
        self.runs.insert(run_id, Running { graph, tenant, max_parallel });
        true
    }

    fn let_in(&mut self, tickets: Vec<Ticket>) {
        for ticket in tickets {
            if let Some(node) = self.in_line.remove(&ticket) {
                node.do_send(SlotGranted);
            }
        }
    }
}

impl Actor for AnalysisSupervisor {
    type Context = Context<Self>;

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
        let tenant = plan.playbook.tenant.clone();
        let room = self.count_in(&tenant);
        submission.has_room = room.is_ok();
        let decided = self.journal.accept(submission).into_actor(self);
        Box::pin(decided.map(move |acceptance, supervisor, ctx| {
            let answer = match (acceptance, &room) {
                (Ok(Acceptance::NoRoom), Err(refused)) => Err(refused.clone()),
                (acceptance, _) => supervisor.on_decided(acceptance.map_err(SubmitError::from), plan, ctx),
            };
            if room.is_ok() && !matches!(answer, Ok(Accepted { is_new: true, .. })) {
                supervisor.count_out(&tenant);
            }
            answer
        }))
    }
}

impl AnalysisSupervisor {
    fn on_decided(
        &mut self,
        acceptance: Result<Acceptance, SubmitError>,
        plan: crate::graph::Plan,
        ctx: &mut Context<Self>,
    ) -> Result<Accepted, SubmitError> {
        match acceptance? {
            Acceptance::New { run_id, number, reused_ids } => {
                chaos::at(Point::K2);
                log_acceptance(&plan.playbook, number, plan.graph.len());
                let playbook = Arc::new(plan.playbook);
                let run = RunSpec { run_id, number, playbook, accepted: Instant::now(), reused_ids };
                let before = RunProgress::nothing();
                let queued = !self.begin(Ready { run: Rc::new(run), graph: plan.graph, before }, ctx);
                Ok(Accepted { number, queued, is_new: true, warnings: plan.warnings })
            }
            Acceptance::Running { run_id, number } => {
                let queued = !self.runs.contains_key(&run_id);
                Ok(Accepted { number, queued, is_new: false, warnings: plan.warnings })
            }
            Acceptance::IdInUse => Err(SubmitError::IdInUse),
            Acceptance::JobIdInUse { job } => Err(SubmitError::JobIdInUse { job }),
            Acceptance::NoRoom => Err(SubmitError::Busy { open: self.open }),
        }
    }
}

fn log_acceptance(playbook: &Playbook, number: u32, jobs: usize) {
    let Playbook { tenant, id, space, .. } = playbook;
    log::info!("tenant={tenant} {}={id} run={number}: accepted, {jobs} jobs", space.as_str());
}

impl Handler<ResumeRun> for AnalysisSupervisor {
    type Result = ResponseFuture<()>;

    /// What was accepted once is not judged by limits again.
    fn handle(&mut self, message: ResumeRun, ctx: &mut Self::Context) -> Self::Result {
        chaos::at(Point::K14);
        let OpenRun { run_id, number, plan, reused_ids, progress, age, .. } = message.run;
        let playbook = Arc::new(plan.playbook);
        log::info!("tenant={} {}={} run={number}: goes on", playbook.tenant, playbook.space.as_str(), playbook.id);
        self.open += 1;
        self.tenants.entry(playbook.tenant.clone()).or_default().open += 1;
        drop(self.journal.append(run_id, Record::Begun));
        let now = Instant::now();
        let accepted = now.checked_sub(age).unwrap_or(now);
        let run = Rc::new(RunSpec { run_id, number, playbook, accepted, reused_ids });
        self.begin(Ready { run, graph: plan.graph, before: progress }, ctx);
        let graph = self.runs.get(&run_id).map(|running| running.graph.clone());
        Box::pin(async move {
            while let Some(graph) = &graph
                && let Ok(false) = graph.send(IsWired).await
            {
                tokio::task::yield_now().await;
            }
        })
    }
}

impl Handler<AnalysisFinished> for AnalysisSupervisor {
    type Result = ();

    fn handle(&mut self, message: AnalysisFinished, ctx: &mut Self::Context) {
        let Some(ended) = self.runs.remove(&message.run_id) else { return };
        let next = self.tenants.get_mut(&ended.tenant).and_then(|runs| {
            runs.running -= 1;
            runs.queued.pop_front()
        });
        self.count_out(&ended.tenant);
        if let Some(ready) = next {
            drop(self.journal.append(ready.run.run_id, Record::Begun));
            self.begin(ready, ctx);
        }
    }
}

impl Handler<SlotWanted> for AnalysisSupervisor {
    type Result = ();

    fn handle(&mut self, message: SlotWanted, _: &mut Self::Context) {
        let SlotWanted { ticket, service, reply } = message;
        // a run that has ended needs no slots; its node is about to stop
        let Some(run) = self.runs.get(&ticket.run_id) else { return };
        let request = Request { ticket, tenant: run.tenant.clone(), service, max_parallel: run.max_parallel };
        if self.gate.ask(request) {
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
        let granted = self.gate.release(message.ticket);
        self.let_in(granted);
    }
}

impl Handler<AnnounceRefusal> for AnalysisSupervisor {
    type Result = ();

    fn handle(&mut self, message: AnnounceRefusal, ctx: &mut Self::Context) {
        let AnnounceRefusal { analysis, notices } = message;
        let runner = Rc::clone(&self.runner);
        // best effort: a panic here must not end the engine
        let announced =
            AssertUnwindSafe(async move { runner.announce_refusal(analysis, notices).await }).catch_unwind();
        ctx.spawn(announced.into_actor(self).map(|announced, _, _| {
            if let Err(panic) = announced {
                log::warn!("a refusal was not announced: {}", text_of(panic.as_ref()));
            }
        }));
    }
}
