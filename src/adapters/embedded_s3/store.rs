//! The store behind the endpoint: content folder, index and writer in one handle, and the two
//! ways to use them from async code without blocking it.

use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::Connection;
use s3s::dto::Timestamp;

use super::EmbeddedS3Error;
use super::content::ContentFolder;
use super::database::{self, FORMAT, Readers};
use super::failure::Failure;
use super::writer::{Writer, WriterThread};

/// The durable store; implements the S3 operations (see `operations.rs`).
pub(super) struct Store {
    pub(super) content: Arc<ContentFolder>,
    pub(super) writer: Writer,
    readers: Arc<Readers>,
}

impl Store {
    /// Opens the store and removes what a crash left behind.
    pub(super) fn open(directory: &Path) -> Result<(Self, WriterThread), EmbeddedS3Error> {
        let unusable = |source: io::Error| EmbeddedS3Error::Directory { path: directory.to_owned(), source };
        let broken = |source| EmbeddedS3Error::Index { path: directory.to_owned(), source };
        let content = Arc::new(ContentFolder::open(directory.join("content")).map_err(unusable)?);
        let index = directory.join("objects.db");
        let connection = database::open(&index).map_err(broken)?.map_err(|found| EmbeddedS3Error::IndexTooNew {
            path: directory.to_owned(),
            found,
            known: FORMAT,
        })?;
        // The names of the index and of the folder themselves must survive a power cut.
        std::fs::File::open(directory).and_then(|folder| folder.sync_all()).map_err(unusable)?;
        let referenced = database::referenced_files(&connection).map_err(broken)?;
        let swept = content.sweep(&referenced).map_err(unusable)?;
        if swept > 0 {
            log::info!("object store removed {swept} unfinished files of an earlier run");
        }
        let (writer, threads) = Writer::start(connection, Arc::clone(&content)).map_err(EmbeddedS3Error::Threads)?;
        let readers = Arc::new(Readers::new(index));
        Ok((Self { content, writer, readers }, threads))
    }

    /// Runs a query, and what else blocks with it, off the async thread.
    pub(super) fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection, &Arc<ContentFolder>) -> Result<T, Failure> + Send + 'static,
    ) -> impl Future<Output = Result<T, Failure>> + Send {
        let readers = Arc::clone(&self.readers);
        let content = Arc::clone(&self.content);
        blocking(move || readers.read(|connection| query(connection, &content)))
    }
}

/// Starts `work` on the pool of blocking threads at once; the future is its result.
pub(super) fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> impl Future<Output = Result<T, Failure>> + Send {
    let task = tokio::task::spawn_blocking(work);
    async move { task.await.map_err(|_| Failure::Stopping)? }
}

/// The current time as the index keeps it.
///
/// *Units*: milliseconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Turns a time of the index into one of the protocol.
pub(super) fn timestamp(milliseconds: i64) -> Timestamp {
    let since = Duration::from_millis(milliseconds.try_into().unwrap_or_default());
    Timestamp::from(UNIX_EPOCH + since)
}
