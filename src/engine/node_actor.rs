//! One job: counts the messages of its incoming edges, runs the job when they are complete, tells its successors.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;

use actix::WeakRecipient;
use actix::prelude::*;
use futures::FutureExt;

use super::attempt::JournalLog;
use super::messages::{InputReady, JobFinished, JobReport, SlotGranted, SlotReleased, SlotWanted, StopJob, Ticket};
use super::panics::text_of;
use crate::chaos::{self, Point};
use crate::graph::inputs::{EdgeOutcome, InputBuffer};
use crate::graph::rules::Verdict;
use crate::graph::{EdgeId, JobIndex};
use crate::playbook::OnFailure;
use crate::ports::{FailureKind, JobCall, JobFailure, JobRunner, JobSuccess, KnownStart, RunSpec};
use crate::store::{Journal, Record, RunProgress};

/// What all nodes of a run share.
pub struct NodeContext {
    /// The run.
    pub run: Rc<RunSpec>,
    /// Does the jobs.
    pub runner: Rc<dyn JobRunner>,
    /// Remembers them.
    pub journal: Arc<dyn Journal>,
    /// Hears how each job ended; weak, because news must not keep the graph alive.
    pub graph: WeakRecipient<JobFinished>,
    /// Where slots are asked for; `None` when nothing limits this run.
    pub gate: Option<Gate>,
    /// What the journal knew when this life of the run began.
    pub before: Rc<RunProgress>,
}

/// The supervisor, as far as a node may speak to it.
pub struct Gate {
    /// For asking.
    pub wanted: WeakRecipient<SlotWanted>,
    /// For giving back.
    pub released: WeakRecipient<SlotReleased>,
}

/// Where a node stands. Only the last one is final.
enum Phase {
    /// Not every edge that matters has spoken.
    Waiting,
    /// Ready, asked for a slot.
    AtGate,
    /// The job's future is under way.
    Running(SpawnHandle),
    /// The final word has been sent.
    Reported,
}

/// The actor of one job. Lives from the start of its run (or its recovery) until its final word.
pub struct NodeActor {
    context: Rc<NodeContext>,
    job: JobIndex,
    attempt: u32,
    inputs: InputBuffer,
    /// The inboxes of the successors, one per outgoing edge. Strong: a successor lives until every edge has spoken.
    successors: Box<[(EdgeId, Recipient<InputReady>)]>,
    phase: Phase,
    holds_ticket: bool,
}

impl NodeActor {
    /// A node whose successors exist already.
    pub fn new(
        context: Rc<NodeContext>,
        job: JobIndex,
        inputs: InputBuffer,
        successors: Box<[(EdgeId, Recipient<InputReady>)]>,
    ) -> Self {
        let attempt = context.before.jobs.get(job).map_or(1, |known| known.attempt.max(1));
        Self { context, job, attempt, inputs, successors, phase: Phase::Waiting, holds_ticket: false }
    }

    fn act_on(&mut self, verdict: Verdict, ctx: &mut Context<Self>) {
        match verdict {
            Verdict::Wait => {}
            Verdict::Start => self.pass_the_gate(ctx),
            Verdict::Skip => {
                self.conclude(JobReport::Skipped);
                ctx.stop();
            }
        }
    }

    /// Jobs that call nobody need no slot.
    fn pass_the_gate(&mut self, ctx: &mut Context<Self>) {
        let service = self.context.run.job(self.job).kind.service();
        let gate = self.context.gate.as_ref().and_then(|gate| gate.wanted.upgrade());
        match (service, gate) {
            (Some(service), Some(gate)) => {
                self.phase = Phase::AtGate;
                self.holds_ticket = true;
                gate.do_send(SlotWanted { ticket: self.ticket(), service, reply: ctx.address().recipient() });
            }
            _ => self.run_job(ctx),
        }
    }

    fn run_job(&mut self, ctx: &mut Context<Self>) {
        let job = self.context.run.job(self.job);
        let call = JobCall {
            run: Rc::clone(&self.context.run),
            job: self.job,
            attempt: self.attempt,
            inputs: self.inputs.inputs(&job.inputs),
            known: self.known_starts(),
            log: Rc::new(JournalLog::new(Rc::clone(&self.context), self.job, self.attempt)),
        };
        let runner = Rc::clone(&self.context.runner);
        let attempt = AssertUnwindSafe(async move { runner.run(call).await }).catch_unwind();
        let handle = ctx.spawn(attempt.into_actor(self).map(|result, node, ctx| {
            let report = match result {
                Ok(Ok(success)) => JobReport::Succeeded(Arc::new(success)),
                Ok(Err(failure)) => JobReport::Failed(failure),
                Err(panic) => JobReport::Failed(JobFailure::new(
                    FailureKind::StoppedUnexpectedly,
                    format!("the job stopped unexpectedly: {}", text_of(panic.as_ref())),
                )),
            };
            chaos::at(Point::K7);
            node.conclude(report);
            ctx.stop();
        }));
        self.phase = Phase::Running(handle);
    }

    /// Starts that an earlier life of the process intended for this attempt.
    fn known_starts(&self) -> Vec<KnownStart> {
        let known = self.context.before.jobs.get(self.job).map_or(&[][..], |job| &job.intents);
        known.iter().filter(|start| start.attempt == self.attempt).cloned().collect()
    }

    /// The final word: journal (queued, not awaited), then sideways, then up, then the slot. Only the first call counts.
    fn conclude(&mut self, report: JobReport) {
        if matches!(self.phase, Phase::Reported) {
            return;
        }
        self.phase = Phase::Reported;
        let receipt =
            self.record_of(&report).map(|record| self.context.journal.append(self.context.run.run_id, record));
        let outcome = match &report {
            JobReport::Succeeded(success) => EdgeOutcome::Succeeded(Arc::clone(&success.output)),
            JobReport::Failed(_) => EdgeOutcome::Failed,
            JobReport::Skipped => EdgeOutcome::Skipped,
            JobReport::Cancelled => EdgeOutcome::Cancelled,
        };
        for (edge, successor) in &self.successors {
            successor.do_send(InputReady { edge: *edge, outcome: outcome.clone() });
        }
        if let Some(graph) = self.context.graph.upgrade() {
            graph.do_send(JobFinished { job: self.job, report, receipt });
        }
        if self.holds_ticket
            && let Some(gate) = self.context.gate.as_ref().and_then(|gate| gate.released.upgrade())
        {
            gate.do_send(SlotReleased { ticket: self.ticket() });
        }
    }

    /// Skips under the stop policy follow from the end of the analysis and are not written down one by one.
    fn record_of(&self, report: &JobReport) -> Option<Record> {
        let (job, attempt) = (self.job, self.attempt);
        match report {
            JobReport::Succeeded(success) => {
                let JobSuccess { output, details } = success.as_ref();
                Some(Record::JobSucceeded {
                    job,
                    attempt,
                    producer: output.producer,
                    path: output.path.clone(),
                    details: details.clone(),
                })
            }
            JobReport::Failed(failure) => Some(Record::JobFailed { job, attempt, failure: failure.clone() }),
            JobReport::Skipped => {
                let goes_on = self.context.run.playbook.options.on_failure == OnFailure::Continue;
                goes_on.then_some(Record::JobSkipped { job })
            }
            JobReport::Cancelled => Some(Record::JobCancelled { job, attempt }),
        }
    }

    fn ticket(&self) -> Ticket {
        Ticket { run_id: self.context.run.run_id, job: self.job as u32 }
    }
}

impl Actor for NodeActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let verdict = self.inputs.verdict();
        self.act_on(verdict, ctx);
    }

    /// Speaks only after a panic, while unwinding: keep it to this one call. A node that is stopped because the process
    /// ends has not failed: recovery will take its job up again.
    fn stopped(&mut self, _: &mut Self::Context) {
        if !matches!(self.phase, Phase::Reported) && std::thread::panicking() {
            let failure = JobFailure::new(FailureKind::StoppedUnexpectedly, "the job stopped unexpectedly");
            self.conclude(JobReport::Failed(failure));
        }
    }
}

impl Handler<InputReady> for NodeActor {
    type Result = ();

    fn handle(&mut self, message: InputReady, ctx: &mut Self::Context) {
        match self.inputs.accept(message.edge, message.outcome) {
            Ok(verdict) if matches!(self.phase, Phase::Waiting) => self.act_on(verdict, ctx),
            Ok(_) => {}
            Err(error) => log::debug!("run={} job={}: {error}", self.context.run.run_id, self.job),
        }
    }
}

impl Handler<SlotGranted> for NodeActor {
    type Result = ();

    fn handle(&mut self, _: SlotGranted, ctx: &mut Self::Context) {
        if matches!(self.phase, Phase::AtGate) {
            self.run_job(ctx);
        }
    }
}

impl Handler<StopJob> for NodeActor {
    type Result = ();

    fn handle(&mut self, _: StopJob, ctx: &mut Self::Context) {
        match self.phase {
            Phase::Waiting | Phase::AtGate => self.conclude(JobReport::Skipped),
            Phase::Running(handle) => {
                ctx.cancel_future(handle);
                self.conclude(JobReport::Cancelled);
            }
            Phase::Reported => {}
        }
        ctx.stop();
    }
}
