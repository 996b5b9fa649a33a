//! An S3 endpoint inside this process, for installations without a MinIO: the protocol comes
//! from `s3s`, the durable store behind it (files for content, SQLite for the index) is ours.
//!
//! This file starts and stops it. It runs on its own thread, so that a large transfer never
//! delays the engine. It is not a client: the orchestrator talks to it over HTTP as to any S3.

mod bucket_operations;
mod conditions;
mod content;
mod database;
mod failure;
mod headers;
mod list_operations;
mod listing;
mod object_operations;
mod object_reads;
mod operations;
mod receive;
mod rows;
mod send;
mod server;
mod store;
mod upload_list_operations;
mod upload_operations;
mod upload_rows;
mod writer;

#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::{File, TryLockError};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use tokio::sync::watch;

use super::secret::Secret;
use crate::disk;
use store::Store;

/// What the endpoint needs to start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Holds the content, the index and the lock; created with mode 0700 when absent.
    pub directory: PathBuf,
    /// The access key that may do everything.
    pub access_key: String,
    /// The secret of that key.
    pub secret_key: Secret,
    /// A second pair that may work with objects, but neither list nor remove buckets.
    pub guest: Option<(String, Secret)>,
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
}

/// Why the endpoint could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedS3Error {
    /// The directory or a file in it cannot be created, read or synced.
    #[error("object directory `{path}` is not usable: {source}")]
    Directory {
        /// The configured directory.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// Another process holds the directory.
    #[error("object directory `{path}` is in use by another process")]
    InUse {
        /// The configured directory.
        path: PathBuf,
    },
    /// The index cannot be opened.
    #[error("object index in `{path}` is not usable: {source}")]
    Index {
        /// The configured directory.
        path: PathBuf,
        /// What SQLite answered.
        source: rusqlite::Error,
    },
    /// The index was written by a newer version of this program.
    #[error("object index in `{path}` has format {found}, this version knows up to {known}")]
    IndexTooNew {
        /// The configured directory.
        path: PathBuf,
        /// The format found.
        found: i64,
        /// The newest format this version can use.
        known: i64,
    },
    /// The address is taken or not allowed.
    #[error("object endpoint cannot listen on {address}: {source}")]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// What the system answered.
        source: io::Error,
    },
    /// The system refused a thread or an event loop.
    #[error("object endpoint cannot start its threads: {0}")]
    Threads(#[source] io::Error),
}

/// The running endpoint; dropping it stops it as [`EmbeddedS3::stop`] does.
pub struct EmbeddedS3 {
    address: SocketAddr,
    stop: Option<watch::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl EmbeddedS3 {
    /// Starts the endpoint and returns once it listens.
    ///
    /// Blocks for a directory scan: files that no index row names (left by a crash between two
    /// steps of a write) are removed first.
    ///
    /// # Errors
    /// Directory, index or address not usable, or the directory held by another process.
    pub fn start(settings: Settings) -> Result<Self, EmbeddedS3Error> {
        let Settings { directory, access_key, secret_key, guest, address } = settings;
        let unusable = |source| EmbeddedS3Error::Directory { path: directory.clone(), source };
        prepare_directory(&directory).map_err(unusable)?;
        let lock = lock_directory(&directory)?;
        let (store, writer) = Store::open(&directory)?;

        let refused = |source| EmbeddedS3Error::Listen { address, source };
        let listener = TcpListener::bind(address).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;

        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(32)
            .thread_name("s3-files")
            .build()
            .map_err(EmbeddedS3Error::Threads)?;
        let service = server::service(store, (access_key, secret_key), guest);
        let (stop, stopped) = watch::channel(());
        let thread = thread::Builder::new()
            .name("s3".to_owned())
            .spawn(move || {
                runtime.block_on(server::serve(listener, service, stopped));
                // The last handle of the store goes with the runtime, which ends the writer.
                drop(runtime);
                writer.join();
                drop(lock);
            })
            .map_err(EmbeddedS3Error::Threads)?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Returns the address it listens on, with the port that was really taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets running requests finish (ten seconds at most), closes the index and
    /// returns when all of it is done. Blocks the calling thread.
    pub fn stop(mut self) {
        self.shut_down();
    }

    fn shut_down(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("object endpoint thread ended with a panic");
        }
    }
}

impl Drop for EmbeddedS3 {
    fn drop(&mut self) {
        self.shut_down();
    }
}

impl fmt::Debug for EmbeddedS3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedS3").field("address", &self.address).finish_non_exhaustive()
    }
}

fn prepare_directory(directory: &Path) -> io::Result<()> {
    disk::private_directory(directory)?;
    if let Some(parent) = directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

fn lock_directory(directory: &Path) -> Result<File, EmbeddedS3Error> {
    let unusable = |source| EmbeddedS3Error::Directory { path: directory.to_owned(), source };
    let lock = disk::private_file(&directory.join("lock")).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(EmbeddedS3Error::InUse { path: directory.to_owned() }),
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}
