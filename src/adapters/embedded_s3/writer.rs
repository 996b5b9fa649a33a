//! The only writer of the index: one thread that takes all changes waiting in its channel,
//! applies them in one transaction and acknowledges them after the commit (group commit), so
//! that many concurrent small writes share one disk sync.
//!
//! A change checks everything before it writes anything: when it refuses, its neighbours in the
//! transaction are committed all the same.

use std::io;
use std::iter;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::content::{ContentFolder, FileName};
use super::failure::Failure;
use crate::disk;

/// Changes in one transaction at most; bounds how long the first of them waits.
const BATCH: usize = 256;

/// Files that no row names any more once the transaction is committed.
pub(super) type Garbage = Vec<FileName>;

type Acknowledge = Box<dyn FnOnce(bool) + Send>;
type Change = Box<dyn FnOnce(&Transaction<'_>, &mut Garbage) -> rusqlite::Result<Acknowledge> + Send>;

/// The sending side; the thread ends when the last one is dropped.
pub(super) struct Writer {
    changes: Sender<Change>,
}

/// The threads behind a [`Writer`].
pub(super) struct WriterThread {
    writer: JoinHandle<()>,
    remover: JoinHandle<()>,
}

impl WriterThread {
    /// Waits until all changes are written and the index is closed.
    pub(super) fn join(self) {
        if self.writer.join().is_err() | self.remover.join().is_err() {
            log::error!("object index writer ended with a panic");
        }
    }
}

impl Writer {
    /// Starts the writing thread, and one that removes garbage (a large file takes a while).
    pub(super) fn start(connection: Connection, content: Arc<ContentFolder>) -> io::Result<(Self, WriterThread)> {
        let (changes, waiting) = mpsc::channel();
        let (garbage, removable) = mpsc::channel::<FileName>();
        let remover = thread::Builder::new()
            .name("s3-remover".to_owned())
            .spawn(move || removable.into_iter().for_each(|name| content.remove(&name)))?;
        let writer =
            thread::Builder::new().name("s3-index".to_owned()).spawn(move || write(connection, &waiting, &garbage))?;
        Ok((Self { changes }, WriterThread { writer, remover }))
    }

    /// Applies `change` and returns its result once it is durable.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Transaction<'_>, &mut Garbage) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (reply, answer) = oneshot::channel();
        let change: Change = Box::new(move |transaction, garbage| {
            let result = match change(transaction, garbage) {
                Err(Failure::Index(error)) => return Err(error),
                other => other,
            };
            let acknowledge = move |committed| {
                let result = if committed { result } else { Err(Failure::NotCommitted) };
                if reply.send(result).is_err() {
                    log::debug!("a client left before its change was acknowledged");
                }
            };
            Ok(Box::new(acknowledge) as Acknowledge)
        });
        self.changes.send(change).map_err(|_| Failure::Stopping)?;
        answer.await.map_err(|_| Failure::NotCommitted)?
    }
}

fn write(mut connection: Connection, waiting: &Receiver<Change>, garbage: &Sender<FileName>) {
    while let Ok(first) = waiting.recv() {
        let batch = iter::once(first).chain(waiting.try_iter()).take(BATCH);
        let mut removable = Garbage::new();
        let mut acknowledgements = Vec::new();
        let outcome = commit(&mut connection, batch, &mut removable, &mut acknowledgements);
        if let Err(error) = &outcome {
            if disk::is_in_doubt(error) {
                disk::stop_the_process("the index of the objects", error);
            }
            log::error!("object index did not commit {} changes: {error}", acknowledgements.len());
        }
        for acknowledge in acknowledgements {
            acknowledge(outcome.is_ok());
        }
        // After a failed commit nobody knows what a crash would leave: every file stays, and
        // the next start sweeps those that turned out to be unreferenced.
        if outcome.is_ok() {
            for name in removable {
                if garbage.send(name).is_err() {
                    log::warn!("a replaced content file is left to the next start");
                }
            }
        }
    }
}

fn commit(
    connection: &mut Connection,
    batch: impl Iterator<Item = Change>,
    removable: &mut Garbage,
    acknowledgements: &mut Vec<Acknowledge>,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for change in batch {
        acknowledgements.push(change(&transaction, removable)?);
    }
    transaction.commit()
}
