//! What was seen from outside: the services' ledger and the web application's notices, sorted by analysis.

mod read;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use dummy_services::Kind as Service;

use crate::contract::StartOf;
use crate::workload::Analysis;

/// A start that arrived at a service.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    /// Its number in the ledger.
    pub(crate) seq: u64,
    /// Index of the job.
    pub(crate) job: usize,
    pub(crate) service: Service,
    /// Which start of the job; `None` where the service gets the plain id every time.
    pub(crate) which: Option<StartOf>,
}

/// The moment from which on somebody could know that a job was over.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) seq: u64,
    pub(crate) job: usize,
    pub(crate) service: Service,
    pub(crate) which: Option<StartOf>,
    pub(crate) well: bool,
}

/// A notice, told once or several times.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// When it came first.
    pub(crate) seq: u64,
    /// `update: ...` or `error: ...`.
    pub(crate) text: String,
    pub(crate) times: u32,
}

/// What was done that can cost the orchestrator its knowledge of what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    /// Its process died.
    Death,
    /// Requests to a service, or their answers, were cut off.
    CutOff(Service),
    /// Its process stood still.
    Standstill,
}

/// The notices of one run by their number.
pub(crate) type Notices = BTreeMap<u32, Told>;

/// Everything about one analysis.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) starts: Vec<Start>,
    pub(crate) ends: Vec<Ended>,
    /// By number of the run.
    pub(crate) notices: BTreeMap<u32, Notices>,
    /// Runs that the client was told of with its 202.
    pub(crate) acknowledged: Vec<u32>,
    /// How often the client sent it without getting an answer.
    pub(crate) unanswered: u32,
    /// An answer that ends the client's patience.
    pub(crate) refused: Option<String>,
    /// By number of the run: starts that the orchestrator itself says may have been repeated.
    pub(crate) announced: BTreeMap<u32, usize>,
}

/// Services that cannot be asked whether they have got a job.
fn cannot_be_asked(service: Service) -> bool {
    matches!(service, Service::Function | Service::Automl)
}

impl Seen {
    /// The number of the last run that anybody knows of.
    pub(crate) fn runs(&self) -> u32 {
        let acknowledged = self.acknowledged.iter().copied();
        let told = self.notices.keys().copied();
        let started = self.starts.iter().filter_map(|start| start.which).map(|start| start.run);
        acknowledged.chain(told).chain(started).max().unwrap_or(0)
    }

    /// Starts of a run at services that cannot be asked, beyond the first of each attempt.
    pub(crate) fn repeated(&self, run: u32) -> usize {
        let starts = self.starts.iter().filter(|start| cannot_be_asked(start.service));
        let of_run = starts.filter_map(|start| Some((start, start.which.filter(|which| which.run == run)?)));
        let attempts: Vec<_> = of_run.map(|(start, which)| (start.job, start.service, which.attempt)).collect();
        attempts.len() - attempts.iter().collect::<BTreeSet<_>>().len()
    }

    /// Whether nothing at all was seen of it.
    pub(crate) fn is_unseen(&self) -> bool {
        self.starts.is_empty() && self.notices.is_empty()
    }
}

/// All of it.
pub(crate) struct Evidence {
    pub(crate) seen: Vec<Seen>,
    /// What belongs to no analysis of this run.
    pub(crate) foreign: Vec<String>,
    /// Questions to the function service about ids that it never got: the real one never recovers from them.
    pub(crate) wedged: Vec<String>,
    /// Runs with repeated starts that the orchestrator has not announced yet.
    pub(crate) unsure: BTreeSet<(usize, u32)>,
    /// Entries read so far.
    pub(crate) entries: u64,
    /// Number of the next ledger entry.
    now: u64,
    /// What was done, from which ledger entry to which.
    harms: Vec<(Harm, u64, u64)>,
    analyses: Vec<Known>,
    by_analysis: HashMap<String, usize>,
    by_job: HashMap<String, (usize, usize)>,
    by_wire_id: HashMap<String, StartOf>,
    functions: HashSet<String>,
    finals: HashMap<String, usize>,
    /// Last notices: (analysis, run).
    ended: HashSet<(usize, u32)>,
    open: HashSet<usize>,
}

/// What is needed of an analysis to recognize it.
struct Known {
    tenant: String,
    key: String,
    steps: Vec<String>,
}

impl Evidence {
    pub(crate) fn new(analyses: &[Analysis]) -> Self {
        let mut by_job = HashMap::new();
        let mut finals = HashMap::new();
        for (index, analysis) in analyses.iter().enumerate() {
            let ids = analysis.jobs.iter().enumerate().map(|(job, spec)| (spec.id.to_lowercase(), (index, job)));
            by_job.extend(ids);
            finals.insert(crate::contract::completed(&analysis.key()), index);
            finals.insert(crate::contract::failed(&analysis.key()), index);
        }
        let known = |analysis: &Analysis| Known {
            tenant: analysis.tenant(),
            key: analysis.key(),
            steps: analysis.jobs.iter().map(|job| job.step.to_lowercase()).collect(),
        };
        Self {
            seen: analyses.iter().map(|_| Seen::default()).collect(),
            foreign: Vec::new(),
            wedged: Vec::new(),
            unsure: BTreeSet::new(),
            entries: 0,
            now: 0,
            harms: Vec::new(),
            analyses: analyses.iter().map(known).collect(),
            by_analysis: analyses.iter().enumerate().map(|(index, analysis)| (analysis.key(), index)).collect(),
            by_job,
            by_wire_id: HashMap::new(),
            functions: HashSet::new(),
            finals,
            ended: HashSet::new(),
            open: HashSet::new(),
        }
    }

    /// The client was told that an analysis is accepted.
    pub(crate) fn acknowledge(&mut self, analysis: usize, run: u32) {
        self.seen[analysis].acknowledged.push(run);
        self.open.insert(analysis);
        self.close_if_over(analysis);
    }

    /// The client gives an analysis up.
    pub(crate) fn refuse(&mut self, analysis: usize, answer: String) {
        self.seen[analysis].refused = Some(answer);
    }

    /// The orchestrator says of so many starts of a run that they may have been repeated.
    pub(crate) fn announce(&mut self, analysis: usize, run: u32, starts: usize) {
        let Some(seen) = self.seen.get_mut(analysis) else { return };
        let known = seen.announced.entry(run).or_default();
        *known = starts.max(*known);
        if *known >= seen.repeated(run) {
            self.unsure.remove(&(analysis, run));
        }
    }

    /// Number of the next ledger entry: now, in the ledger's time.
    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    /// Notes what was done from a moment until now.
    pub(crate) fn harm(&mut self, harm: Harm, since: u64) {
        self.harm_between(harm, since, self.now);
    }

    /// Notes what was done between two moments.
    pub(crate) fn harm_between(&mut self, harm: Harm, since: u64, until: u64) {
        self.harms.push((harm, since, until));
    }

    /// Whether something was done at any moment between two.
    pub(crate) fn was_harmed(&self, harm: Harm, from: u64, to: u64) -> bool {
        self.harms.iter().any(|(what, since, until)| *what == harm && *since <= to && *until >= from)
    }

    /// How often the process died.
    pub(crate) fn deaths(&self) -> usize {
        self.harms.iter().filter(|(what, ..)| *what == Harm::Death).count()
    }

    /// Accepted analyses of which a run has not ended.
    pub(crate) fn open(&self) -> usize {
        self.open.len()
    }

    /// Accepted analyses of which every run has ended.
    pub(crate) fn over(&self) -> usize {
        self.seen.iter().filter(|seen| !seen.acknowledged.is_empty()).count() - self.open.len()
    }

    /// Whether the last notice of a run was seen.
    pub(crate) fn has_ended(&self, analysis: usize, run: u32) -> bool {
        self.ended.contains(&(analysis, run))
    }

    fn close_if_over(&mut self, analysis: usize) {
        if (1..=self.seen[analysis].runs()).all(|run| self.has_ended(analysis, run)) {
            self.open.remove(&analysis);
        }
    }
}
