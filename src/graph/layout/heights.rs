//! How far down each place is: the least squares of the differences along the edges. Column after column is solved exactly
//! while its neighbours stand still: what would overlap forms a block, and a block stands at the mean of what its members want.

use super::{Grid, MARGIN, NODE_HEIGHT, ROW_GAP};

/// Sweeps there and back.
const SWEEPS: usize = 6;

/// A bend is a line: it needs little room, and wants to be level more than a card does.
const BEND_HEIGHT: f64 = 8.0;
const BEND_WEIGHT: f64 = 4.0;

/// Members that touch each other, placed as one.
struct Block {
    members: usize,
    weight: f64,
    /// Sum of weight times wanted height, of the block's first member.
    wanted: f64,
    /// From the first member to the place of the next block's.
    extent: f64,
}

impl Block {
    fn start(&self) -> f64 {
        self.wanted / self.weight
    }
}

/// Heights of all places, the smallest at the margin.
pub(super) fn place(grid: &Grid) -> Vec<f64> {
    let mut heights = vec![0.0; grid.column.len()];
    for column in &grid.columns {
        let mut next = 0.0;
        for (at, place) in column.iter().enumerate() {
            let above = at.checked_sub(1).map(|before| distance(grid, column[before], *place));
            next += above.unwrap_or_default();
            heights[*place] = next;
        }
    }
    for sweep in 0..SWEEPS {
        for at in 0..grid.columns.len() {
            solve(grid, at, &mut heights, sweep == 0);
        }
        for at in (0..grid.columns.len()).rev() {
            solve(grid, at, &mut heights, false);
        }
    }
    let highest = heights.iter().fold(f64::MAX, |highest, height| highest.min(*height));
    let shift = MARGIN + NODE_HEIGHT / 2.0 - highest;
    heights.iter().map(|height| round(height + shift)).collect()
}

/// A tenth of a pixel is seen by nobody, and the same on every machine.
fn round(height: f64) -> f64 {
    (height * 10.0).round() / 10.0
}

/// Least distance of the centres of two places, one below the other.
fn distance(grid: &Grid, above: usize, below: usize) -> f64 {
    let half = |place| if grid.is_job(place) { NODE_HEIGHT } else { BEND_HEIGHT } / 2.0;
    half(above) + half(below) + ROW_GAP
}

/// What a place wants: the mean of its neighbours, those on the left only in the first sweep.
fn wanted(grid: &Grid, place: usize, heights: &[f64], left_only: bool) -> (f64, f64) {
    let right = if left_only { &[][..] } else { &grid.right[place] };
    let (mut sum, mut weight) = (0.0, 0.0);
    for (neighbour, edges) in grid.left[place].iter().chain(right) {
        let bends = [place, *neighbour].iter().filter(|place| !grid.is_job(**place)).count();
        let pull = f64::from(*edges) * BEND_WEIGHT.powi(bends as i32);
        sum += pull * heights[*neighbour];
        weight += pull;
    }
    if weight > 0.0 { (sum / weight, weight) } else { (heights[place], 0.01) }
}

fn solve(grid: &Grid, at: usize, heights: &mut [f64], left_only: bool) {
    let column = &grid.columns[at];
    let mut blocks: Vec<Block> = Vec::with_capacity(column.len());
    for (index, place) in column.iter().enumerate() {
        let (height, weight) = wanted(grid, *place, heights, left_only);
        let below = column.get(index + 1).map_or(0.0, |next| distance(grid, *place, *next));
        let mut block = Block { members: 1, weight, wanted: weight * height, extent: below };
        while let Some(above) = blocks.pop() {
            if above.start() + above.extent <= block.start() {
                blocks.push(above);
                break;
            }
            block = Block {
                members: above.members + block.members,
                weight: above.weight + block.weight,
                wanted: above.wanted + block.wanted - block.weight * above.extent,
                extent: above.extent + block.extent,
            };
        }
        blocks.push(block);
    }
    let mut places = column.iter().peekable();
    for block in &blocks {
        let mut height = block.start();
        for _ in 0..block.members {
            let Some(place) = places.next() else { return };
            heights[*place] = height;
            height += places.peek().map_or(0.0, |next| distance(grid, *place, **next));
        }
    }
}
