//! The simulated disk: the journal in memory, whose commits take time and whose process may die before, between and after.

use std::any::Any;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use orchestrator::store::{Acceptance, Entry, Journal, Millis, Receipt, Record, Submission};
use orchestrator::testing::MemoryJournal;
use tokio::sync::{Notify, oneshot};

use super::dice::Rolls;
use super::life::Life;
use super::plan::Effect;

/// The journal as one life of the process sees it. What a dead process writes is written nowhere.
pub(super) struct SimJournal {
    disk: MemoryJournal,
    dead: Arc<AtomicBool>,
    /// Something waits to become durable.
    queued: Notify,
    /// Something has become durable.
    committed: Notify,
    /// Answers that the dead never get.
    never: Mutex<Vec<Box<dyn Any + Send>>>,
}

impl SimJournal {
    /// The journal on this disk for this life; it goes on counting time where the world is.
    pub(super) fn open(life: &Life) -> Arc<Self> {
        let disk = life.world.journal.clone();
        disk.goes_on_at(life.now() as Millis);
        disk.hold();
        Arc::new(Self {
            disk,
            dead: life.death_flag(),
            queued: Notify::new(),
            committed: Notify::new(),
            never: Mutex::default(),
        })
    }

    /// Resolves after the next commit.
    pub(super) async fn commit(&self) {
        self.committed.notified().await;
    }

    fn unless_dead<T: Send + 'static>(&self, write: impl FnOnce() -> Receipt<T>) -> Receipt<T> {
        if self.dead.load(Ordering::Relaxed) {
            let (sender, receiver) = oneshot::channel();
            self.never.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(sender));
            return Receipt::Pending(receiver);
        }
        let receipt = write();
        self.queued.notify_one();
        receipt
    }
}

impl Journal for SimJournal {
    fn accept(&self, submission: Submission) -> Receipt<Acceptance> {
        self.unless_dead(|| self.disk.accept(submission))
    }

    fn append(&self, run_id: i64, record: Record) -> Receipt<u64> {
        self.unless_dead(|| self.disk.append(run_id, record))
    }

    fn read_back(&self, run_id: i64) -> Receipt<Vec<Entry>> {
        self.unless_dead(|| self.disk.read_back(run_id))
    }

    fn tick(&self) -> Millis {
        self.disk.tick()
    }
}

/// Commits in groups: what waits when a transaction begins becomes durable when it ends.
pub(super) async fn commit_in_groups(life: Rc<Life>, journal: Arc<SimJournal>) {
    loop {
        journal.queued.notified().await;
        while journal.disk.waiting() > 0 {
            let group = journal.disk.waiting();
            let takes = life.roll(|dice| if dice.odds(5) { dice.spread(20, 5_000) } else { dice.between(0, 3) });
            if takes > 0 {
                life.wait(takes).await;
            }
            life.passes(Effect::Commit).await;
            let before = journal.disk.durable();
            journal.disk.release(group);
            tell(&life, before);
            journal.committed.notify_one();
            // the acknowledgements are on their way, and nobody has seen them
            life.passes(Effect::Commit).await;
        }
    }
}

/// The process is dead: of what waited, the beginning may be durable, unseen; the rest is lost.
pub(super) fn crash(life: &Life, survives: usize) {
    let disk = &life.world.journal;
    let waiting = disk.waiting();
    let durable = waiting * survives / 1_000;
    let before = disk.durable();
    disk.release(durable);
    disk.forget_held();
    life.trace(format_args!("{durable} of {waiting} waiting records are durable"));
    tell(life, before);
}

/// Every record that has become durable.
fn tell(life: &Life, before: u64) {
    for entry in life.world.journal.entries().into_iter().skip(before as usize) {
        life.trace(format_args!("  durable {} run {}: {:?}", entry.seq, entry.run_id, entry.record));
    }
}
