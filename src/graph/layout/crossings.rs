//! How often edges cross between neighbouring columns.

use super::Grid;

/// Of all columns together.
pub(super) fn of(grid: &Grid) -> u64 {
    let mut position = vec![0; grid.column.len()];
    for column in &grid.columns {
        for (at, place) in column.iter().enumerate() {
            position[*place] = at;
        }
    }
    grid.columns.windows(2).map(|pair| between(grid, &pair[0], pair[1].len(), &position)).sum()
}

/// Between a column and the one to its right: pairs of edges whose ends are in opposite order. A tree of sums counts, for each
/// edge from the top down, the earlier ones that end below it.
fn between(grid: &Grid, column: &[usize], height: usize, position: &[usize]) -> u64 {
    let mut sums = vec![0_u64; height + 1];
    let (mut all, mut crossings) = (0_u64, 0);
    let mut ends: Vec<usize> = Vec::new();
    for place in column {
        ends.clear();
        ends.extend(grid.right[*place].iter().map(|(to, _)| position[*to]));
        // edges of one place do not cross each other
        for end in &ends {
            let (mut at, mut above) = (end + 1, 0);
            while at > 0 {
                above += sums[at];
                at &= at - 1;
            }
            crossings += all - above;
        }
        for end in &ends {
            let mut at = end + 1;
            while at <= height {
                sums[at] += 1;
                at += at & at.wrapping_neg();
            }
        }
        all += ends.len() as u64;
    }
    crossings
}

/// How often the edges of two neighbours to the same side cross when one is above the other; positions of their ends, sorted.
pub(super) fn of_two(above: &[usize], below: &[usize]) -> usize {
    let mut smaller = 0;
    let mut crossings = 0;
    for end in above {
        while smaller < below.len() && below[smaller] < *end {
            smaller += 1;
        }
        crossings += smaller;
    }
    crossings
}
