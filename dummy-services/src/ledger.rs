//! What arrived, in order of arrival: the evidence that tests and the demo read. Nothing is ever changed, only the
//! oldest entries of a very long life are dropped so that a forgotten container does not fill its memory.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::Kind;

/// More than any test or bench needs.
const KEPT: usize = 200_000;

/// One request, or one message of the Spark socket.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LedgerEntry {
    /// Number of the entry, from 0.
    pub seq: u64,
    /// Time since the start of the services; in JSON the member `at` is in milliseconds.
    #[serde(serialize_with = "as_milliseconds")]
    pub at: Duration,
    /// What was asked. *Shape*: `POST /join`, `GET /join/progress`, `GET /join/{id}`, `SPARK`; a final slash is left
    /// out, ids are not part of it, and a request that was only redirected is `308 /join`.
    pub service: String,
    /// Of the headers `content-type`, `idempotency-key` and `diastema-callback` those that came, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body as JSON, else as a text; of a question about a job `{"id": ...}`.
    pub body: Value,
}

fn as_milliseconds<S: Serializer>(at: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(at.as_millis()).unwrap_or(u64::MAX))
}

/// The moment from which on somebody outside can know that a job is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Number of the first ledger entry after it.
    pub seq: u64,
    /// The service.
    pub kind: Kind,
    /// The job, as the service knows it.
    pub id: String,
    /// Whether it went well.
    pub well: bool,
}

/// All entries so far.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    next: u64,
    entries: VecDeque<LedgerEntry>,
    ends: VecDeque<End>,
}

impl Ledger {
    pub(crate) fn note_end(&mut self, kind: Kind, id: &str, well: bool) {
        if self.ends.len() == KEPT {
            self.ends.pop_front();
        }
        self.ends.push_back(End { seq: self.next, kind, id: id.to_owned(), well });
    }

    /// Hands out what was not handed out before, and forgets it.
    pub(crate) fn take(&mut self) -> (Vec<LedgerEntry>, Vec<End>) {
        (self.entries.drain(..).collect(), self.ends.drain(..).collect())
    }

    pub(crate) fn append(&mut self, at: Duration, service: String, headers: BTreeMap<String, String>, body: Value) {
        if self.entries.len() == KEPT {
            self.entries.pop_front();
        }
        self.entries.push_back(LedgerEntry { seq: self.next, at, service, headers, body });
        self.next += 1;
    }

    pub(crate) fn entries(&self) -> Vec<LedgerEntry> {
        self.entries.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_numbered_and_say_milliseconds() {
        let mut ledger = Ledger::default();
        for service in ["POST /join", "SPARK"] {
            ledger.append(Duration::from_millis(1500), service.to_owned(), BTreeMap::new(), Value::Null);
        }
        let json = serde_json::to_value(ledger.entries()).unwrap();
        assert_eq!(json[1], serde_json::json!({"seq": 1, "at": 1500, "service": "SPARK", "headers": {}, "body": null}));
    }
}
