//! Why a job of a run failed, as its notice says it, and which jobs that can be true of. Pure.

use std::collections::BTreeSet;

use dummy_services::Kind as Service;

use super::{Case, starts};
use crate::contract;
use crate::evidence::{Harm, Told};
use crate::workload::{Kind, SCRIPTED, title};

/// Spark says nothing of its own: what it was scripted to fail is seen by the evidence that is missing.
const NO_EVIDENCE: &str = "Spark answered but left no _SUCCESS";

/// What can have made a job fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Its service was scripted to fail it, and said so.
    Scripted,
    /// The same for a Spark job whose reply was lost: it leaves no evidence, and nobody can know why.
    ScriptedUnheard,
    /// Its message to Spark never arrived: the process died when it was to be sent, and it cannot be sent again.
    Unsent,
    /// The request or its answer was cut off, at a service that cannot be asked.
    CutOff,
    /// The orchestrator stood still for longer than jobs wait.
    StoodStill,
}

/// A notice that a job failed.
#[derive(Debug)]
pub(super) struct Reason<'a> {
    pub(super) text: &'a str,
    /// Jobs that it can be about, and why each can have failed.
    pub(super) can_be: Vec<(usize, Cause)>,
}

/// Every reason that was told in a run.
pub(super) fn of_run<'a>(case: &Case<'a>, run: u32) -> Vec<Reason<'a>> {
    let last = contract::failed(&case.analysis.key());
    let notices = case.seen.notices.get(&run).into_iter().flat_map(|notices| notices.values());
    let reasons = notices.filter(|told| told.text.starts_with("error: ") && told.text != last);
    let can_be = |told: &Told| {
        let jobs = 0..case.analysis.jobs.len();
        jobs.filter_map(|job| Some((job, cause(case, job, run, told)?))).collect()
    };
    reasons.map(|told| Reason { text: &told.text, can_be: can_be(told) }).collect()
}

/// One cause for each reason, each of another job; `None` when a reason is left without a job that it can be true of.
pub(super) fn causes(mut reasons: Vec<Reason<'_>>) -> Option<Vec<Cause>> {
    // those with the least choice first
    reasons.sort_by_key(|reason| reason.can_be.len());
    let mut taken = BTreeSet::new();
    reasons
        .iter()
        .map(|reason| reason.can_be.iter().find(|(job, _)| taken.insert(*job)).map(|(_, cause)| *cause))
        .collect()
}

/// Jobs of a run that failed, as far as the reasons tell: one of them may stand for several.
pub(super) fn may_have_failed(case: &Case<'_>, run: u32) -> BTreeSet<usize> {
    of_run(case, run).iter().flat_map(|reason| reason.can_be.iter().map(|(job, _)| *job)).collect()
}

/// How a notice can be true of a job: that it was at work by then, and what happened meanwhile, has to fit.
fn cause(case: &Case<'_>, index: usize, run: u32, told: &Told) -> Option<Cause> {
    let job = &case.analysis.jobs[index];
    let since = starts::ready_at(case, index, run).filter(|since| *since <= told.seq)?;
    let says = |before: &str, after: &str| told.text.contains(&format!("{before}{}{after}", title(job.kind)));
    let unknown = says("The outcome of the ", " job is unknown");
    let late = says("The ", " job did not finish in time");
    let away = says("The ", " service cannot be reached") || says("The ", " job could not use the store");
    let happened = |harm: Harm| case.evidence.was_harmed(harm, since, told.seq);
    let is_spark = matches!(job.kind, Kind::Classification { .. });
    if job.fails && own_words(job.kind).iter().any(|words| told.text.contains(words)) {
        return Some(Cause::Scripted);
    }
    // the wait for the evidence ends with the limit of the job, on a busy machine in the words of that
    if is_spark && (unknown || late) {
        let was_cut_off = happened(Harm::CutOff(Service::Spark));
        if job.fails && (happened(Harm::Death) || was_cut_off || happened(Harm::Standstill)) {
            return Some(Cause::ScriptedUnheard);
        }
        if messages_to_spark(case, index) < case.runs as usize {
            let causes = [(happened(Harm::Death), Cause::Unsent), (was_cut_off, Cause::CutOff)];
            if let Some((_, cause)) = causes.into_iter().find(|(happened, _)| *happened) {
                return Some(cause);
            }
        }
    }
    if job.kind == Kind::Function && unknown && happened(Harm::CutOff(Service::Function)) {
        return Some(Cause::CutOff);
    }
    ((unknown || late || away) && happened(Harm::Standstill)).then_some(Cause::StoodStill)
}

/// What a failure by script is told in: the services of a job are all scripted alike.
fn own_words(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Classification { automl: true, .. } => &[SCRIPTED, NO_EVIDENCE],
        Kind::Classification { .. } => &[NO_EVIDENCE],
        _ => &[SCRIPTED],
    }
}

/// Of all runs: they carry the plain id only.
pub(super) fn messages_to_spark(case: &Case<'_>, job: usize) -> usize {
    case.seen.starts.iter().filter(|start| start.job == job && start.service == Service::Spark).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::tests::{Scene, ended, started, told};
    use crate::workload::analysis_of;

    const SPARK: Kind = Kind::Classification { automl: false, with_params: false };
    const UNKNOWN: &str = "error: The outcome of the classification job is unknown for the analysis with ID: AF1";

    /// A cleaning, and behind it two Spark jobs.
    fn scene() -> Scene {
        let jobs: &[(Kind, &[usize])] = &[(Kind::Dataset, &[]), (Kind::Cleaning, &[0]), (SPARK, &[1]), (SPARK, &[1])];
        let mut scene = Scene::of(analysis_of(jobs));
        scene.seen().starts = vec![started(2, 1, Service::Cleaning)];
        scene.seen().ends = vec![ended(5, 1, Service::Cleaning, true)];
        scene
    }

    fn causes_of(scene: &Scene) -> Option<Vec<Cause>> {
        causes(of_run(&scene.case(), 1))
    }

    #[test]
    fn an_unknown_outcome_needs_a_job_without_a_message_and_a_death_while_it_was_due() {
        let mut scene = scene();
        scene.tell(1, told(20, UNKNOWN));
        assert_eq!(causes_of(&scene), None, "nothing has happened");
        scene.harm(Harm::Death, 3);
        assert_eq!(causes_of(&scene), None, "it was not due by then");
        scene.harm(Harm::Death, 25);
        assert_eq!(causes_of(&scene), None, "it was told before");
        scene.harm(Harm::Death, 12);
        assert_eq!(causes_of(&scene), Some(vec![Cause::Unsent]));
        scene.seen().starts.extend([started(8, 2, Service::Spark), started(9, 3, Service::Spark)]);
        assert_eq!(causes_of(&scene), None, "both messages have arrived");
    }

    #[test]
    fn a_job_that_never_came_to_its_turn_explains_nothing() {
        let mut scene = scene();
        scene.harm(Harm::Death, 12);
        scene.tell(1, told(20, UNKNOWN));
        scene.seen().ends.clear();
        assert_eq!(causes_of(&scene), None);
    }

    #[test]
    fn every_reason_needs_a_job_of_its_own() {
        let mut scene = scene();
        scene.harm(Harm::Death, 12);
        scene.seen().starts.push(started(8, 2, Service::Spark));
        scene.tell(1, told(20, UNKNOWN));
        scene.tell(2, told(21, UNKNOWN));
        assert_eq!(causes_of(&scene), None);
        scene.analysis.jobs[2].fails = true;
        assert_eq!(causes_of(&scene), Some(vec![Cause::ScriptedUnheard, Cause::Unsent]));
    }

    #[test]
    fn a_scripted_failure_is_told_in_the_words_of_its_own_service() {
        let mut scene = scene();
        scene.analysis.jobs[1].fails = true;
        scene.tell(1, told(20, "error: Spark answered but left no _SUCCESS in the output for the analysis"));
        assert_eq!(causes_of(&scene), None);
        scene.seen().notices.clear();
        scene.tell(1, told(20, "error: scripted failure for the analysis"));
        assert_eq!(causes_of(&scene), Some(vec![Cause::Scripted]));
    }

    #[test]
    fn what_was_cut_off_is_the_services_own_affair() {
        let mut scene = scene();
        scene.tell(1, told(20, UNKNOWN));
        scene.harm(Harm::CutOff(Service::Function), 12);
        assert_eq!(causes_of(&scene), None);
        scene.harm(Harm::CutOff(Service::Spark), 12);
        assert_eq!(causes_of(&scene), Some(vec![Cause::CutOff]));
    }
}
