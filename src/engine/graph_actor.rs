//! One run of an analysis: starts its nodes, hears how they end, closes the run.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::WeakRecipient;
use actix::clock::Instant;
use actix::prelude::*;

use super::deadline::Deadline;
use super::decisions::{end_of, ends_as};
use super::lane_order::Turns;
use super::messages::{AnalysisFinished, Gate, IsWired, JobFinished, JobReport, StopJob};
use super::node_actor::{NodeActor, NodeContext};
use super::outbox::{Lanes, Outbox};
use super::places::Place;
use super::retry_line::RetryLine;
use super::traffic::Traffic;
use super::wiring::Wiring;
use crate::chaos::{self, Dose};
use crate::graph::liveness::Looks;
use crate::graph::progress::{GraphAction, GraphProgress, JobEnd};
use crate::graph::{JobGraph, JobIndex};
use crate::metrics;
use crate::ports::{FailureKind, JobFailure, JobRunner, Milestone, RunSpec};
use crate::store::record::{Cause, RunOutcome};
use crate::store::{JobProgress, Journal, Millis, Receipt, Record, RunProgress};

/// What a graph actor is given.
pub struct GraphSetup {
    /// The run.
    pub run: Rc<RunSpec>,
    /// Who waits for whom.
    pub graph: JobGraph,
    /// What the journal knows of the run: [`RunProgress::nothing`] in its first life.
    pub before: RunProgress,
    /// When the run begins, by the journal's clock.
    pub before_at: Millis,
    /// Does the jobs.
    pub runner: Rc<dyn JobRunner>,
    /// Remembers them.
    pub journal: Arc<dyn Journal>,
    /// Hears the end of the run.
    pub supervisor: WeakRecipient<AnalysisFinished>,
    /// Where nodes ask for slots, if anything limits them.
    pub gate: Option<Gate>,
    /// Retries that all runs may begin.
    pub retries: RetryLine,
    /// Between two looks at whether the run can go on by itself.
    pub sweep: Duration,
    /// When it may tell the outside what it has to tell.
    pub turns: Turns,
    /// Its place among the open runs, which it keeps until it has told everything.
    pub place: Place,
}

/// What was given for the nodes' sake.
struct ForNodes {
    runner: Rc<dyn JobRunner>,
    gate: Option<Gate>,
    retries: RetryLine,
}

/// The actor of one run. Holds its nodes until their final words.
pub struct GraphActor {
    pub(super) run: Rc<RunSpec>,
    pub(super) journal: Arc<dyn Journal>,
    supervisor: WeakRecipient<AnalysisFinished>,
    pub(super) progress: GraphProgress,
    pub(super) nodes: Vec<Option<Addr<NodeActor>>>,
    pub(super) graph: Rc<JobGraph>,
    /// What the nodes share; made when the actor starts, because it names the actor.
    pub(super) context: Option<Rc<NodeContext>>,
    for_nodes: Option<ForNodes>,
    /// The nodes that are still to be spawned.
    pub(super) wiring: Option<Wiring>,
    pub(super) before: Rc<RunProgress>,
    before_at: Millis,
    outbox: Option<Outbox>,
    pub(super) first_cause: Option<Cause>,
    pub(super) deadline: Option<Deadline>,
    /// What the run ends as if it is stopped from outside its jobs.
    pub(super) stops_as: RunOutcome,
    /// Place in the journal of the last pause or resume that has had its effect.
    pub(super) steered: u64,
    pub(super) finished: bool,
    pub(super) sweep: Duration,
    pub(super) looks: Looks,
    /// When the last look was.
    pub(super) looked: Instant,
}

impl GraphActor {
    /// A run that begins when the actor starts.
    pub fn new(setup: GraphSetup) -> Self {
        let GraphSetup { run, graph, before, before_at, runner, journal, supervisor, gate, retries, sweep, .. } = setup;
        let jobs = graph.len();
        let lanes = Lanes { run: Rc::clone(&run), runner: Rc::clone(&runner), journal: Arc::clone(&journal) };
        let outbox = Outbox::open(lanes, &before, setup.turns, setup.place);
        Self {
            progress: GraphProgress::new(jobs, run.playbook.options.on_failure),
            nodes: vec![None; jobs],
            graph: Rc::new(graph),
            context: None,
            for_nodes: Some(ForNodes { runner, gate, retries }),
            wiring: None,
            steered: before.upto,
            before: Rc::new(before),
            before_at,
            outbox: Some(outbox),
            first_cause: None,
            deadline: None,
            stops_as: RunOutcome::Stopped,
            finished: false,
            sweep,
            looks: Looks::default(),
            looked: Instant::now(),
            run,
            journal,
            supervisor,
        }
    }

    /// Spawns some nodes now and the rest in later turns.
    fn wire(&mut self, ctx: &mut Context<Self>) {
        let Some(wiring) = &mut self.wiring else { return };
        if wiring.spawn_some(&mut self.nodes) {
            // a message to itself would be handled before anybody else has a turn
            let others = tokio::task::yield_now().into_actor(self);
            ctx.spawn(others.map(|(), graph, ctx| graph.wire(ctx)));
        } else {
            self.wiring = None;
        }
    }

    pub(super) fn act_on(&mut self, actions: Vec<GraphAction>, ctx: &mut Context<Self>) {
        let mut to_do = VecDeque::from(actions);
        while let Some(action) = to_do.pop_front() {
            match action {
                GraphAction::StopJob(job) => match &self.nodes[job] {
                    Some(_) if chaos::drops_messages() => {}
                    Some(node) => node.do_send(StopJob),
                    // not spawned yet: it never will be, so nobody else can say its final word
                    None => {
                        self.wiring = None;
                        if !self.let_go_unseen(job, ctx) {
                            to_do.extend(self.progress.on_job_finished(job, JobEnd::Skipped));
                        }
                    }
                },
                GraphAction::FinishAnalysis(outcome) => {
                    self.finish(ends_as(outcome, self.stops_as));
                    ctx.stop();
                }
            }
        }
    }

    /// Tells the outbox and the progress what happened in earlier lives; answers what was decided then and not done.
    fn replay(&mut self) -> Vec<GraphAction> {
        self.follow(&Milestone::Accepted, None);
        let before = Rc::clone(&self.before);
        if let Some((outcome, cause)) = &before.stopping {
            self.stops_as = *outcome;
            self.first_cause = Some(cause.clone());
            self.progress.was_stopped();
        }
        let ended = before.ended.iter().map(|&job| (job, &before.jobs[job]));
        ended.flat_map(|(job, known)| self.hear_from_journal(job, known)).collect()
    }

    /// An end that the journal knows.
    pub(super) fn hear_from_journal(&mut self, job: JobIndex, known: &JobProgress) -> Vec<GraphAction> {
        let end = end_of(known.phase);
        let actions = self.progress.on_job_finished(job, end);
        match (&known.success, &known.failure) {
            // what an earlier run has produced, that run has told
            (Some(_), _) if known.reused => {}
            (Some(success), _) => {
                self.follow(&Milestone::JobSucceeded { job, success: Arc::new(success.clone()) }, None);
            }
            (None, Some(failure)) if end == JobEnd::Failed => self.on_failure(job, failure.clone(), None),
            _ => {}
        }
        actions
    }

    fn on_failure(&mut self, job: JobIndex, failure: JobFailure, receipt: Option<Receipt<u64>>) {
        let step = Some(self.run.job(job).step.text().to_owned());
        self.first_cause.get_or_insert_with(|| Cause { step, failure: failure.clone() });
        self.follow(&Milestone::JobFailed { job, failure }, receipt);
    }

    pub(super) fn follow(&mut self, milestone: &Milestone, receipt: Option<Receipt<u64>>) {
        if let Some(outbox) = &mut self.outbox {
            outbox.follow(milestone, receipt);
        }
    }

    /// The last record of the run; what follows from it goes out when it is durable.
    fn finish(&mut self, outcome: RunOutcome) {
        self.finished = true;
        let elapsed = self.run.accepted.elapsed();
        let record = Record::AnalysisFinished {
            outcome,
            cause: self.first_cause.clone(),
            elapsed_ms: elapsed.as_millis() as i64,
        };
        let receipt = self.journal.append(self.run.run_id, record);
        let succeeded = outcome == RunOutcome::Succeeded;
        let stopped_by = self.cause_without_job();
        self.follow(&Milestone::Finished { succeeded, stopped_by, elapsed }, Some(receipt));
        metrics::analysis_ended(outcome.into());
        self.log_the_end(outcome, elapsed);
        self.leave();
    }

    fn cause_without_job(&self) -> Option<JobFailure> {
        self.first_cause.as_ref().filter(|cause| cause.step.is_none()).map(|cause| cause.failure.clone())
    }

    /// The final word; the outbox goes on alone until it is empty.
    fn leave(&mut self) {
        if let Some(outbox) = self.outbox.take() {
            outbox.close();
        }
        if let Some(supervisor) = self.supervisor.upgrade() {
            supervisor.do_send(AnalysisFinished { run_id: self.run.run_id });
        }
    }

    fn log_the_end(&self, outcome: RunOutcome, elapsed: Duration) {
        let prefix = self.run.log_prefix();
        match &self.first_cause {
            Some(cause) => {
                log::warn!("{prefix}: {} after {} ms: {}", outcome.as_str(), elapsed.as_millis(), cause.failure)
            }
            None => log::info!("{prefix}: {} after {} ms", outcome.as_str(), elapsed.as_millis()),
        }
    }

    /// The run had ended in an earlier life: what is left is to tell it.
    fn only_tell(&mut self, ctx: &mut Context<Self>) -> bool {
        let before = Rc::clone(&self.before);
        let Some(end) = &before.finished else { return false };
        self.finished = true;
        let elapsed = Duration::from_millis(end.elapsed_ms.unsigned_abs());
        self.first_cause = end.cause.clone();
        let (succeeded, stopped_by) = (end.outcome == RunOutcome::Succeeded, self.cause_without_job());
        self.follow(&Milestone::Finished { succeeded, stopped_by, elapsed }, None);
        self.leave();
        ctx.stop();
        true
    }

    fn share_context(&mut self, ctx: &mut Context<Self>) -> Option<Rc<NodeContext>> {
        let ForNodes { runner, gate, retries } = self.for_nodes.take()?;
        let context = Rc::new(NodeContext {
            run: Rc::clone(&self.run),
            runner,
            journal: Arc::clone(&self.journal),
            graph: ctx.address().downgrade().recipient(),
            gate,
            before: Rc::clone(&self.before),
            before_at: self.before_at,
            began: Instant::now(),
            paused: Cell::new(self.before.paused_since.is_some()),
            retries,
            traffic: Traffic::default(),
        });
        self.context = Some(Rc::clone(&context));
        Some(context)
    }
}

impl Actor for GraphActor {
    type Context = Context<Self>;

    /// The first life of a run and every later one are the same: what the journal knows is replayed, then the rest is done.
    fn started(&mut self, ctx: &mut Self::Context) {
        chaos::poison(Dose::Everything, self.run.playbook.id.text());
        let left_over = self.replay();
        if self.only_tell(ctx) {
            return;
        }
        chaos::poison(Dose::Jobs, self.run.playbook.id.text());
        let Some(context) = self.share_context(ctx) else { return };
        if let Some(limit) = self.run.playbook.options.deadline {
            // the run may have waited in line since its acceptance
            let spent = self.run.accepted.elapsed().saturating_sub(self.before.pauses(self.before_at));
            self.deadline = Some(Deadline::new(limit, spent));
        }
        if !self.deadline.as_ref().is_some_and(|deadline| deadline.left().is_zero()) {
            self.wiring = Some(Wiring::new(Rc::clone(&self.graph), context));
        }
        self.act_on(left_over, ctx);
        self.go_on_stopping(ctx);
        self.arm_deadline(ctx);
        self.wire(ctx);
        ctx.run_interval(self.sweep, Self::look_after);
    }

    /// A graph that dies of a panic takes its nodes with it and still says its final word. One that is stopped because
    /// the process ends says nothing: its analysis has not ended, the journal has it as running.
    fn stopped(&mut self, _: &mut Self::Context) {
        if self.finished || !std::thread::panicking() {
            return;
        }
        for node in self.nodes.iter().flatten() {
            node.do_send(StopJob);
        }
        let failure = JobFailure::new(FailureKind::StoppedUnexpectedly, "The analysis stopped unexpectedly");
        self.first_cause.get_or_insert(Cause { step: None, failure });
        self.finish(RunOutcome::Failed);
    }
}

impl Handler<JobFinished> for GraphActor {
    type Result = ();

    fn handle(&mut self, message: JobFinished, ctx: &mut Self::Context) {
        let JobFinished { job, report, receipt } = message;
        let end = report.end();
        if let Some(context) = &self.context {
            context.traffic.receives();
        }
        self.nodes[job] = None;
        let is_news = self.progress.state(job).is_some_and(|state| !state.is_terminal());
        let actions = self.progress.on_job_finished(job, end);
        match report {
            _ if !is_news => {}
            JobReport::Succeeded(success) => self.follow(&Milestone::JobSucceeded { job, success }, receipt),
            JobReport::Failed(failure) => self.on_failure(job, failure, receipt),
            JobReport::Skipped | JobReport::Cancelled { .. } => {}
        }
        self.act_on(actions, ctx);
    }
}

impl Handler<IsWired> for GraphActor {
    type Result = bool;

    fn handle(&mut self, _: IsWired, _: &mut Self::Context) -> Self::Result {
        self.wiring.is_none()
    }
}
