//! Whether enough happened to prove anything: a run in which little was under way finds nothing because nothing was there.

use std::collections::BTreeMap;

use crate::checker::Figures;

/// Of a hundred moments at which something was done, so many have to find accepted work that has not ended.
const AT_WORK: usize = 80;

/// Of a hundred accepted analyses, so many have to complete: the others fail by script or by what was done to them.
const COMPLETED: usize = 50;

/// Of a hundred deaths that were meant for a named place, so many have to happen there.
const AT_THEIR_PLACE: usize = 80;

/// The moments at which something was done.
#[derive(Debug, Default)]
pub(crate) struct Moments {
    /// By what was done: how often, and how often while accepted work had not ended.
    counts: BTreeMap<&'static str, (usize, usize)>,
    /// Troubles on roads that nobody went along.
    idle: Vec<&'static str>,
}

impl Moments {
    /// Something is done.
    pub(crate) fn count(&mut self, what: &'static str, is_at_work: bool) {
        let (all, at_work) = self.counts.entry(what).or_default();
        *all += 1;
        *at_work += usize::from(is_at_work);
    }

    /// A trouble has met nobody.
    pub(crate) fn met_nobody(&mut self, trouble: &'static str) {
        self.idle.push(trouble);
    }

    /// What is too little in them. *Shape*: what, example.
    pub(crate) fn too_little(&self) -> Vec<(&'static str, String)> {
        let mut found: Vec<(&'static str, String)> = Vec::new();
        if self.counts.is_empty() {
            found.push(("too little happened", "nothing was done to anybody".to_owned()));
        }
        for (what, (all, at_work)) in &self.counts {
            if at_work * 100 < all * AT_WORK {
                found.push(("too little was under way", format!("{what}: {at_work} of {all}")));
            }
        }
        found.extend(self.idle.iter().map(|trouble| ("a trouble that met nobody", (*trouble).to_owned())));
        found
    }
}

/// What is too little in the ends of the analyses. *Shape*: what, example.
pub(crate) fn too_few_ends(figures: &Figures) -> Option<(&'static str, String)> {
    let Figures { accepted, completed, .. } = figures;
    let is_little = *completed == 0 || completed * 100 < accepted * COMPLETED;
    is_little.then(|| ("too few analyses completed", format!("{completed} of {accepted}")))
}

/// Whether deaths came where they were meant to. `deaths`: by place; `meant`: for each place.
pub(crate) fn too_few_at_their_place(
    deaths: &BTreeMap<&'static str, usize>,
    meant: &BTreeMap<&'static str, usize>,
) -> Option<(&'static str, String)> {
    let reached = |point: &str| deaths.get(point).copied().unwrap_or(0);
    let all: usize = meant.values().sum();
    let there: usize = meant.iter().map(|(point, times)| reached(point).min(*times)).sum();
    // no place may be left to the others
    let missed = |(point, times): &(&&str, &usize)| reached(point) * 2 < **times;
    let missed: Vec<&str> = meant.iter().filter(missed).map(|(point, _)| *point).collect();
    let is_little = there * 100 < all * AT_THEIR_PLACE || !missed.is_empty();
    let what = format!("{there} of {all}, less than half of what was meant at: {}", missed.join(" "));
    is_little.then_some(("too few deaths at their place", what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_without_work_prove_nothing() {
        let mut moments = Moments::default();
        assert_eq!(moments.too_little().len(), 1, "nothing was done");
        (0..10).for_each(|number| moments.count("kill", number < 8));
        assert_eq!(moments.too_little(), []);
        moments.count("kill", false);
        moments.met_nobody("a road");
        let found: Vec<&str> = moments.too_little().into_iter().map(|(what, _)| what).collect();
        assert_eq!(found, ["too little was under way", "a trouble that met nobody"]);
    }

    #[test]
    fn a_run_that_completed_nothing_proves_nothing() {
        let figures = |accepted, completed| Figures { accepted, completed, ..Figures::default() };
        assert!(too_few_ends(&figures(0, 0)).is_some() && too_few_ends(&figures(10, 4)).is_some());
        assert!(too_few_ends(&figures(10, 5)).is_none());
    }

    #[test]
    fn every_place_has_its_deaths() {
        let meant = BTreeMap::from([("k0", 4), ("k1", 4), ("k2", 4)]);
        let too_few = |k0, k1, k2| {
            let deaths = BTreeMap::from([("k0", k0), ("k1", k1), ("k2", k2)]);
            too_few_at_their_place(&deaths, &meant).is_some()
        };
        assert!(!too_few(4, 4, 4) && !too_few(4, 4, 2));
        assert!(too_few(4, 4, 1), "one place");
        assert!(too_few(3, 3, 3), "all of them");
        assert!(too_few(9, 2, 2), "more at one place is no help elsewhere");
    }
}
