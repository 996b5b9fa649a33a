//! Playbooks of runs that were looked at lately, read back from the journal.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::graph::build::{Plan, build, build_ingestion};
use crate::http::ApiError;
use crate::playbook::check::{CheckSettings, Limits};
use crate::playbook::ingestion_url::{UrlPolicy, UrlRule};
use crate::playbook::{Space, json};
use crate::store::{History, JournalError};

/// Runs that are remembered.
const REMEMBERED: usize = 64;

/// A small cache, the last used last.
#[derive(Default)]
pub struct PlaybookCache {
    recent: Mutex<VecDeque<(i64, Arc<Plan>)>>,
}

impl PlaybookCache {
    /// The plan of a run.
    ///
    /// *Errors*: the journal cannot be read.
    pub fn get(&self, history: &dyn History, space: Space, run_id: i64) -> Result<Arc<Plan>, ApiError> {
        if let Some(plan) = self.recall(run_id) {
            return Ok(plan);
        }
        let plan = Arc::new(read(history, space, run_id).map_err(|error| ApiError::unreadable(&error))?);
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == REMEMBERED {
            recent.pop_front();
        }
        recent.push_back((run_id, Arc::clone(&plan)));
        Ok(plan)
    }

    fn recall(&self, run_id: i64) -> Option<Arc<Plan>> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let at = recent.iter().position(|(known, _)| *known == run_id)?;
        let entry = recent.remove(at)?;
        let plan = Arc::clone(&entry.1);
        recent.push_back(entry);
        Some(plan)
    }
}

/// Reads what was accepted once: today's limits do not apply to it.
fn read(history: &dyn History, space: Space, run_id: i64) -> Result<Plan, JournalError> {
    let unreadable = |why: String| JournalError::Read(format!("run {run_id}: {why}"));
    let text = history.document(run_id)?.ok_or_else(|| unreadable("it has no document".to_owned()))?;
    let value = json::parse(text.as_bytes()).map_err(|problem| unreadable(problem.reason))?;
    let document = value.as_object().ok_or_else(|| unreadable("its document is not an object".to_owned()))?;
    let most = usize::MAX;
    let limits = Limits { jobs: most, edges: most, string: most, blob: most, fields: most };
    let ingestion_urls = UrlRule { policy: UrlPolicy::Any, ..UrlRule::default() };
    let settings = CheckSettings { spark_arguments_any: true, limits, ingestion_urls };
    let plan = match space {
        Space::Analysis => build(document, &settings),
        Space::Ingestion => build_ingestion(document, &settings),
    };
    plan.map_err(|refusal| unreadable(refusal.problems.first().map_or_else(String::new, |first| first.reason.clone())))
}
