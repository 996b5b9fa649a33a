//! The reading side: its own connections, no actor involved, never in the writer's way (WAL).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};
use serde_json::{Map, Value};

use super::record::Entry;
use super::{Filter, History, JournalError, Millis};
use crate::playbook::Space;

/// A run as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSummary {
    /// Key of the run in the journal.
    pub run_id: i64,
    /// The id as received.
    pub id: String,
    /// 1, 2, 3, ... per id.
    pub number: u32,
    /// Whose it is.
    pub tenant: String,
    /// `queued`, `running`, `succeeded`, `failed` or `stopped`.
    pub state: String,
    /// Whether every record and notice has left.
    pub settled: bool,
    /// When it was accepted.
    pub accepted_at: Millis,
    /// When it ended.
    pub finished_at: Option<Millis>,
    /// The first cause, if it did not succeed.
    pub cause: Option<String>,
    /// Jobs whose id the tenant had sent to the same service before.
    pub reused_ids: BTreeSet<usize>,
}

const RUN_COLUMNS: &str =
    "run_id, id_text, number, tenant, state, settled, accepted_at, finished_at, cause, reused_ids";

/// Reads the SQLite file of the journal. Keeps one connection per concurrent reader.
pub struct SqliteHistory {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl SqliteHistory {
    /// Reads the file that a [`super::SqliteJournal`] has opened.
    pub fn open(path: &Path) -> Self {
        Self { path: path.to_owned(), idle: Mutex::new(Vec::new()) }
    }

    /// All documents of a collection of the embedded records, in the order they were first written.
    pub fn documents(&self, database: &str, collection: &str) -> Result<Vec<Map<String, Value>>, JournalError> {
        self.read(|db| {
            db.prepare_cached("SELECT document FROM documents WHERE database = ?1 AND collection = ?2 ORDER BY rowid")?
                .query_map(params![database, collection], |row| {
                    let text: String = row.get(0)?;
                    serde_json::from_str(&text).map_err(|error| conversion(0, error))
                })?
                .collect()
        })
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, JournalError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.connect().map_err(|error| JournalError::Read(error.to_string()))?,
        };
        let result = work(&connection).map_err(|error| JournalError::Read(error.to_string()));
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        result
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        Ok(connection)
    }
}

impl History for SqliteHistory {
    fn list(&self, filter: &Filter) -> Result<Vec<RunSummary>, JournalError> {
        self.read(|db| {
            db.prepare_cached(&format!(
                "SELECT {RUN_COLUMNS} FROM runs
                 WHERE space = ?1 AND (?2 IS NULL OR tenant = ?2) AND (?3 IS NULL OR state = ?3) AND (?4 IS NULL OR run_id < ?4)
                 ORDER BY run_id DESC LIMIT ?5"
            ))?
            .query_map(
                params![filter.space.as_str(), filter.tenant, filter.state, filter.before, filter.limit],
                run_summary,
            )?
            .collect()
        })
    }

    fn find(&self, space: Space, id_key: &str, number: Option<u32>) -> Result<Option<RunSummary>, JournalError> {
        self.read(|db| {
            db.prepare_cached(&format!(
                "SELECT {RUN_COLUMNS} FROM runs WHERE space = ?1 AND id_key = ?2 AND (?3 IS NULL OR number = ?3)
                 ORDER BY number DESC LIMIT 1"
            ))?
            .query_row(params![space.as_str(), id_key, number], run_summary)
            .optional()
        })
    }

    fn entries(&self, run_id: i64) -> Result<Vec<Entry>, JournalError> {
        self.read(|db| entries(db, run_id))
    }

    fn document(&self, run_id: i64) -> Result<Option<String>, JournalError> {
        self.read(|db| {
            db.prepare_cached("SELECT document FROM runs WHERE run_id = ?1")?
                .query_row([run_id], |row| row.get(0))
                .optional()
        })
    }

    fn let_go_since(&self, tick: Millis) -> Result<Vec<i64>, JournalError> {
        self.read(|db| {
            // ticks grow with the position, and only the newest end of the journal is read
            db.prepare_cached(
                "SELECT DISTINCT run_id FROM journal
                 WHERE seq > coalesce((SELECT seq FROM journal WHERE coalesce(tick, at) < ?1 ORDER BY seq DESC LIMIT 1), 0)
                 AND (record ->> 'event' IN ('job-failed', 'job-retrying', 'job-cancelled')
                   OR (record ->> 'event' = 'analysis-finished' AND record ->> 'outcome' <> 'succeeded'))
                 ORDER BY run_id",
            )?
            .query_map([tick], |row| row.get(0))?
            .collect()
        })
    }

    fn unsettled_runs(&self) -> Result<Vec<(Space, RunSummary)>, JournalError> {
        self.read(|db| {
            let sql = format!("SELECT {RUN_COLUMNS}, space FROM runs WHERE settled = 0 ORDER BY run_id");
            db.prepare_cached(&sql)?
                .query_map([], |row| {
                    let space: String = row.get(10)?;
                    let space = if space == Space::Ingestion.as_str() { Space::Ingestion } else { Space::Analysis };
                    Ok((space, run_summary(row)?))
                })?
                .collect()
        })
    }
}

/// Everything that was written about a run, in order.
pub(super) fn entries(db: &Connection, run_id: i64) -> rusqlite::Result<Vec<Entry>> {
    db.prepare_cached("SELECT seq, at, coalesce(tick, at), record FROM journal WHERE run_id = ?1 ORDER BY seq")?
        .query_map([run_id], |row| {
            let text: String = row.get(3)?;
            let record = serde_json::from_str(&text).map_err(|error| conversion(3, error))?;
            Ok(Entry { seq: row.get::<_, i64>(0)? as u64, run_id, at: row.get(1)?, tick: row.get(2)?, record })
        })?
        .collect()
}

fn run_summary(row: &Row<'_>) -> rusqlite::Result<RunSummary> {
    let reused: String = row.get(9)?;
    Ok(RunSummary {
        run_id: row.get(0)?,
        id: row.get(1)?,
        number: row.get(2)?,
        tenant: row.get(3)?,
        state: row.get(4)?,
        settled: row.get(5)?,
        accepted_at: row.get(6)?,
        finished_at: row.get(7)?,
        cause: row.get(8)?,
        reused_ids: serde_json::from_str(&reused).map_err(|error| conversion(9, error))?,
    })
}

fn conversion(column: usize, error: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
}
