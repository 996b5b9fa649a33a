//! The corpus as it stands in `fixtures/corpus/`: rows with cases, each a request with what has to come back.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::stack::read;

/// The parts of the table, in order.
const PARTS: [&str; 7] = ["a-transport", "b-json", "c-token", "d-tenant", "e-names", "f-graph", "g-ingestion"];

/// Rows of the table.
pub(super) const ROWS: u32 = 143;

/// One row of the table of bad inputs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    /// Its number, 1 to [`ROWS`].
    pub(super) row: u32,
    /// What is sent, in a few words.
    pub(super) input: String,
    pub(super) cases: Vec<Case>,
}

/// A request, or several of one sort, and what has to be answered.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Case {
    /// Which of `servers.json`; the usual one.
    pub(super) on: Option<String>,
    /// How often the case is repeated when memory is watched.
    pub(super) repeat: Repeat,
    /// Why it is never repeated.
    pub(super) why: String,
    /// What has to be sent before, with its own answers.
    pub(super) after: Vec<Case>,
    /// How the ingestion service behaves meanwhile.
    pub(super) service: Option<String>,
    pub(super) method: Option<String>,
    /// Every one of these paths is asked.
    pub(super) to: Vec<String>,
    /// `null` takes a usual header away.
    pub(super) headers: BTreeMap<String, Option<String>>,
    /// Which of `documents.json` is sent; an ingestion to `/ingestion`, else a playbook.
    pub(super) document: Option<String>,
    /// Values to be put at JSON pointers.
    pub(super) set: Map<String, Value>,
    /// Pointers whose members are removed.
    pub(super) drop: Vec<String>,
    /// The case is asked with each of these as `{each}`.
    pub(super) each: Vec<Value>,
    /// Levels of nesting that `{deep}` stands for.
    pub(super) deep: usize,
    /// A body that is no document.
    pub(super) body: Option<Body>,
    /// The same as bytes.
    pub(super) hex: Option<String>,
    /// A whole request, piece by piece.
    pub(super) pieces: Vec<Piece>,
    /// The client goes away in the middle of the body.
    pub(super) hang_up: bool,
    /// So many requests are sent without waiting for answers.
    pub(super) pipelined: usize,
    /// Changes of requests that are sent at the same moment.
    pub(super) at_once: Vec<Map<String, Value>>,
    /// So many in a row.
    pub(super) times: usize,

    /// One of these is answered.
    pub(super) status: Vec<u16>,
    /// What several at once are answered, in ascending order.
    pub(super) statuses: Vec<u16>,
    /// The code of the answer's own problem.
    pub(super) error: Option<String>,
    /// Where that is in the document.
    pub(super) at: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) hint: Option<String>,
    /// A part of the reason.
    pub(super) says: Option<String>,
    /// These members are those of one of the problems.
    pub(super) has: Option<Map<String, Value>>,
    /// The codes of an acceptance's warnings.
    pub(super) warnings: Option<Vec<String>>,
    /// The number of the accepted run.
    pub(super) run: Option<u64>,
    /// Whose the accepted run is.
    pub(super) tenant: Option<String>,
    /// How it ends.
    pub(super) ends: Option<String>,
    /// The header `Allow`.
    pub(super) allow: Option<String>,
    /// Whether there is a header `Retry-After`.
    pub(super) retry_after: bool,
    /// Text that no browser takes for anything else.
    pub(super) plain: bool,
    /// The whole text.
    pub(super) text: Option<String>,
    /// The connection is closed behind the answer.
    pub(super) closes: bool,
    /// A path of the API where nothing is found afterwards.
    pub(super) unknown: Option<String>,
    /// All acceptances are of one run.
    pub(super) one_run: bool,
    /// What a service gets.
    pub(super) started: Option<Started>,
    /// A text that is nowhere in the log.
    pub(super) not_logged: Option<String>,
    /// A text that the API does not show.
    pub(super) hidden: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Repeat {
    /// One after the other.
    #[default]
    InARow,
    /// Megabytes to make and to judge: fewer in a row, unless asked otherwise.
    Big,
    /// All at the same time, because each takes a while.
    AtOnce,
    Never,
}

/// A body, or parts of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Body {
    Text(String),
    Parts(Vec<Piece>),
}

/// Bytes of a request.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, rename_all_fields = "kebab-case", deny_unknown_fields)]
pub(super) enum Piece {
    Plain(String),
    Repeated {
        text: String,
        times: usize,
    },
    /// Chunks of so many spaces.
    Chunks {
        chunk: usize,
        times: usize,
    },
    /// Short header lines.
    Headers {
        headers: usize,
    },
    /// One text after the other, with time in between.
    Drip {
        drip: String,
        times: usize,
        every_ms: u64,
    },
}

/// What a service gets of a job.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub(super) struct Started {
    /// Method and path.
    pub(super) service: String,
    /// The id that is sent.
    pub(super) job: Option<String>,
    /// The path of its input.
    pub(super) input: Option<String>,
    /// The number of its inputs.
    pub(super) inputs: Option<usize>,
}

/// Every row.
pub(super) fn rows() -> Vec<Row> {
    let part = |name: &&str| -> Vec<Row> {
        serde_json::from_value(read(&format!("corpus/{name}.json"))).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    PARTS.iter().flat_map(part).collect()
}

/// The settings of a server of the corpus.
pub(super) fn settings_of(server: &str) -> Vec<(String, String)> {
    let servers: BTreeMap<String, BTreeMap<String, String>> =
        serde_json::from_value(read("corpus/servers.json")).unwrap();
    let settings = servers.get(server).unwrap_or_else(|| panic!("servers.json has no {server}"));
    settings.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}
