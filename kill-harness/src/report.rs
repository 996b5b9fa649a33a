//! The figures of a run, as one block of text.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::time::Duration;

use crate::checker::Findings;
use crate::tenants;
use crate::world::World;

/// Examples shown of each violation.
const EXAMPLES: usize = 5;

/// How the orchestrator died.
#[derive(Debug, Default)]
pub(crate) struct Deaths {
    pub(crate) kills: usize,
    /// Of these, while an accepted analysis had not ended.
    pub(crate) at_work: usize,
    /// Deaths that were meant for a named place, by place.
    pub(crate) meant: BTreeMap<&'static str, usize>,
    /// By place.
    pub(crate) named: BTreeMap<&'static str, usize>,
    /// Places that nobody came by in time: killed at that moment instead.
    pub(crate) missed: Vec<String>,
}

impl Deaths {
    /// It has died.
    pub(crate) fn count(&mut self, world: &World, point: Option<&'static str>) {
        world.died();
        world.moment("kill");
        self.kills += 1;
        self.at_work += usize::from(world.evidence.borrow().open() > 0);
        if let Some(point) = point {
            *self.named.entry(point).or_default() += 1;
        }
    }
}

/// Everything about a run.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) scenario: String,
    pub(crate) seed: u64,
    pub(crate) deaths: Deaths,
    pub(crate) findings: Findings,
    pub(crate) duration: Duration,
    /// What the scenario itself has to say.
    pub(crate) notes: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (figures, deaths) = (&self.findings.figures, &self.deaths);
        let mut line = |name: &str, text: String| writeln!(f, "{name:<18}{text}");
        line("scenario", format!("{}, seed {}, {} s", self.scenario, self.seed, self.duration.as_secs()))?;
        if deaths.kills > 0 {
            let named: usize = deaths.named.values().sum();
            let random = deaths.kills - named;
            let split = format!("{named} at named places, {random} at random moments");
            line("kills", format!("{} ({split}; {} while work was under way)", deaths.kills, deaths.at_work))?;
        }
        if !deaths.named.is_empty() {
            line("places", listed(&deaths.named))?;
            let (there, meant): (usize, usize) = (deaths.named.values().sum(), deaths.meant.values().sum());
            line("", format!("{there} deaths at their place, {meant} were meant"))?;
        }
        if !deaths.missed.is_empty() {
            line("not come by", deaths.missed.join(" "))?;
        }
        for note in &self.notes {
            line("", note.clone())?;
        }
        for (name, text) in figures.lines() {
            line(name, text)?;
        }
        for (what, examples) in &self.findings.violations {
            writeln!(f, "VIOLATION         {what}: {}", examples.len())?;
            for example in examples.iter().take(EXAMPLES) {
                writeln!(f, "                    {example}")?;
            }
        }
        let verdict = if self.findings.violations.is_empty() {
            "nothing lost, nothing repeated, nothing stuck"
        } else {
            "FAILED"
        };
        writeln!(f, "{:<18}{verdict}", "verdict")
    }
}

fn listed(counts: &BTreeMap<&'static str, usize>) -> String {
    let each: Vec<String> = counts.iter().map(|(name, count)| format!("{name}:{count}")).collect();
    each.join(" ")
}

/// One line on stderr on how far it is.
pub(crate) fn progress(world: &World, deaths: &Deaths) {
    let (over, all) = (world.over(), world.analyses.len());
    let line = format!("{} kills, {over} of {all} analyses are over\n", deaths.kills);
    drop(std::io::stderr().write_all(line.as_bytes()));
}

/// Any other line there.
pub(crate) fn note(line: &str) {
    drop(std::io::stderr().write_all(format!("{line}\n").as_bytes()));
}

/// What a run with tenants who want the same things has shown.
#[derive(Debug)]
pub(crate) struct TenantsReport {
    pub(crate) seed: u64,
    pub(crate) duration: Duration,
    pub(crate) findings: tenants::Findings,
}

impl fmt::Display for TenantsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, text: &str| writeln!(f, "{name:<18}{text}");
        line("scenario", &format!("tenants, seed {}, {} s", self.seed, self.duration.as_secs()))?;
        for (name, text) in &self.findings.lines {
            line(name, text)?;
        }
        for (what, examples) in &self.findings.violations {
            line("VIOLATION", &format!("{what}: {}", examples.len()))?;
            for example in examples.iter().take(EXAMPLES) {
                line("", &format!("  {example}"))?;
            }
        }
        line("verdict", if self.findings.violations.is_empty() { "nothing foreign anywhere" } else { "FAILED" })
    }
}

/// What a run with too much work has shown.
#[derive(Debug)]
pub(crate) struct OverloadReport {
    pub(crate) seed: u64,
    pub(crate) duration: Duration,
    pub(crate) lines: Vec<(&'static str, String)>,
    pub(crate) wrong: Vec<String>,
}

impl fmt::Display for OverloadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, text: &str| writeln!(f, "{name:<18}{text}");
        line("scenario", &format!("overload, seed {}, {} s", self.seed, self.duration.as_secs()))?;
        for (name, text) in &self.lines {
            line(name, text)?;
        }
        for what in &self.wrong {
            line("VIOLATION", what)?;
        }
        line("verdict", if self.wrong.is_empty() { "nothing lost, refusals quick, memory flat" } else { "FAILED" })
    }
}
