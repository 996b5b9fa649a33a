//! What is asked of a run from outside its jobs: pause, resume, cancel, its deadline.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use actix::clock::Instant;
use actix::prelude::*;
use futures::FutureExt;

use super::graph_actor::GraphActor;
use super::messages::{ResumeJob, SteerAnalysis, SteerError, SteerRun, Verb};
use super::supervisor::AnalysisSupervisor;
use crate::graph::JobIndex;
use crate::graph::progress::JobEnd;
use crate::ports::{CancelledAttempt, FailureKind, JobFailure};
use crate::store::record::{Cause, RunOutcome};
use crate::store::{Entry, Record};

impl GraphActor {
    /// Ends the run for a reason outside its jobs. The first reason counts, and says how it has ended.
    fn stop(&mut self, outcome: RunOutcome, failure: JobFailure, ctx: &mut Context<Self>) {
        if self.first_cause.is_none() {
            self.first_cause = Some(Cause { step: None, failure });
            self.stops_as = outcome;
        }
        let actions = self.progress.stop();
        self.act_on(actions, ctx);
    }

    /// Somebody wants the run to end.
    pub(super) fn cancel(&mut self, ctx: &mut Context<Self>) {
        let failure = JobFailure::new(FailureKind::Cancelled, "The analysis was cancelled");
        self.stop(RunOutcome::Cancelled, failure, ctx);
    }

    /// The run cannot go on.
    pub(super) fn fail(&mut self, failure: JobFailure, ctx: &mut Context<Self>) {
        self.stop(RunOutcome::Failed, failure, ctx);
    }

    fn pause(&mut self, paused: bool, ctx: &mut Context<Self>) {
        let Some(context) = &self.context else { return };
        if context.paused.replace(paused) == paused {
            return;
        }
        if paused {
            let timer = self.deadline.as_mut().and_then(|deadline| deadline.stand_still(Instant::now()));
            timer.map(|timer| ctx.cancel_future(timer));
        } else {
            self.nodes.iter().flatten().for_each(|node| node.do_send(ResumeJob));
            self.arm_deadline(ctx);
        }
    }

    /// The deadline counts from acceptance, but for the time that the run was paused.
    pub(super) fn arm_deadline(&mut self, ctx: &mut Context<Self>) {
        let paused = self.context.as_ref().is_some_and(|context| context.paused.get());
        if let Some(deadline) = self.deadline.as_mut().filter(|_| !paused && !self.finished) {
            if deadline.left().is_zero() {
                return self.pass_deadline(ctx);
            }
            let timer = ctx.run_later(deadline.left(), Self::pass_deadline);
            deadline.runs(Instant::now(), timer);
        }
    }

    fn pass_deadline(&mut self, ctx: &mut Context<Self>) {
        let failure = JobFailure::new(FailureKind::TimedOut, "The analysis did not finish before its deadline");
        self.stop(RunOutcome::Stopped, failure, ctx);
    }

    /// A job that has no actor in this life may be at work since an earlier one: its service is told, and the job ends
    /// when that is done. False when there is nothing to tell.
    pub(super) fn let_go_unseen(&mut self, job: JobIndex, ctx: &mut Context<Self>) -> bool {
        let known = self.before.jobs.get(job).filter(|known| known.attempt > 0 && !known.phase.is_terminal());
        let (Some(known), Some(context)) = (known, &self.context) else { return false };
        let attempt = known.attempt;
        let starts: Vec<_> = known.intents.iter().filter(|start| start.attempt == attempt).cloned().collect();
        let may_have_started = !starts.is_empty();
        let runner = Rc::clone(&context.runner);
        let cancelled = CancelledAttempt { run: Rc::clone(&self.run), job, starts };
        let told = AssertUnwindSafe(async move { runner.cancel(cancelled).await }).catch_unwind();
        self.being_told += 1;
        ctx.spawn(told.into_actor(self).map(move |stopped, graph, ctx| {
            graph.being_told -= 1;
            let may_still_run = may_have_started && !stopped.unwrap_or(false);
            drop(graph.journal.append(graph.run.run_id, Record::JobCancelled { job, attempt, may_still_run }));
            let actions = graph.progress.on_job_finished(job, JobEnd::Cancelled);
            graph.act_on(actions, ctx);
        }));
        true
    }
}

impl Handler<SteerRun> for GraphActor {
    type Result = ();

    fn handle(&mut self, message: SteerRun, ctx: &mut Self::Context) {
        match message.verb {
            _ if self.finished => {}
            Verb::Pause => self.pause(true, ctx),
            Verb::Resume => self.pause(false, ctx),
            Verb::Cancel => self.cancel(ctx),
        }
    }
}

impl Handler<SteerAnalysis> for AnalysisSupervisor {
    type Result = ResponseActFuture<Self, Result<(), SteerError>>;

    /// What was asked is durable before anything follows from it.
    fn handle(&mut self, message: SteerAnalysis, _: &mut Self::Context) -> Self::Result {
        let SteerAnalysis { run_id, verb } = message;
        if !self.is_open(run_id) {
            return Box::pin(futures::future::ready(Err(SteerError::Over)).into_actor(self));
        }
        let mut written = self.journal.append(run_id, verb.record());
        if verb == Verb::Resume && !self.runs.contains_key(&run_id) {
            // it is in line again; the records of a run have no gaps, so the later one vouches for both
            written = self.journal.append(run_id, Record::Queued);
        }
        Box::pin(written.into_actor(self).map(move |durable, supervisor, ctx| {
            durable?;
            supervisor.steer(run_id, verb, ctx)
        }))
    }
}

impl AnalysisSupervisor {
    fn is_open(&self, run_id: i64) -> bool {
        self.runs.contains_key(&run_id) || self.tenants.values().any(|runs| runs.is_in_line(run_id))
    }

    /// A run in line has no actors: it begins paused when its turn comes, or begins now only to be cancelled.
    fn steer(&mut self, run_id: i64, verb: Verb, ctx: &mut Context<Self>) -> Result<(), SteerError> {
        if let Some(running) = self.runs.get(&run_id) {
            running.graph.do_send(SteerRun { verb });
            return Ok(());
        }
        let tick = self.journal.tick();
        let line = self.tenants.values_mut().find(|runs| runs.is_in_line(run_id)).ok_or(SteerError::Over)?;
        line.tell_in_line(&Entry { seq: 0, run_id, at: tick, tick, record: verb.record() });
        if verb == Verb::Cancel
            && let Some(ready) = line.leave_line(run_id)
        {
            drop(self.journal.append(run_id, Record::Begun));
            self.begin_now(ready, ctx);
        }
        Ok(())
    }
}

impl Verb {
    /// What the journal says about it.
    fn record(self) -> Record {
        match self {
            Verb::Pause => Record::PauseAsked,
            Verb::Resume => Record::ResumeAsked,
            Verb::Cancel => Record::CancelAsked,
        }
    }
}
