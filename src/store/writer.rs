//! One writer thread with group commit: whatever waits when a transaction begins goes into it, then everybody is told.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::documents::DocumentChange;
use super::record::Record;
use super::{Acceptance, Journal, JournalError, Millis, Receipt, Submission, sqlite};
use crate::ports::Applied;

/// Most commands in one transaction: bounds the time until the first of them is acknowledged.
const LARGEST_BATCH: usize = 4096;

/// The wall clock in milliseconds since the epoch; only for people and documents, never for decisions.
pub fn wall_clock() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as Millis)
}

type Reply<T> = oneshot::Sender<Result<T, JournalError>>;

/// What the writer is asked to do.
enum Command {
    Accept(Box<Submission>, Reply<Acceptance>),
    Append { run_id: i64, at: Millis, record: Box<Record>, reply: Reply<u64> },
    Document(Box<DocumentChange>, Reply<Applied>),
}

impl Command {
    fn run_id(&self) -> Option<i64> {
        match self {
            Command::Append { run_id, .. } => Some(*run_id),
            Command::Accept(..) | Command::Document(..) => None,
        }
    }

    fn is_of(&self, runs: &HashSet<i64>) -> bool {
        self.run_id().is_some_and(|run_id| runs.contains(&run_id))
    }
}

/// A command that was applied and waits for its commit.
enum Acknowledgement {
    Accept(Reply<Acceptance>, Acceptance),
    Append(Reply<u64>, u64),
    Document(Reply<Applied>, Applied),
}

/// The journal in a SQLite file. Cheap to clone; the thread ends when the last clone is dropped.
#[derive(Clone)]
pub struct SqliteJournal {
    inner: Arc<Inner>,
}

struct Inner {
    commands: Option<Sender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl SqliteJournal {
    /// Opens or makes the file and starts the writer.
    ///
    /// *Errors*: the file cannot be opened, or the thread cannot be started.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let connection = sqlite::open(path)?;
        let (commands, queue) = channel();
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || write_all(connection, &queue))
            .map_err(|error| JournalError::Open { path: path.display().to_string(), why: error.to_string() })?;
        Ok(Self { inner: Arc::new(Inner { commands: Some(commands), thread: Some(thread) }) })
    }

    /// Changes a document of the embedded records.
    pub(super) fn change_document(&self, change: DocumentChange) -> Receipt<Applied> {
        self.send(|reply| Command::Document(Box::new(change), reply))
    }

    fn send<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Receipt<T> {
        let (reply, receipt) = oneshot::channel();
        let sent = self.inner.commands.as_ref().is_some_and(|commands| commands.send(command(reply)).is_ok());
        if sent { Receipt::Pending(receipt) } else { Receipt::Ready(Some(Err(JournalError::Closed))) }
    }
}

impl Journal for SqliteJournal {
    fn accept(&self, submission: Submission) -> Receipt<Acceptance> {
        self.send(|reply| Command::Accept(Box::new(submission), reply))
    }

    fn append(&self, run_id: i64, record: Record) -> Receipt<u64> {
        self.send(|reply| Command::Append { run_id, at: wall_clock(), record: Box::new(record), reply })
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

fn write_all(mut connection: Connection, queue: &Receiver<Command>) {
    let mut broken = HashSet::new();
    while let Ok(first) = queue.recv() {
        let batch: Vec<Command> = std::iter::once(first).chain(queue.try_iter().take(LARGEST_BATCH - 1)).collect();
        let (lost, batch): (Vec<_>, Vec<_>) = batch.into_iter().partition(|command| command.is_of(&broken));
        let gap = JournalError::Write("an earlier record of the run could not be written".to_owned());
        lost.into_iter().for_each(|command| refuse(command, &gap));
        let runs: Vec<i64> = batch.iter().filter_map(Command::run_id).collect();
        if !write_batch(&mut connection, batch) {
            // what follows in these runs builds on what is missing: the records of a run have no gaps
            broken.extend(runs);
        }
    }
}

/// One transaction for the whole batch; answers whether it is durable. If not, each command is told so.
fn write_batch(connection: &mut Connection, batch: Vec<Command>) -> bool {
    let mut batch = batch.into_iter();
    let mut applied = Vec::with_capacity(batch.len());
    let mut refused = Vec::new();
    let committed = sqlite::in_transaction(connection, |db| {
        for command in batch.by_ref() {
            match apply(db, command) {
                Ok(acknowledgement) => applied.push(acknowledgement),
                Err((refusal, error)) => {
                    refused.push(refusal);
                    return Err(error);
                }
            }
        }
        Ok(())
    });
    match committed {
        Ok(()) => {
            applied.into_iter().for_each(acknowledge);
            true
        }
        Err(error) => {
            log::error!("the journal cannot be written: {error}");
            let error = JournalError::Write(error.to_string());
            applied.into_iter().for_each(|acknowledgement| refuse_applied(acknowledgement, &error));
            refused.into_iter().chain(batch).for_each(|command| refuse(command, &error));
            false
        }
    }
}

fn apply(db: &Connection, command: Command) -> Result<Acknowledgement, (Command, rusqlite::Error)> {
    match command {
        Command::Accept(submission, reply) => match sqlite::accept(db, &submission) {
            Ok(acceptance) => Ok(Acknowledgement::Accept(reply, acceptance)),
            Err(error) => Err((Command::Accept(submission, reply), error)),
        },
        Command::Append { run_id, at, record, reply } => match sqlite::append(db, run_id, at, &record) {
            Ok(seq) => Ok(Acknowledgement::Append(reply, seq)),
            Err(error) => Err((Command::Append { run_id, at, record, reply }, error)),
        },
        Command::Document(change, reply) => match change.apply(db) {
            Ok(done) => Ok(Acknowledgement::Document(reply, done)),
            Err(error) => Err((Command::Document(change, reply), error)),
        },
    }
}

fn acknowledge(acknowledgement: Acknowledgement) {
    match acknowledgement {
        Acknowledgement::Accept(reply, acceptance) => tell(reply, Ok(acceptance)),
        Acknowledgement::Append(reply, seq) => tell(reply, Ok(seq)),
        Acknowledgement::Document(reply, applied) => tell(reply, Ok(applied)),
    }
}

fn refuse_applied(acknowledgement: Acknowledgement, error: &JournalError) {
    match acknowledgement {
        Acknowledgement::Accept(reply, _) => tell(reply, Err(error.clone())),
        Acknowledgement::Append(reply, _) => tell(reply, Err(error.clone())),
        Acknowledgement::Document(reply, _) => tell(reply, Err(error.clone())),
    }
}

fn refuse(command: Command, error: &JournalError) {
    match command {
        Command::Accept(_, reply) => tell(reply, Err(error.clone())),
        Command::Append { reply, .. } => tell(reply, Err(error.clone())),
        Command::Document(_, reply) => tell(reply, Err(error.clone())),
    }
}

/// Nobody waits for most records: a dropped receipt is no fault.
fn tell<T>(reply: Reply<T>, result: Result<T, JournalError>) {
    drop(reply.send(result));
}
