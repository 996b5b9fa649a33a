//! Reads runs back: the plan from the submitted document, the progress as the fold of the journal.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use super::record::{Cause, RunOutcome};
use super::{Entry, History, JournalError, Millis, Record, RunProgress};
use crate::graph::build::{Plan, build, build_ingestion};
use crate::playbook::check::{CheckSettings, Limits, Refusal};
use crate::playbook::ingestion_url::{UrlPolicy, UrlRule};
use crate::playbook::{Space, json};
use crate::ports::{FailureKind, JobFailure};

/// A run of which something is left to be done, as it is stored: nothing of it has been understood yet.
#[derive(Clone)]
pub struct StoredRun {
    /// Key of the run.
    pub run_id: i64,
    /// Its id space.
    pub space: Space,
    /// The id as received.
    pub id: String,
    /// 1, 2, 3, ... per id.
    pub number: u32,
    /// Jobs whose id the tenant had sent to the same service before, as JSON.
    pub reused_ids: String,
    /// Whether it is over and only has something to tell.
    pub has_ended: bool,
    /// The submitted document without its token.
    pub document: String,
    /// Everything that was written about it, in order.
    pub entries: Vec<StoredEntry>,
}

/// Without the document: an ingestion's has secrets in it.
impl fmt::Debug for StoredRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("StoredRun");
        shown.field("run_id", &self.run_id).field("space", &self.space).field("id", &self.id);
        shown.field("entries", &self.entries).finish_non_exhaustive()
    }
}

/// One line of the journal as it is stored.
#[derive(Debug, Clone)]
pub struct StoredEntry {
    /// Position in the journal.
    pub seq: u64,
    /// Wall-clock time.
    pub at: Millis,
    /// Time on the journal's own clock.
    pub tick: Millis,
    /// The record as JSON.
    pub record: String,
}

/// A run that goes on where the journal says it was; the first life of a run is the same with nothing done yet.
#[derive(Debug, Clone)]
pub struct OpenRun {
    /// Key of the run.
    pub run_id: i64,
    /// 1, 2, 3, ... per id.
    pub number: u32,
    /// What is to be done.
    pub plan: Plan,
    /// Jobs whose id the tenant had sent to the same service before.
    pub reused_ids: BTreeSet<usize>,
    /// What was done.
    pub progress: RunProgress,
    /// How long ago it was accepted, on the journal's own clock.
    pub age: Duration,
}

/// Every run of which something is left to be done, oldest first; `now` is the present tick of the journal. A run that
/// cannot be read is reported and left out: it must not keep the others from going on.
///
/// *Errors*: the runs cannot be read.
pub fn open_runs(history: &dyn History, now: Millis) -> Result<Vec<OpenRun>, JournalError> {
    let stored = history.stored_runs(i64::MIN..=i64::MAX)?;
    Ok(stored.iter().filter_map(|run| reported(run, open_run(run, now))).collect())
}

/// What could be read of a run; an error goes to the log.
pub fn reported<T>(stored: &StoredRun, read: Result<T, JournalError>) -> Option<T> {
    read.inspect_err(|error| log::error!("{}={}: it cannot go on: {error}", stored.space.as_str(), stored.id)).ok()
}

/// Understands what is stored of a run; `now` is the present tick of the journal. A run of which a part cannot be read back
/// is one that is being ended as failed, for that reason: nobody knows what that part said.
///
/// *Errors*: what is to be done cannot be read back, or how the run has ended: nobody can be told anything.
pub fn open_run(stored: &StoredRun, now: Millis) -> Result<OpenRun, JournalError> {
    let (plan, _) = plan_of(stored.run_id, stored.space, &stored.document)?;
    let entries: Vec<Entry> = stored.entries.iter().map(|entry| entry.read(stored.run_id)).collect();
    let mut progress = RunProgress::fold_readable(plan.graph.len(), &entries);
    let reused_ids = serde_json::from_str(&stored.reused_ids).unwrap_or_else(|error| {
        log::error!("run={}: {error}", stored.run_id);
        progress.misses("the job ids that were used before".to_owned());
        BTreeSet::new()
    });
    if progress.finished.is_none() && stored.has_ended {
        return Err(unreadable(stored.run_id, "how it has ended"));
    }
    if let Some(what) = &progress.unreadable {
        progress.stopping = Some((RunOutcome::Failed, Cause { step: None, failure: lost(what) }));
    }
    let age = age(&entries, now);
    Ok(OpenRun { run_id: stored.run_id, number: stored.number, plan, reused_ids, progress, age })
}

/// Why a run ends of which `what` cannot be read back.
pub fn lost(what: &str) -> JobFailure {
    let text = format!(
        "The orchestrator cannot read back what it has written down about this analysis ({what}), so it was ended: a part of \
         its jobs may have been done. Rerun it, and tell the operator, whose log says more"
    );
    JobFailure::new(FailureKind::StoppedUnexpectedly, text)
}

impl StoredEntry {
    fn read(&self, run_id: i64) -> Entry {
        let StoredEntry { seq, at, tick, ref record } = *self;
        let record = Record::read(record);
        if let Record::Unreadable { why } = &record {
            log::error!("run={run_id}: record {seq} of the journal: {why}");
        }
        Entry { seq, run_id, at, tick, record }
    }
}

/// What has passed since a run was accepted, which its first record says.
fn age(entries: &[Entry], now: Millis) -> Duration {
    let accepted = entries.first().map_or(now, |entry| entry.tick);
    Duration::from_millis(now.saturating_sub(accepted).max(0).unsigned_abs())
}

/// The plan of a run.
///
/// *Errors*: the journal cannot be read, or what it says was never accepted.
pub fn read_plan(history: &dyn History, space: Space, run_id: i64) -> Result<Plan, JournalError> {
    read_document(history, space, run_id).map(|(plan, _)| plan)
}

/// The same with the document that it was made from.
///
/// *Errors*: as with [`read_plan`].
pub fn read_document(
    history: &dyn History,
    space: Space,
    run_id: i64,
) -> Result<(Plan, Map<String, Value>), JournalError> {
    let text = history.document(run_id)?.ok_or_else(|| unreadable(run_id, "it has no document"))?;
    plan_of(run_id, space, &text)
}

fn unreadable(run_id: i64, why: &str) -> JournalError {
    JournalError::Read(format!("run {run_id}: {why}"))
}

/// It was accepted once: today's limits do not apply to it.
fn plan_of(run_id: i64, space: Space, text: &str) -> Result<(Plan, Map<String, Value>), JournalError> {
    let value = json::parse(text.as_bytes()).map_err(|problem| unreadable(run_id, &problem.reason))?;
    let Value::Object(document) = value else { return Err(unreadable(run_id, "its document is not an object")) };
    let most = usize::MAX;
    let limits = Limits { jobs: most, edges: most, string: most, blob: most, fields: most };
    let ingestion_urls = UrlRule { policy: UrlPolicy::Any, ..UrlRule::default() };
    let settings = CheckSettings { spark_arguments_any: true, limits, ingestion_urls };
    let plan = match space {
        Space::Analysis => build(&document, &settings),
        Space::Ingestion => build_ingestion(&document, &settings),
    };
    let first = |refusal: Refusal| refusal.problems.into_iter().next().map_or_else(String::new, |first| first.reason);
    Ok((plan.map_err(|refusal| unreadable(run_id, &first(refusal)))?, document))
}
