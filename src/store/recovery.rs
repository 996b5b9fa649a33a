//! Reads runs back: the plan from the submitted document, the progress as the fold of the journal.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use super::{Entry, History, JournalError, Millis, RunProgress};
use crate::graph::build::{Plan, build, build_ingestion};
use crate::playbook::check::{CheckSettings, Limits, Refusal};
use crate::playbook::ingestion_url::{UrlPolicy, UrlRule};
use crate::playbook::{Space, json};

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

/// Understands what is stored of a run; `now` is the present tick of the journal.
///
/// *Errors*: what is stored was never accepted.
pub fn open_run(stored: &StoredRun, now: Millis) -> Result<OpenRun, JournalError> {
    let (plan, _) = plan_of(stored.run_id, stored.space, &stored.document)?;
    let entries = stored.entries.iter().map(|entry| read_entry(stored.run_id, entry)).collect::<Result<Vec<_>, _>>()?;
    let progress = RunProgress::fold(plan.graph.len(), &entries)?;
    let reused_ids = serde_json::from_str(&stored.reused_ids)
        .map_err(|error| unreadable(stored.run_id, &format!("its reused ids: {error}")))?;
    let age = age(&entries, now);
    Ok(OpenRun { run_id: stored.run_id, number: stored.number, plan, reused_ids, progress, age })
}

fn read_entry(run_id: i64, stored: &StoredEntry) -> Result<Entry, JournalError> {
    let StoredEntry { seq, at, tick, ref record } = *stored;
    let record =
        serde_json::from_str(record).map_err(|error| unreadable(run_id, &format!("its record {seq}: {error}")))?;
    Ok(Entry { seq, run_id, at, tick, record })
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
