//! Where the jobs of a graph are drawn: columns from left to right, few crossings, straight edges. Deterministic: the same
//! graph is drawn the same way everywhere, by the browser, by `graph --svg`.
//!
//! 1. *Columns*: a job is one to the right of its rightmost predecessor. An edge that skips columns gets a bend in each of
//!    them; edges of one job share their bends, so a long way is drawn, and paid for, once.
//! 2. *Order in the columns* (`ordering.rs`): barycentres, then swaps of neighbours.
//! 3. *Heights* (`heights.rs`): the least squares of the edges' slants, with everything at a distance.

mod crossings;
mod heights;
mod ordering;

use std::collections::BTreeMap;

use super::{JobGraph, JobIndex};

/// Width of a job's card. *Unit* of all lengths: pixels.
pub const NODE_WIDTH: f64 = 160.0;

/// Height of a job's card.
pub const NODE_HEIGHT: f64 = 44.0;

/// Between two columns.
const COLUMN_GAP: f64 = 72.0;

/// Between two cards of a column.
const ROW_GAP: f64 = 16.0;

/// Around everything.
const MARGIN: f64 = 24.0;

/// A drawing of a graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Width of everything.
    pub width: f64,
    /// Height of everything.
    pub height: f64,
    /// Centres of the jobs, by their indices.
    pub nodes: Vec<Point>,
    /// The edges in the order of their ids.
    pub edges: Vec<Polyline>,
    /// How often edges cross; edges that share their bends count once there.
    pub crossings: u64,
}

/// A point: x grows to the right, y downwards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// From the left.
    pub x: f64,
    /// From the top.
    pub y: f64,
}

/// An edge as it is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Polyline {
    /// The job that it leaves.
    pub from: JobIndex,
    /// The job that it enters.
    pub to: JobIndex,
    /// From the right side of one card over its bends to the left side of the other.
    pub points: Vec<Point>,
}

/// Jobs and bends in columns, joined from one column to the next only.
#[derive(Debug, Clone, Default)]
struct Grid {
    /// Column of each place; the places of jobs have their indices, those of bends come behind.
    column: Vec<usize>,
    /// Left neighbours, with how many edges lead there.
    left: Vec<Vec<(usize, u32)>>,
    /// Right neighbours.
    right: Vec<Vec<(usize, u32)>>,
    /// The places of each column from the top down.
    columns: Vec<Vec<usize>>,
    jobs: usize,
}

/// Draws a graph.
pub fn layout(graph: &JobGraph) -> Layout {
    let (mut grid, ways) = grid(graph);
    ordering::improve(&mut grid);
    let heights = heights::place(&grid);
    drawn(graph, &grid, &ways, &heights)
}

/// The bends of one job's long edges: which place is theirs in which column.
type Ways = BTreeMap<(JobIndex, usize), usize>;

fn grid(graph: &JobGraph) -> (Grid, Ways) {
    let column = columns_of(graph);
    let mut grid = Grid { jobs: graph.len(), column, ..Grid::default() };
    let count = grid.column.iter().max().map_or(0, |last| last + 1);
    grid.columns = vec![Vec::new(); count];
    grid.left = vec![Vec::new(); graph.len()];
    grid.right = vec![Vec::new(); graph.len()];
    // places enter their columns in the order of a walk from the starting jobs: siblings come side by side
    for job in walk(graph) {
        grid.columns[grid.column[job]].push(job);
    }
    let mut ways = Ways::new();
    for from in 0..graph.len() {
        for (_, to) in graph.outgoing(from) {
            let mut last = from;
            for column in grid.column[from] + 1..grid.column[to] {
                let bend = *ways.entry((from, column)).or_insert_with(|| grid.bend(column));
                grid.join(last, bend);
                last = bend;
            }
            grid.join(last, to);
        }
    }
    (grid, ways)
}

impl Grid {
    fn bend(&mut self, column: usize) -> usize {
        let place = self.column.len();
        self.column.push(column);
        self.left.push(Vec::new());
        self.right.push(Vec::new());
        self.columns[column].push(place);
        place
    }

    fn join(&mut self, from: usize, to: usize) {
        for (list, place) in [(&mut self.right[from], to), (&mut self.left[to], from)] {
            match list.iter_mut().find(|(known, _)| *known == place) {
                Some((_, edges)) => *edges += 1,
                None => list.push((place, 1)),
            }
        }
    }

    fn is_job(&self, place: usize) -> bool {
        place < self.jobs
    }
}

/// One to the right of the rightmost predecessor. A starting job moves to the left of its first successor: data sets stand
/// where they are used.
fn columns_of(graph: &JobGraph) -> Vec<usize> {
    let mut column = vec![0; graph.len()];
    for &job in graph.topological() {
        for (_, to) in graph.outgoing(job) {
            column[to] = column[to].max(column[job] + 1);
        }
    }
    for &job in graph.topological() {
        if graph.incoming(job).next().is_none()
            && let Some(first) = graph.outgoing(job).map(|(_, to)| column[to]).min()
        {
            column[job] = first - 1;
        }
    }
    column
}

/// Every job once, depth first from the starting jobs.
fn walk(graph: &JobGraph) -> Vec<JobIndex> {
    let mut seen = vec![false; graph.len()];
    let mut found = Vec::with_capacity(graph.len());
    for start in (0..graph.len()).filter(|job| graph.incoming(*job).next().is_none()) {
        let mut ahead = vec![start];
        while let Some(job) = ahead.pop() {
            if std::mem::replace(&mut seen[job], true) {
                continue;
            }
            found.push(job);
            let next: Vec<JobIndex> = graph.outgoing(job).map(|(_, to)| to).filter(|to| !seen[*to]).collect();
            ahead.extend(next.into_iter().rev());
        }
    }
    found
}

fn drawn(graph: &JobGraph, grid: &Grid, ways: &Ways, heights: &[f64]) -> Layout {
    let x = |column: usize| MARGIN + NODE_WIDTH / 2.0 + column as f64 * (NODE_WIDTH + COLUMN_GAP);
    let at = |place: usize| Point { x: x(grid.column[place]), y: heights[place] };
    let mut edges: Vec<_> = Vec::with_capacity(graph.edge_count());
    for from in 0..graph.len() {
        for (id, to) in graph.outgoing(from) {
            let (start, end) = (at(from), at(to));
            let mut points = vec![Point { x: start.x + NODE_WIDTH / 2.0, ..start }];
            for column in grid.column[from] + 1..grid.column[to] {
                let bend = at(ways[&(from, column)]);
                // level past the cards of the column
                points.push(Point { x: bend.x - NODE_WIDTH / 2.0, ..bend });
                points.push(Point { x: bend.x + NODE_WIDTH / 2.0, ..bend });
            }
            points.push(Point { x: end.x - NODE_WIDTH / 2.0, ..end });
            edges.push((id, Polyline { from, to, points }));
        }
    }
    edges.sort_unstable_by_key(|(id, _)| *id);
    let lowest = heights.iter().fold(0.0_f64, |lowest, height| lowest.max(*height));
    let count = grid.columns.len() as f64;
    Layout {
        width: 2.0 * MARGIN + count * NODE_WIDTH + (count - 1.0).max(0.0) * COLUMN_GAP,
        height: lowest + NODE_HEIGHT / 2.0 + MARGIN,
        nodes: (0..graph.len()).map(at).collect(),
        edges: edges.into_iter().map(|(_, edge)| edge).collect(),
        crossings: crossings::of(grid),
    }
}

#[cfg(test)]
mod tests;
