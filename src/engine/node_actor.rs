//! One job: a thin shell around [`NodeState`], which decides; this says it to the journal, the neighbours and the graph.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::WeakRecipient;
use actix::clock::Instant;
use actix::prelude::*;
use futures::FutureExt;

use super::attempt::JournalLog;
use super::decisions::{left_before, left_by, node_of, starts_of};
use super::letting_go::{give_up, tell};
use super::messages::{Gate, InputReady, JobFinished, JobReport, StopJob};
use super::panics::failure_by;
use super::retry::wait_after;
use super::retry_line::{RetryLine, RetryToken};
use super::traffic::{CountedAs, Traffic};
use crate::chaos::{self, Point};
use crate::graph::inputs::InputBuffer;
use crate::graph::node::{AttemptEnd, End, NodeState, Stage, Step};
use crate::graph::{EdgeId, JobIndex};
use crate::metrics;
use crate::ports::{CancelledAttempt, JobCall, JobFailure, JobRunner, JobSuccess, KnownStart, RunSpec};
use crate::store::{JobPhase, JobProgress, Journal, Millis, Record, RunProgress};

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
    /// When that was, by the journal's clock.
    pub before_at: Millis,
    /// The same by the clock that tests can pause.
    pub began: Instant,
    /// Whether nothing may start.
    pub paused: Cell<bool>,
    /// Retries that all runs may begin.
    pub retries: RetryLine,
    /// Counts the messages of the run.
    pub traffic: Traffic,
}

/// How an attempt has ended.
type Attempted = Result<JobSuccess, JobFailure>;

/// The attempt that is under way.
struct Attempt {
    future: SpawnHandle,
    log: Rc<JournalLog>,
}

/// The actor of one job. Lives from the start of its run (or its recovery) until its final word.
pub struct NodeActor {
    pub(super) context: Rc<NodeContext>,
    pub(super) job: JobIndex,
    pub(super) state: NodeState,
    /// The inboxes of the successors, one per outgoing edge. Strong: a successor lives until every edge has spoken.
    successors: Box<[(EdgeId, Recipient<InputReady>)]>,
    attempt: Option<Box<Attempt>>,
    /// Starts of earlier attempts that a service may be at work on.
    left: Vec<KnownStart>,
    pub(super) holds_ticket: bool,
    /// When the wait before the next attempt is over, while it is under way.
    pub(super) waits_until: Option<Instant>,
    /// What the retry budget has given for an attempt that has not begun.
    token: Option<RetryToken>,
    pub(super) counted_as: CountedAs,
}

impl NodeActor {
    /// A node whose successors exist already.
    pub fn new(
        context: Rc<NodeContext>,
        job: JobIndex,
        inputs: InputBuffer,
        successors: Box<[(EdgeId, Recipient<InputReady>)]>,
    ) -> Self {
        let attempts = context.run.job(job).retry.as_ref().map_or(1, |retry| retry.attempts);
        let state = node_of(job, inputs, attempts, &context.before);
        let left = context.before.jobs.get(job).map_or_else(Vec::new, |known| left_before(known, state.attempt()));
        Self {
            context,
            job,
            state,
            successors,
            attempt: None,
            left,
            holds_ticket: false,
            waits_until: None,
            token: None,
            counted_as: CountedAs::default(),
        }
    }

    /// Does what the state has decided. `report` is what there is to say if that is the final word.
    pub(super) fn act_on(&mut self, step: Step, report: Option<JobReport>, ctx: &mut Context<Self>) {
        match step {
            Step::Nothing => {}
            Step::AskForSlot => self.ask_for_slot(ctx),
            Step::Run => self.run_attempt(ctx),
            Step::BackOff => self.back_off(report, ctx),
            Step::LetGo => self.let_go(ctx),
            Step::Conclude(end) => {
                self.conclude(end, report);
                ctx.stop();
            }
        }
        self.settle();
    }

    fn run_attempt(&mut self, ctx: &mut Context<Self>) {
        self.token.take().into_iter().for_each(RetryToken::spend);
        let (job, number) = (self.context.run.job(self.job), self.state.attempt());
        let known = self.known_starts(number);
        let before = self.before().filter(|before| before.attempt == number);
        if number == 1 && before.is_none() && job.kind.service().is_some() {
            self.context.retries.on_first_attempt();
        }
        if before.is_none_or(|before| before.attempt_began.is_none()) {
            self.owns_up(number);
        }
        let log = Rc::new(JournalLog::new(Rc::clone(&self.context), self.job, number, known.clone()));
        let call = JobCall {
            run: Rc::clone(&self.context.run),
            job: self.job,
            attempt: number,
            inputs: self.state.inputs().inputs(&job.inputs),
            known,
            spent: before.and_then(|before| before.attempt_began).map_or(Duration::ZERO, |began| self.since(began)),
            callback: before.and_then(|before| before.callback.clone()),
            lost_contact: before.is_some_and(|before| before.phase == JobPhase::LostContact),
            log: Rc::clone(&log) as _,
        };
        let runner = Rc::clone(&self.context.runner);
        let attempt = AssertUnwindSafe(async move { runner.run(call).await }).catch_unwind();
        let mut attempt =
            Box::pin(attempt.map(|result| result.unwrap_or_else(|panic| Err(failure_by(panic.as_ref())))));
        // jobs that call nobody are done at once: a task for them would cost more than they do
        if let Some(result) = attempt.as_mut().now_or_never() {
            return self.on_attempt_ended(number, result, log.starts(), ctx);
        }
        let future = ctx.spawn(attempt.into_actor(self).map(move |result, node, ctx| {
            let starts = node.attempt.take().map_or_else(Vec::new, |attempt| attempt.log.starts());
            node.on_attempt_ended(number, result, starts, ctx);
        }));
        self.attempt = Some(Box::new(Attempt { future, log }));
    }

    /// An attempt begins although a service may be at work on an earlier one: that is counted and visible.
    fn owns_up(&self, number: u32) {
        let Some(KnownStart { attempt, service, .. }) = self.left.last() else { return };
        metrics::starts_ambiguous(*service);
        let text = format!(
            "{} may be at work on attempt {attempt} of this job when attempt {number} begins: nobody knows how it ended",
            service.as_str()
        );
        self.write(Record::Warning { job: Some(self.job), code: "start-ambiguous".to_owned(), text });
    }

    fn on_attempt_ended(&mut self, number: u32, result: Attempted, starts: Vec<KnownStart>, ctx: &mut Context<Self>) {
        chaos::at(Point::K7);
        let (end, report) = match result {
            Ok(success) => (AttemptEnd::Succeeded, JobReport::Succeeded(Arc::new(success))),
            Err(failure) => {
                let left: Vec<KnownStart> = left_by(starts, failure.kind).collect();
                give_up(&self.context.runner, &self.context.run, self.job, &left);
                self.left.extend(left);
                let worth_a_retry = failure.kind.is_worth_a_retry();
                (AttemptEnd::Failed { worth_a_retry }, JobReport::Failed(failure))
            }
        };
        let step = self.state.on_attempt_ended(number, end);
        self.act_on(step, Some(report), ctx);
    }

    /// Starts that an earlier life of the process intended for an attempt.
    fn known_starts(&self, attempt: u32) -> Vec<KnownStart> {
        self.before().map_or_else(Vec::new, |known| starts_of(known, attempt))
    }

    fn before(&self) -> Option<&JobProgress> {
        self.context.before.jobs.get(self.job)
    }

    /// How long ago something was, by the journal's clock.
    fn since(&self, then: Millis) -> Duration {
        let before = self.context.before_at.saturating_sub(then).max(0).unsigned_abs();
        Duration::from_millis(before) + self.context.began.elapsed()
    }

    /// The state has moved on to the next attempt; the one that failed is written down with the wait before it.
    fn back_off(&mut self, report: Option<JobReport>, ctx: &mut Context<Self>) {
        let (Some(JobReport::Failed(failure)), Some(retry)) = (report, &self.context.run.job(self.job).retry) else {
            return;
        };
        let failed = self.state.attempt() - 1;
        let wait = wait_after(retry, failed, fastrand::f64());
        log::info!("run={} job={}: attempt {failed} failed, the next in {wait:?}: {failure}", self.run_id(), self.job);
        if let Some(service) = self.context.run.job(self.job).kind.service() {
            metrics::retried(service);
        }
        self.write(Record::JobRetrying {
            job: self.job,
            attempt: failed,
            failure,
            wait_ms: wait.as_millis() as Millis,
        });
        self.wait(wait, ctx);
    }

    fn wait(&mut self, wait: Duration, ctx: &mut Context<Self>) {
        self.waits_until = Some(Instant::now() + wait);
        ctx.run_later(wait, Self::wait_for_token);
    }

    /// The back-off is over; the budget that all jobs share may say otherwise.
    fn wait_for_token(&mut self, ctx: &mut Context<Self>) {
        self.waits_until = None;
        let playbook = &self.context.run.playbook;
        let token = self.context.retries.token(&playbook.tenant, playbook.options.priority);
        ctx.spawn(token.into_actor(self).map(|token, node, ctx| {
            node.token = token;
            let step = node.state.on_wait_over(node.context.paused.get());
            node.act_on(step, None, ctx);
        }));
    }

    /// Nobody waits for the job any more; whatever service may be at work on it is told, if it can be.
    fn let_go(&mut self, ctx: &mut Context<Self>) {
        let (job, attempt) = (self.job, self.state.attempt());
        let present = match self.attempt.take() {
            Some(attempt) => {
                ctx.cancel_future(attempt.future);
                attempt.log.starts()
            }
            None => self.known_starts(attempt),
        };
        let mut starts = std::mem::take(&mut self.left);
        starts.extend(present);
        let cancelled = CancelledAttempt { run: Rc::clone(&self.context.run), job, attempt, starts };
        let may_have_started = !cancelled.starts.is_empty();
        let told = tell(Rc::clone(&self.context.runner), cancelled);
        ctx.spawn(told.into_actor(self).map(move |stopped, node, ctx| {
            let may_still_run = may_have_started && !stopped;
            let step = node.state.on_let_go();
            node.act_on(step, Some(JobReport::Cancelled { may_still_run }), ctx);
        }));
    }

    /// The final word: journal (queued, not awaited), then sideways, then up.
    fn conclude(&mut self, end: End, report: Option<JobReport>) {
        // somebody else may have it
        self.token = None;
        let report = JobReport::of(end, report);
        let on_failure = self.context.run.playbook.options.on_failure;
        let record = report.record(self.job, self.state.attempt(), on_failure);
        let receipt = record.map(|record| self.context.journal.append(self.run_id(), record));
        let outcome = report.outcome();
        let traffic = &self.context.traffic;
        traffic.writes_off(self.state.inputs().tally().missing());
        for (edge, successor) in &self.successors {
            traffic.sends();
            if !chaos::drops_messages() {
                successor.do_send(InputReady { edge: *edge, outcome: outcome.clone() });
            }
        }
        if let Some(graph) = self.context.graph.upgrade() {
            traffic.sends();
            if !chaos::drops_messages() {
                graph.do_send(JobFinished { job: self.job, report, receipt });
            }
        }
    }

    fn write(&self, record: Record) {
        drop(self.context.journal.append(self.run_id(), record));
    }

    pub(super) fn run_id(&self) -> i64 {
        self.context.run.run_id
    }
}

impl Actor for NodeActor {
    type Context = Context<Self>;

    /// A wait that an earlier life of the process had begun goes on for what is left of it.
    fn started(&mut self, ctx: &mut Self::Context) {
        let retry_at = self.before().and_then(|before| before.retry_at);
        let step = self.state.on_started(self.context.paused.get(), retry_at.is_some());
        if let Some(retry_at) = retry_at.filter(|_| self.state.stage() == Stage::BackingOff) {
            let left = retry_at.saturating_sub(self.context.before_at).max(0).unsigned_abs();
            self.wait(Duration::from_millis(left), ctx);
        }
        self.act_on(step, None, ctx);
    }

    /// Speaks only after a panic, while unwinding: keep it to this one call. A node that is stopped because the process
    /// ends has not failed: recovery will take its job up again.
    fn stopped(&mut self, _: &mut Self::Context) {
        if std::thread::panicking()
            && let Step::Conclude(end) = self.state.on_died()
        {
            self.conclude(end, None);
            self.settle();
        }
    }
}

impl Handler<InputReady> for NodeActor {
    type Result = ();

    fn handle(&mut self, message: InputReady, ctx: &mut Self::Context) {
        self.context.traffic.receives();
        match self.state.on_input(message.edge, message.outcome, self.context.paused.get()) {
            Ok(step) => self.act_on(step, None, ctx),
            Err(error) => {
                metrics::message_ignored();
                log::debug!("run={} job={}: {error}", self.run_id(), self.job);
            }
        }
    }
}

impl Handler<StopJob> for NodeActor {
    type Result = ();

    fn handle(&mut self, _: StopJob, ctx: &mut Self::Context) {
        let step = self.state.on_stop();
        self.act_on(step, None, ctx);
    }
}
