//! The web application heard everything, in order, and the last thing last.

use std::collections::BTreeMap;

use super::{Case, Findings, Tolerance};
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
        check_texts(case, &name, notices, findings);
    }
}

fn check_texts(case: &Case<'_>, name: &str, notices: &Notices, findings: &mut Findings) {
    let key = case.analysis.key();
    let (completed, failed) = (contract::completed(&key), contract::failed(&key));
    let texts: Vec<&str> = notices.values().map(|told| told.text.as_str()).collect();
    let finals = texts.iter().filter(|text| **text == completed || **text == failed).count();
    let last_is_final = texts.last().is_some_and(|text| *text == completed || *text == failed);
    // a run without an end is reported as stuck
    if finals > 1 || (finals == 1 && !last_is_final) {
        return findings.violation("something was told after the end", format!("{name}: {texts:?}"));
    }
    let expected = case.analysis.jobs.iter().filter_map(|job| contract::job_done(job.kind, &case.analysis.id));
    let mut left: BTreeMap<String, usize> = BTreeMap::new();
    expected.for_each(|text| *left.entry(text).or_default() += 1);
    for text in texts.iter().filter(|text| text.starts_with("update: ") && **text != completed) {
        match left.get_mut(*text) {
            Some(count) if *count > 0 => *count -= 1,
            _ => findings.violation("told more often than done", format!("{name}: {text}")),
        }
    }
    let missing: usize = left.values().sum();
    if texts.contains(&completed.as_str()) && missing > 0 {
        findings.figures.missing_notices += missing;
        findings.violation("notices missing", format!("{name}: {left:?}"));
    }
}
