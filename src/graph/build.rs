//! From a checked document to a graph that can run: edges from both sides, no cycles, nothing out of reach.
//!
//! Problems of the graph are found even when members are wrong, so that one answer names everything.

mod shape;

use serde_json::{Map, Value};

use super::{JobGraph, JobIndex};
use crate::playbook::check::{CheckSettings, Draft, Findings, Outline, Refusal, examine};
use crate::playbook::ingestion::check_ingestion;
use crate::playbook::{Playbook, Problem};

/// Everything the engine needs to run an analysis.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What is to be done.
    pub playbook: Playbook,
    /// Who waits for whom; indices are positions in [`Playbook::jobs`].
    pub graph: JobGraph,
    /// What is odd about the document, in document order.
    pub warnings: Vec<Problem>,
}

/// Checks a playbook and builds its graph.
///
/// # Errors
/// Every problem of the members and of the graph, in document order.
pub fn build(document: &Map<String, Value>, settings: &CheckSettings) -> Result<Plan, Refusal> {
    let mut examined = examine(document, settings);
    let edges = edges(&examined.outlines, &mut examined.findings);
    let limit = settings.limits.edges;
    if edges.len() > limit {
        let reason = format!("the playbook has {} edges, allowed are {limit}", edges.len());
        examined.findings.problem(Problem::new("too-many-edges", "/jobs", reason));
    } else {
        shape::check(&examined.outlines, &edges, &mut examined.findings);
    }
    warn_of_ends(&examined.outlines, &edges, &mut examined.findings);
    plan(examined.finish(document)?, edges)
}

/// Checks a document of `POST /ingestion`; its graph is one job.
///
/// # Errors
/// Every problem of the document, in document order.
pub fn build_ingestion(document: &Map<String, Value>, settings: &CheckSettings) -> Result<Plan, Refusal> {
    plan(check_ingestion(document, settings)?, Vec::new())
}

fn plan(draft: Draft, edges: Vec<Edge>) -> Result<Plan, Refusal> {
    let graph = JobGraph::new(draft.playbook.jobs.len(), edges).expect("a cycle would have been refused as a problem");
    Ok(Plan { playbook: draft.playbook, graph, warnings: draft.warnings })
}

/// One edge: predecessor and successor.
type Edge = (JobIndex, JobIndex);

/// The edges between two jobs are as many as the side that names more of them (`decisions` 1).
///
/// Order: by predecessor, then as its `next` names them, then those that only the successors name.
fn edges(outlines: &[Outline], findings: &mut Findings) -> Vec<Edge> {
    let mut named_by_from: Vec<Vec<JobIndex>> = vec![Vec::new(); outlines.len()];
    for (job, outline) in outlines.iter().enumerate() {
        for input in &outline.inputs {
            named_by_from[*input].push(job);
        }
    }
    let mut edges = Vec::new();
    // How often the current predecessor and each successor name each other; reset after every predecessor.
    let mut counts = vec![(0_usize, 0_usize); outlines.len()];
    let mut targets = Vec::new();
    for (job, outline) in outlines.iter().enumerate() {
        for target in &outline.next {
            if counts[*target] == (0, 0) {
                targets.push(*target);
            }
            counts[*target].0 += 1;
        }
        for target in &named_by_from[job] {
            if counts[*target] == (0, 0) {
                targets.push(*target);
            }
            counts[*target].1 += 1;
        }
        for target in targets.drain(..) {
            let (by_next, by_from) = std::mem::take(&mut counts[target]);
            if by_next != by_from {
                findings.warning(one_sided(outlines, job, target, by_next, by_from));
            }
            edges.extend(std::iter::repeat_n((job, target), by_next.max(by_from)));
        }
    }
    edges
}

fn one_sided(outlines: &[Outline], job: JobIndex, target: JobIndex, by_next: usize, by_from: usize) -> Problem {
    let (step, follower) = (&outlines[job].step, &outlines[target].step);
    let (at, reason) = match (by_next, by_from) {
        (_, 0) => (
            format!("/jobs/{job}/next"),
            format!(
                "step {step} names {follower} in `next`, but gives it no input: the `from` of {follower} does not name it"
            ),
        ),
        (0, _) => (
            format!("/jobs/{target}/from"),
            format!("step {follower} takes its input from {step}, whose `next` does not name it"),
        ),
        _ => (
            format!("/jobs/{target}/from"),
            format!(
                "step {follower} names {step} {by_from} times in `from`, {step} names it {by_next} times in `next`"
            ),
        ),
    };
    Problem::new("one-sided-edge", at, reason)
}

/// A branch usually ends where its result is shown or taken.
fn warn_of_ends(outlines: &[Outline], edges: &[Edge], findings: &mut Findings) {
    let mut ends = vec![true; outlines.len()];
    for (job, _) in edges {
        ends[*job] = false;
    }
    for (job, outline) in outlines.iter().enumerate() {
        if let Some(title) = outline.title.filter(|title| ends[job] && !matches!(*title, "visualization" | "data-sink"))
        {
            let reason = format!("nothing follows this {title}; its result is neither shown nor taken");
            let hint = "end with a visualization or a data-sink";
            findings.warning(Problem::new("unusual-end", format!("/jobs/{job}"), reason).hint(hint));
        }
    }
}

#[cfg(test)]
mod tests;
