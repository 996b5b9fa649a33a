//! Every accepted analysis has ended, once per run, and as it had to.

use dummy_services::Kind as Service;

use super::reasons::{self, Cause};
use super::{Case, Findings};
use crate::contract;
use crate::evidence::Notices;

/// Messages to Spark that one death can leave unsent: those whose intents were in its last transactions.
const UNSENT_PER_DEATH: usize = 2;

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Completed,
    Failed,
}

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    if let Some(answer) = &case.seen.refused {
        return findings.violation("refused although it can run", format!("{}: {answer}", case.name()));
    }
    if case.seen.acknowledged.is_empty() {
        return findings.violation("never accepted", case.name());
    }
    findings.figures.accepted += 1;
    findings.figures.further_runs += case.runs.saturating_sub(1) as usize;
    // without an answer it may have run already; with one, only what was never sent again
    let most = 1 + case.seen.unanswered;
    if case.runs > most {
        findings.violation("more runs than submissions", format!("{}: {} of {most}", case.name(), case.runs));
    }
    for run in 1..=case.runs {
        if case.evidence.has_ended(case.index, run) {
            judge_end(case, run, findings);
        } else if case.seen.is_unseen() {
            findings.figures.lost += 1;
            findings.violation("lost: accepted and never seen again", case.name());
        } else {
            findings.figures.stuck += 1;
            let last = case.seen.starts.last().map(|start| case.job_name(start.job));
            let last = last.unwrap_or_else(|| "nothing".to_owned());
            findings.violation("stuck", format!("{} run {run}; started last: {last}", case.name()));
        }
    }
}

fn judge_end(case: &Case<'_>, run: u32, findings: &mut Findings) {
    let Some(notices) = case.seen.notices.get(&run) else { return };
    match (end_of(case, notices), case.analysis.fails()) {
        (End::Completed, false) => findings.figures.completed += 1,
        (End::Completed, true) => findings.violation("completed although a job failed", case.name()),
        (End::Failed, _) => judge_failure(case, run, findings),
    }
}

fn end_of(case: &Case<'_>, notices: &Notices) -> End {
    let completed = contract::completed(&case.analysis.key());
    if notices.values().any(|told| told.text == completed) { End::Completed } else { End::Failed }
}

/// A failure needs reasons that can be seen from outside, each of a job that it can be true of.
fn judge_failure(case: &Case<'_>, run: u32, findings: &mut Findings) {
    let reasons = reasons::of_run(case, run);
    let said: Vec<&str> = reasons.iter().map(|reason| reason.text).collect();
    let causes = reasons::causes(reasons).filter(|causes| !causes.is_empty());
    let Some(causes) = causes else {
        let spark = case.seen.starts.iter().filter(|start| start.service == Service::Spark).count();
        let what = format!("{} run {run}: {said:?}; {spark} messages to Spark", case.name());
        return findings.violation("failed without a reason", what);
    };
    let figures = &mut findings.figures;
    figures.unsent += causes.iter().filter(|cause| **cause == Cause::Unsent).count();
    if causes.contains(&Cause::Scripted) {
        figures.failed_as_scripted += 1;
    } else if causes.contains(&Cause::StoodStill) {
        figures.stood_still += 1;
    } else {
        figures.outcome_unknown += 1;
    }
}

/// A death leaves few messages to Spark in between: more that never arrived were not sent for another reason.
pub(super) fn check_sum(deaths: usize, findings: &mut Findings) {
    let (unsent, most) = (findings.figures.unsent, deaths * UNSENT_PER_DEATH);
    if unsent > most {
        let what = format!("{unsent}, with {deaths} deaths at most {most}");
        findings.violation("more messages to Spark never arrived than deaths account for", what);
    }
}
