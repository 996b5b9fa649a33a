//! What a run that repeats an earlier one must not take over from it.

use std::collections::HashSet;

use super::recovery::read_plan;
use super::{History, JournalError, RunProgress, RunSummary};
use crate::graph::JobIndex;
use crate::graph::Plan;
use crate::playbook::{Job, JobKind, Space};

/// The jobs of `run`, whose plan this is, whose results may not be what they were: runs of an id write to the same places, and
/// a newer one has begun to do the same step, or a job of the same id, since.
///
/// *Errors*: the journal cannot be read.
pub fn overwritten(
    history: &dyn History,
    space: Space,
    run: &RunSummary,
    plan: &Plan,
) -> Result<HashSet<JobIndex>, JournalError> {
    let begun = begun_since(history, space, run, plan)?;
    let jobs = plan.playbook.jobs.iter().enumerate();
    let changed = jobs.filter(|(_, job)| !makes_nothing(job) && names_of(job).iter().any(|name| begun.contains(*name)));
    Ok(changed.map(|(at, _)| at).collect())
}

/// Steps and ids of the jobs that runs after this one have begun to do.
fn begun_since(
    history: &dyn History,
    space: Space,
    run: &RunSummary,
    plan: &Plan,
) -> Result<HashSet<String>, JournalError> {
    let mut begun = HashSet::new();
    let newest = history.find(space, plan.playbook.id.key(), None)?.map_or(run.number, |newest| newest.number);
    for later in run.number + 1..=newest {
        let Some(run) = history.find(space, plan.playbook.id.key(), Some(later))? else { continue };
        let plan = read_plan(history, space, run.run_id)?;
        let progress = RunProgress::fold(plan.graph.len(), &history.entries(run.run_id)?)?;
        let jobs = plan.playbook.jobs.iter().zip(&progress.jobs).filter(|(_, known)| known.attempt > 0);
        begun.extend(jobs.flat_map(|(job, _)| names_of(job)).map(str::to_owned));
    }
    Ok(begun)
}

/// What the places are called after that a job writes to: its output after its step, charts after its id.
fn names_of(job: &Job) -> [&str; 2] {
    [job.step.key(), job.id.key()]
}

/// Data sets are there already, whoever runs.
fn makes_nothing(job: &Job) -> bool {
    matches!(job.kind, JobKind::Dataset { .. })
}
