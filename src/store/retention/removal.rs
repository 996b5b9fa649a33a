//! The statements that remove finished runs, and what stays of them. Each is one piece, inside a transaction.

use std::time::Duration;

use actix::clock::Instant;
use rusqlite::{Connection, OptionalExtension, params};

use super::Settled;
use crate::store::Millis;

/// Most rows removed in one transaction.
pub(super) const MOST_ROWS: u32 = 256;

/// Rows removed between two looks at the clock: a row may be large.
const HANDFUL: u32 = 64;

/// A transaction begins no further handful after so long.
const LONGEST: Duration = Duration::from_millis(2);

/// Most runs struck off in one transaction.
const MOST_RUNS: u32 = 32;

/// Runs know when they settled, ids when they were last used, by the journal's clock. `ids` has what stays of ids whose
/// runs were removed, `forgotten` the removed runs whose records may still be there.
pub(in crate::store) const SCHEMA: &str = "
ALTER TABLE runs ADD COLUMN settled_tick INTEGER;
UPDATE runs SET settled_tick = (
    SELECT coalesce(tick, at) FROM journal WHERE journal.run_id = runs.run_id ORDER BY seq DESC LIMIT 1
) WHERE settled = 1;
CREATE INDEX runs_settled ON runs (settled, settled_tick) WHERE settled = 1;
ALTER TABLE job_ids ADD COLUMN used INTEGER NOT NULL DEFAULT 0;
UPDATE job_ids SET used = coalesce((SELECT coalesce(tick, at) FROM journal ORDER BY seq DESC LIMIT 1), 0);
CREATE INDEX job_ids_by_use ON job_ids (used);
CREATE TABLE ids (
    space TEXT NOT NULL,
    id_key TEXT NOT NULL,
    tenant TEXT NOT NULL,
    number INTEGER NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (space, id_key)
) WITHOUT ROWID;
CREATE INDEX ids_by_use ON ids (used);
CREATE TABLE forgotten (run_id INTEGER PRIMARY KEY);
";

/// What is known of an id whose runs were removed.
pub(in crate::store) struct KnownId {
    /// Whose it is.
    pub(in crate::store) tenant: String,
    /// Highest number of a removed run.
    pub(in crate::store) number: u32,
}

/// What is known of an id beside the runs that are there.
pub(in crate::store) fn known_id(db: &Connection, space: &str, id_key: &str) -> rusqlite::Result<Option<KnownId>> {
    db.prepare_cached("SELECT tenant, number FROM ids WHERE space = ?1 AND id_key = ?2")?
        .query_row([space, id_key], |row| Ok(KnownId { tenant: row.get(0)?, number: row.get(1)? }))
        .optional()
}

/// The tenants of all runs, and of all ids whose runs are gone.
pub(in crate::store) fn tenants(db: &Connection) -> rusqlite::Result<Vec<String>> {
    db.prepare_cached("SELECT tenant FROM runs UNION SELECT tenant FROM ids")?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// How many runs have settled.
pub(super) fn settled(db: &Connection) -> rusqlite::Result<u64> {
    db.query_row("SELECT count(*) FROM runs WHERE settled = 1", [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
}

/// The runs that settled first, in that order, as many as may be struck off at once. The newest run is none of them, nor
/// is the one that the newest record belongs to: numbers would be given twice.
pub(super) fn oldest_settled(db: &Connection) -> rusqlite::Result<Vec<Settled>> {
    db.prepare_cached(
        "SELECT run_id, coalesce(settled_tick, 0), octet_length(document) FROM runs
         WHERE settled = 1 AND run_id <> (SELECT max(run_id) FROM runs)
         AND run_id <> (SELECT run_id FROM journal ORDER BY seq DESC LIMIT 1)
         ORDER BY settled_tick, run_id LIMIT ?1",
    )?
    .query_map([MOST_RUNS], |row| {
        let bytes: i64 = row.get(2)?;
        Ok(Settled { run_id: row.get(0)?, at: row.get(1)?, bytes: bytes.unsigned_abs() })
    })?
    .collect()
}

/// Removes a run's row and notes what stays of it and what is left to do.
pub(super) fn strike_off(db: &Connection, run_id: i64) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO ids (space, id_key, tenant, number, used)
         SELECT space, id_key, tenant, number, coalesce(settled_tick, 0) FROM runs WHERE run_id = ?1
         ON CONFLICT (space, id_key) DO UPDATE
         SET number = max(number, excluded.number), used = max(used, excluded.used)",
    )?
    .execute([run_id])?;
    db.prepare_cached("INSERT INTO forgotten (run_id) VALUES (?1)")?.execute([run_id])?;
    db.prepare_cached("DELETE FROM runs WHERE run_id = ?1")?.execute([run_id])?;
    Ok(())
}

/// Removes some records of forgotten runs; answers how many.
pub(super) fn remove_records(db: &Connection) -> rusqlite::Result<usize> {
    let since = Instant::now();
    let mut delete = db.prepare_cached(
        "DELETE FROM journal WHERE seq IN (
            SELECT seq FROM forgotten CROSS JOIN journal USING (run_id)
            WHERE seq < (SELECT max(seq) FROM journal) LIMIT ?1
         )",
    )?;
    let mut removed = 0;
    loop {
        let handful = delete.execute([HANDFUL])?;
        removed += handful;
        if handful < HANDFUL as usize || removed >= MOST_ROWS as usize || since.elapsed() > LONGEST {
            return Ok(removed);
        }
    }
}

/// Removes the notes of forgotten runs of which no record is left.
pub(super) fn remove_notes(db: &Connection) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM forgotten WHERE NOT EXISTS (SELECT 1 FROM journal WHERE journal.run_id = forgotten.run_id)";
    db.prepare_cached(sql)?.execute([])
}

/// When the oldest run that is there was accepted, by the journal's clock.
pub(super) fn oldest_acceptance(db: &Connection) -> rusqlite::Result<Option<Millis>> {
    db.prepare_cached(
        "SELECT coalesce(tick, at) FROM journal WHERE run_id = (SELECT min(run_id) FROM runs) ORDER BY seq LIMIT 1",
    )?
    .query_row([], |row| row.get(0))
    .optional()
}

/// Removes some ids that nobody has used since a tick; answers how many.
pub(super) fn remove_ids(db: &Connection, since: Millis) -> rusqlite::Result<usize> {
    let ids = db
        .prepare_cached(
            "DELETE FROM ids WHERE (space, id_key) IN
             (SELECT space, id_key FROM ids WHERE used < ?1 ORDER BY used LIMIT ?2)",
        )?
        .execute(params![since, MOST_ROWS / 2])?;
    let job_ids = db
        .prepare_cached(
            "DELETE FROM job_ids WHERE (key, service) IN
             (SELECT key, service FROM job_ids WHERE used < ?1 ORDER BY used LIMIT ?2)",
        )?
        .execute(params![since, MOST_ROWS / 2])?;
    Ok(ids + job_ids)
}
