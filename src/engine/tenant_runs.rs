//! What the supervisor knows of one tenant: how many runs are running, and which wait in line.

use std::collections::VecDeque;

use super::supervisor::Ready;
use crate::store::RunProgress;

/// The runs of one tenant.
#[derive(Default)]
pub(super) struct TenantRuns {
    pub(super) running: usize,
    pub(super) queued: VecDeque<Ready>,
}

impl TenantRuns {
    pub(super) fn is_in_line(&self, run_id: i64) -> bool {
        self.queued.iter().any(|ready| ready.run.run_id == run_id)
    }

    /// Changes what a run in line will know when it begins.
    pub(super) fn edit_in_line(&mut self, run_id: i64, edit: impl FnOnce(&mut RunProgress)) {
        if let Some(ready) = self.queued.iter_mut().find(|ready| ready.run.run_id == run_id) {
            edit(&mut ready.before);
        }
    }

    pub(super) fn leave_line(&mut self, run_id: i64) -> Option<Ready> {
        let at = self.queued.iter().position(|ready| ready.run.run_id == run_id)?;
        self.queued.remove(at)
    }
}
