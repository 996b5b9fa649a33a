//! What the API says about the events of a run, and about its jobs at a moment. Pure: entries in, JSON out.

use serde_json::{Map, Value, json};

use crate::graph::Plan;
use crate::store::{Entry, JobPhase, Record, RunProgress};

/// A run as its entries tell it, one after the other.
pub(super) struct RunProjection {
    progress: RunProgress,
    is_queued: bool,
}

impl RunProjection {
    /// Nothing is known yet.
    pub(super) fn new(plan: &Plan) -> Self {
        Self { progress: RunProgress::new(plan.playbook.jobs.len()), is_queued: false }
    }

    /// Number of the last entry that was taken in.
    pub(super) fn upto(&self) -> u64 {
        self.progress.upto
    }

    /// Whether nothing more comes.
    pub(super) fn is_over(&self) -> bool {
        self.progress.settled
    }

    /// Takes an entry in; what the API says of it.
    pub(super) fn apply(&mut self, plan: &Plan, entry: &Entry) -> Value {
        match &entry.record {
            Record::Queued => self.is_queued = true,
            Record::Begun => self.is_queued = false,
            _ => {}
        }
        // a record that names what the run does not have changes nothing, and is shown as it is
        self.progress.apply(entry).ok();
        let mut event = match serde_json::to_value(&entry.record) {
            Ok(Value::Object(members)) => members,
            _ => Map::from_iter([("event".to_owned(), json!("unreadable"))]),
        };
        let index = event.remove("job").and_then(|job| job.as_u64()).and_then(|job| usize::try_from(job).ok());
        let job = index.and_then(|index| plan.playbook.jobs.get(index));
        event.insert("id".to_owned(), json!(entry.seq));
        event.insert("at".to_owned(), json!(entry.at));
        event.insert("index".to_owned(), json!(job.and(index)));
        event.insert("step".to_owned(), json!(job.map(|job| job.step.text())));
        let state = index.and_then(|index| self.progress.jobs.get(index)).map(|job| job.phase);
        event.insert("state".to_owned(), json!(state));
        event.insert("run-state".to_owned(), json!(self.run_state()));
        Value::Object(event)
    }

    /// Everything at this moment, in the place of the events up to here.
    pub(super) fn snapshot(&self, plan: &Plan) -> Value {
        json!({
            "id": self.upto(),
            "event": "snapshot",
            "run-state": self.run_state(),
            "counts": counts(&self.progress),
            "nodes": nodes(plan, &self.progress),
        })
    }

    fn run_state(&self) -> &'static str {
        match (&self.progress.finished, self.is_queued) {
            (Some(finished), _) => finished.outcome.as_str(),
            (None, _) if self.progress.paused_since.is_some() => "paused",
            (None, true) => "queued",
            (None, false) => "running",
        }
    }
}

/// How many jobs are in which state.
pub(super) fn counts(progress: &RunProgress) -> Map<String, Value> {
    JobPhase::ALL.iter().map(|phase| (phase.as_str().to_owned(), json!(progress.count(*phase)))).collect()
}

/// Every job as it stands.
pub(super) fn nodes(plan: &Plan, progress: &RunProgress) -> Vec<Value> {
    let node = |index: usize| {
        let (job, known) = (&plan.playbook.jobs[index], &progress.jobs[index]);
        let has_spoken = |from: usize| progress.jobs[from].phase.is_terminal();
        let incoming: Vec<usize> = plan.graph.incoming(index).map(|(_, from)| from).collect();
        json!({
            "index": index,
            "step": job.step.text(),
            "title": job.kind.title(),
            "state": known.phase,
            "attempt": known.attempt,
            "inputs": incoming.len(),
            "inputs-arrived": incoming.iter().filter(|from| has_spoken(**from)).count(),
            "started-at": known.started_at,
            "finished-at": known.finished_at,
        })
    };
    (0..progress.jobs.len()).map(node).collect()
}
