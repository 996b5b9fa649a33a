//! What is wrong with a graph as a whole: cycles, no beginning, jobs that nothing leads to. No recursion.

use std::collections::VecDeque;

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::{Edge, JobIndex};
use crate::playbook::Problem;
use crate::playbook::check::{Entry, Findings, Outline};

/// Most steps that a reason names.
const MOST_NAMED: usize = 10;

/// Notes every cycle, a missing start and every part that no start leads to.
pub(super) fn check(outlines: &[Outline], edges: &[Edge], findings: &mut Findings) {
    if outlines.is_empty() {
        return;
    }
    let mut graph: DiGraph<(), (), u32> = DiGraph::with_capacity(outlines.len(), edges.len());
    for _ in outlines {
        graph.add_node(());
    }
    for (from, to) in edges {
        graph.add_edge(NodeIndex::new(*from), NodeIndex::new(*to), ());
    }
    find_cycles(&graph, outlines, findings);
    // A job whose `from` could not be read may have been meant as a start: nothing is said about reach then.
    if outlines.iter().any(|outline| matches!(outline.entry, Entry::Start | Entry::Unknown)) {
        find_unreachable(&graph, outlines, findings);
    } else {
        let reason = "no job has `\"from\": 0`, so nothing can start";
        findings.problem(Problem::new("no-start", "/jobs", reason).hint("give the first job `\"from\": 0`"));
    }
}

fn find_cycles(graph: &DiGraph<(), (), u32>, outlines: &[Outline], findings: &mut Findings) {
    let mut group_of = vec![usize::MAX; outlines.len()];
    let groups = kosaraju_scc(graph);
    for (group, members) in groups.iter().enumerate() {
        for member in members {
            group_of[member.index()] = group;
        }
    }
    for job in graph.node_indices().filter(|job| graph.contains_edge(*job, *job)) {
        let member = if outlines[job.index()].inputs.contains(&job.index()) { "from" } else { "next" };
        let reason = format!("step {} names itself", outlines[job.index()].step);
        findings.problem(Problem::new("cycle", format!("/jobs/{}/{member}", job.index()), reason));
    }
    for members in groups.iter().filter(|members| members.len() > 1) {
        let Some(first) = members.iter().min().copied() else { continue };
        let cycle = shortest_cycle(graph, first, &group_of);
        let steps = named(cycle.iter().map(|job| outlines[*job].step.as_str()), cycle.len(), " -> ");
        let reason = format!("these steps wait for each other: {steps}, then {} again", outlines[first.index()].step);
        findings.problem(
            Problem::new("cycle", format!("/jobs/{}", first.index()), reason).hint("remove one of these edges"),
        );
    }
}

/// A shortest cycle through a job of a group in which every job reaches every other.
fn shortest_cycle(graph: &DiGraph<(), (), u32>, first: NodeIndex, group_of: &[usize]) -> Vec<JobIndex> {
    let mut came_from = std::collections::HashMap::from([(first, first)]);
    let mut open = VecDeque::from([first]);
    while let Some(job) = open.pop_front() {
        for next in
            graph.neighbors(job).filter(|next| *next != job && group_of[next.index()] == group_of[first.index()])
        {
            if next == first {
                let mut cycle = vec![job.index()];
                let mut at = job;
                while at != first {
                    at = came_from[&at];
                    cycle.push(at.index());
                }
                cycle.reverse();
                return cycle;
            }
            if let std::collections::hash_map::Entry::Vacant(vacant) = came_from.entry(next) {
                vacant.insert(job);
                open.push_back(next);
            }
        }
    }
    vec![first.index()]
}

fn find_unreachable(graph: &DiGraph<(), (), u32>, outlines: &[Outline], findings: &mut Findings) {
    let mut reached = vec![false; outlines.len()];
    // What hangs on a reference that does not exist is reported there.
    let starts = |outline: &Outline| matches!(outline.entry, Entry::Start | Entry::Unknown | Entry::Broken);
    let mut open: Vec<NodeIndex> = graph.node_indices().filter(|job| starts(&outlines[job.index()])).collect();
    for job in &open {
        reached[job.index()] = true;
    }
    while let Some(job) = open.pop() {
        for next in graph.neighbors(job) {
            if !std::mem::replace(&mut reached[next.index()], true) {
                open.push(next);
            }
        }
    }
    for job in graph.node_indices() {
        if reached[job.index()] {
            continue;
        }
        let island = take_island(graph, job, &mut reached);
        // A single unconnected job has been reported as such.
        if island.len() == 1 && outlines[job.index()].entry == Entry::Unconnected {
            continue;
        }
        let steps = named(island.iter().map(|job| outlines[*job].step.as_str()), island.len(), ", ");
        let reason = format!("no starting job leads to {steps}");
        findings.problem(Problem::new("unreachable", format!("/jobs/{}", job.index()), reason));
    }
}

/// Every job connected with this one that is not reached either, in playbook order; marks them all.
fn take_island(graph: &DiGraph<(), (), u32>, first: NodeIndex, reached: &mut [bool]) -> Vec<JobIndex> {
    reached[first.index()] = true;
    let (mut island, mut open) = (vec![first.index()], vec![first]);
    while let Some(job) = open.pop() {
        for next in graph.neighbors_undirected(job) {
            if !std::mem::replace(&mut reached[next.index()], true) {
                island.push(next.index());
                open.push(next);
            }
        }
    }
    island.sort_unstable();
    island
}

/// The first steps of a list, and how many more there are.
fn named<'a>(steps: impl Iterator<Item = &'a str>, count: usize, between: &str) -> String {
    let shown: Vec<&str> = steps.take(MOST_NAMED).collect();
    let more = count - shown.len();
    let steps = shown.join(between);
    if more == 0 { format!("step {steps}") } else { format!("step {steps} and {more} more") }
}
