//! Playbooks of runs that were looked at lately, read back from the journal.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::graph::Plan;
use crate::http::ApiError;
use crate::playbook::Space;
use crate::store::History;
use crate::store::recovery::read_plan;

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
        let plan = Arc::new(read_plan(history, space, run_id).map_err(|error| ApiError::unreadable(&error))?);
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
