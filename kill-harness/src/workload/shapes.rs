//! Shapes of graphs. *Shape*: for each job the indices of its inputs, in order; jobs stand behind their inputs.

use fastrand::Rng;

/// One of the families.
pub(super) fn pick(rng: &mut Rng) -> Vec<Vec<usize>> {
    match rng.u8(0..8) {
        0 | 1 => chain(rng.usize(3..8)),
        2 => diamond(),
        3 => fan(rng.usize(2..5)),
        4 => join(rng.usize(2..4)),
        5 => double_edge(rng.bool()),
        _ => random(rng),
    }
}

fn chain(length: usize) -> Vec<Vec<usize>> {
    (0..length).map(|index| if index == 0 { Vec::new() } else { vec![index - 1] }).collect()
}

fn diamond() -> Vec<Vec<usize>> {
    vec![vec![], vec![0], vec![1], vec![1], vec![2, 3], vec![4]]
}

/// Out of one and into one.
fn fan(width: usize) -> Vec<Vec<usize>> {
    let mut shape = vec![vec![], vec![0]];
    shape.extend((0..width).map(|_| vec![1]));
    shape.push((2..2 + width).collect());
    shape
}

/// Several starts, each cleaned, one join.
fn join(starts: usize) -> Vec<Vec<usize>> {
    let mut shape: Vec<Vec<usize>> = vec![Vec::new(); starts];
    shape.extend((0..starts).map(|start| vec![start]));
    shape.push((starts..2 * starts).collect());
    shape.push(vec![2 * starts]);
    shape
}

/// A job that wants the same input twice, alone or beside another one: edges count, not jobs.
fn double_edge(beside_another: bool) -> Vec<Vec<usize>> {
    if beside_another {
        // the other input comes later than the double one
        vec![vec![], vec![0], vec![1], vec![2], vec![1, 1, 3], vec![4]]
    } else {
        vec![vec![], vec![0], vec![1, 1], vec![2]]
    }
}

fn random(rng: &mut Rng) -> Vec<Vec<usize>> {
    let jobs = rng.usize(4..11);
    let starts = rng.usize(1..3);
    (0..jobs)
        .map(|index| {
            if index < starts {
                return Vec::new();
            }
            let inputs = if index >= 2 && rng.u8(0..3) == 0 { 2 } else { 1 };
            let mut from: Vec<usize> = (0..inputs).map(|_| rng.usize(0..index)).collect();
            from.sort_unstable();
            from.dedup();
            from
        })
        .collect()
}
