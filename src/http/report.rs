//! What there is to say about a document, as the API and the command line say it.

use serde_json::{Value, json};

use crate::graph::Plan;
use crate::graph::advice::advice;
use crate::playbook::Problem;
use crate::playbook::check::Refusal;

/// Most findings of each sort in one report.
const MOST_FINDINGS: usize = 1_000;

/// Everything that is wrong with a document, odd about it or could be better.
///
/// *Shape*: `{"valid","jobs","edges","problem-count","problems","warnings","advice"}`; `jobs`, `edges` and `advice` are there
/// when nothing is wrong.
pub fn report(verdict: &Result<Plan, Refusal>) -> Value {
    match verdict {
        Ok(plan) => json!({
            "valid": true,
            "jobs": plan.graph.len(),
            "edges": plan.graph.edge_count(),
            "problem-count": 0,
            "problems": [],
            "warnings": shown(&plan.warnings),
            "advice": shown(&advice(plan)),
        }),
        Err(refusal) => json!({
            "valid": false,
            "problem-count": refusal.problems.len(),
            "problems": shown(&refusal.problems),
            "warnings": shown(&refusal.warnings),
        }),
    }
}

/// The first findings of a list.
pub(super) fn shown(findings: &[Problem]) -> &[Problem] {
    &findings[..findings.len().min(MOST_FINDINGS)]
}
