//! Looks after a run at every sweep: what has lost messages or is stuck goes on from the journal, or fails with the edge
//! that is missing. `graph/liveness.rs` decides.

use std::collections::HashSet;

use actix::clock::Instant;
use actix::prelude::*;

use super::decisions::said_to;
use super::graph_actor::GraphActor;
use super::messages::{InputReady, Nudge, ResumeJob, SlotReleased, StopJob, Ticket};
use crate::graph::JobIndex;
use crate::graph::liveness::{Diagnosis, Vitals, missing_edge};
use crate::graph::progress::{JobEnd, JobState};
use crate::metrics;
use crate::ports::{FailureKind, JobFailure};
use crate::store::{Record, RunProgress};

impl GraphActor {
    /// One look. A journal that cannot be written explains every stillness. After the process stood still, the sweeps that it
    /// has missed come at once, when nobody has received anything yet: all but the first of them are none.
    pub(super) fn look_after(&mut self, ctx: &mut Context<Self>) {
        if self.looked.elapsed() < self.sweep / 2 {
            return;
        }
        self.looked = Instant::now();
        let Some(context) = self.context.as_ref().filter(|_| !self.finished && self.wiring.is_none()) else { return };
        if !self.journal.is_healthy() {
            return;
        }
        let now = context.traffic.vitals(context.paused.get(), self.progress.open());
        let diagnosis = self.looks.look(now);
        if now.at_gate > 0 || now.waits_for_resume() {
            self.nodes.iter().flatten().for_each(|node| node.do_send(Nudge));
        }
        self.repeat_stops();
        if now.busy == 0 {
            // whoever stands in line may stand behind a slot whose giving back was not heard
            (0..self.graph.len()).filter(|job| !self.is_open(*job)).for_each(|job| self.free_slot(job));
        }
        if let Some(diagnosis) = diagnosis {
            self.heal(diagnosis, now, ctx);
        }
    }

    /// Orders to stop may have been lost, too; a node that has heard one does nothing at the second.
    fn repeat_stops(&self) {
        let stopping = |job: &JobIndex| self.progress.state(*job) == Some(JobState::Stopping);
        let nodes = (0..self.graph.len()).filter(stopping).filter_map(|job| self.nodes[job].as_ref());
        nodes.for_each(|node| node.do_send(StopJob));
    }

    /// Reads back what is durable, and lets everybody know what they have missed.
    fn heal(&mut self, diagnosis: Diagnosis, now: Vitals, ctx: &mut Context<Self>) {
        let (prefix, run_id) = (self.run.log_prefix(), self.run.run_id);
        log::warn!("{prefix}: {diagnosis:?} with {now:?}: it goes on from the journal");
        metrics::stuck_healed();
        let text = format!("{diagnosis:?}: the run went on from the journal");
        drop(self.journal.append(run_id, Record::Warning { job: None, code: "healed".to_owned(), text }));
        // whoever is gone by now has written its end down before, if it writes one
        let gone: HashSet<JobIndex> = (0..self.graph.len()).filter(|job| self.is_gone(*job)).collect();
        let read = self.journal.read_back(run_id).into_actor(self);
        ctx.spawn(read.map(move |entries, graph, ctx| {
            match entries.and_then(|entries| RunProgress::fold(graph.graph.len(), &entries)) {
                _ if graph.finished => {}
                Ok(known) => graph.go_on_from(&known, &gone, ctx),
                Err(error) => {
                    graph.looks.could_not_read();
                    log::error!("{prefix}: {error}");
                }
            }
        }));
    }

    fn go_on_from(&mut self, known: &RunProgress, gone: &HashSet<JobIndex>, ctx: &mut Context<Self>) {
        let Some(context) = self.context.clone() else { return };
        let vitals = |open: usize| context.traffic.vitals(context.paused.get(), open);
        let Vitals { sent, received, .. } = vitals(self.progress.open());
        context.traffic.gives_up_what_is_on_its_way();
        for &job in &known.ended {
            self.free_slot(job);
            if self.is_open(job) {
                self.nodes[job] = None;
                let actions = self.hear_from_journal(job, &known.jobs[job]);
                self.act_on(actions, ctx);
            }
        }
        for &job in gone {
            if self.is_open(job) {
                // the one end that is not written down: a skip under the stop policy
                self.nodes[job] = None;
                let actions = self.progress.on_job_finished(job, JobEnd::Skipped);
                self.act_on(actions, ctx);
            }
        }
        if self.finished {
            return;
        }
        // what has been sent since the look may be on its way
        let now = Vitals { sent, received, ..vitals(self.progress.open()) };
        if !self.looks.heals(now, known.ended.len()) {
            return self.give_up(ctx);
        }
        for job in (0..self.graph.len()).filter(|job| self.is_open(*job)) {
            self.remind(job, known);
        }
    }

    /// Tells a job again what it may have missed: edges count once, so repeating them is harmless.
    fn remind(&self, job: JobIndex, known: &RunProgress) {
        let (Some(node), Some(context)) = (&self.nodes[job], &self.context) else { return };
        if !context.paused.get() {
            node.do_send(ResumeJob);
        }
        if self.progress.state(job) == Some(JobState::Stopping) {
            node.do_send(StopJob);
        }
        for (edge, outcome) in said_to(job, &self.graph, known) {
            context.traffic.sends();
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

    /// Whether the job's actor has said its final word without being heard.
    fn is_gone(&self, job: JobIndex) -> bool {
        self.is_open(job) && self.nodes[job].as_ref().is_some_and(|node| !node.connected())
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
