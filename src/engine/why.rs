//! Why a job does not go on, answered by its node: the question goes down from the door, and up again from a node in line.

use std::time::Duration;

use actix::clock::Instant;
use actix::prelude::*;

use super::decisions::said_to;
use super::graph_actor::GraphActor;
use super::messages::{ExplainJob, ExplainLine, ExplainNode};
use super::node_actor::NodeActor;
use super::standing::Standing;
use super::supervisor::{AnalysisSupervisor, Ready};
use crate::graph::node::{Stage, Unmet};
use crate::graph::{JobGraph, JobIndex};
use crate::store::RunProgress;

/// A job that has not ended, at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Why {
    /// Where its node stands; `None` when it has none yet.
    pub stage: Option<Stage>,
    /// The attempt that is under way or comes next, from 1.
    pub attempt: u32,
    /// Every incoming edge: whom it comes from, and whether it has spoken.
    pub inputs: Vec<(JobIndex, bool)>,
    /// Everything that has to come about before it goes on; nothing for one that is under way.
    pub obstacles: Vec<Obstacle>,
}

/// Something that has to come about.
#[derive(Debug, Clone, PartialEq)]
pub enum Obstacle {
    /// Its run begins: it stands in line.
    RunLine(Standing),
    /// Its run goes on after a start of the process, which has not come to it yet.
    Resumption,
    /// Its run has its nodes: they are being made.
    Wiring,
    /// The edges that have not spoken do.
    Inputs,
    /// The run is resumed.
    Pause,
    /// It gets a slot.
    Slot(Standing),
    /// The process, which is about to stop, is started again.
    Drain,
    /// The wait before its next attempt passes.
    BackOff(Duration),
    /// The budget for retries that all runs share has one for it.
    RetryBudget {
        /// Jobs of its tenant that wait for one, itself included.
        waiting: usize,
    },
}

impl Why {
    /// A job without a node: what was said to it in earlier lives of its run is what it has heard.
    fn without_node(job: JobIndex, graph: &JobGraph, before: &RunProgress, obstacle: Obstacle) -> Self {
        let spoken: Vec<_> = said_to(job, graph, before).map(|(edge, _)| edge).collect();
        let inputs: Vec<_> = graph.incoming(job).map(|(edge, from)| (from, spoken.contains(&edge))).collect();
        let waits = inputs.iter().any(|(_, heard)| !heard).then_some(Obstacle::Inputs);
        let paused = before.paused_since.is_some().then_some(Obstacle::Pause);
        let attempt = before.jobs.get(job).map_or(1, |known| known.attempt.max(1));
        let obstacles = [Some(obstacle), waits, paused].into_iter().flatten().collect();
        Self { stage: None, attempt, inputs, obstacles }
    }

    /// Whose run has not been read yet.
    fn of_awaited_run() -> Self {
        Self { stage: None, attempt: 1, inputs: Vec::new(), obstacles: vec![Obstacle::Resumption] }
    }
}

impl Handler<ExplainJob> for AnalysisSupervisor {
    type Result = ();

    fn handle(&mut self, message: ExplainJob, ctx: &mut Self::Context) {
        let ExplainJob { run_id, job, reply } = message;
        if let Some(running) = self.runs.get(&run_id) {
            let lines = ctx.address().recipient();
            running.graph.do_send(ExplainNode { job, lines, reply });
            return;
        }
        let why = match (self.waiting.line.standing(run_id, &self.limits), self.waiting.of(run_id)) {
            (Some(standing), Some(Ready { graph, before, .. })) if job < graph.len() => {
                Why::without_node(job, graph, before, Obstacle::RunLine(standing))
            }
            _ if self.awaited.contains_key(&run_id) => Why::of_awaited_run(),
            // it has ended: whoever asks hears that the question was dropped
            _ => return,
        };
        drop(reply.send(why));
    }
}

impl Handler<ExplainNode> for GraphActor {
    type Result = ();

    fn handle(&mut self, message: ExplainNode, _: &mut Self::Context) {
        let is_open = self.progress.state(message.job).is_some_and(|state| !state.is_terminal());
        match self.nodes.get(message.job) {
            _ if !is_open => {}
            Some(Some(node)) => node.do_send(message),
            Some(None) if self.wiring.is_some() => {
                let why = Why::without_node(message.job, &self.graph, &self.before, Obstacle::Wiring);
                drop(message.reply.send(why));
            }
            _ => {}
        }
    }
}

impl Handler<ExplainNode> for NodeActor {
    type Result = ();

    fn handle(&mut self, message: ExplainNode, _: &mut Self::Context) {
        let ExplainNode { lines, reply, .. } = message;
        let why = self.why();
        if self.state.stage() == Stage::AtGate {
            lines.do_send(ExplainLine { ticket: self.ticket(), why, reply });
        } else {
            drop(reply.send(why));
        }
    }
}

impl NodeActor {
    /// All but the line, which the supervisor keeps.
    fn why(&self) -> Why {
        let unmet = self.state.unmet(self.context.paused.get());
        let obstacles = unmet.filter_map(|unmet| match unmet {
            Unmet::Inputs => Some(Obstacle::Inputs),
            Unmet::Resume => Some(Obstacle::Pause),
            Unmet::Slot => None,
            Unmet::Wait => Some(self.wait_ahead()),
        });
        Why {
            stage: Some(self.state.stage()),
            attempt: self.state.attempt(),
            inputs: self.state.inputs().edges().collect(),
            obstacles: obstacles.collect(),
        }
    }

    fn wait_ahead(&self) -> Obstacle {
        match self.waits_until {
            Some(until) => Obstacle::BackOff(until.saturating_duration_since(Instant::now())),
            None => {
                let tenant = &self.context.run.playbook.tenant;
                Obstacle::RetryBudget { waiting: self.context.retries.waiting_of(tenant) }
            }
        }
    }
}

impl Handler<ExplainLine> for AnalysisSupervisor {
    type Result = ();

    /// What the node asked for before it was asked has been heard by now: messages between two actors keep their order.
    fn handle(&mut self, message: ExplainLine, _: &mut Self::Context) {
        let ExplainLine { ticket, mut why, reply } = message;
        let obstacle = match self.gate.standing(ticket) {
            _ if self.gate.has_slot(ticket) => None,
            // whatever becomes free, nobody gets it
            _ if self.is_draining() => Some(Obstacle::Drain),
            standing => standing.map(Obstacle::Slot),
        };
        why.obstacles.splice(0..0, obstacle);
        drop(reply.send(why));
    }
}
