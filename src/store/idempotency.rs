//! `Idempotency-Key`: a client that says the same thing again under the same key gets the same run, also when that has ended.
//!
//! A key belongs to its tenant and is bound to a run in the transaction that accepts it; the binding goes with the run.

use rusqlite::{Connection, OptionalExtension, params};

use super::record::RunOutcome;
use super::{Acceptance, Submission};

/// Longest key.
const LONGEST: usize = 255;

/// The trigger makes whoever deletes a run forget its keys: numbers of runs may be given again.
pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS idempotency_keys (
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    run_id INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS idempotency_keys_by_run ON idempotency_keys (run_id);
CREATE TRIGGER IF NOT EXISTS keys_go_with_their_run AFTER DELETE ON runs
BEGIN DELETE FROM idempotency_keys WHERE run_id = OLD.run_id; END;
";

/// Before, only submissions of documents had keys: what they asked for is their run's digest.
pub(super) const REQUESTS: &str = "ALTER TABLE idempotency_keys ADD COLUMN request BLOB;";

/// The key of a submission. *Shape*: 1 to 255 visible ASCII characters, kept as they came.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// A key, if the bytes can be one.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let legal = (1..=LONGEST).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
        let text = std::str::from_utf8(bytes).ok().filter(|_| legal)?;
        Some(Self(text.to_owned()))
    }

    /// The key as it came.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the submission's key says already; `None` when it has none, or one that is new to the tenant.
pub(super) fn answered(db: &Connection, submission: &Submission) -> rusqlite::Result<Option<Acceptance>> {
    let Some(key) = &submission.idempotency_key else { return Ok(None) };
    db.prepare_cached(
        "SELECT run_id, number, space = ?3 AND id_key = ?4 AND coalesce(request, digest) = ?5, finished_at IS NOT NULL, state
         FROM idempotency_keys JOIN runs USING (run_id) WHERE idempotency_keys.tenant = ?1 AND key = ?2",
    )?
    .query_row(
        params![
            submission.tenant,
            key.as_str(),
            submission.space.as_str(),
            submission.id_key,
            submission.request.as_slice()
        ],
        |row| {
            let (run_id, number, same, ended): (_, _, bool, bool) =
                (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            let state: String = row.get(4)?;
            Ok(match RunOutcome::parse(&state) {
                _ if !same => Acceptance::KeyReused,
                Some(outcome) if ended => Acceptance::Ended { run_id, number, outcome },
                _ => Acceptance::Running { run_id, number },
            })
        },
    )
    .optional()
}

/// Binds the submission's key, if it has one, to a run.
pub(super) fn bind(db: &Connection, submission: &Submission, run_id: i64) -> rusqlite::Result<()> {
    let Some(key) = &submission.idempotency_key else { return Ok(()) };
    db.prepare_cached(
        "INSERT OR REPLACE INTO idempotency_keys (tenant, key, run_id, request) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![submission.tenant, key.as_str(), run_id, submission.request.as_slice()])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_visible_ascii_of_bounded_length() {
        for legal in ["k", "A-Z/0.9_~", "\"quoted\"", &"x".repeat(255)] {
            assert_eq!(IdempotencyKey::parse(legal.as_bytes()).map(|key| key.0), Some(legal.to_owned()));
        }
        for wrong in ["", " ", "a b", "a\tb", "\u{7f}", "κλειδί", &"x".repeat(256)] {
            assert_eq!(IdempotencyKey::parse(wrong.as_bytes()), None, "{wrong:?}");
        }
        assert_eq!(IdempotencyKey::parse(b"\xff"), None);
    }
}
