//! Everything outside the process, with the quirks of the real services (facts F8 to F13), and what it remembers: the
//! ledgers that the checks believe.

pub(super) mod services;
pub(super) mod spark;
pub(super) mod stores;

use std::collections::BTreeMap;

use orchestrator::playbook::job::Service;

use super::plan::{Faults, Party, Plan, Time};
use services::ServiceJob;
use spark::SparkRun;
use stores::{Documents, Objects, WebApplication};

/// Something that must never be.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Violation {
    /// Stable name, kebab-case.
    pub(super) code: &'static str,
    /// What was seen.
    pub(super) text: String,
}

/// A start that was called for.
#[derive(Debug, Clone)]
pub(super) struct Start {
    pub(super) service: Service,
    /// The id that was sent.
    pub(super) wire_id: String,
    /// Text of the analysis' id, where the request says it.
    pub(super) analysis: Option<String>,
    /// Where the output goes, where the request says it.
    pub(super) output: Option<String>,
    pub(super) called: Time,
    pub(super) life: u32,
    /// Records that were durable when it was called for.
    pub(super) durable: u64,
    /// False if nobody listened: the request has left no trace anywhere.
    pub(super) left: bool,
    pub(super) arrived: Option<Time>,
    /// Whether the service took it; a known id and an error are no.
    pub(super) taken: bool,
    /// Whether the caller has seen an answer.
    pub(super) answered: bool,
}

/// What was seen of one id at one service.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// Answers that said that the id is unknown.
    pub(super) unknown: u32,
    /// Answers that make no sense.
    pub(super) garbled: u32,
    /// When answers came that were of use.
    pub(super) answers: Vec<Time>,
    /// The first and the last call that got none.
    pub(super) no_answer: Option<(Time, Time)>,
}

/// Something that happens by itself later.
#[derive(Debug)]
pub(super) enum Due {
    /// A request arrives whose caller has given up.
    Arrives(usize),
    /// A Spark run ends.
    SparkEnds(usize),
}

/// The world without the process.
#[derive(Debug)]
pub(super) struct Outside {
    pub(super) seed: u64,
    pub(super) faults: Faults,
    pub(super) longest_function: Time,
    pub(super) starts: Vec<Start>,
    pub(super) seen: BTreeMap<(Service, String), Seen>,
    /// Jobs of the data, function and AutoML services in order of arrival.
    pub(super) jobs: Vec<ServiceJob>,
    pub(super) by_id: BTreeMap<(Service, String), Vec<usize>>,
    pub(super) spark: Vec<SparkRun>,
    pub(super) objects: Objects,
    pub(super) documents: Documents,
    pub(super) web: WebApplication,
    pub(super) violations: Vec<Violation>,
    /// Pairs of starts whose functions were at work at once: the older one first.
    pub(super) overlaps: Vec<(usize, usize)>,
    due: BTreeMap<(Time, usize), Due>,
    scheduled: usize,
}

impl Outside {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            seed: plan.seed,
            faults: plan.faults.clone(),
            longest_function: plan.longest_function,
            starts: Vec::new(),
            seen: BTreeMap::new(),
            jobs: Vec::new(),
            by_id: BTreeMap::new(),
            spark: Vec::new(),
            objects: Objects::default(),
            documents: Documents::new(plan.embedded_records),
            web: WebApplication::default(),
            violations: Vec::new(),
            overlaps: Vec::new(),
            due: BTreeMap::new(),
            scheduled: 0,
        }
    }

    /// Lets everything happen that was due by now.
    pub(super) fn catch_up(&mut self, now: Time) {
        while let Some(first) = self.due.first_entry().filter(|first| first.key().0 <= now) {
            let ((at, _), due) = first.remove_entry();
            match due {
                Due::Arrives(start) => drop(self.arrive(start, at)),
                Due::SparkEnds(run) => self.end_spark(run),
            }
        }
    }

    pub(super) fn schedule(&mut self, at: Time, due: Due) {
        self.scheduled += 1;
        self.due.insert((at, self.scheduled), due);
    }

    pub(super) fn violates(&mut self, code: &'static str, text: String) {
        self.violations.push(Violation { code, text });
    }

    pub(super) fn seen_of(&mut self, service: Service, wire_id: &str) -> &mut Seen {
        self.seen.entry((service, wire_id.to_lowercase())).or_default()
    }

    /// A call about this id has got no answer of use.
    pub(super) fn unanswered(&mut self, service: Service, wire_id: &str, now: Time) {
        let seen = self.seen_of(service, wire_id);
        let first = seen.no_answer.map_or(now, |(first, _)| first);
        seen.no_answer = Some((first, now));
    }
}

/// Who answers for a service.
pub(super) fn party_of(service: Service) -> Party {
    match service {
        Service::Cleaning | Service::Join | Service::Ingestion | Service::DataSink => Party::Data,
        Service::Function => Party::Function,
        Service::Automl => Party::Automl,
        Service::Spark => Party::Spark,
    }
}
