//! The graph of a playbook and the pure machines that run it: no actors, no I/O, no clock.

pub mod advice;
pub mod build;
pub mod columns;
pub mod inputs;
pub mod layout;
pub mod liveness;
pub mod node;
pub mod progress;
pub mod rerun;
pub mod rules;
pub mod svg;

use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

pub use build::{Plan, build};

/// Position of a job in `Playbook::jobs`.
pub type JobIndex = usize;

/// Identity of one edge; parallel edges between two jobs are different edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EdgeId(pub u32);

/// Who waits for whom: an acyclic multigraph over job indices.
///
/// Edges are counted, not neighbours: `from: [1,1]` is two edges and two messages.
#[derive(Debug, Clone)]
pub struct JobGraph {
    graph: DiGraph<(), (), u32>,
    /// Every job after all its predecessors.
    order: Vec<JobIndex>,
}

impl JobGraph {
    /// A graph of `jobs` jobs with one edge per pair, or `None` when there is a cycle or an index out of range.
    pub fn new(jobs: usize, edges: impl IntoIterator<Item = (JobIndex, JobIndex)>) -> Option<Self> {
        let mut graph = DiGraph::with_capacity(jobs, jobs);
        for _ in 0..jobs {
            graph.add_node(());
        }
        for (from, to) in edges {
            if from >= jobs || to >= jobs {
                return None;
            }
            graph.add_edge(NodeIndex::new(from), NodeIndex::new(to), ());
        }
        let order = petgraph::algo::toposort(&graph, None).ok()?.into_iter().map(NodeIndex::index).collect();
        Some(Self { graph, order })
    }

    /// Number of jobs.
    pub fn len(&self) -> usize {
        self.graph.node_count()
    }

    /// Whether there is no job at all.
    pub fn is_empty(&self) -> bool {
        self.graph.node_count() == 0
    }

    /// Number of edges, parallel ones counted each.
    pub fn edge_count(&self) -> usize {
        self.graph.edge_count()
    }

    /// Edges that leave a job, with the successor each leads to, in the order in which they were given.
    pub fn outgoing(&self, job: JobIndex) -> impl Iterator<Item = (EdgeId, JobIndex)> + '_ {
        // petgraph hands out the last edge first
        let latest_first: Vec<_> = self.edges(job, Direction::Outgoing).map(|(id, _, to)| (id, to)).collect();
        latest_first.into_iter().rev()
    }

    /// Edges that enter a job, with the predecessor each comes from.
    pub fn incoming(&self, job: JobIndex) -> impl Iterator<Item = (EdgeId, JobIndex)> + '_ {
        self.edges(job, Direction::Incoming).map(|(id, from, _)| (id, from))
    }

    /// Every job after all its predecessors.
    pub fn topological(&self) -> &[JobIndex] {
        &self.order
    }

    fn edges(&self, job: JobIndex, direction: Direction) -> impl Iterator<Item = (EdgeId, JobIndex, JobIndex)> + '_ {
        self.graph
            .edges_directed(NodeIndex::new(job), direction)
            .map(|edge| (EdgeId(edge.id().index() as u32), edge.source().index(), edge.target().index()))
    }
}
