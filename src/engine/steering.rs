//! What is asked of a run from outside its jobs: pause, resume, cancel, its deadline.

use std::rc::Rc;

use actix::clock::Instant;
use actix::prelude::*;

use super::decisions::{begun_before, starts_until};
use super::graph_actor::GraphActor;
use super::letting_go::tell;
use super::messages::{ResumeJob, SteerAnalysis, SteerError, SteerRun, Verb};
use super::supervisor::AnalysisSupervisor;
use crate::chaos;
use crate::graph::JobIndex;
use crate::graph::progress::JobEnd;
use crate::ports::{CancelledAttempt, FailureKind, JobFailure};
use crate::store::Record;
use crate::store::record::{Cause, RunOutcome};

impl GraphActor {
    /// Ends the run for a reason outside its jobs, which is written down before anything follows from it: otherwise a run
    /// whose jobs are all stopped would look like one whose jobs are all done. The first reason is the one that counts.
    fn stop(&mut self, outcome: RunOutcome, failure: JobFailure, ctx: &mut Context<Self>) {
        if self.progress.open() == 0 || self.progress.is_stopped_from_outside() {
            return;
        }
        let cause = Cause { step: None, failure };
        drop(self.journal.append(self.run.run_id, Record::Stopping { outcome, cause: cause.clone() }));
        self.stops_as = outcome;
        self.first_cause.get_or_insert(cause);
        let actions = self.progress.stop();
        self.act_on(actions, ctx);
    }

    /// What an earlier life of the process had begun to stop, or was asked to.
    pub(super) fn go_on_stopping(&mut self, ctx: &mut Context<Self>) {
        if self.before.stopping.is_some() {
            let actions = self.progress.stop();
            self.act_on(actions, ctx);
        } else if self.before.cancel_asked {
            self.cancel(ctx);
        }
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
            if !chaos::drops_messages() {
                self.nodes.iter().flatten().for_each(|node| node.do_send(ResumeJob));
            }
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
        let (Some(known), Some(context)) = (begun_before(job, &self.before), &self.context) else { return false };
        let attempt = known.attempt;
        let starts = starts_until(known, attempt);
        let may_have_started = !starts.is_empty();
        let (context, runner) = (Rc::clone(context), Rc::clone(&context.runner));
        context.traffic.begins_to_tell();
        let cancelled = CancelledAttempt { run: Rc::clone(&self.run), job, attempt, starts };
        ctx.spawn(tell(runner, cancelled).into_actor(self).map(move |stopped, graph, ctx| {
            context.traffic.has_told();
            let may_still_run = may_have_started && !stopped;
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
        let SteerRun { verb, seq } = message;
        match verb {
            _ if self.finished => {}
            Verb::Cancel => self.cancel(ctx),
            // a newer one has had its effect before
            _ if seq <= self.steered => {}
            Verb::Pause | Verb::Resume => {
                self.steered = seq;
                self.pause(verb == Verb::Pause, ctx);
            }
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
        let record = match verb {
            Verb::Pause => Record::PauseAsked,
            Verb::Resume => Record::ResumeAsked,
            Verb::Cancel => Record::CancelAsked,
        };
        let asked = self.journal.append(run_id, record).into_actor(self);
        Box::pin(asked.map(move |durable, supervisor, ctx| supervisor.steer(run_id, verb, durable?, ctx)))
    }
}

impl AnalysisSupervisor {
    fn is_open(&self, run_id: i64) -> bool {
        self.runs.contains_key(&run_id) || self.awaited.contains_key(&run_id) || self.waiting.line.has(run_id)
    }

    /// A run of an earlier life of the process that is not here yet is steered when it comes. A run in line has no actors:
    /// it begins paused when its turn comes, or begins now only to be cancelled.
    pub(super) fn steer(
        &mut self,
        run_id: i64,
        verb: Verb,
        seq: u64,
        ctx: &mut Context<Self>,
    ) -> Result<(), SteerError> {
        if let Some(asked) = self.awaited.get_mut(&run_id) {
            asked.push((verb, seq));
            return Ok(());
        }
        if let Some(running) = self.runs.get(&run_id) {
            running.graph.do_send(SteerRun { verb, seq });
            return Ok(());
        }
        let now = self.journal.tick();
        if !self.waiting.line.has(run_id) {
            return Err(SteerError::Over);
        }
        match verb {
            Verb::Pause | Verb::Resume => self.waiting.edit(run_id, |before| {
                if seq <= before.upto {
                    return;
                }
                before.upto = seq;
                if verb == Verb::Pause { before.pause(now) } else { before.resume(now) }
            }),
            Verb::Cancel => {
                self.waiting.edit(run_id, |before| before.cancel_asked = true);
                if let Some(ready) = self.waiting.leave(run_id) {
                    drop(self.journal.append(run_id, Record::Begun));
                    self.begin_now(ready, ctx);
                }
            }
        }
        Ok(())
    }
}
