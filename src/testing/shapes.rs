//! Graphs of any size from a seed: the same seed gives the same graph for ever.

use super::sketch::Sketch;

/// Families of graphs. Edges always lead from a lower position to a higher one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One after the other.
    Chain,
    /// The first feeds all others.
    FanOut,
    /// All others feed the last.
    FanIn,
    /// The first feeds all in the middle, they feed the last.
    Diamond,
    /// Layers of this width, each job fed by the whole layer before.
    Bipartite {
        /// Jobs per layer.
        width: usize,
    },
    /// Two chains; each job of the first also feeds its neighbour in the second.
    Ladder,
    /// Layers of this width, each job fed by one to three jobs of the layer before.
    Layered {
        /// Jobs per layer.
        width: usize,
    },
    /// So many trees, each job fed by a random earlier one of its tree.
    Forest {
        /// Number of trees.
        trees: usize,
    },
    /// Each job fed by none to three random earlier jobs, some of them twice.
    Random,
}

impl Shape {
    /// Every family, with usual widths.
    pub const ALL: [Shape; 9] = [
        Shape::Chain,
        Shape::FanOut,
        Shape::FanIn,
        Shape::Diamond,
        Shape::Bipartite { width: 4 },
        Shape::Ladder,
        Shape::Layered { width: 5 },
        Shape::Forest { trees: 3 },
        Shape::Random,
    ];

    /// The edges of a graph of `jobs` jobs.
    pub fn edges(self, jobs: usize, seed: u64) -> Vec<(usize, usize)> {
        let mut dice = Dice::new(seed);
        let last = jobs.saturating_sub(1);
        match self {
            Shape::Chain => (1..jobs).map(|job| (job - 1, job)).collect(),
            Shape::FanOut => (1..jobs).map(|job| (0, job)).collect(),
            Shape::FanIn => (0..last).map(|job| (job, last)).collect(),
            Shape::Diamond => (1..last).flat_map(|job| [(0, job), (job, last)]).collect(),
            Shape::Bipartite { width } => {
                let layer = |job: usize| job / width * width;
                (width..jobs).flat_map(|job| (layer(job) - width..layer(job)).map(move |from| (from, job))).collect()
            }
            Shape::Ladder => {
                let along = (2..jobs).map(|job| (job - 2, job));
                along.chain((1..jobs).step_by(2).map(|job| (job - 1, job))).collect()
            }
            Shape::Layered { width } => {
                let mut edges = Vec::new();
                for job in width..jobs {
                    let before = job / width * width - width;
                    for _ in 0..=dice.below(3) {
                        edges.push((before + dice.below(width), job));
                    }
                }
                edges
            }
            Shape::Forest { trees } => {
                (trees..jobs).map(|job| (job % trees + dice.below(job / trees) * trees, job)).collect()
            }
            Shape::Random => {
                let mut edges = Vec::new();
                for job in 1..jobs {
                    for _ in 0..dice.below(4) {
                        edges.push((dice.below(job), job));
                    }
                }
                edges
            }
        }
    }

    /// The graph as a playbook.
    pub fn sketch(self, jobs: usize, seed: u64) -> Sketch {
        Sketch::from_edges(jobs, self.edges(jobs, seed))
    }
}

/// A small repeatable source of random numbers (splitmix64).
#[derive(Debug, Clone)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// Dice that fall the same way for the same seed.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// A number below `limit`, 0 when that is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        if limit == 0 { 0 } else { (self.roll() % limit as u64) as usize }
    }
}
