//! A journal in memory: everything is durable at once, so that the clock can be paused.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use orchestrator::store::{Acceptance, Entry, Journal, Millis, Receipt, Record, Submission};
use tokio::sync::Notify;

/// The records of one run.
#[derive(Default)]
pub(crate) struct MemoryJournal {
    records: Mutex<Vec<Record>>,
    settled: Notify,
}

impl MemoryJournal {
    pub(super) fn records(&self) -> Vec<Record> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Resolves when the run has told everything.
    pub(super) async fn settled(&self) {
        self.settled.notified().await;
    }
}

impl Journal for MemoryJournal {
    fn accept(&self, _: Submission) -> Receipt<Acceptance> {
        Receipt::ready(Acceptance::New { run_id: 1, number: 1, reused_ids: BTreeSet::new() })
    }

    fn append(&self, _: i64, record: Record) -> Receipt<u64> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(record, Record::Settled) {
            self.settled.notify_one();
        }
        records.push(record);
        Receipt::ready(records.len() as u64)
    }

    fn read_back(&self, _: i64) -> Receipt<Vec<Entry>> {
        unreachable!("nothing is stuck")
    }

    fn tick(&self) -> Millis {
        0
    }
}
