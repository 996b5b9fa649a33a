//! Reads runs back: the plan from the submitted document, the progress as the fold of the journal.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value};

use super::{Entry, History, JournalError, Millis, RunProgress, RunSummary};
use crate::graph::build::{Plan, build, build_ingestion};
use crate::playbook::check::{CheckSettings, Limits, Refusal};
use crate::playbook::ingestion_url::{UrlPolicy, UrlRule};
use crate::playbook::{Space, json};

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

/// Every run of which something is left to be done, oldest first. A run that cannot be read is reported and left out: it
/// must not keep the others from going on. `now` is the present tick of the journal.
///
/// *Errors*: the list of runs cannot be read.
pub fn open_runs(history: &dyn History, now: Millis) -> Result<Vec<OpenRun>, JournalError> {
    let mut open = Vec::new();
    for (space, run) in history.unsettled_runs()? {
        let id = run.id.clone();
        match open_run(history, space, run, now) {
            Ok(run) => open.push(run),
            Err(error) => log::error!("{}={id}: it cannot go on: {error}", space.as_str()),
        }
    }
    Ok(open)
}

fn open_run(history: &dyn History, space: Space, run: RunSummary, now: Millis) -> Result<OpenRun, JournalError> {
    let plan = read_plan(history, space, run.run_id)?;
    let entries = history.entries(run.run_id)?;
    let progress = RunProgress::fold(plan.graph.len(), &entries)?;
    let age = age(&entries, now);
    Ok(OpenRun { run_id: run.run_id, number: run.number, plan, reused_ids: run.reused_ids, progress, age })
}

/// What has passed since a run was accepted.
fn age(entries: &[Entry], now: Millis) -> Duration {
    let accepted = entries.first().map_or(now, |entry| entry.tick);
    Duration::from_millis(now.saturating_sub(accepted).max(0).unsigned_abs())
}

/// The plan of a run. It was accepted once: today's limits do not apply to it.
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
    let unreadable = |why: String| JournalError::Read(format!("run {run_id}: {why}"));
    let text = history.document(run_id)?.ok_or_else(|| unreadable("it has no document".to_owned()))?;
    let value = json::parse(text.as_bytes()).map_err(|problem| unreadable(problem.reason))?;
    let Value::Object(document) = value else {
        return Err(unreadable("its document is not an object".to_owned()));
    };
    let most = usize::MAX;
    let limits = Limits { jobs: most, edges: most, string: most, blob: most, fields: most };
    let ingestion_urls = UrlRule { policy: UrlPolicy::Any, ..UrlRule::default() };
    let settings = CheckSettings { spark_arguments_any: true, limits, ingestion_urls };
    let plan = match space {
        Space::Analysis => build(&document, &settings),
        Space::Ingestion => build_ingestion(&document, &settings),
    };
    let reason = |refusal: Refusal| refusal.problems.into_iter().next().map_or_else(String::new, |first| first.reason);
    Ok((plan.map_err(|refusal| unreadable(reason(refusal)))?, document))
}
