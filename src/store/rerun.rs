//! What a run that repeats an earlier one takes over from it: its first record.

use std::collections::HashSet;

use super::recovery::{read_plan, read_progress};
use super::{History, JobPhase, JournalError, Record, RunSummary};
use crate::graph::rerun::{RerunFrom, reusable};
use crate::graph::{JobIndex, Plan};
use crate::playbook::{Job, JobKind, Space};
use crate::store::record::ReusedJob;

/// The first record of a run that repeats `run`, whose plan this is. `newest` is the number of the newest run of the id.
///
/// Runs of an id write to the same places: a result of an older run counts only while no newer one has begun to do the
/// same step or job id again.
///
/// *Errors*: the journal cannot be read.
pub fn first_record(
    history: &dyn History,
    space: Space,
    run: &RunSummary,
    newest: u32,
    plan: &Plan,
    from: RerunFrom,
) -> Result<Record, JournalError> {
    let progress = read_progress(history, run.run_id, plan)?;
    let overwritten = begun_since(history, space, run.number, newest, plan)?;
    let has_result = |job: JobIndex| {
        let spec = &plan.playbook.jobs[job];
        let lasts = makes_nothing(spec) || !names_of(spec).iter().any(|name| overwritten.contains(*name));
        lasts && progress.jobs[job].phase == JobPhase::Succeeded
    };
    let reused = reusable(&plan.graph, has_result, from).into_iter().filter_map(|job| {
        let success = progress.jobs[job].success.as_ref()?;
        let (producer, path) = (success.output.producer, success.output.path.clone());
        Some(ReusedJob { job, producer, path, details: success.details.clone() })
    });
    Ok(Record::Rerun { of: run.number, reused: reused.collect() })
}

/// Steps and ids of the jobs that runs after this one have begun to do.
fn begun_since(
    history: &dyn History,
    space: Space,
    number: u32,
    newest: u32,
    plan: &Plan,
) -> Result<HashSet<String>, JournalError> {
    let mut begun = HashSet::new();
    for later in number + 1..=newest {
        let Some(run) = history.find(space, plan.playbook.id.key(), Some(later))? else { continue };
        let plan = read_plan(history, space, run.run_id)?;
        let progress = read_progress(history, run.run_id, &plan)?;
        let jobs = plan.playbook.jobs.iter().zip(&progress.jobs).filter(|(_, known)| known.attempt > 0);
        begun.extend(jobs.flat_map(|(job, _)| names_of(job)).map(str::to_owned));
    }
    Ok(begun)
}

/// What the places are called after that a job writes to.
fn names_of(job: &Job) -> [&str; 2] {
    [job.step.key(), job.id.key()]
}

/// Data sets are there already, whoever runs.
fn makes_nothing(job: &Job) -> bool {
    matches!(job.kind, JobKind::Dataset { .. })
}
