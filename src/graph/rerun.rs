//! Which results of an earlier run another run of the same playbook may take over.

use std::collections::BTreeSet;

use super::{JobGraph, JobIndex};

/// Where a rerun begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RerunFrom {
    /// At everything that did not succeed.
    Failed,
    /// At one job: that one and everything after it is done again.
    Job(JobIndex),
    /// At the start: nothing is taken over.
    All,
}

/// The jobs whose results are taken over.
///
/// A job is taken over only if it succeeded and everything before it is taken over: another outcome before it may change
/// whether it starts at all, and with which inputs.
pub fn reusable(graph: &JobGraph, succeeded: impl Fn(JobIndex) -> bool, from: RerunFrom) -> BTreeSet<JobIndex> {
    let mut reused = BTreeSet::new();
    if from == RerunFrom::All {
        return reused;
    }
    for &job in graph.topological() {
        let chosen = from == RerunFrom::Job(job);
        if !chosen && succeeded(job) && graph.incoming(job).all(|(_, before)| reused.contains(&before)) {
            reused.insert(job);
        }
    }
    reused
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `0 -> 1 -> 3 -> 4`, `0 -> 2 -> 3`.
    fn graph() -> JobGraph {
        JobGraph::new(5, [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4)]).expect("no cycle")
    }

    fn reused(succeeded: &[JobIndex], from: RerunFrom) -> Vec<JobIndex> {
        reusable(&graph(), |job| succeeded.contains(&job), from).into_iter().collect()
    }

    #[test]
    fn what_succeeded_is_taken_over_up_to_the_failure() {
        assert_eq!(reused(&[0, 1, 2], RerunFrom::Failed), [0, 1, 2]);
        assert_eq!(reused(&[0, 2], RerunFrom::Failed), [0, 2]);
    }

    #[test]
    fn a_success_after_a_failure_is_not_taken_over() {
        assert_eq!(reused(&[0, 2, 3, 4], RerunFrom::Failed), [0, 2]);
    }

    #[test]
    fn from_a_job_on_everything_is_done_again() {
        assert_eq!(reused(&[0, 1, 2, 3, 4], RerunFrom::Job(2)), [0, 1]);
        assert_eq!(reused(&[0, 1, 2, 3, 4], RerunFrom::Job(4)), [0, 1, 2, 3]);
        assert_eq!(reused(&[0, 1, 2, 3, 4], RerunFrom::Job(0)), [] as [JobIndex; 0]);
    }

    #[test]
    fn all_takes_nothing_over() {
        assert_eq!(reused(&[0, 1, 2, 3, 4], RerunFrom::All), [] as [JobIndex; 0]);
    }
}
