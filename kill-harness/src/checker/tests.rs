//! What the checker's tests are made of: one analysis and what was seen of it.

use dummy_services::Kind as Service;

use super::Case;
use crate::contract::StartOf;
use crate::evidence::{Ended, Evidence, Harm, Seen, Start, Told};
use crate::workload::Analysis;

/// One analysis under judgement.
pub(super) struct Scene {
    pub(super) analysis: Analysis,
    evidence: Evidence,
}

impl Scene {
    pub(super) fn of(analysis: Analysis) -> Self {
        let mut evidence = Evidence::new(std::slice::from_ref(&analysis));
        evidence.seen[0].acknowledged.push(1);
        Self { analysis, evidence }
    }

    pub(super) fn seen(&mut self) -> &mut Seen {
        &mut self.evidence.seen[0]
    }

    /// A notice of the first run.
    pub(super) fn tell(&mut self, number: u32, told: Told) {
        self.seen().notices.entry(1).or_default().insert(number, told);
    }

    /// Something that happened at one moment.
    pub(super) fn harm(&mut self, harm: Harm, at: u64) {
        self.evidence.harm_between(harm, at, at);
    }

    pub(super) fn case(&self) -> Case<'_> {
        let seen = &self.evidence.seen[0];
        Case { index: 0, analysis: &self.analysis, seen, evidence: &self.evidence, runs: seen.runs() }
    }
}

/// A start of the first run; Spark and the sink do not tell.
pub(super) fn started(seq: u64, job: usize, service: Service) -> Start {
    let which = (!matches!(service, Service::Spark | Service::DataSink)).then_some(StartOf::PLAIN);
    Start { seq, job, service, which }
}

pub(super) fn ended(seq: u64, job: usize, service: Service, well: bool) -> Ended {
    Ended { seq, job, service, which: started(seq, job, service).which, well }
}

pub(super) fn told(seq: u64, text: &str) -> Told {
    Told { seq, text: text.to_owned(), times: 1 }
}
