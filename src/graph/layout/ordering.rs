//! Which place of a column is above which: sweeps that put each place at the barycentre of its neighbours, and swaps of places
//! that stand side by side. The best order that was seen stays.

use super::{Grid, crossings};

/// Sweeps there and back; more find little.
const SWEEPS: usize = 8;

/// Rounds of swaps.
const ROUNDS: usize = 4;

/// Edges above which a sweep costs too much to do all of them. *Unit*: neighbours.
const LARGE: usize = 40_000;

#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}

impl Grid {
    fn neighbours(&self, place: usize, side: Side) -> &[(usize, u32)] {
        match side {
            Side::Left => &self.left[place],
            Side::Right => &self.right[place],
        }
    }
}

/// Finds an order with few crossings.
pub(super) fn improve(grid: &mut Grid) {
    let joins: usize = grid.right.iter().map(Vec::len).sum();
    let sweeps = if joins > LARGE { SWEEPS / 4 } else { SWEEPS };
    let mut position = vec![0; grid.column.len()];
    grid.columns.iter().for_each(|column| number(column, &mut position));
    let mut best = (crossings::of(grid), grid.columns.clone());
    for _ in 0..sweeps {
        if best.0 == 0 {
            break;
        }
        for at in 1..grid.columns.len() {
            sort(grid, at, Side::Left, &mut position);
        }
        for at in (0..grid.columns.len().saturating_sub(1)).rev() {
            sort(grid, at, Side::Right, &mut position);
        }
        if joins <= LARGE {
            swap(grid, &mut position);
        }
        let crossings = crossings::of(grid);
        if crossings < best.0 {
            best = (crossings, grid.columns.clone());
        }
    }
    grid.columns = best.1;
}

fn number(column: &[usize], position: &mut [usize]) {
    for (at, place) in column.iter().enumerate() {
        position[*place] = at;
    }
}

/// Sorts a column by the barycentres of its neighbours on one side; places without any stay where they are.
fn sort(grid: &mut Grid, at: usize, side: Side, position: &mut [usize]) {
    let column = std::mem::take(&mut grid.columns[at]);
    let barycentre = |place: usize| {
        let neighbours = grid.neighbours(place, side);
        let sum: f64 = neighbours.iter().map(|(to, edges)| position[*to] as f64 * f64::from(*edges)).sum();
        let edges: u32 = neighbours.iter().map(|(_, edges)| edges).sum();
        if edges == 0 { position[place] as f64 } else { sum / f64::from(edges) }
    };
    let mut sorted: Vec<(f64, usize)> = column.iter().map(|place| (barycentre(*place), *place)).collect();
    sorted.sort_by(|one, other| one.0.total_cmp(&other.0));
    let column: Vec<usize> = sorted.into_iter().map(|(_, place)| place).collect();
    number(&column, position);
    grid.columns[at] = column;
}

/// Swaps neighbours as long as that takes crossings away.
fn swap(grid: &mut Grid, position: &mut [usize]) {
    let ends = |grid: &Grid, position: &[usize], place: usize, side: Side| {
        let mut ends: Vec<usize> = grid.neighbours(place, side).iter().map(|(to, _)| position[*to]).collect();
        ends.sort_unstable();
        ends
    };
    for at in 0..grid.columns.len() {
        let all = |place: usize| [Side::Left, Side::Right].map(|side| ends(grid, position, place, side));
        // ends are in other columns: they stay where they are while this one is sorted
        let mut column: Vec<(usize, [Vec<usize>; 2])> =
            grid.columns[at].iter().map(|place| (*place, all(*place))).collect();
        for _ in 0..ROUNDS {
            let mut has_changed = false;
            for upper in 1..column.len() {
                let (above, below) = (&column[upper - 1].1, &column[upper].1);
                let now: usize = (0..2).map(|side| crossings::of_two(&above[side], &below[side])).sum();
                let then: usize = (0..2).map(|side| crossings::of_two(&below[side], &above[side])).sum();
                if then < now {
                    column.swap(upper - 1, upper);
                    has_changed = true;
                }
            }
            if !has_changed {
                break;
            }
        }
        grid.columns[at] = column.into_iter().map(|(place, _)| place).collect();
        let column = std::mem::take(&mut grid.columns[at]);
        number(&column, position);
        grid.columns[at] = column;
    }
}
