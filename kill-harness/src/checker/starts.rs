//! Nothing is started twice where that can be known, nothing before its inputs are there, nothing after the end.

use std::collections::BTreeMap;

use dummy_services::Kind as Service;

use super::{Case, Findings, proofs};
use crate::contract;
use crate::evidence::Start;
use crate::workload::Kind;

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    count_starts(case, findings);
    for start in &case.seen.starts {
        // the plain id is all that Spark and the sink get: with several runs nobody knows whose it is
        let runs = match start.which {
            Some(which) => which.run..=which.run,
            None => 1..=case.runs,
        };
        let fits = |run: u32| too_early(case, start, run).is_none() && !is_after_the_end(case, start, run);
        if runs.clone().any(fits) {
            continue;
        }
        let run = *runs.start();
        if let Some(input) = too_early(case, start, run) {
            let what = format!("{} before {}", case.job_name(start.job), case.job_name(input));
            findings.violation("started before its inputs were there", what);
        } else {
            findings.violation("started after its analysis had ended", case.job_name(start.job));
        }
    }
    check_that_all_ran(case, findings);
}

/// Services that can be asked, by what they do about a second start.
fn can_be_asked(service: Service) -> bool {
    matches!(service, Service::Cleaning | Service::Join)
}

/// Run and attempt, where the service gets an id that tells.
type Attempt = Option<(u32, u32)>;

fn count_starts(case: &Case<'_>, findings: &mut Findings) {
    let mut counts: BTreeMap<(usize, Service, Attempt), usize> = BTreeMap::new();
    for start in &case.seen.starts {
        let attempt = start.which.map(|which| (which.run, which.attempt));
        *counts.entry((start.job, start.service, attempt)).or_default() += 1;
    }
    for ((job, service, attempt), count) in counts {
        findings.figures.jobs_started += 1;
        let allowed = if attempt.is_some() { 1 } else { case.runs as usize };
        let more = count.saturating_sub(allowed);
        if more == 0 {
            continue;
        }
        if can_be_asked(service) {
            findings.figures.second_starts += more;
            findings.violation("started twice at a service that can be asked", case.job_name(job));
        } else if matches!(service, Service::Function | Service::Automl) {
            *findings.figures.repeated_starts.entry(service.name()).or_default() += more;
        } else {
            *findings.figures.repeated_starts.entry(service.name()).or_default() += more;
            findings.violation("sent twice to a service that must not get it twice", case.job_name(job));
        }
    }
}

/// An input whose success nobody could have known of when the job was started.
fn too_early(case: &Case<'_>, start: &Start, run: u32) -> Option<usize> {
    let inputs = &case.analysis.jobs[start.job].from;
    inputs.iter().copied().find(|input| !is_done_before(case, *input, run, start.seq))
}

/// Whether somebody outside could have known before `seq` that a job had gone well.
fn is_done_before(case: &Case<'_>, job: usize, run: u32, seq: u64) -> bool {
    done_at(case, job, run).is_some_and(|at| at <= seq)
}

/// The moment from which on all inputs of a job were there; `None` if that never was.
pub(super) fn ready_at(case: &Case<'_>, job: usize, run: u32) -> Option<u64> {
    let inputs = case.analysis.jobs[job].from.iter();
    inputs.map(|input| done_at(case, *input, run)).try_fold(0, |latest, at| Some(latest.max(at?)))
}

/// The moment from which on somebody outside could know that a job had gone well.
fn done_at(case: &Case<'_>, job: usize, run: u32) -> Option<u64> {
    let service = match case.analysis.jobs[job].kind {
        Kind::Dataset => return Some(0),
        // what calls nobody is done when its own input is
        Kind::Visualization | Kind::DataSink => return ready_at(case, job, run),
        Kind::Cleaning => Service::Cleaning,
        Kind::Join => Service::Join,
        Kind::Function => Service::Function,
        Kind::Classification { .. } => Service::Spark,
    };
    let ends = case.seen.ends.iter().filter(|end| {
        let of_this_run = end.which.is_none_or(|which| which.run == run);
        end.job == job && end.service == service && of_this_run && end.well
    });
    ends.map(|end| end.seq).min()
}

fn is_after_the_end(case: &Case<'_>, start: &Start, run: u32) -> bool {
    let last = [contract::completed(&case.analysis.key()), contract::failed(&case.analysis.key())];
    let notices = case.seen.notices.get(&run);
    notices.is_some_and(|notices| notices.values().any(|told| last.contains(&told.text) && told.seq < start.seq))
}

/// What must have succeeded was started, but for a sink that nobody can ask: in a run that completed everything, in one
/// that went on after a failure every branch without one.
fn check_that_all_ran(case: &Case<'_>, findings: &mut Findings) {
    for run in case.seen.notices.keys() {
        for index in proofs::succeeded(case, *run) {
            let job = &case.analysis.jobs[index];
            let started = |service: Service| {
                case.seen.starts.iter().any(|start| {
                    let of_this_run = start.which.is_none_or(|which| which.run == *run);
                    start.job == index && start.service == service && of_this_run
                })
            };
            let missing = match job.kind {
                Kind::Dataset | Kind::Visualization => false,
                Kind::Cleaning => !started(Service::Cleaning),
                Kind::Join => !started(Service::Join),
                Kind::Function => !started(Service::Function),
                Kind::Classification { automl, .. } => {
                    !started(Service::Spark) || (automl && !started(Service::Automl))
                }
                Kind::DataSink => {
                    findings.figures.sinks_not_told += usize::from(!started(Service::DataSink));
                    false
                }
            };
            if missing {
                findings.violation("a job that had to run was not started", case.job_name(index));
            }
        }
    }
}
