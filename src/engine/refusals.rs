//! Notices of submissions that were refused: best effort, and never more of them under way than there is room for. Under an
//! overload they are what nobody waits for, and the first to be given up.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics;

/// Refusals that are being announced at once; further ones are counted and not announced.
pub const MOST_REFUSALS: usize = 256;

/// Room for announcing one refusal, as long as it lives.
#[derive(Debug)]
pub struct RefusalRoom {
    _permit: OwnedSemaphorePermit,
}

/// The room for announcing refusals. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct RefusalRooms {
    free: Arc<Semaphore>,
}

impl Default for RefusalRooms {
    fn default() -> Self {
        Self { free: Arc::new(Semaphore::new(MOST_REFUSALS)) }
    }
}

impl RefusalRooms {
    /// Room for one more, or none, which is counted.
    pub(super) fn take(&self) -> Option<RefusalRoom> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok();
        if permit.is_none() {
            metrics::refusal_not_announced();
        }
        permit.map(|permit| RefusalRoom { _permit: permit })
    }
}
