//! The index file `objects.db`: its schema, and connections for reading.
//!
//! WAL with `synchronous=FULL`: a commit is on the disk when it returns, and readers never wait
//! for the writer. Keys are blobs, so they compare by bytes, which is the order S3 lists in.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::content::FileName;
use super::failure::Failure;
use crate::disk;

/// The format this version writes.
pub(super) const FORMAT: i64 = 1;

/// Creates the tables of an empty index.
pub(super) const SCHEMA: &str = "
    CREATE TABLE buckets (name TEXT PRIMARY KEY, created INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE objects (
        bucket TEXT NOT NULL, key BLOB NOT NULL,
        size INTEGER NOT NULL, etag TEXT NOT NULL, modified INTEGER NOT NULL,
        file TEXT, headers TEXT NOT NULL,
        PRIMARY KEY (bucket, key)) STRICT, WITHOUT ROWID;
    CREATE TABLE uploads (
        id TEXT PRIMARY KEY, bucket TEXT NOT NULL, key BLOB NOT NULL,
        started INTEGER NOT NULL, headers TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE INDEX uploads_by_key ON uploads (bucket, key, id);
    CREATE TABLE parts (
        upload TEXT NOT NULL, number INTEGER NOT NULL,
        size INTEGER NOT NULL, etag TEXT NOT NULL, modified INTEGER NOT NULL, file TEXT,
        PRIMARY KEY (upload, number)) STRICT, WITHOUT ROWID;
    PRAGMA user_version = 1;";

/// Opens the index for writing; the outcome is the format found when it is too new.
pub(super) fn open(path: &Path) -> rusqlite::Result<Result<Connection, i64>> {
    disk::private_database(path);
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.set_prepared_statement_cache_capacity(64);
    let format: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if format > FORMAT {
        return Ok(Err(format));
    }
    if format == 0 {
        let transaction = connection.transaction()?;
        transaction.execute_batch(SCHEMA)?;
        transaction.commit()?;
    }
    Ok(Ok(connection))
}

/// Names every content file that some row needs.
pub(super) fn referenced_files(connection: &Connection) -> rusqlite::Result<HashSet<FileName>> {
    let query = "SELECT file FROM objects WHERE file IS NOT NULL
                 UNION ALL SELECT file FROM parts WHERE file IS NOT NULL";
    connection.prepare(query)?.query_map([], |row| row.get(0))?.collect()
}

/// Connections for reading, opened as needed and used again.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// Prepares reading from the index at `path`, which must exist.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default() }
    }

    /// Runs `query` on one of the connections. Blocks.
    pub(super) fn read<T>(&self, query: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T, Failure> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = idle.map_or_else(|| self.connect(), Ok)?;
        let result = query(&connection);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        result
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.set_prepared_statement_cache_capacity(32);
        Ok(connection)
    }
}
