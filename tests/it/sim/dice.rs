//! What a seed decides: odds, ranges, choices.

use orchestrator::testing::Dice;

/// More ways to roll.
pub(super) trait Rolls {
    /// True so many times in a thousand.
    fn odds(&mut self, per_mille: usize) -> bool;
    /// A whole number of the range, both ends included.
    fn between(&mut self, least: u64, most: u64) -> u64;
    /// The same, with every order of magnitude as likely as the others; `least` is at least 1.
    fn spread(&mut self, least: u64, most: u64) -> u64;
    /// One of several.
    fn one_of<T: Clone>(&mut self, choices: &[T]) -> T;
    /// One of several, each as often as its weight says.
    fn weighted<T: Clone>(&mut self, choices: &[(usize, T)]) -> T;
}

impl Rolls for Dice {
    fn odds(&mut self, per_mille: usize) -> bool {
        self.below(1000) < per_mille
    }

    fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below((most - least) as usize + 1) as u64
    }

    fn spread(&mut self, least: u64, most: u64) -> u64 {
        let share = self.below(10_001) as f64 / 10_000.0;
        let number = least as f64 * (most as f64 / least as f64).powf(share);
        (number as u64).clamp(least, most)
    }

    fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    fn weighted<T: Clone>(&mut self, choices: &[(usize, T)]) -> T {
        let mut left = self.below(choices.iter().map(|(weight, _)| weight).sum());
        for (weight, choice) in choices {
            if left < *weight {
                return choice.clone();
            }
            left -= weight;
        }
        choices[0].1.clone()
    }
}

/// Dice for one thing of a world, whatever else is rolled: its name decides.
pub(super) fn dice_of(seed: u64, name: &str) -> Dice {
    let mut hash = seed ^ 0xCBF2_9CE4_8422_2325;
    for byte in name.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    }
    Dice::new(hash)
}
