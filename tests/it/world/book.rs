//! The journal: what is on the disk, folded, and what waits for its commit.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use orchestrator::chaos::{self, Bug};
use orchestrator::store::{Entry, Record, RunProgress};

/// How many records have to reach the disk before a receipt resolves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Pending(u32);

impl Pending {
    /// Nothing to wait for.
    pub(super) const DURABLE: Pending = Pending(0);

    /// One more record has reached the disk.
    pub(super) fn step(&mut self) {
        self.0 = self.0.saturating_sub(1);
    }

    /// Whether it is on the disk.
    pub(super) fn is_on_disk(self) -> bool {
        self.0 == 0
    }

    /// Whether whoever waits for it may go on.
    pub(super) fn is_acknowledged(self) -> bool {
        self.is_on_disk() || chaos::seeded(Bug::AcknowledgeBeforeCommit)
    }
}

/// The journal of the run.
#[derive(Debug, Clone)]
pub(super) struct Book {
    /// Whether the acceptance is on the disk.
    pub(super) accepted: bool,
    /// What is on the disk.
    pub(super) durable: Arc<RunProgress>,
    /// What waits for its commit.
    pub(super) tail: Vec<Entry>,
    /// What will be on the disk unless the process dies.
    pub(super) written: Arc<RunProgress>,
    /// What is on the disk entry by entry, if it is kept.
    pub(super) history: Option<Vec<Entry>>,
    clock: i64,
}

impl Book {
    pub(super) fn new(jobs: usize, keeps_history: bool) -> Self {
        let nothing = Arc::new(RunProgress::new(jobs));
        Self {
            accepted: false,
            durable: Arc::clone(&nothing),
            tail: Vec::new(),
            written: nothing,
            history: keeps_history.then(Vec::new),
            clock: 0,
        }
    }

    pub(super) fn append(&mut self, record: Record) -> Pending {
        // a clock that goes on would make every world another one
        let now = if self.history.is_some() { self.clock + 1 } else { 0 };
        self.clock = now;
        let entry = Entry { seq: now.unsigned_abs(), run_id: 1, at: now, tick: now, record };
        apply(&mut self.written, &entry);
        self.tail.push(entry);
        Pending(self.tail.len() as u32)
    }

    /// Where a question stands in the writer's line that is answered after everything that waits now.
    pub(super) fn after_everything(&self) -> Pending {
        Pending(self.tail.len() as u32)
    }

    pub(super) fn commit_one(&mut self) {
        let entry = self.tail.remove(0);
        self.accepted |= entry.record == Record::Accepted;
        if self.tail.is_empty() {
            self.durable = Arc::clone(&self.written);
        } else {
            apply(&mut self.durable, &entry);
        }
        if let Some(history) = &mut self.history {
            history.push(entry);
        }
    }

    /// What waits is lost.
    pub(super) fn forget_the_rest(&mut self) {
        self.tail.clear();
        self.written = Arc::clone(&self.durable);
    }
}

fn apply(progress: &mut Arc<RunProgress>, entry: &Entry) {
    Arc::make_mut(progress).apply(entry).expect("the model writes only about jobs that there are");
}

impl Hash for Book {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.accepted, &self.durable).hash(state);
        self.tail.len().hash(state);
        self.tail.iter().for_each(|entry| entry.record.hash(state));
    }
}
