//! Every accepted analysis has ended, once per run, and as it had to.

use dummy_services::Kind as Service;

use super::{Case, Findings, Tolerance};
use crate::contract;
use crate::evidence::{Evidence, Notices};
use crate::workload::{Kind, SCRIPTED};

/// What a notice says of a job whose outcome nobody can know.
const UNKNOWN: &str = "The outcome of the ";
/// The wait for the evidence of a Spark job ends with its time limit, on a busy machine in these words.
const TOO_LATE: &str = "The classification job did not finish in time";
/// What a notice says of a service that was away.
const AWAY: [&str; 3] = ["service cannot be reached", "did not finish in time", "could not use the store"];

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Completed,
    Failed,
}

pub(super) fn check(case: &Case<'_>, evidence: &Evidence, tolerance: Tolerance, findings: &mut Findings) {
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
        if evidence.has_ended(case.index, run) {
            judge_end(case, run, tolerance, findings);
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

fn judge_end(case: &Case<'_>, run: u32, tolerance: Tolerance, findings: &mut Findings) {
    let Some(notices) = case.seen.notices.get(&run) else { return };
    match (end_of(case, notices), case.analysis.fails()) {
        (End::Completed, false) => findings.figures.completed += 1,
        (End::Completed, true) => findings.violation("completed although a job failed", case.name()),
        (End::Failed, _) => judge_failure(case, run, notices, tolerance, findings),
    }
}

fn end_of(case: &Case<'_>, notices: &Notices) -> End {
    let completed = contract::completed(&case.analysis.key());
    if notices.values().any(|told| told.text == completed) { End::Completed } else { End::Failed }
}

/// A failure needs a reason that can be seen from outside.
fn judge_failure(case: &Case<'_>, run: u32, notices: &Notices, tolerance: Tolerance, findings: &mut Findings) {
    let last = contract::failed(&case.analysis.key());
    let reasons: Vec<&str> = notices
        .values()
        .map(|told| told.text.as_str())
        .filter(|text| text.starts_with("error: ") && *text != last)
        .collect();
    let has = |words: &str| reasons.iter().any(|reason| reason.contains(words));
    // Spark says nothing of its own: what it was scripted to fail is seen by the evidence that is missing
    let scripted = has(SCRIPTED) || has("Spark answered but left no _SUCCESS");
    if scripted && case.analysis.fails() {
        findings.figures.failed_as_scripted += 1;
    } else if (has(UNKNOWN) || has(TOO_LATE)) && (spark_got_nothing(case) || spark_was_to_fail(case))
        || has(UNKNOWN) && tolerance.lost_answers && cannot_be_asked(&reasons)
    {
        findings.figures.outcome_unknown += 1;
    } else if AWAY.iter().any(|words| has(words)) && tolerance.long_outages {
        findings.figures.service_away += 1;
    } else {
        let spark = case.seen.starts.iter().filter(|start| start.service == Service::Spark).count();
        let what = format!("{} run {run}: {reasons:?}; {spark} messages to Spark", case.name());
        findings.violation("failed without a reason", what);
    }
}

/// The services that keep no account of what they were asked for.
fn cannot_be_asked(reasons: &[&str]) -> bool {
    let kinds = ["function", "classification"];
    reasons.iter().any(|reason| kinds.iter().any(|kind| reason.contains(&format!("{UNKNOWN}{kind} job"))))
}

/// Whether a message to Spark never arrived: it was to be sent when the orchestrator died, and cannot be sent again.
fn spark_got_nothing(case: &Case<'_>) -> bool {
    let runs = case.runs as usize;
    let got = |job: usize| {
        case.seen.starts.iter().filter(|start| start.job == job && start.service == Service::Spark).count()
    };
    let jobs = case.analysis.jobs.iter().enumerate();
    jobs.filter(|(_, job)| matches!(job.kind, Kind::Classification { .. })).any(|(index, _)| got(index) < runs)
}

/// A Spark job that is scripted to leave no evidence, and whose reply was lost with the orchestrator.
fn spark_was_to_fail(case: &Case<'_>) -> bool {
    case.analysis.jobs.iter().any(|job| job.fails && matches!(job.kind, Kind::Classification { .. }))
}
