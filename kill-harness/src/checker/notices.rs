//! The web application heard everything, in order, and the last thing last.

use std::collections::BTreeMap;

use super::{Case, Findings, Tolerance, proofs};
use crate::contract;
use crate::evidence::Notices;

pub(super) fn check(case: &Case<'_>, tolerance: Tolerance, findings: &mut Findings) {
    for (run, notices) in &case.seen.notices {
        let name = format!("{} run {run}", case.name());
        if *run == 0 {
            if !tolerance.refusals {
                findings.violation("announced as refused", name);
            }
            continue;
        }
        findings.figures.notices += notices.len();
        findings.figures.repeated_notices += notices.values().map(|told| told.times as usize - 1).sum::<usize>();
        let gaps = notices.keys().zip(1..).filter(|(number, expected)| **number != *expected).count();
        if gaps > 0 {
            findings.figures.missing_notices += gaps;
            findings.violation("notices missing", format!("{name}: {:?}", notices.keys()));
        }
        let order: Vec<u64> = notices.values().map(|told| told.seq).collect();
        if !order.is_sorted() {
            findings.violation("notices out of order", format!("{name}: {order:?}"));
        }
        check_texts(case, *run, notices, findings);
    }
}

fn check_texts(case: &Case<'_>, run: u32, notices: &Notices, findings: &mut Findings) {
    let name = format!("{} run {run}", case.name());
    let key = case.analysis.key();
    let (completed, failed) = (contract::completed(&key), contract::failed(&key));
    let texts: Vec<&str> = notices.values().map(|told| told.text.as_str()).collect();
    let finals = texts.iter().filter(|text| **text == completed || **text == failed).count();
    let last_is_final = texts.last().is_some_and(|text| *text == completed || *text == failed);
    // a run without an end is reported as stuck
    if finals > 1 || (finals == 1 && !last_is_final) {
        return findings.violation("something was told after the end", format!("{name}: {texts:?}"));
    }
    // notices name the kind of a job only, so they are counted: how many there may be, and how many there must be
    let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
    let succeeded = proofs::succeeded(case, run);
    for (index, job) in case.analysis.jobs.iter().enumerate() {
        let Some(text) = contract::job_done(job.kind, &case.analysis.id) else { continue };
        let counts = counts.entry(text).or_default();
        counts.most += 1;
        counts.least += usize::from(succeeded.contains(&index));
    }
    for text in texts.iter().filter(|text| text.starts_with("update: ") && **text != completed) {
        counts.entry((*text).to_owned()).or_default().told += 1;
    }
    for (text, Counts { most, least, told }) in counts {
        if told > most {
            findings.violation("told more often than done", format!("{name}: {text}"));
        }
        if finals == 1 && told < least {
            findings.figures.missing_notices += least - told;
            findings.violation("notices missing", format!("{name}: {text}: {told} instead of {least}"));
        }
    }
}

/// How often a notice of one kind may and must have been told, and was.
#[derive(Default)]
struct Counts {
    most: usize,
    least: usize,
    told: usize,
}

#[cfg(test)]
mod tests {
    use dummy_services::Kind as Service;

    use super::*;
    use crate::checker::tests::{Scene, started, told};
    use crate::workload::{Kind, analysis_of};

    #[test]
    fn a_success_that_is_proven_was_told_also_when_the_analysis_failed() {
        let jobs: &[(Kind, &[usize])] = &[(Kind::Dataset, &[]), (Kind::Join, &[0, 0]), (Kind::Cleaning, &[1])];
        let mut scene = Scene::of(analysis_of(jobs));
        scene.tell(1, told(9, "error: Analysis with the given ID terminated with error: af1"));
        let missing = |scene: &Scene| {
            let mut findings = Findings::default();
            check(&scene.case(), Tolerance::default(), &mut findings);
            (findings.figures.missing_notices, findings.violations.len())
        };
        assert_eq!(missing(&scene), (0, 0));
        scene.seen().starts = vec![started(1, 1, Service::Join), started(5, 2, Service::Cleaning)];
        assert_eq!(missing(&scene), (1, 1));
        scene.tell(2, told(9, "error: Analysis with the given ID terminated with error: af1"));
        scene.tell(1, told(4, "update: Join executed for the analysis with ID: AF1"));
        assert_eq!(missing(&scene), (0, 0));
    }
}
