//! Looks after a run at every sweep: what has lost messages or is stuck goes on from the journal, or fails with the edge
//! that is missing. `graph/liveness.rs` decides.

use std::time::Duration;

use actix::prelude::*;

use super::graph_actor::GraphActor;
use super::messages::{InputReady, Nudge, SlotReleased, StopJob, Ticket};
use super::wiring::outcome_of;
use crate::graph::JobIndex;
use crate::graph::liveness::{Diagnosis, Vitals, diagnose, missing_edge};
use crate::graph::progress::{JobEnd, JobState};
use crate::ports::{FailureKind, JobFailure};
use crate::store::{Entry, Record, RunProgress};

/// From a look that finds messages on their way to the one that asks whether they have arrived: more than a turn of the
/// thread takes.
const SECOND_LOOK: Duration = Duration::from_secs(1);

impl GraphActor {
    /// One sweep.
    pub(super) fn look_after(&mut self, ctx: &mut Context<Self>) {
        let at_gate = self.context.as_ref().map_or(0, |context| context.traffic.vitals(false, 0).at_gate);
        if at_gate > 0 && !self.finished {
            self.nodes.iter().flatten().for_each(|node| node.do_send(Nudge));
        }
        self.look(ctx);
    }

    /// A journal that cannot be written explains every stillness.
    fn look(&mut self, ctx: &mut Context<Self>) {
        let Some(context) = self.context.as_ref().filter(|_| !self.finished && self.wiring.is_none()) else { return };
        if !self.journal.is_healthy() {
            return;
        }
        let mut now = context.traffic.vitals(context.paused.get(), self.progress.open());
        now.busy += self.being_told;
        let diagnosis = diagnose(self.last_look, now);
        self.last_look = now;
        match diagnosis {
            Diagnosis::Alive if now.received < now.sent => self.look_again_soon(ctx),
            Diagnosis::Alive => self.healed_with = None,
            Diagnosis::Stuck if self.healed_with == Some(now.open) => self.give_up(ctx),
            Diagnosis::MessagesLost | Diagnosis::Stuck => self.heal(diagnosis, now, ctx),
        }
    }

    fn look_again_soon(&mut self, ctx: &mut Context<Self>) {
        if !std::mem::replace(&mut self.looks_again, true) {
            ctx.run_later(SECOND_LOOK.min(self.sweep), |graph, ctx| {
                graph.looks_again = false;
                graph.look(ctx);
            });
        }
    }

    /// Reads back what is durable, and lets everybody know what they have missed.
    fn heal(&mut self, diagnosis: Diagnosis, now: Vitals, ctx: &mut Context<Self>) {
        let (prefix, run_id) = (self.run.log_prefix(), self.run.run_id);
        log::warn!("{prefix}: {diagnosis:?} with {now:?}: it goes on from the journal");
        let text = format!("{diagnosis:?}: the run went on from the journal");
        drop(self.journal.append(run_id, Record::Warning { job: None, code: "healed".to_owned(), text }));
        let read = self.journal.read_back(run_id).into_actor(self);
        ctx.spawn(read.map(move |entries, graph, ctx| match entries {
            Ok(entries) => graph.go_on_from(&entries, ctx),
            Err(error) => log::error!("{prefix}: {error}"),
        }));
    }

    fn go_on_from(&mut self, entries: &[Entry], ctx: &mut Context<Self>) {
        if self.finished {
            return;
        }
        let known = match RunProgress::fold(self.graph.len(), entries) {
            Ok(known) => known,
            Err(error) => return log::error!("{}: {error}", self.run.log_prefix()),
        };
        if let Some(context) = &self.context {
            context.traffic.gives_up_what_is_on_its_way();
        }
        for &job in &known.ended {
            self.free_slot(job);
            if self.is_open(job) {
                self.nodes[job] = None;
                let actions = self.hear_from_journal(job, &known.jobs[job]);
                self.act_on(actions, ctx);
            }
        }
        self.healed_with = Some(self.progress.open());
        for job in 0..self.graph.len() {
            if !self.finished && self.is_open(job) {
                self.remind(job, &known, ctx);
            }
        }
    }

    /// Tells a job again what it may have missed: edges count once, so repeating them is harmless.
    fn remind(&mut self, job: JobIndex, known: &RunProgress, ctx: &mut Context<Self>) {
        let Some(node) = self.nodes[job].clone() else { return };
        if !node.connected() {
            // it has said its final word, of which the journal has nothing: a skip under the stop policy
            self.nodes[job] = None;
            let actions = self.progress.on_job_finished(job, JobEnd::Skipped);
            return self.act_on(actions, ctx);
        }
        if self.progress.state(job) == Some(JobState::Stopping) {
            node.do_send(StopJob);
        }
        let spoken = self.graph.incoming(job).filter_map(|(edge, from)| Some((edge, outcome_of(&known.jobs[from])?)));
        for (edge, outcome) in spoken {
            if let Some(context) = &self.context {
                context.traffic.sends();
            }
            node.do_send(InputReady { edge, outcome });
        }
    }

    /// The supervisor may not have heard that a job needs its slot no longer.
    fn free_slot(&self, job: JobIndex) {
        let gate = self.context.as_ref().and_then(|context| context.gate.as_ref()?.released.upgrade());
        if let Some(gate) = gate {
            gate.do_send(SlotReleased { ticket: Ticket { run_id: self.run.run_id, job: job as u32 } });
        }
    }

    fn is_open(&self, job: JobIndex) -> bool {
        self.progress.state(job).is_some_and(|state| !state.is_terminal())
    }

    /// The journal did not help either.
    fn give_up(&mut self, ctx: &mut Context<Self>) {
        let step = |job: JobIndex| self.run.job(job).step.text().to_owned();
        let text = match missing_edge(&self.graph, &self.progress) {
            Some((from, to)) => {
                format!("The analysis is stuck: step {} waits for step {}, which has ended", step(to), step(from))
            }
            None => "The analysis is stuck: nothing is under way and nothing can start".to_owned(),
        };
        self.fail(JobFailure::new(FailureKind::Stuck, text), ctx);
    }
}
