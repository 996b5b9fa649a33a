//! Which results of an earlier run a new one may take over.
//!
//! A job is not done again only if it had a result and none of its predecessors is done again: with another input, or
//! with a `when` rule that is met differently, it could come to something else.

use super::{JobGraph, JobIndex};

/// What is asked to be done again, at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RerunFrom {
    /// Whatever did not succeed.
    Failed,
    /// The same, and this job in any case.
    Job(JobIndex),
    /// Everything.
    All,
}

/// The jobs whose results may be taken over, each after its predecessors. `has_result` tells which jobs of the earlier
/// run succeeded and have their result still.
pub fn reusable(graph: &JobGraph, has_result: impl Fn(JobIndex) -> bool, from: RerunFrom) -> Vec<JobIndex> {
    let kept_as_asked = |job: JobIndex| match from {
        RerunFrom::Failed => true,
        RerunFrom::Job(first) => job != first,
        RerunFrom::All => false,
    };
    let mut reused = vec![false; graph.len()];
    for &job in graph.topological() {
        let untouched = graph.incoming(job).all(|(_, before)| reused[before]);
        reused[job] = untouched && kept_as_asked(job) && has_result(job);
    }
    graph.topological().iter().copied().filter(|job| reused[*job]).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    /// A graph of up to 12 jobs, and which of them have a result.
    fn earlier_run() -> impl Strategy<Value = (JobGraph, Vec<bool>)> {
        (1..12_usize).prop_flat_map(|jobs| {
            let edges = prop::collection::vec((0..jobs, 0..jobs), 0..3 * jobs);
            (edges, prop::collection::vec(any::<bool>(), jobs)).prop_map(move |(edges, results)| {
                let upward = edges.into_iter().filter(|(from, to)| from != to);
                let upward = upward.map(|(one, other)| (one.min(other), one.max(other)));
                (JobGraph::new(jobs, upward).expect("edges that lead upward form no cycle"), results)
            })
        })
    }

    fn reused(graph: &JobGraph, results: &[bool], from: RerunFrom) -> HashSet<JobIndex> {
        let listed = reusable(graph, |job| results[job], from);
        let set: HashSet<JobIndex> = listed.iter().copied().collect();
        assert_eq!(set.len(), listed.len(), "each job once");
        set
    }

    /// Everything that can be reached from a job, itself included, by another way than the code under test.
    fn downstream(graph: &JobGraph, first: JobIndex) -> HashSet<JobIndex> {
        let mut open = vec![first];
        let mut seen = HashSet::new();
        while let Some(job) = open.pop() {
            if seen.insert(job) {
                open.extend(graph.outgoing(job).map(|(_, to)| to));
            }
        }
        seen
    }

    proptest! {
        #[test]
        fn what_is_reused_has_a_result_and_only_reused_predecessors((graph, results) in earlier_run(), first in 0..12_usize) {
            for from in [RerunFrom::Failed, RerunFrom::Job(first % graph.len())] {
                let reused = reused(&graph, &results, from);
                for &job in &reused {
                    prop_assert!(results[job]);
                    prop_assert!(graph.incoming(job).all(|(_, before)| reused.contains(&before)));
                }
            }
        }

        #[test]
        fn exactly_what_is_downstream_of_no_job_without_result_is_reused((graph, results) in earlier_run()) {
            let again: HashSet<JobIndex> =
                (0..graph.len()).filter(|job| !results[*job]).flat_map(|job| downstream(&graph, job)).collect();
            let expected: HashSet<JobIndex> = (0..graph.len()).filter(|job| !again.contains(job)).collect();
            prop_assert_eq!(reused(&graph, &results, RerunFrom::Failed), expected);
        }

        #[test]
        fn from_a_job_on_nothing_after_it_is_reused_and_the_rest_as_from_the_failed_ones(
            (graph, results) in earlier_run(), first in 0..12_usize,
        ) {
            let first = first % graph.len();
            let mut expected = reused(&graph, &results, RerunFrom::Failed);
            expected.retain(|job| !downstream(&graph, first).contains(job));
            prop_assert_eq!(reused(&graph, &results, RerunFrom::Job(first)), expected);
        }

        #[test]
        fn all_reuses_nothing((graph, results) in earlier_run()) {
            prop_assert!(reused(&graph, &results, RerunFrom::All).is_empty());
        }
    }

    #[test]
    fn each_job_is_listed_after_its_predecessors() {
        let graph = JobGraph::new(4, [(3, 1), (1, 0), (0, 2)]).expect("no cycle");
        assert_eq!(reusable(&graph, |_| true, RerunFrom::Failed), [3, 1, 0, 2]);
        assert_eq!(reusable(&graph, |_| true, RerunFrom::Job(0)), [3, 1]);
    }
}
