//! What a run that repeats an earlier one must not take over from it.

use std::collections::HashSet;

use super::recovery::read_plan;
use super::{History, JournalError, RunProgress, RunSummary};
use crate::graph::JobIndex;
use crate::graph::Plan;
use crate::playbook::{Job, JobKind, Space};

/// What became of a run's results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overwritten {
    /// The jobs whose results may not be what they were.
    pub jobs: HashSet<JobIndex>,
    /// Number of the newest run of the id, which is over; 0 if it is not. It is the [`follows`](super::Submission::follows) of
    /// whoever takes over the other results.
    pub newest: u32,
}

/// What became of the results of `run`, whose plan this is: runs of an id write to the same places, and a newer one may have
/// begun to do the same step, or a job of the same id, since.
///
/// *Errors*: the journal cannot be read.
pub fn overwritten(
    history: &dyn History,
    space: Space,
    run: &RunSummary,
    plan: &Plan,
) -> Result<Overwritten, JournalError> {
    // before its records are read: what is over by then writes nothing more
    let newest = history.find(space, plan.playbook.id.key(), None)?;
    let last = newest.as_ref().map_or(run.number, |newest| newest.number);
    let begun = begun_since(history, space, run, plan, last)?;
    let jobs = plan.playbook.jobs.iter().enumerate().filter(|(_, job)| !makes_nothing(job));
    let is_changed =
        |job: &Job| begun.as_ref().is_none_or(|begun| names_of(job).iter().any(|name| begun.contains(*name)));
    let jobs = jobs.filter(|(_, job)| is_changed(job)).map(|(at, _)| at).collect();
    let newest = newest.filter(|newest| newest.finished_at.is_some()).map_or(0, |newest| newest.number);
    Ok(Overwritten { jobs, newest })
}

/// Steps and ids of the jobs that runs after this one, up to the last, have begun to do; none when nobody knows all of them,
/// because a part of such a run cannot be read back.
fn begun_since(
    history: &dyn History,
    space: Space,
    run: &RunSummary,
    plan: &Plan,
    last: u32,
) -> Result<Option<HashSet<String>>, JournalError> {
    let mut begun = HashSet::new();
    for later in run.number + 1..=last {
        let Some(run) = history.find(space, plan.playbook.id.key(), Some(later))? else { continue };
        let Ok(plan) = read_plan(history, space, run.run_id) else { return Ok(None) };
        let progress = RunProgress::fold_readable(plan.graph.len(), &history.entries(run.run_id)?);
        if progress.unreadable.is_some() {
            return Ok(None);
        }
        let jobs = plan.playbook.jobs.iter().zip(&progress.jobs).filter(|(_, known)| known.attempt > 0);
        begun.extend(jobs.flat_map(|(job, _)| names_of(job)).map(str::to_owned));
    }
    Ok(Some(begun))
}

/// What the places are called after that a job writes to: its output after its step, charts after its id.
fn names_of(job: &Job) -> [&str; 2] {
    [job.step.key(), job.id.key()]
}

/// Data sets are there already, whoever runs.
fn makes_nothing(job: &Job) -> bool {
    matches!(job.kind, JobKind::Dataset { .. })
}
