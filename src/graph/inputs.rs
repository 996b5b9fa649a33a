//! What a waiting job has heard from its predecessors: each edge is counted once, inputs come out in declared order.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use thiserror::Error;

use super::rules::{Tally, Verdict, verdict};
use super::{EdgeId, JobIndex};
use crate::chaos::{self, Bug};
use crate::playbook::When;

/// Where a job's result is, handed to its successors.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JobOutput {
    /// The job that produced it; a data-sink or visualization hands on its own input with the job that made it.
    pub producer: JobIndex,
    /// *Shape*: `<bucket>/<key>` without a final slash.
    pub path: String,
}

/// How a predecessor ended, as told along one edge.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EdgeOutcome {
    /// It succeeded, this is its result.
    Succeeded(Arc<JobOutput>),
    /// It failed.
    Failed,
    /// It was never started because its own rule could not be met.
    Skipped,
    /// It was stopped.
    Cancelled,
}

/// A message that does not belong here; the state is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InputError {
    /// The edge does not lead to this job.
    #[error("edge {0:?} does not lead here")]
    UnknownEdge(EdgeId),
    /// The edge has spoken already.
    #[error("edge {0:?} has spoken already")]
    RepeatedEdge(EdgeId),
}

/// Up to so many edges are searched one by one: cheaper than an index of them.
const FEW_EDGES: usize = 16;

/// One incoming edge and what it said.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Slot {
    edge: EdgeId,
    from: u32,
    heard: Option<EdgeOutcome>,
}

/// Counts the messages of a job's incoming edges.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InputBuffer {
    /// Sorted by edge, so that a message of a wide join is found by bisection.
    slots: Box<[Slot]>,
    tally: Tally,
    when: When,
    settled: bool,
}

impl InputBuffer {
    /// A buffer for a job with these incoming edges.
    pub fn new(when: When, incoming: impl IntoIterator<Item = (EdgeId, JobIndex)>) -> Self {
        let mut slots: Vec<Slot> =
            incoming.into_iter().map(|(edge, from)| Slot { edge, from: from as u32, heard: None }).collect();
        slots.sort_unstable_by_key(|slot| slot.edge);
        let nodes = || slots.iter().map(|slot| slot.from).collect::<HashSet<_>>().len();
        let edges = if chaos::seeded(Bug::CountNodesNotEdges) { nodes() } else { slots.len() };
        let tally = Tally { edges: edges as u32, ..Tally::default() };
        Self { slots: slots.into_boxed_slice(), tally, when, settled: false }
    }

    /// The verdict before any message: `Start` for a job without incoming edges.
    pub fn verdict(&mut self) -> Verdict {
        let verdict = verdict(self.when, self.tally);
        if verdict != Verdict::Wait {
            self.settled = true;
        }
        verdict
    }

    /// Counts one message. Settles at most once: whatever comes after `Start` or `Skip` is counted and answers `Wait`.
    ///
    /// *Errors*: an edge that does not lead here or has spoken already; nothing is counted then.
    pub fn accept(&mut self, edge: EdgeId, outcome: EdgeOutcome) -> Result<Verdict, InputError> {
        let at = self.slots.binary_search_by_key(&edge, |slot| slot.edge).map_err(|_| InputError::UnknownEdge(edge))?;
        let slot = &mut self.slots[at];
        if slot.heard.is_some() && !chaos::seeded(Bug::CountRepeatedEdges) {
            return Err(InputError::RepeatedEdge(edge));
        }
        match outcome {
            EdgeOutcome::Succeeded(_) => self.tally.succeeded += 1,
            EdgeOutcome::Failed => self.tally.failed += 1,
            EdgeOutcome::Skipped | EdgeOutcome::Cancelled => self.tally.passed_over += 1,
        }
        slot.heard = Some(outcome);
        if self.settled {
            return Ok(Verdict::Wait);
        }
        Ok(self.verdict())
    }

    /// Outcomes counted so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Every incoming edge: whom it comes from, and whether it has spoken.
    pub fn edges(&self) -> impl Iterator<Item = (JobIndex, bool)> {
        self.slots.iter().map(|slot| (slot.from as JobIndex, slot.heard.is_some()))
    }

    /// Outputs of the predecessors that have succeeded, in the order and with the repetitions of `from`.
    pub fn inputs(&self, from: &[JobIndex]) -> Vec<Arc<JobOutput>> {
        let outputs = self.slots.iter().filter_map(|slot| match &slot.heard {
            Some(EdgeOutcome::Succeeded(output)) => Some((slot.from as JobIndex, output)),
            _ => None,
        });
        if self.slots.len() <= FEW_EDGES {
            let output_of = |job: &JobIndex| outputs.clone().find(|(from, _)| from == job);
            return from.iter().filter_map(output_of).map(|(_, output)| Arc::clone(output)).collect();
        }
        let outputs: HashMap<JobIndex, &Arc<JobOutput>> = outputs.collect();
        from.iter().filter_map(|job| outputs.get(job).map(|output| Arc::clone(output))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(producer: JobIndex) -> EdgeOutcome {
        EdgeOutcome::Succeeded(Arc::new(JobOutput { producer, path: format!("t/{producer}") }))
    }

    fn paths(buffer: &InputBuffer, from: &[JobIndex]) -> Vec<String> {
        buffer.inputs(from).iter().map(|output| output.path.clone()).collect()
    }

    #[test]
    fn inputs_come_in_declared_order_whatever_the_order_of_arrival() {
        let mut buffer = InputBuffer::new(When::AllSuccess, [(EdgeId(7), 4), (EdgeId(2), 3)]);
        assert_eq!(buffer.accept(EdgeId(7), output(4)), Ok(Verdict::Wait));
        assert_eq!(buffer.accept(EdgeId(2), output(3)), Ok(Verdict::Start));
        assert_eq!(paths(&buffer, &[3, 4]), ["t/3", "t/4"]);
        assert_eq!(paths(&buffer, &[4, 3]), ["t/4", "t/3"]);
    }

    #[test]
    fn parallel_edges_are_two_messages_and_two_inputs() {
        let mut buffer = InputBuffer::new(When::AllSuccess, [(EdgeId(0), 1), (EdgeId(1), 1)]);
        assert_eq!(buffer.accept(EdgeId(0), output(1)), Ok(Verdict::Wait));
        assert_eq!(buffer.accept(EdgeId(0), output(1)), Err(InputError::RepeatedEdge(EdgeId(0))));
        assert_eq!(buffer.accept(EdgeId(1), output(1)), Ok(Verdict::Start));
        assert_eq!(paths(&buffer, &[1, 1]), ["t/1", "t/1"]);
    }

    #[test]
    fn an_edge_of_another_job_is_refused_and_not_counted() {
        let mut buffer = InputBuffer::new(When::AllSuccess, [(EdgeId(0), 1)]);
        assert_eq!(buffer.accept(EdgeId(9), output(1)), Err(InputError::UnknownEdge(EdgeId(9))));
        assert_eq!(buffer.tally().missing(), 1);
    }

    #[test]
    fn one_success_starts_once_with_what_is_there() {
        let mut buffer = InputBuffer::new(When::OneSuccess, [(EdgeId(0), 0), (EdgeId(1), 1)]);
        assert_eq!(buffer.accept(EdgeId(1), output(1)), Ok(Verdict::Start));
        assert_eq!(buffer.accept(EdgeId(0), EdgeOutcome::Failed), Ok(Verdict::Wait));
        assert_eq!(paths(&buffer, &[0, 1]), ["t/1"]);
    }
}
