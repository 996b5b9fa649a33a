//! Judges a run from what was seen outside: the client's acknowledgements, the services' ledgers, the documents, the
//! objects and the notices. What the orchestrator says about itself is asked for one thing only: whether it owned up to
//! the starts that it could not avoid repeating.

mod figures;
mod notices;
mod objects;
mod owning_up;
mod proofs;
mod reasons;
mod records;
mod starts;
#[cfg(test)]
mod tests;
mod verdicts;

use std::collections::BTreeMap;

pub(crate) use figures::Figures;
pub(crate) use objects::bucket;
pub(crate) use owning_up::watch;
pub(crate) use records::{client, deploy};

use crate::evidence::{Evidence, Seen};
use crate::workload::Analysis;
use crate::world::World;

/// What a scenario makes unavoidable.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tolerance {
    /// Submissions were put off, which the web application is told as well.
    pub(crate) refusals: bool,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) figures: Figures,
    /// By what is violated.
    pub(crate) violations: BTreeMap<&'static str, Vec<String>>,
}

impl Findings {
    pub(crate) fn violation(&mut self, what: &'static str, example: impl Into<String>) {
        self.violations.entry(what).or_default().push(example.into());
    }
}

/// One analysis under judgement.
pub(crate) struct Case<'a> {
    pub(crate) index: usize,
    pub(crate) analysis: &'a Analysis,
    pub(crate) seen: &'a Seen,
    /// All that was seen.
    pub(crate) evidence: &'a Evidence,
    /// Runs that there are.
    pub(crate) runs: u32,
}

impl Case<'_> {
    /// For reports.
    fn name(&self) -> String {
        format!("{}/{}", self.analysis.tenant(), self.analysis.id)
    }

    fn job_name(&self, job: usize) -> String {
        let job = &self.analysis.jobs[job];
        format!("{} step {} ({:?})", self.name(), job.step, job.kind)
    }
}

/// Judges everything.
///
/// *Errors*: a store cannot be read.
pub(crate) async fn check(world: &World, tolerance: Tolerance) -> Result<Findings, String> {
    let mut findings = Findings::default();
    // no borrow may be held while stores are asked and the ledger is read
    let evidence = world.evidence.replace(Evidence::new(&[]));
    for what in &evidence.foreign {
        findings.violation("seen and never asked for", what);
    }
    for id in &evidence.wedged {
        findings.violation("the function service was asked about an id that it never got", id);
    }
    let documents = records::read(world).await?;
    let objects = objects::read(world).await?;
    for (index, analysis) in world.analyses.iter().enumerate() {
        let seen = &evidence.seen[index];
        let case = Case { index, analysis, seen, evidence: &evidence, runs: seen.runs() };
        verdicts::check(&case, &mut findings);
        starts::check(&case, &mut findings);
        notices::check(&case, tolerance, &mut findings);
        records::check(&case, &documents, &mut findings);
        objects::check(&case, &objects, &mut findings);
        owning_up::check(&case, &mut findings);
    }
    records::check_foreign(world, &documents, &mut findings);
    verdicts::check_sum(evidence.deaths(), &mut findings);
    findings.figures.entries = evidence.entries;
    world.evidence.replace(evidence);
    Ok(findings)
}
