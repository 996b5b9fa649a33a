//! What the journal's writer is asked to do, one by one, and who is told.

use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::documents::DocumentChange;
use super::reader::SqliteHistory;
use super::record::{Entry, Record};
use super::sqlite::Time;
use super::{Acceptance, History, JournalError, Millis, Submission, marks, sqlite};
use crate::chaos::{self, Point};
use crate::ports::Applied as DocumentApplied;

/// Where the answer to a command goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, JournalError>>;

/// What the writer is asked to do.
pub(super) enum Command {
    Accept(Box<Submission>, Millis, Reply<Acceptance>),
    Append { run_id: i64, time: Time, record: Box<Record>, reply: Reply<u64> },
    Document(Box<DocumentChange>, Reply<DocumentApplied>),
    ReadBack(i64, Arc<SqliteHistory>, Reply<Vec<Entry>>),
    Mark(Vec<i64>, Reply<()>),
    Forgive(i64, Reply<()>),
    Flush(Reply<()>),
}

impl Command {
    /// The run whose records have a gap when this is not written.
    pub(super) fn run_id(&self) -> Option<i64> {
        match self {
            Command::Append { run_id, .. } => Some(*run_id),
            // a run that has lost a record can still be read
            Command::Accept(..)
            | Command::Document(..)
            | Command::ReadBack(..)
            | Command::Mark(..)
            | Command::Forgive(..)
            | Command::Flush(_) => None,
        }
    }

    /// Whether it leaves something in the file whatever it finds there.
    pub(super) fn writes(&self) -> bool {
        match self {
            Command::Append { .. } | Command::Document(..) | Command::Mark(..) | Command::Forgive(..) => true,
            Command::Accept(..) | Command::ReadBack(..) | Command::Flush(_) => false,
        }
    }

    /// Whether something goes on only when it is durable: a call to a service, an answer, a message to the outside.
    pub(super) fn is_waited_for(&self) -> bool {
        match self {
            Command::Append { record, .. } => record.is_waited_for(),
            Command::Accept(..)
            | Command::Document(..)
            | Command::ReadBack(..)
            | Command::Mark(..)
            | Command::Forgive(..)
            | Command::Flush(_) => true,
        }
    }

    /// Whether it is a record of one of these runs.
    pub(super) fn is_of(&self, runs: &HashSet<i64>) -> bool {
        self.run_id().is_some_and(|run_id| runs.contains(&run_id))
    }
}

/// What a command has done, once its transaction is committed.
pub(super) enum Applied {
    Accept(Acceptance),
    Append(u64),
    Document(DocumentApplied),
    /// Nothing that its caller has to be told.
    Done,
}

/// Does it, in a transaction that is not committed yet.
pub(super) fn apply(db: &Connection, command: &Command) -> rusqlite::Result<Applied> {
    match command {
        Command::Accept(submission, tick, _) => sqlite::accept(db, submission, *tick).map(Applied::Accept),
        Command::Append { run_id, time, record, .. } => sqlite::append(db, *run_id, *time, record).map(Applied::Append),
        Command::Document(change, _) => change.apply(db).map(Applied::Document),
        Command::Mark(runs, _) => marks::mark(db, runs).map(|()| Applied::Done),
        Command::Forgive(run_id, _) => marks::forgive(db, *run_id).map(|()| Applied::Done),
        Command::ReadBack(..) | Command::Flush(_) => Ok(Applied::Done),
    }
}

/// Tells who waits for it, once it is committed.
pub(super) fn acknowledge(command: Command, applied: Applied) {
    pass_points(&command);
    match (command, applied) {
        (Command::Accept(_, _, reply), Applied::Accept(acceptance)) => tell(reply, Ok(acceptance)),
        (Command::Append { reply, .. }, Applied::Append(seq)) => tell(reply, Ok(seq)),
        (Command::Document(_, reply), Applied::Document(done)) => tell(reply, Ok(done)),
        (Command::ReadBack(run_id, history, reply), Applied::Done) => read_back(run_id, history, reply),
        (Command::Mark(_, reply) | Command::Forgive(_, reply) | Command::Flush(reply), Applied::Done) => {
            tell(reply, Ok(()))
        }
        (
            Command::Accept(..)
            | Command::Append { .. }
            | Command::Document(..)
            | Command::ReadBack(..)
            | Command::Mark(..)
            | Command::Forgive(..)
            | Command::Flush(_),
            _,
        ) => log::error!("the journal's writer has mixed up its answers"),
    }
}

/// The moments at which something is durable and nothing has followed from it.
fn pass_points(command: &Command) {
    match command {
        Command::Accept(..) => chaos::at(Point::K1),
        Command::Append { record, .. } if matches!(**record, Record::JobSucceeded { .. }) => chaos::at(Point::K11),
        Command::Append { record, .. } if matches!(**record, Record::AnalysisFinished { .. }) => chaos::at(Point::K12),
        Command::Append { .. }
        | Command::Document(..)
        | Command::ReadBack(..)
        | Command::Mark(..)
        | Command::Forgive(..)
        | Command::Flush(_) => {}
    }
}

/// Tells who waits for it that it will not be done.
pub(super) fn refuse(command: Command, error: &JournalError) {
    match command {
        Command::Accept(_, _, reply) => tell(reply, Err(error.clone())),
        Command::Append { reply, .. } => tell(reply, Err(error.clone())),
        Command::Document(_, reply) => tell(reply, Err(error.clone())),
        Command::ReadBack(_, _, reply) => tell(reply, Err(error.clone())),
        Command::Mark(_, reply) | Command::Forgive(_, reply) | Command::Flush(reply) => tell(reply, Err(error.clone())),
    }
}

/// Everything that was queued before is committed by now. Reading takes long for a large run: others must not wait for it.
fn read_back(run_id: i64, history: Arc<SqliteHistory>, reply: Reply<Vec<Entry>>) {
    let reader = std::thread::Builder::new().name("read-back".to_owned());
    // the reply goes with a thread that cannot be had, which its receipt tells as a closed journal
    if let Err(error) = reader.spawn(move || tell(reply, history.entries(run_id))) {
        log::error!("run={run_id}: it cannot be read back: {error}");
    }
}

/// Nobody waits for most records: a dropped receipt is no fault.
fn tell<T>(reply: Reply<T>, result: Result<T, JournalError>) {
    drop(reply.send(result));
}
