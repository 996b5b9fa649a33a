//! Spawns the nodes of a graph from last to first, so that each is born with the inboxes of its successors.
//!
//! Jobs that ended in an earlier life of the run get no node; what they said is put into their successors' buffers.

use std::rc::Rc;

use actix::prelude::*;

use super::decisions::{has_node, said_to};
use super::messages::InputReady;
use super::node_actor::{NodeActor, NodeContext};
use crate::graph::inputs::InputBuffer;
use crate::graph::{EdgeId, JobGraph, JobIndex};

/// Nodes spawned in one turn: other analyses on the same thread get theirs in between.
const NODES_PER_TURN: usize = 1024;

/// The part of a graph that is still to be spawned.
pub(super) struct Wiring {
    graph: Rc<JobGraph>,
    context: Rc<NodeContext>,
    /// How many of the topological order, counted from its start, are still to come.
    left: usize,
}

impl Wiring {
    pub(super) fn new(graph: Rc<JobGraph>, context: Rc<NodeContext>) -> Self {
        let left = graph.len();
        Self { graph, context, left }
    }

    /// Spawns the next nodes into `nodes`; true while some are left.
    ///
    /// Jobs without predecessors come last in reverse topological order or at least after all their successors, so a
    /// node that starts at once finds everybody it will speak to.
    pub(super) fn spawn_some(&mut self, nodes: &mut [Option<Addr<NodeActor>>]) -> bool {
        for _ in 0..NODES_PER_TURN.min(self.left) {
            self.left -= 1;
            let job = self.graph.topological()[self.left];
            if has_node(job, &self.context.before) {
                nodes[job] = Some(self.spawn(job, nodes));
            }
        }
        self.left > 0
    }

    fn spawn(&self, job: JobIndex, nodes: &[Option<Addr<NodeActor>>]) -> Addr<NodeActor> {
        let when = self.context.run.job(job).when;
        let mut inputs = InputBuffer::new(when, self.graph.incoming(job));
        self.preload(job, &mut inputs);
        let successors: Box<[(EdgeId, Recipient<InputReady>)]> = self
            .graph
            .outgoing(job)
            .filter_map(|(edge, to)| nodes[to].as_ref().map(|node| (edge, node.clone().recipient())))
            .collect();
        NodeActor::new(Rc::clone(&self.context), job, inputs, successors).start()
    }

    /// What predecessors said before this life of the run began.
    fn preload(&self, job: JobIndex, inputs: &mut InputBuffer) {
        if self.context.before.ended.is_empty() {
            return;
        }
        for (edge, outcome) in said_to(job, &self.graph, &self.context.before) {
            if let Err(error) = inputs.accept(edge, outcome) {
                log::error!("run={} job={job}: {error}", self.context.run.run_id);
            }
        }
    }
}
