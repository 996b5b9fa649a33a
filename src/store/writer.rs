//! One writer thread with group commit: whatever `gather` finds goes into one transaction, then everybody is told.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::clock::Clock;
use super::command::{Applied, Command, Reply, acknowledge, apply, refuse};
use super::documents::DocumentChange;
use super::gather::{MOMENT, gather};
use super::reader::SqliteHistory;
use super::record::{Entry, Record};
use super::retention::Keeper;
use super::sqlite::{Remedy, Time};
use super::{Acceptance, Journal, JournalError, Millis, Receipt, Retention, Submission, marks, space, sqlite};
use crate::disk;
use crate::ports::Applied as DocumentApplied;

/// Between two tries while the disk is full or the file is locked.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Tries to write what is held when the process is ending.
const LAST_TRIES: u32 = 10;

/// The wall clock in milliseconds since the epoch; only for people and documents, never for decisions.
pub fn wall_clock() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as Millis)
}

/// The journal in a SQLite file. Cheap to clone; the thread ends when the last clone is dropped.
#[derive(Clone)]
pub struct SqliteJournal {
    inner: Arc<Inner>,
}

struct Inner {
    commands: Option<Sender<Command>>,
    thread: Option<JoinHandle<()>>,
    healthy: Arc<AtomicBool>,
    clock: Clock,
    history: Arc<SqliteHistory>,
    path: PathBuf,
}

impl SqliteJournal {
    /// Opens or makes the file and starts the writer, with the usual retention.
    ///
    /// *Errors*: the file cannot be opened, or the thread cannot be started.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        Self::open_keeping(path, Retention::default())
    }

    /// The same with a retention of one's own.
    ///
    /// *Errors*: as with [`SqliteJournal::open`].
    pub fn open_keeping(path: &Path, retention: Retention) -> Result<Self, JournalError> {
        let cannot = |why: String| JournalError::Open { path: path.display().to_string(), why };
        let mut connection = sqlite::open(path)?;
        let history = Arc::new(SqliteHistory::open(path));
        if let Err(error) = history.seal.close_earlier(&connection) {
            log::warn!("{}: ingestions of earlier versions are not sealed yet: {error}", path.display());
        }
        let clock = Clock::resume(&connection).map_err(|error| cannot(error.to_string()))?;
        match sqlite::in_transaction(&mut connection, |db| marks::count_crashes(db).and_then(|()| clock.remember(db))) {
            Ok(()) => {}
            // a full disk keeps nobody from reading; the clock goes on from the start before
            Err(error) if sqlite::remedy(&error) == Remedy::Wait => log::warn!("{}: {error}", path.display()),
            Err(error) => return Err(cannot(error.to_string())),
        }
        let (commands, queue) = channel();
        let healthy = Arc::new(AtomicBool::new(true));
        let seen_by_writer = Arc::clone(&healthy);
        let keeper = Keeper::new(retention, clock.clone());
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || write_all(connection, &queue, &seen_by_writer, keeper))
            .map_err(|error| cannot(error.to_string()))?;
        let (commands, thread, path) = (Some(commands), Some(thread), path.to_owned());
        Ok(Self { inner: Arc::new(Inner { commands, thread, healthy, clock, history, path }) })
    }

    /// Changes a document of the embedded records.
    pub(super) fn change_document(&self, change: DocumentChange) -> Receipt<DocumentApplied> {
        self.send(|reply| Command::Document(Box::new(change), reply))
    }

    /// Writes down that these runs, and no others, are being recovered. At the next start of the process everything that is
    /// still marked is suspected of a crash, and a single run is charged with it.
    pub fn mark_recovering(&self, runs: Vec<i64>) -> Receipt<()> {
        self.send(|reply| Command::Mark(runs, reply))
    }

    /// Forgets in which crashes this run was being recovered: it has survived.
    pub fn forgive(&self, run_id: i64) -> Receipt<()> {
        self.send(|reply| Command::Forgive(run_id, reply))
    }

    /// Resolves when everything that was queued before is durable.
    pub fn flush(&self) -> Receipt<()> {
        self.send(Command::Flush)
    }

    fn send<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Receipt<T> {
        let (reply, receipt) = oneshot::channel();
        let sent = self.inner.commands.as_ref().is_some_and(|commands| commands.send(command(reply)).is_ok());
        if sent { Receipt::Pending(receipt) } else { Receipt::Ready(Some(Err(JournalError::Closed))) }
    }
}

impl Journal for SqliteJournal {
    fn accept(&self, submission: Submission) -> Receipt<Acceptance> {
        let tick = self.tick();
        match self.inner.history.seal.closed(submission) {
            Ok(submission) => self.send(|reply| Command::Accept(Box::new(submission), tick, reply)),
            Err(error) => Receipt::Ready(Some(Err(error))),
        }
    }

    fn append(&self, run_id: i64, record: Record) -> Receipt<u64> {
        let time = Time { at: wall_clock(), tick: self.tick() };
        self.send(|reply| Command::Append { run_id, time, record: Box::new(record), reply })
    }

    fn tick(&self) -> Millis {
        self.inner.clock.tick()
    }

    fn read_back(&self, run_id: i64) -> Receipt<Vec<Entry>> {
        let history = Arc::clone(&self.inner.history);
        self.send(|reply| Command::ReadBack(run_id, history, reply))
    }

    fn is_healthy(&self) -> bool {
        self.inner.healthy.load(Ordering::Relaxed)
    }

    fn disk_bytes(&self) -> u64 {
        space::on_disk(&self.inner.path)
    }
}

impl Drop for Inner {
    /// Everything that was queued is written before the process may go on to exit.
    fn drop(&mut self) {
        drop(self.commands.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the journal's writer thread panicked");
        }
    }
}

/// Writes until every handle is gone. What cannot be written now is held, in order, and written when it can be: an
/// analysis that runs waits for the disk, a new one is refused. In between, finished runs are removed.
fn write_all(mut connection: Connection, queue: &Receiver<Command>, healthy: &AtomicBool, mut keeper: Keeper) {
    let mut broken = HashSet::new();
    let mut held: Vec<Command> = Vec::new();
    let mut last_tries = LAST_TRIES;
    loop {
        let rest = if held.is_empty() { keeper.rest() } else { RETRY_PAUSE };
        let rest = if healthy.load(Ordering::Relaxed) { rest } else { rest.min(RETRY_PAUSE) };
        let next = match queue.recv_timeout(rest) {
            Ok(command) => Some(command),
            Err(RecvTimeoutError::Disconnected) if held.is_empty() => return,
            Err(RecvTimeoutError::Timeout) if held.is_empty() => {
                if !healthy.load(Ordering::Relaxed) && sqlite::can_write(&mut connection) {
                    healthy.store(true, Ordering::Relaxed);
                }
                remove_some(&mut connection, &mut keeper);
                continue;
            }
            Err(_) => None,
        };
        held.extend(next);
        let batch = gather(std::mem::take(&mut held), queue, MOMENT);
        keeper.has_seen(batch.len());
        let writes = batch.iter().any(Command::writes);
        let recovered = || healthy.store(healthy.load(Ordering::Relaxed) || writes, Ordering::Relaxed);
        match write_batch(&mut connection, without_gaps(batch, &broken), recovered) {
            Ok(()) => {
                while keeper.is_owed() {
                    remove_some(&mut connection, &mut keeper);
                }
            }
            Err((batch, error)) => {
                if healthy.swap(false, Ordering::Relaxed) {
                    log::error!("the journal cannot be written: {error}");
                }
                match sqlite::remedy(&error) {
                    Remedy::Wait => held = refuse_new(batch, &error),
                    Remedy::Refuse => held = write_each(&mut connection, batch, &mut broken),
                    Remedy::Stop => disk::stop_the_process("the journal", &error),
                }
            }
        }
        if held.is_empty() {
            continue;
        }
        match queue.try_recv() {
            Ok(command) => held.push(command),
            Err(TryRecvError::Empty) => {}
            // the process is ending; what is not on the disk by now is seen again after the next start
            Err(TryRecvError::Disconnected) if last_tries == 0 => return,
            Err(TryRecvError::Disconnected) => {
                last_tries -= 1;
                std::thread::park_timeout(RETRY_PAUSE);
            }
        }
    }
}

/// Removes a piece of what is not kept any more. It does not have to be now: what fails is tried again in the next round.
fn remove_some(connection: &mut Connection, keeper: &mut Keeper) {
    if let Err(error) = keeper.work(connection) {
        match sqlite::remedy(&error) {
            Remedy::Stop => disk::stop_the_process("the journal", &error),
            Remedy::Wait | Remedy::Refuse => log::warn!("finished runs cannot be removed now: {error}"),
        }
    }
}

/// Something in the batch cannot be written at all: each command gets a transaction of its own, so that only the run it
/// belongs to is broken. What follows in that run builds on what is missing: the records of a run have no gaps.
///
/// Answers what has to wait after all.
fn write_each(connection: &mut Connection, batch: Vec<Command>, broken: &mut HashSet<i64>) -> Vec<Command> {
    let mut batch = batch.into_iter();
    while let Some(command) = batch.next() {
        let Err((commands, error)) = write_batch(connection, without_gaps(vec![command], broken), || {}) else {
            continue;
        };
        match sqlite::remedy(&error) {
            Remedy::Stop => disk::stop_the_process("the journal", &error),
            Remedy::Wait => return refuse_new(commands.into_iter().chain(batch).collect(), &error),
            Remedy::Refuse => {
                broken.extend(commands.iter().filter_map(Command::run_id));
                let error = JournalError::Write(error.to_string());
                commands.into_iter().for_each(|command| refuse(command, &error));
            }
        }
    }
    Vec::new()
}

/// Commands of runs that have lost a record are refused.
fn without_gaps(batch: Vec<Command>, broken: &HashSet<i64>) -> Vec<Command> {
    let (lost, batch): (Vec<_>, Vec<_>) = batch.into_iter().partition(|command| command.is_of(broken));
    let gap = JournalError::Write("an earlier record of the run could not be written".to_owned());
    lost.into_iter().for_each(|command| refuse(command, &gap));
    batch
}

/// Submissions are told at once that they cannot be accepted; what belongs to runs is kept.
fn refuse_new(batch: Vec<Command>, error: &rusqlite::Error) -> Vec<Command> {
    let error = JournalError::Write(error.to_string());
    let (new, kept): (Vec<_>, Vec<_>) = batch.into_iter().partition(|command| matches!(command, Command::Accept(..)));
    new.into_iter().for_each(|command| refuse(command, &error));
    kept
}

/// One transaction for the whole batch. If it fails, nothing of it is durable and the batch is handed back. `committed` is
/// called before anybody is told.
fn write_batch(
    connection: &mut Connection,
    batch: Vec<Command>,
    committed: impl FnOnce(),
) -> Result<(), (Vec<Command>, rusqlite::Error)> {
    let applied =
        sqlite::in_acknowledged_transaction(connection, |db| batch.iter().map(|command| apply(db, command)).collect());
    let applied: Vec<Applied> = match applied {
        Ok(applied) => applied,
        Err(error) => return Err((batch, error)),
    };
    committed();
    batch.into_iter().zip(applied).for_each(|(command, applied)| acknowledge(command, applied));
    Ok(())
}
