//! The tables of the SQLite file, and how files of earlier versions are brought up to date.
//!
//! A file of a newer version is refused. That goes for what records say as well: who adds a word to them adds a step, an
//! empty one if no table changes, because an earlier version would take what it does not know for damage and end the run.

use rusqlite::Connection;

/// What each format adds to the one before; the place in the list is the number of the format it starts from. Files that
/// were written before formats were numbered have the tables of the first one.
const STEPS: [&str; 7] = [
    FIRST,
    TICKS,
    super::idempotency::SCHEMA,
    CRASHES,
    super::retention::SCHEMA,
    super::idempotency::REQUESTS,
    super::seal::SCHEMA,
];

/// The format this version writes.
pub(super) const NEWEST: u32 = STEPS.len() as u32;

/// Journal rows are clustered by arrival; runs carry what lists and lookups need without folding.
const FIRST: &str = "
CREATE TABLE IF NOT EXISTS runs (
    run_id INTEGER PRIMARY KEY,
    space TEXT NOT NULL,
    id_key TEXT NOT NULL,
    number INTEGER NOT NULL,
    id_text TEXT NOT NULL,
    tenant TEXT NOT NULL,
    digest BLOB NOT NULL,
    document TEXT NOT NULL,
    reused_ids TEXT NOT NULL,
    state TEXT NOT NULL,
    settled INTEGER NOT NULL DEFAULT 0,
    accepted_at INTEGER NOT NULL,
    finished_at INTEGER,
    cause TEXT,
    UNIQUE (space, id_key, number)
);
CREATE INDEX IF NOT EXISTS runs_unsettled ON runs (run_id) WHERE settled = 0;
CREATE TABLE IF NOT EXISTS journal (
    seq INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL,
    at INTEGER NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS journal_by_run ON journal (run_id, seq);
CREATE TABLE IF NOT EXISTS job_ids (
    key TEXT NOT NULL,
    service TEXT NOT NULL,
    tenant TEXT NOT NULL,
    PRIMARY KEY (key, service)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS documents (
    database TEXT NOT NULL,
    collection TEXT NOT NULL,
    id TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (database, collection, id)
);
";

/// Records of before have no tick: they count by the wall clock.
const TICKS: &str = "
ALTER TABLE journal ADD COLUMN tick INTEGER;
CREATE TABLE clock (
    tick INTEGER NOT NULL,
    boot TEXT,
    uptime INTEGER,
    wall INTEGER NOT NULL
);
";

const CRASHES: &str = "
CREATE TABLE recovering (
    run_id INTEGER PRIMARY KEY,
    crashes INTEGER NOT NULL,
    marked INTEGER NOT NULL
);
";

/// Whether this version can use the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// It has the tables that this version expects.
    Known,
    /// A newer version has written it; nothing was changed.
    TooNew(u32),
}

/// Makes the tables of an empty file, adds what an older one lacks.
pub(super) fn bring_up_to_date(db: &Connection) -> rusqlite::Result<Format> {
    let found: u32 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let Some(missing) = STEPS.get(found as usize..) else { return Ok(Format::TooNew(found)) };
    for step in missing {
        db.execute_batch(step)?;
    }
    if !missing.is_empty() {
        db.pragma_update(None, "user_version", NEWEST)?;
    }
    Ok(Format::Known)
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::ports::{CallbackVerdict, FailureKind};
    use crate::store::record::Lane;
    use crate::store::{Record, RunOutcome};

    fn columns(db: &Connection) -> Vec<String> {
        let sql = "SELECT m.name || '.' || c.name FROM sqlite_schema m, pragma_table_info(m.name) c ORDER BY 1";
        let mut statement = db.prepare(sql).expect("valid");
        statement.query_map([], |row| row.get(0)).expect("runs").map(|name| name.expect("a text")).collect()
    }

    fn made_from(format: u32) -> Connection {
        let db = Connection::open_in_memory().expect("opens");
        STEPS[..format as usize].iter().for_each(|step| db.execute_batch(step).expect("valid"));
        db.pragma_update(None, "user_version", format).expect("settable");
        db
    }

    #[test]
    fn files_of_every_format_end_up_with_the_same_tables() {
        let newest = columns(&made_from(NEWEST));
        for format in 0..=NEWEST {
            let db = made_from(format);
            for _ in 0..2 {
                assert_eq!(bring_up_to_date(&db).expect("valid"), Format::Known, "format {format}");
                assert_eq!(columns(&db), newest, "format {format}");
            }
        }
    }

    #[test]
    fn a_file_from_before_formats_were_numbered_is_brought_up_to_date() {
        let db = made_from(1);
        db.pragma_update(None, "user_version", 0).expect("settable");
        assert_eq!(bring_up_to_date(&db).expect("valid"), Format::Known);
        assert_eq!(columns(&db), columns(&made_from(NEWEST)));
    }

    /// What the records of this format may say: the words of events, failures, outcomes, lanes and callbacks.
    const WORDS: (u32, [&str; 5]) = (
        7,
        [
            "accepted rerun queued begun job-preparing job-starting job-start-acknowledged job-lost-contact \
             job-contact-regained callback-received job-retrying job-succeeded job-failed job-skipped job-cancelled \
             pause-asked resume-asked cancel-asked stopping warning analysis-finished delivered settled",
            "service-error refused unreachable timed-out bad-answer outcome-unknown missing-input store cancelled \
             stopped-unexpectedly not-durable stuck",
            "succeeded failed cancelled stopped",
            "records notices",
            "complete error",
        ],
    );

    /// The words that could have stood in the place of one that nobody knows.
    fn words<T: DeserializeOwned>(strange: &str) -> String {
        let Err(error) = serde_json::from_str::<T>(strange) else { panic!("{strange} is known") };
        let text = error.to_string();
        let (_, known) = text.split_once("expected ").expect("it says what it knows");
        let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        known.join(" ")
    }

    #[test]
    fn a_new_word_in_the_records_is_a_new_format() {
        let found = [
            words::<Record>(r#"{"event":"?"}"#),
            words::<FailureKind>(r#""?""#),
            words::<RunOutcome>(r#""?""#),
            words::<Lane>(r#""?""#),
            words::<CallbackVerdict>(r#"{"status":"?"}"#),
        ];
        assert_eq!((NEWEST, found.each_ref().map(String::as_str)), WORDS, "add a step, then pin its words here");
    }

    #[test]
    fn a_file_of_a_newer_version_is_left_alone() {
        let db = made_from(NEWEST);
        db.pragma_update(None, "user_version", NEWEST + 1).expect("settable");
        assert_eq!(bring_up_to_date(&db).expect("valid"), Format::TooNew(NEWEST + 1));
    }
}
