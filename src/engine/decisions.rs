//! What the actors decide without being actors: the words of a job's end, and what a life of a run begins with.
//!
//! Pure: the worlds of the tests (`tests/it/world`) stand on these functions, too.

use super::messages::JobReport;
use crate::graph::inputs::{EdgeOutcome, InputBuffer};
use crate::graph::node::{End, NodeState};
use crate::graph::progress::{JobEnd, Outcome};
use crate::graph::{EdgeId, JobGraph, JobIndex};
use crate::playbook::OnFailure;
use crate::ports::{FailureKind, JobFailure, JobSuccess, KnownStart};
use crate::store::record::RunOutcome;
use crate::store::{JobPhase, JobProgress, Record, RunProgress};

impl JobReport {
    /// What a job that ends so has to say; `report` is what its last attempt has left.
    pub fn of(end: End, report: Option<JobReport>) -> Self {
        match (end, report) {
            (End::Skipped, _) => JobReport::Skipped,
            (End::Cancelled, Some(report @ JobReport::Cancelled { .. })) => report,
            (End::Cancelled, _) => JobReport::Cancelled { may_still_run: false },
            (_, Some(report)) => report,
            (_, None) => {
                JobReport::Failed(JobFailure::new(FailureKind::StoppedUnexpectedly, "the job stopped unexpectedly"))
            }
        }
    }

    /// What is said along the job's edges.
    pub fn outcome(&self) -> EdgeOutcome {
        match self {
            JobReport::Succeeded(success) => EdgeOutcome::Succeeded(success.output.clone()),
            JobReport::Failed(_) => EdgeOutcome::Failed,
            JobReport::Skipped => EdgeOutcome::Skipped,
            JobReport::Cancelled { .. } => EdgeOutcome::Cancelled,
        }
    }

    /// What the graph counts it as.
    pub fn end(&self) -> JobEnd {
        match self {
            JobReport::Succeeded(_) => JobEnd::Succeeded,
            JobReport::Failed(_) => JobEnd::Failed,
            JobReport::Skipped => JobEnd::Skipped,
            JobReport::Cancelled { .. } => JobEnd::Cancelled,
        }
    }

    /// What is written down. Skips under the stop policy follow from the end of the analysis and are not written down one
    /// by one.
    pub fn record(&self, job: JobIndex, attempt: u32, on_failure: OnFailure) -> Option<Record> {
        match self {
            JobReport::Succeeded(success) => {
                let JobSuccess { output, details } = success.as_ref();
                let (producer, path, details) = (output.producer, output.path.clone(), details.clone());
                Some(Record::JobSucceeded { job, attempt, producer, path, details })
            }
            JobReport::Failed(failure) => Some(Record::JobFailed { job, attempt, failure: failure.clone() }),
            JobReport::Skipped => (on_failure == OnFailure::Continue).then_some(Record::JobSkipped { job }),
            JobReport::Cancelled { may_still_run } => {
                Some(Record::JobCancelled { job, attempt, may_still_run: *may_still_run })
            }
        }
    }
}

/// How a run ends; `stops_as` if it was stopped from outside its jobs.
pub fn ends_as(outcome: Outcome, stops_as: RunOutcome) -> RunOutcome {
    match outcome {
        Outcome::Succeeded => RunOutcome::Succeeded,
        Outcome::Failed { .. } => RunOutcome::Failed,
        Outcome::Stopped => stops_as,
    }
}

/// What the graph counts a job as that has ended according to the journal.
pub fn end_of(phase: JobPhase) -> JobEnd {
    match phase {
        JobPhase::Succeeded => JobEnd::Succeeded,
        JobPhase::Failed => JobEnd::Failed,
        JobPhase::Skipped => JobEnd::Skipped,
        _ => JobEnd::Cancelled,
    }
}

/// What a job that has ended according to the journal says along its edges.
pub fn outcome_of(job: &JobProgress) -> Option<EdgeOutcome> {
    match (job.phase, &job.success) {
        (JobPhase::Succeeded, Some(success)) => Some(EdgeOutcome::Succeeded(success.output.clone())),
        (JobPhase::Failed, _) => Some(EdgeOutcome::Failed),
        (JobPhase::Skipped, _) => Some(EdgeOutcome::Skipped),
        (JobPhase::Cancelled, _) => Some(EdgeOutcome::Cancelled),
        _ => None,
    }
}

/// Everything that has been said to a job according to the journal.
pub fn said_to(job: JobIndex, graph: &JobGraph, known: &RunProgress) -> impl Iterator<Item = (EdgeId, EdgeOutcome)> {
    graph.incoming(job).filter_map(|(edge, from)| Some((edge, outcome_of(known.jobs.get(from)?)?)))
}

/// Whether a life of a run has a node for the job: not if the job had ended before.
pub fn has_node(job: JobIndex, before: &RunProgress) -> bool {
    !before.jobs.get(job).is_some_and(|known| known.phase.is_terminal())
}

/// The node of a job at the beginning of a life of its run.
pub fn node_of(job: JobIndex, inputs: InputBuffer, attempts: u32, before: &RunProgress) -> NodeState {
    let known = before.jobs.get(job);
    let (begun, at_work) = known.map_or((0, false), |known| (known.attempt, known.may_be_at_work()));
    NodeState::new(inputs, attempts).resumed_at(begun).found_at_work(at_work)
}

/// Starts that earlier lives of the process intended for an attempt.
pub fn starts_of(known: &JobProgress, attempt: u32) -> Vec<KnownStart> {
    known.intents.iter().filter(|start| start.attempt == attempt).cloned().collect()
}

/// The same with those of earlier attempts that a service may be at work on all the same: whom to tell that the job is not
/// wanted any more.
pub fn starts_until(known: &JobProgress, attempt: u32) -> Vec<KnownStart> {
    known.intents.iter().filter(|start| start.attempt <= attempt).cloned().collect()
}

/// Starts of attempts before this one that a service may be at work on all the same.
pub fn left_before(known: &JobProgress, attempt: u32) -> Vec<KnownStart> {
    known.intents.iter().filter(|start| start.attempt < attempt).cloned().collect()
}

/// Of the starts of an attempt that has failed so, those that a service may be at work on all the same.
pub fn left_by(starts: Vec<KnownStart>, failure: FailureKind) -> impl Iterator<Item = KnownStart> {
    starts.into_iter().filter(move |start| failure.may_leave_at_work(start.acknowledged))
}

/// The job, if earlier lives of the process have begun it and nobody has ended it: it may be at work without any node.
pub fn begun_before(job: JobIndex, before: &RunProgress) -> Option<&JobProgress> {
    before.jobs.get(job).filter(|known| known.attempt > 0 && !known.phase.is_terminal())
}
