//! When the orchestrator dies: at which places and at which moments, from the seed.

use fastrand::Rng;

/// Places of `src/chaos.rs` that every run of analyses comes by, and how often an analysis passes each, about.
pub(crate) const POINTS: [(&str, f64); 22] = [
    ("k0", 1.0),
    ("k1", 1.0),
    ("k2", 1.0),
    ("k3", 3.0),
    ("k4", 3.0),
    ("k5", 2.5),
    ("k6", 4.0),
    ("k7", 4.0),
    ("k8", 8.0),
    ("k9", 5.0),
    ("k10", 4.0),
    ("k11", 4.0),
    ("k12", 1.0),
    ("k13a", 0.3),
    ("k13b", 0.3),
    ("k13c", 0.3),
    ("k13d", 0.3),
    (RECOVERY, 1.0),
    ("k15a", 0.6),
    ("k15b", 0.6),
    ("k15c", 0.5),
    ("k15d", 0.5),
];

/// The place that is passed while runs are taken up again. Deaths there come one after the other.
pub(crate) const RECOVERY: &str = "k14";

/// Deaths during recovery in a row. One more could hit the same analysis alone three times, which rightly ends it.
const SERIES: usize = 3;

/// One death.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Blow {
    /// At a place of the code.
    At {
        /// Its name.
        point: &'static str,
        /// How often an analysis comes by.
        rate: f64,
    },
    /// At a random moment while analyses run.
    Anytime,
    /// At a random moment soon after the start.
    SoonAfterStart,
}

/// All deaths of a run: every place `each` times, the rest at random moments, in random order but for the last ones, which are
/// at random moments as far as there are any: when few analyses are left, nobody may come by a place any more.
pub(crate) fn schedule(rng: &mut Rng, kills: usize, each: usize) -> Vec<Blow> {
    let named: Vec<Blow> = POINTS
        .iter()
        .filter(|(point, _)| *point != RECOVERY)
        .flat_map(|(point, rate)| std::iter::repeat_n(Blow::At { point, rate: *rate }, each))
        .collect();
    let recoveries = if each == 0 { 0 } else { each.max(2) };
    let random = kills.saturating_sub(named.len() + recoveries);
    let mut blows = named;
    blows.extend((0..random).map(|_| if rng.u8(0..5) == 0 { Blow::SoonAfterStart } else { Blow::Anytime }));
    rng.shuffle(&mut blows);
    let named_end = blows.len() - random.min(blows.len() / 5);
    for last in named_end..blows.len() {
        let is_named = |blow: &Blow| matches!(blow, Blow::At { .. });
        if is_named(&blows[last])
            && let Some(earlier) = blows[..named_end].iter().rposition(|blow| !is_named(blow))
        {
            blows.swap(earlier, last);
        }
    }
    let mut left = recoveries;
    while left > 0 {
        let series = left.min(SERIES);
        // not before there is something to recover
        let place = rng.usize(named_end.min(2)..=named_end);
        let death = Blow::At { point: RECOVERY, rate: 1.0 };
        blows.splice(place..place, std::iter::repeat_n(death, series));
        left -= series;
    }
    blows
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use orchestrator::chaos::Point;

    use super::*;

    #[test]
    fn every_place_of_the_orchestrator_is_known() {
        let ours: BTreeSet<String> = POINTS.iter().map(|(name, _)| (*name).to_owned()).collect();
        let theirs: BTreeSet<String> = Point::ALL.into_iter().map(Point::name).collect();
        assert_eq!(ours, theirs);
    }

    #[test]
    fn every_place_comes_up_as_often_as_asked() {
        let blows = schedule(&mut Rng::with_seed(1), 250, 10);
        assert_eq!(blows.len(), 250);
        for (name, _) in POINTS {
            let count = blows.iter().filter(|blow| matches!(blow, Blow::At { point, .. } if *point == name)).count();
            assert_eq!(count, 10, "{name}");
        }
        assert!(blows.contains(&Blow::SoonAfterStart) && blows.contains(&Blow::Anytime));
    }

    #[test]
    fn the_last_deaths_are_at_random_moments() {
        for seed in 0..100 {
            for (kills, each, last) in [(30, 1, 5), (460, 10, 90)] {
                let blows = schedule(&mut Rng::with_seed(seed), kills, each);
                let named = |blow: &Blow| matches!(blow, Blow::At { .. });
                let at_the_end = blows.iter().rev().take_while(|blow| !named(blow)).count();
                assert!(at_the_end >= last, "seed {seed}: {at_the_end} of {kills}");
            }
        }
    }
}
