//! One run of an analysis: starts its nodes, hears how they end, closes the run.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::WeakRecipient;
use actix::prelude::*;

use super::messages::{AnalysisFinished, IsWired, JobFinished, JobReport, StopJob};
use super::node_actor::{Gate, NodeActor, NodeContext};
use super::outbox::Outbox;
use super::wiring::Wiring;
use crate::chaos::{self, Dose};
use crate::graph::progress::{GraphAction, GraphProgress, JobEnd, Outcome};
use crate::graph::{JobGraph, JobIndex};
use crate::ports::{FailureKind, JobFailure, JobRunner, Milestone, RunSpec};
use crate::store::record::{Cause, RunOutcome};
use crate::store::{JobPhase, Journal, Receipt, Record, RunProgress};

/// What a graph actor is given.
pub struct GraphSetup {
    /// The run.
    pub run: Rc<RunSpec>,
    /// Who waits for whom.
    pub graph: JobGraph,
    /// What the journal knows of the run: [`RunProgress::nothing`] in its first life.
    pub before: RunProgress,
    /// Does the jobs.
    pub runner: Rc<dyn JobRunner>,
    /// Remembers them.
    pub journal: Arc<dyn Journal>,
    /// Hears the end of the run.
    pub supervisor: WeakRecipient<AnalysisFinished>,
    /// Where nodes ask for slots, if anything limits them.
    pub gate: Option<Gate>,
}

/// The actor of one run. Holds its nodes until their final words.
pub struct GraphActor {
    run: Rc<RunSpec>,
    journal: Arc<dyn Journal>,
    supervisor: WeakRecipient<AnalysisFinished>,
    progress: GraphProgress,
    nodes: Vec<Option<Addr<NodeActor>>>,
    /// Everything the nodes need, until the first turn of the wiring.
    wiring: Option<Wiring>,
    setup: Option<(JobGraph, Rc<dyn JobRunner>, Option<Gate>)>,
    before: Rc<RunProgress>,
    outbox: Option<Outbox>,
    first_cause: Option<Cause>,
    finished: bool,
}

impl GraphActor {
    /// A run that begins when the actor starts.
    pub fn new(setup: GraphSetup) -> Self {
        let GraphSetup { run, graph, before, runner, journal, supervisor, gate } = setup;
        let jobs = graph.len();
        let outbox = Outbox::open(Rc::clone(&run), Rc::clone(&runner), Arc::clone(&journal), before.delivered);
        Self {
            progress: GraphProgress::new(jobs, run.playbook.options.on_failure),
            nodes: vec![None; jobs],
            wiring: None,
            setup: Some((graph, runner, gate)),
            before: Rc::new(before),
            outbox: Some(outbox),
            first_cause: None,
            finished: false,
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

    fn act_on(&mut self, actions: Vec<GraphAction>, ctx: &mut Context<Self>) {
        let mut to_do = VecDeque::from(actions);
        while let Some(action) = to_do.pop_front() {
            match action {
                GraphAction::StopJob(job) => match &self.nodes[job] {
                    Some(node) => node.do_send(StopJob),
                    // not spawned yet: it never will be, so nobody else can say its final word
                    None => {
                        self.wiring = None;
                        to_do.extend(self.progress.on_job_finished(job, JobEnd::Skipped));
                    }
                },
                GraphAction::FinishAnalysis(outcome) => {
                    self.finish(match outcome {
                        Outcome::Succeeded => RunOutcome::Succeeded,
                        Outcome::Failed { .. } => RunOutcome::Failed,
                        Outcome::Stopped => RunOutcome::Stopped,
                    });
                    ctx.stop();
                }
            }
        }
    }

    /// Tells the outbox and the progress what happened in earlier lives; answers what was decided then and not done.
    fn replay(&mut self) -> Vec<GraphAction> {
        self.follow(&Milestone::Accepted, None);
        let before = Rc::clone(&self.before);
        let mut left_over = Vec::new();
        for &job in &before.ended {
            let known = &before.jobs[job];
            let end = match known.phase {
                JobPhase::Succeeded => JobEnd::Succeeded,
                JobPhase::Failed => JobEnd::Failed,
                JobPhase::Skipped => JobEnd::Skipped,
                JobPhase::Waiting | JobPhase::Starting | JobPhase::Running | JobPhase::Cancelled => JobEnd::Cancelled,
            };
            left_over.extend(self.progress.on_job_finished(job, end));
            if let Some(success) = known.success.clone() {
                self.follow(&Milestone::JobSucceeded { job, success: Arc::new(success) }, None);
            }
            if let Some(failure) = known.failure.clone() {
                self.on_failure(job, failure, None);
            }
        }
        left_over
    }

    fn on_failure(&mut self, job: JobIndex, failure: JobFailure, receipt: Option<Receipt<u64>>) {
        let step = Some(self.run.job(job).step.text().to_owned());
        self.first_cause.get_or_insert_with(|| Cause { step, failure: failure.clone() });
        self.follow(&Milestone::JobFailed { job, failure }, receipt);
    }

    fn stop_at_deadline(&mut self, ctx: &mut Context<Self>) {
        let failure = JobFailure::new(FailureKind::TimedOut, "The analysis did not finish before its deadline");
        self.first_cause.get_or_insert(Cause { step: None, failure });
        let actions = self.progress.stop();
        self.act_on(actions, ctx);
    }

    fn follow(&mut self, milestone: &Milestone, receipt: Option<Receipt<u64>>) {
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
        let playbook = &self.run.playbook;
        let prefix =
            format!("tenant={} {}={} run={}", playbook.tenant, playbook.space.as_str(), playbook.id, self.run.number);
        match &self.first_cause {
            Some(cause) => {
                log::warn!("{prefix}: {} after {} ms: {}", outcome.as_str(), elapsed.as_millis(), cause.failure)
            }
            None => log::info!("{prefix}: {} after {} ms", outcome.as_str(), elapsed.as_millis()),
        }
    }
}

impl Actor for GraphActor {
    type Context = Context<Self>;

    /// The first life of a run and every later one are the same: what the journal knows is replayed, then the rest is done.
    fn started(&mut self, ctx: &mut Self::Context) {
        chaos::poison(Dose::Everything, self.run.playbook.id.text());
        let left_over = self.replay();
        if let Some(end) = &self.before.finished {
            self.finished = true;
            let elapsed = Duration::from_millis(end.elapsed_ms.unsigned_abs());
            let succeeded = end.outcome == RunOutcome::Succeeded;
            self.first_cause = end.cause.clone();
            let stopped_by = self.cause_without_job();
            self.follow(&Milestone::Finished { succeeded, stopped_by, elapsed }, None);
            self.leave();
            ctx.stop();
            return;
        }
        if let Some(deadline) = self.run.playbook.options.deadline {
            // the run may have waited in line since its acceptance
            let left = deadline.saturating_sub(self.run.accepted.elapsed());
            if left.is_zero() {
                self.stop_at_deadline(ctx);
                return;
            }
            ctx.notify_later(DeadlinePassed, left);
        }
        chaos::poison(Dose::Jobs, self.run.playbook.id.text());
        let Some((graph, runner, gate)) = self.setup.take() else { return };
        let context = NodeContext {
            run: Rc::clone(&self.run),
            runner,
            journal: Arc::clone(&self.journal),
            graph: ctx.address().downgrade().recipient(),
            gate,
            before: Rc::clone(&self.before),
        };
        self.wiring = Some(Wiring::new(graph, Rc::new(context)));
        self.act_on(left_over, ctx);
        self.wire(ctx);
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
        let end = match &report {
            JobReport::Succeeded(_) => JobEnd::Succeeded,
            JobReport::Failed(_) => JobEnd::Failed,
            JobReport::Skipped => JobEnd::Skipped,
            JobReport::Cancelled => JobEnd::Cancelled,
        };
        self.nodes[job] = None;
        let actions = self.progress.on_job_finished(job, end);
        match report {
            JobReport::Succeeded(success) => self.follow(&Milestone::JobSucceeded { job, success }, receipt),
            JobReport::Failed(failure) => self.on_failure(job, failure, receipt),
            JobReport::Skipped | JobReport::Cancelled => {}
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

/// The time limit of the whole run is over.
#[derive(Message)]
#[rtype(result = "()")]
struct DeadlinePassed;

impl Handler<DeadlinePassed> for GraphActor {
    type Result = ();

    fn handle(&mut self, _: DeadlinePassed, ctx: &mut Self::Context) {
        self.stop_at_deadline(ctx);
    }
}
