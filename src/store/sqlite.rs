//! The SQLite file: how it is opened, and the statements of the writing side. Called by the writer thread only.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior, params};
use serde_json::{Map, Value};

use super::record::{Record, RunOutcome};
use super::schema::{self, Format};
use super::{Acceptance, JournalError, Millis, Submission, idempotency, retention, space};
use crate::chaos::{self, Bug, Point};
use crate::disk;

/// How long a lock of another connection to the file is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Opens the file, brings its tables up to date, asks for durable commits.
///
/// *Errors*: the file cannot be opened, another process has it, or a newer version of this program has written it.
pub(super) fn open(path: &Path) -> Result<Connection, JournalError> {
    let error = |why: String| JournalError::Open { path: path.display().to_string(), why };
    disk::private_database(path);
    let connect = || {
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(PATIENCE)?;
        space::make_returnable(&connection)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.set_prepared_statement_cache_capacity(64);
        let format = in_transaction(&mut connection, schema::bring_up_to_date)?;
        if format == Format::Known {
            space::convert(&connection, path)?;
        }
        Ok((connection, format))
    };
    let (connection, format) = connect().map_err(|why: rusqlite::Error| error(why.to_string()))?;
    match format {
        Format::Known => Ok(connection),
        Format::TooNew(found) => {
            Err(error(format!("it has format {found}, this version knows up to {}", schema::NEWEST)))
        }
    }
}

/// When something was said.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time {
    /// Wall clock, for people.
    pub(super) at: Millis,
    /// The journal's own clock, for decisions.
    pub(super) tick: Millis,
}

/// What to do about a failed transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// It may pass: a full disk, a locked file.
    Wait,
    /// It will not pass, and concerns only what was to be written.
    Refuse,
    /// What is on the disk is no longer known.
    Stop,
}

/// Judges a failed transaction.
pub(super) fn remedy(error: &rusqlite::Error) -> Remedy {
    let Some(failure) = error.sqlite_error() else { return Remedy::Refuse };
    if disk::is_in_doubt(error) {
        return Remedy::Stop;
    }
    match failure.code {
        ErrorCode::DiskFull
        | ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::SystemIoFailure
        | ErrorCode::CannotOpen
        | ErrorCode::ReadOnly
        | ErrorCode::OutOfMemory => Remedy::Wait,
        _ => Remedy::Refuse,
    }
}

/// Whether a record could be written now. One that is taken away again costs what a real one does, but for its place.
pub(super) fn can_write(connection: &mut Connection) -> bool {
    let there_and_gone = "
        INSERT INTO journal (seq, run_id, at, record) VALUES (-1, 0, 0, '');
        DELETE FROM journal WHERE seq = -1;";
    in_transaction(connection, |db| db.execute_batch(there_and_gone)).is_ok()
}

/// Runs `work` in one durable transaction.
pub(super) fn in_transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let result = work(&transaction)?;
    transaction.commit()?;
    Ok(result)
}

/// Runs `work` in a durable transaction of the writer: who waits for it is told as soon as this returns.
pub(super) fn in_acknowledged_transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    if chaos::seeded(Bug::AcknowledgeBeforeCommit) {
        return in_late_transaction(connection, work);
    }
    in_transaction(connection, work)
}

/// The fault of [`Bug::AcknowledgeBeforeCommit`]: what was acknowledged is committed with the next transaction.
fn in_late_transaction<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    if !connection.is_autocommit() {
        connection.execute_batch("COMMIT")?;
    }
    connection.execute_batch("BEGIN IMMEDIATE")?;
    work(connection)
}

/// Appends a record and keeps the run's row in step; answers its sequence number.
pub(super) fn append(db: &Connection, run_id: i64, time: Time, record: &Record) -> rusqlite::Result<u64> {
    let Time { at, tick } = time;
    let text = serde_json::to_string(record).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    db.prepare_cached("INSERT INTO journal (run_id, at, tick, record) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![run_id, at, tick, text])?;
    let seq = db.last_insert_rowid();
    match record {
        Record::AnalysisFinished { outcome, cause, .. } => {
            let cause = cause.as_ref().map(|cause| cause.failure.message.as_str());
            finish(db, run_id, at, *outcome, cause)?;
        }
        Record::Queued => {
            db.prepare_cached("UPDATE runs SET state = 'queued' WHERE run_id = ?1 AND state = 'running'")?
                .execute([run_id])?;
        }
        Record::Begun => {
            db.prepare_cached("UPDATE runs SET state = 'running' WHERE run_id = ?1 AND state = 'queued'")?
                .execute([run_id])?;
        }
        Record::Settled => {
            let sql = "UPDATE runs SET settled = 1, settled_tick = ?2 WHERE run_id = ?1 AND finished_at IS NOT NULL";
            db.prepare_cached(sql)?.execute([run_id, tick])?;
        }
        Record::PauseAsked => {
            db.prepare_cached("UPDATE runs SET state = 'paused' WHERE run_id = ?1 AND finished_at IS NULL")?
                .execute([run_id])?;
        }
        Record::ResumeAsked => {
            // it may stand in line
            db.prepare_cached(
                "UPDATE runs SET state = coalesce((
                     SELECT iif(record ->> 'event' = 'queued', 'queued', 'running') FROM journal
                     WHERE run_id = ?1 AND record ->> 'event' IN ('queued', 'begun') ORDER BY seq DESC LIMIT 1
                 ), 'running') WHERE run_id = ?1 AND state = 'paused'",
            )?
            .execute([run_id])?;
        }
        Record::Accepted
        | Record::Rerun { .. }
        | Record::CancelAsked
        | Record::JobPreparing { .. }
        | Record::JobStarting { .. }
        | Record::JobStartAcknowledged { .. }
        | Record::JobLostContact { .. }
        | Record::JobContactRegained { .. }
        | Record::CallbackReceived { .. }
        | Record::JobRetrying { .. }
        | Record::JobSucceeded { .. }
        | Record::JobFailed { .. }
        | Record::JobSkipped { .. }
        | Record::JobCancelled { .. }
        | Record::Stopping { .. }
        | Record::Warning { .. }
        | Record::Delivered { .. }
        | Record::Unreadable { .. } => {}
    }
    Ok(seq as u64)
}

fn finish(db: &Connection, run_id: i64, at: Millis, outcome: RunOutcome, cause: Option<&str>) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE runs SET state = ?2, finished_at = ?3, cause = ?4 WHERE run_id = ?1 AND finished_at IS NULL",
    )?
    .execute(params![run_id, outcome.as_str(), at, cause])?;
    Ok(())
}

/// The last run of an id.
struct LastRun {
    run_id: i64,
    number: u32,
    tenant: String,
    digest: Vec<u8>,
    running: bool,
}

/// Decides what a submission is and writes a new one down. Ownership of ids is decided and taken in the same transaction.
pub(super) fn accept(db: &Connection, submission: &Submission, tick: Millis) -> rusqlite::Result<Acceptance> {
    if let Some(answered) = idempotency::answered(db, submission)? {
        return Ok(answered);
    }
    let space = submission.space.as_str();
    let last = db
        .prepare_cached(
            "SELECT run_id, number, tenant, digest, finished_at IS NULL FROM runs
             WHERE space = ?1 AND id_key = ?2 ORDER BY number DESC LIMIT 1",
        )?
        .query_row(params![space, submission.id_key], |row| {
            Ok(LastRun {
                run_id: row.get(0)?,
                number: row.get(1)?,
                tenant: row.get(2)?,
                digest: row.get(3)?,
                running: row.get(4)?,
            })
        })
        .optional()?;
    let known = retention::known_id(db, space, &submission.id_key)?;
    let forgotten = known.as_ref().map_or(0, |id| id.number);
    let number = match &last {
        Some(last) if last.tenant != submission.tenant => return Ok(Acceptance::IdInUse),
        Some(last) if last.running && last.digest == submission.digest && submission.rerun.is_none() => {
            idempotency::bind(db, submission, last.run_id)?;
            return Ok(Acceptance::Running { run_id: last.run_id, number: last.number });
        }
        Some(last) if last.running => return Ok(Acceptance::IdInUse),
        Some(last) => last.number.max(forgotten) + 1,
        None if known.is_some_and(|id| id.tenant != submission.tenant) => return Ok(Acceptance::IdInUse),
        None => forgotten + 1,
    };
    if submission.follows.is_some_and(|newest| newest + 1 != number) {
        return Ok(Acceptance::IdInUse);
    }
    if !submission.has_room {
        return Ok(Acceptance::NoRoom);
    }
    let reused_ids = match claim_job_ids(db, submission, tick)? {
        Ok(reused_ids) => reused_ids,
        Err(job) => return Ok(Acceptance::JobIdInUse { job }),
    };
    let reused_text =
        serde_json::to_string(&reused_ids).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    db.prepare_cached(
        "INSERT INTO runs (space, id_key, number, id_text, tenant, digest, document, reused_ids, state, accepted_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'running', ?9)",
    )?
    .execute(params![
        space,
        submission.id_key,
        number,
        submission.id_text,
        submission.tenant,
        submission.digest.as_slice(),
        submission.document,
        reused_text,
        submission.at
    ])?;
    let run_id = db.last_insert_rowid();
    idempotency::bind(db, submission, run_id)?;
    let first = submission.rerun.as_ref().unwrap_or(&Record::Accepted);
    append(db, run_id, Time { at: submission.at, tick }, first)?;
    chaos::at(Point::K0);
    Ok(Acceptance::New { run_id, number, reused_ids })
}

/// Binds job ids to the tenant. Answers the jobs whose id it had sent to the same service before, or the first job whose
/// id belongs to somebody else (nothing is bound then).
fn claim_job_ids(
    db: &Connection,
    submission: &Submission,
    tick: Millis,
) -> rusqlite::Result<Result<BTreeSet<usize>, usize>> {
    let outside =
        chaos::seeded(Bug::OwnershipOutsideTransaction).then(|| Connection::open(db.path().unwrap_or_default()));
    let outside = outside.transpose()?;
    let mut owner =
        outside.as_ref().unwrap_or(db).prepare_cached("SELECT tenant FROM job_ids WHERE key = ?1 LIMIT 1")?;
    for sent in &submission.job_ids {
        let tenant: Option<String> = owner.query_row([&sent.key], |row| row.get(0)).optional()?;
        if tenant.is_some_and(|tenant| tenant != submission.tenant) {
            return Ok(Err(sent.job));
        }
    }
    let mut claim =
        db.prepare_cached("INSERT OR IGNORE INTO job_ids (key, service, tenant, used) VALUES (?1, ?2, ?3, ?4)")?;
    let mut use_again = db.prepare_cached("UPDATE job_ids SET used = ?3 WHERE key = ?1 AND service = ?2")?;
    let mut reused = BTreeSet::new();
    for sent in &submission.job_ids {
        if claim.execute(params![sent.key, sent.service, submission.tenant, tick])? == 0 {
            use_again.execute(params![sent.key, sent.service, tick])?;
            if sent.has_wire_id {
                reused.insert(sent.job);
            }
        }
    }
    Ok(Ok(reused))
}

/// Replaces or inserts a document.
pub(super) fn put_document(
    db: &Connection,
    database: &str,
    collection: &str,
    id: &str,
    document: &Map<String, Value>,
) -> rusqlite::Result<()> {
    let text =
        serde_json::to_string(document).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    db.prepare_cached(
        "INSERT INTO documents (database, collection, id, document) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (database, collection, id) DO UPDATE SET document = excluded.document",
    )?
    .execute(params![database, collection, id, text])?;
    Ok(())
}

/// Reads a document, `None` when there is none.
pub(super) fn get_document(
    db: &Connection,
    database: &str,
    collection: &str,
    id: &str,
) -> rusqlite::Result<Option<Map<String, Value>>> {
    let text: Option<String> = db
        .prepare_cached("SELECT document FROM documents WHERE database = ?1 AND collection = ?2 AND id = ?3")?
        .query_row(params![database, collection, id], |row| row.get(0))
        .optional()?;
    text.map(|text| serde_json::from_str(&text))
        .transpose()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into()))
}
