//! The reading side: its own connections, no actor involved, never in the writer's way (WAL).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};
use serde_json::{Map, Value, json};

use super::record::{Entry, Record};
use super::recovery::{StoredEntry, StoredRun};
use super::seal::Seal;
use super::{Filter, History, JournalError, Millis, NewsEntry, marks, retention};
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
    pub(super) seal: Seal,
}

impl SqliteHistory {
    /// Reads the file that a [`super::SqliteJournal`] has opened.
    pub fn open(path: &Path) -> Self {
        Self { path: path.to_owned(), idle: Mutex::new(Vec::new()), seal: Seal::of(path) }
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

    /// The runs that may have crashed the process when they were recovered, and how often each was alone then.
    pub fn crashes(&self) -> Result<BTreeMap<i64, u32>, JournalError> {
        self.read(marks::crashes)
    }

    /// Every tenant that an id is known of.
    pub fn tenants(&self) -> Result<Vec<String>, JournalError> {
        self.read(retention::tenants)
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
        let tenants = filter.tenants.as_ref().map(|tenants| json!(tenants).to_string());
        self.read(|db| {
            db.prepare_cached(&format!(
                "SELECT {RUN_COLUMNS} FROM runs
                 WHERE space = ?1 AND (?2 IS NULL OR tenant IN (SELECT value FROM json_each(?2)))
                 AND (?3 IS NULL OR state = ?3) AND (?4 IS NULL OR run_id < ?4)
                 ORDER BY run_id DESC LIMIT ?5"
            ))?
            .query_map(params![filter.space.as_str(), tenants, filter.state, filter.before, filter.limit], run_summary)?
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

    fn is_bound(&self, space: Space, id_key: &str) -> Result<bool, JournalError> {
        let has_run = self.find(space, id_key, None)?.is_some();
        Ok(has_run || self.read(|db| retention::known_id(db, space.as_str(), id_key))?.is_some())
    }

    fn entries_after(&self, run_id: i64, seq: u64) -> Result<Vec<Entry>, JournalError> {
        self.read(|db| entries_after(db, run_id, seq))
    }

    fn news(&self, after: u64, tenants: Option<&[String]>, limit: usize) -> Result<Vec<NewsEntry>, JournalError> {
        let tenants = tenants.map(|tenants| json!(tenants).to_string());
        self.read(|db| {
            db.prepare_cached(
                "SELECT j.seq, j.run_id, j.at, coalesce(j.tick, j.at), j.record, r.space, r.id_text, r.number, r.tenant
                 FROM journal j JOIN runs r ON r.run_id = j.run_id
                 WHERE j.seq > ?1 AND (?2 IS NULL OR r.tenant IN (SELECT value FROM json_each(?2)))
                 ORDER BY j.seq LIMIT ?3",
            )?
            .query_map(params![place(after), tenants, limit as i64], |row| {
                Ok(NewsEntry {
                    space: space(row, 5)?,
                    id: row.get(6)?,
                    number: row.get(7)?,
                    tenant: row.get(8)?,
                    entry: entry(row, row.get(1)?, [0, 2, 3, 4])?,
                })
            })?
            .collect()
        })
    }

    fn newest_entry(&self) -> Result<u64, JournalError> {
        let newest: i64 = self.read(|db| {
            db.prepare_cached("SELECT coalesce(max(seq), 0) FROM journal")?.query_row([], |row| row.get(0))
        })?;
        Ok(newest.unsigned_abs())
    }

    fn document(&self, run_id: i64) -> Result<Option<String>, JournalError> {
        let stored: Option<(String, String)> = self.read(|db| {
            db.prepare_cached("SELECT document, id_key FROM runs WHERE run_id = ?1")?
                .query_row([run_id], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
        })?;
        stored.map(|(document, id_key)| self.seal.opened(document, &id_key)).transpose()
    }

    fn let_go_since(&self, tick: Millis) -> Result<Vec<i64>, JournalError> {
        self.read(|db| {
            // ticks grow with the position, and only the newest end of the journal is read
            db.prepare_cached(
                "SELECT DISTINCT run_id FROM journal
                 WHERE seq > coalesce((SELECT seq FROM journal WHERE coalesce(tick, at) < ?1 ORDER BY seq DESC LIMIT 1), 0)
                 AND CASE WHEN json_valid(record) THEN
                   record ->> 'event' IN ('job-failed', 'job-retrying', 'job-cancelled')
                   OR (record ->> 'event' = 'analysis-finished' AND record ->> 'outcome' <> 'succeeded')
                 END
                 ORDER BY run_id",
            )?
            .query_map([tick], |row| row.get(0))?
            .collect()
        })
    }

    fn unsettled_runs(&self) -> Result<Vec<i64>, JournalError> {
        self.read(|db| {
            db.prepare_cached("SELECT run_id FROM runs WHERE settled = 0 ORDER BY run_id")?
                .query_map([], |row| row.get(0))?
                .collect()
        })
    }

    fn stored_runs(&self, keys: RangeInclusive<i64>) -> Result<Vec<StoredRun>, JournalError> {
        let mut runs = self.read(|db| stored_runs(db, keys))?;
        for run in &mut runs {
            let stored = std::mem::take(&mut run.document);
            // one that cannot be opened is found to be unreadable like any other that was damaged
            run.document = self.seal.opened(stored, &run.id.to_lowercase()).unwrap_or_else(|error| {
                log::error!("{}={}: {error}", run.space.as_str(), run.id);
                String::new()
            });
        }
        Ok(runs)
    }
}

/// Two queries for all of them together: one per run would take longer than the reading itself.
fn stored_runs(db: &Connection, keys: RangeInclusive<i64>) -> rusqlite::Result<Vec<StoredRun>> {
    let keys = (keys.start(), keys.end());
    let mut runs = db.prepare_cached(
        "SELECT run_id, space, id_text, number, reused_ids, finished_at IS NOT NULL, document FROM runs
         WHERE settled = 0 AND run_id BETWEEN ?1 AND ?2 ORDER BY run_id",
    )?;
    let stored = |row: &Row<'_>| {
        Ok(StoredRun {
            run_id: row.get(0)?,
            space: space(row, 1)?,
            id: row.get(2)?,
            number: row.get(3)?,
            reused_ids: text(row, 4)?,
            has_ended: row.get(5)?,
            document: text(row, 6)?,
            entries: Vec::new(),
        })
    };
    let mut found: Vec<StoredRun> = runs.query_map(keys, stored)?.collect::<rusqlite::Result<_>>()?;
    let mut entries = db.prepare_cached(
        "SELECT j.run_id, j.seq, j.at, coalesce(j.tick, j.at), j.record
         FROM runs r JOIN journal j ON j.run_id = r.run_id
         WHERE r.settled = 0 AND r.run_id BETWEEN ?1 AND ?2 ORDER BY r.run_id, j.seq",
    )?;
    let mut rows = entries.query(keys)?;
    let mut at = 0;
    while let Some(row) = rows.next()? {
        let run_id: i64 = row.get(0)?;
        while found.get(at).is_some_and(|run| run.run_id < run_id) {
            at += 1;
        }
        if let Some(run) = found.get_mut(at).filter(|run| run.run_id == run_id) {
            let seq: i64 = row.get(1)?;
            run.entries.push(StoredEntry {
                seq: seq as u64,
                at: row.get(2)?,
                tick: row.get(3)?,
                record: text(row, 4)?,
            });
        }
    }
    Ok(found)
}

/// Everything that was written about a run, in order.
pub(super) fn entries(db: &Connection, run_id: i64) -> rusqlite::Result<Vec<Entry>> {
    entries_after(db, run_id, 0)
}

fn entries_after(db: &Connection, run_id: i64, seq: u64) -> rusqlite::Result<Vec<Entry>> {
    let sql = "SELECT seq, at, coalesce(tick, at), record FROM journal WHERE run_id = ?1 AND seq > ?2 ORDER BY seq";
    db.prepare_cached(sql)?.query_map(params![run_id, place(seq)], |row| entry(row, run_id, [0, 1, 2, 3]))?.collect()
}

/// A place in the journal as SQLite knows it.
fn place(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// The columns are those of its number, its two times and its record.
fn entry(row: &Row<'_>, run_id: i64, [seq, at, tick, record]: [usize; 4]) -> rusqlite::Result<Entry> {
    let record = Record::read(&text(row, record)?);
    Ok(Entry { seq: row.get::<_, i64>(seq)? as u64, run_id, at: row.get(at)?, tick: row.get(tick)?, record })
}

fn space(row: &Row<'_>, column: usize) -> rusqlite::Result<Space> {
    let space: String = row.get(column)?;
    Ok(if space == Space::Ingestion.as_str() { Space::Ingestion } else { Space::Analysis })
}

/// A text as it is stored, whatever has become of it: one that is damaged must not keep its neighbours from being read.
fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    let value = row.get_ref(column)?;
    Ok(value.as_bytes_or_null().ok().flatten().map_or_else(String::new, |bytes| String::from_utf8_lossy(bytes).into()))
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
