//! What must hold at the end of a world, judged by what the outside remembers and what is durable.

mod ends;
mod starts;
mod tellings;
mod verdicts;

use orchestrator::graph::Plan;
use orchestrator::playbook::job::Service;
use orchestrator::playbook::{Job, Space};
use orchestrator::store::recovery::read_plan;
use orchestrator::store::{Entry, Record, RunProgress, RunSummary};

use super::life::World;
use super::outside::{Outside, Violation};
use super::plan::Time;
use super::run::all_runs;

/// One run with everything that is durable about it.
pub(super) struct RunFacts {
    pub(super) space: Space,
    pub(super) summary: RunSummary,
    pub(super) plan: Plan,
    pub(super) progress: RunProgress,
    pub(super) entries: Vec<Entry>,
}

impl RunFacts {
    pub(super) fn job(&self, job: usize) -> &Job {
        &self.plan.playbook.jobs[job]
    }

    fn name(&self) -> String {
        format!("{} {} run {} ({})", self.summary.tenant, self.summary.id, self.summary.number, self.summary.run_id)
    }

    /// Position and time of the last record of the run's work.
    fn end(&self) -> Option<&Entry> {
        self.entries.iter().find(|entry| matches!(entry.record, Record::AnalysisFinished { .. }))
    }

    fn warnings(&self, job: usize, code: &str) -> usize {
        self.progress.warnings.iter().filter(|warning| warning.job == Some(job) && warning.code == code).count()
    }
}

/// A durable intent to start something.
pub(super) struct Intent {
    run: usize,
    job: usize,
    attempt: u32,
    service: Service,
    wire_id: String,
    seq: u64,
    /// The record that the service has answered, if there is one.
    acknowledged: Option<u64>,
}

/// Everything that is known at the end of a world.
pub(super) struct Facts<'a> {
    pub(super) world: &'a World,
    pub(super) outside: &'a Outside,
    pub(super) runs: Vec<RunFacts>,
    intents: Vec<Intent>,
    /// The intent behind each start of the ledger.
    intent_of: Vec<Option<usize>>,
    violations: Vec<Violation>,
}

impl<'a> Facts<'a> {
    /// Collects what is known.
    pub(super) fn new(world: &'a World, outside: &'a Outside) -> Self {
        let mut runs = Vec::new();
        for (space, summary) in all_runs(world) {
            let plan = read_plan(&world.journal, space, summary.run_id).expect("what was accepted can be read");
            let entries = orchestrator::store::History::entries(&world.journal, summary.run_id).unwrap_or_default();
            let progress = world.journal.progress(summary.run_id, plan.graph.len());
            runs.push(RunFacts { space, summary, plan, progress, entries });
        }
        let intents = intents(&runs);
        let mut facts =
            Self { world, outside, runs, intents, intent_of: Vec::new(), violations: outside.violations.clone() };
        facts.intent_of = outside.starts.iter().map(|start| facts.find_intent(start)).collect();
        facts
    }

    fn violates(&mut self, code: &'static str, text: String) {
        self.violations.push(Violation { code, text });
    }

    /// Whether the process died between two moments or at one of them.
    fn died_between(&self, from: Time, to: Time) -> bool {
        self.world.lives.borrow().iter().any(|life| life.died_at.is_some() && from <= life.to && life.to <= to)
    }

    fn crashes(&self) -> usize {
        self.world.lives.borrow().iter().filter(|life| life.died_at.is_some()).count()
    }
}

fn intents(runs: &[RunFacts]) -> Vec<Intent> {
    let mut intents: Vec<Intent> = Vec::new();
    for (run, facts) in runs.iter().enumerate() {
        for entry in &facts.entries {
            match &entry.record {
                Record::JobStarting { job, attempt, service, wire_id, .. } => intents.push(Intent {
                    run,
                    job: *job,
                    attempt: *attempt,
                    service: Service::parse(service).expect("the journal names services"),
                    wire_id: wire_id.to_lowercase(),
                    seq: entry.seq,
                    acknowledged: None,
                }),
                Record::JobStartAcknowledged { job, attempt, service } => {
                    let mut latest_first = intents.iter_mut().rev();
                    let same = |intent: &&mut Intent| {
                        (intent.run, intent.job, intent.attempt, intent.service.as_str())
                            == (run, *job, *attempt, service.as_str())
                    };
                    if let Some(intent) = latest_first.find(same) {
                        intent.acknowledged.get_or_insert(entry.seq);
                    }
                }
                _ => {}
            }
        }
    }
    intents
}

/// Judges a world that has come to its end.
pub(super) fn judge(world: &World, came_to_rest: bool) -> Vec<Violation> {
    let outside = world.outside.borrow();
    let mut facts = Facts::new(world, &outside);
    if !came_to_rest {
        facts.violates("not-settled", format!("runs {:?} are not settled", world.journal.unsettled()));
    }
    facts.check_ends();
    facts.check_starts();
    facts.check_verdicts();
    if came_to_rest {
        facts.check_tellings();
    }
    facts.violations
}
