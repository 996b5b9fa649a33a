//! What must have happened in a run, as far as it can be seen from outside. Pure.
//!
//! The start of a job leaves only when the successes before it are durable: whatever was started proves that everything
//! before it has succeeded, also in an analysis that failed.

use std::collections::BTreeSet;

use super::{Case, reasons};
use crate::contract;

/// Indices of the jobs of a run that must have succeeded, each with its document and its notice.
pub(super) fn succeeded(case: &Case<'_>, run: u32) -> BTreeSet<usize> {
    // what was refused has told of its refusal only
    if run == 0 {
        return BTreeSet::new();
    }
    let jobs = case.analysis.jobs.len();
    let key = case.analysis.key();
    let told = |text: &str| case.seen.notices.get(&run).is_some_and(|told| told.values().any(|told| told.text == text));
    if told(&contract::completed(&key)) {
        return (0..jobs).collect();
    }
    let mut proven = BTreeSet::new();
    for start in &case.seen.starts {
        // the plain id is all that Spark and the sink get: with several runs nobody knows whose it is
        if start.which.map_or(case.runs == 1, |which| which.run == run) {
            add_before(case, start.job, &mut proven);
        }
    }
    if case.analysis.goes_on && told(&contract::failed(&key)) {
        let failed = reasons::may_have_failed(case, run);
        proven.extend((0..jobs).filter(|job| {
            let mut needed = BTreeSet::from([*job]);
            add_before(case, *job, &mut needed);
            needed.is_disjoint(&failed)
        }));
    }
    proven
}

/// Adds everything that comes before a job.
fn add_before(case: &Case<'_>, job: usize, to: &mut BTreeSet<usize>) {
    for input in &case.analysis.jobs[job].from {
        if to.insert(*input) {
            add_before(case, *input, to);
        }
    }
}

#[cfg(test)]
mod tests {
    use dummy_services::Kind as Service;

    use super::*;
    use crate::checker::tests::{Scene, ended, started, told};
    use crate::workload::{Kind, analysis_of};

    /// Two branches: a join that is charted and cleaned, and a cleaning of its own.
    fn scene() -> Scene {
        let jobs: &[(Kind, &[usize])] = &[
            (Kind::Dataset, &[]),
            (Kind::Join, &[0, 0]),
            (Kind::Visualization, &[1]),
            (Kind::Cleaning, &[2]),
            (Kind::Cleaning, &[0]),
        ];
        Scene::of(analysis_of(jobs))
    }

    #[test]
    fn a_start_proves_everything_before_it_and_not_itself() {
        let mut scene = scene();
        scene.seen().starts = vec![started(1, 1, Service::Join), started(5, 3, Service::Cleaning)];
        assert_eq!(succeeded(&scene.case(), 1), BTreeSet::from([0, 1, 2]));
        assert_eq!(succeeded(&scene.case(), 2), BTreeSet::new(), "another run");
    }

    #[test]
    fn a_start_that_names_no_run_proves_nothing_when_there_are_several() {
        let mut scene = scene();
        scene.seen().starts = vec![crate::evidence::Start { which: None, ..started(5, 3, Service::Spark) }];
        assert_eq!(succeeded(&scene.case(), 1), BTreeSet::from([0, 1, 2]));
        scene.seen().acknowledged = vec![1, 2];
        assert_eq!(succeeded(&scene.case(), 1), BTreeSet::new());
    }

    #[test]
    fn what_completed_has_done_everything() {
        let mut scene = scene();
        scene.tell(1, told(9, "update: Analysis completed with ID: af1"));
        assert_eq!(succeeded(&scene.case(), 1).len(), 5);
    }

    #[test]
    fn a_healthy_branch_of_an_analysis_that_goes_on_has_to_be_done() {
        let mut scene = scene();
        scene.analysis.goes_on = true;
        scene.analysis.jobs[1].fails = true;
        scene.seen().ends = vec![ended(2, 1, Service::Join, false)];
        scene.tell(1, told(3, "error: scripted failure for the analysis with ID: AF1"));
        assert_eq!(succeeded(&scene.case(), 1), BTreeSet::new(), "it has not ended");
        scene.tell(2, told(9, "error: Analysis with the given ID terminated with error: af1"));
        assert_eq!(succeeded(&scene.case(), 1), BTreeSet::from([0, 4]));
        assert_eq!(succeeded(&scene.case(), 0), BTreeSet::new(), "it was refused once");
        scene.analysis.goes_on = false;
        assert_eq!(succeeded(&scene.case(), 1), BTreeSet::new(), "the others are stopped");
    }
}
