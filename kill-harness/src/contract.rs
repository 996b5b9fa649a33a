//! What the platform's contract says about ids, paths and texts, worked out a second time: the checker must not take the
//! orchestrator's word for it.

use sha2::{Digest, Sha256};

use crate::workload::Kind;

/// Bucket of the charts.
pub(crate) const GRAPH_BUCKET: &str = "diastemaviz";

/// What a document is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum About<'a> {
    /// The result of the job with this step, lower-cased.
    Step(&'a str),
    /// The metadata of a completed analysis.
    Metadata,
}

/// The id of a document of an analysis (lower-cased id) in its run.
pub(crate) fn document_id(tenant: &str, analysis: &str, run: u32, about: About<'_>) -> [u8; 12] {
    let about = match about {
        About::Step(step) => format!("step {step}"),
        About::Metadata => "metadata".to_owned(),
    };
    let digest = Sha256::digest(format!("{tenant}\n{analysis}\n{run}\n{about}"));
    let mut id = [0; 12];
    id.copy_from_slice(&digest[..12]);
    id
}

/// Which start of a job: the plain id is the first attempt of run 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct StartOf {
    pub(crate) run: u32,
    pub(crate) attempt: u32,
    /// Starts of the same attempt before this one.
    pub(crate) earlier: u32,
}

impl StartOf {
    pub(crate) const PLAIN: Self = Self { run: 1, attempt: 1, earlier: 0 };

    /// Every start that can happen in a run of the harness.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let runs = 1..=8;
        runs.flat_map(|run| (1..=4).flat_map(move |attempt| (0..=8).map(move |earlier| Self { run, attempt, earlier })))
    }
}

/// The eight digits that a service gets behind the id of a job whose plain id cannot be used.
pub(crate) fn suffix(tenant: &str, analysis: &str, step: &str, start: StartOf) -> String {
    let StartOf { run, attempt, earlier } = start;
    let text = format!("{tenant}\n{analysis}\n{run}\n{step}\n{attempt}");
    let text = if earlier == 0 { text } else { format!("{text}\n{earlier}") };
    hex::encode(&Sha256::digest(text)[..4])
}

/// First part of the name of an output directory; `None` for kinds without one.
pub(crate) fn output_prefix(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Cleaning => Some("cleaned"),
        Kind::Join => Some("joined"),
        Kind::Function => Some("function"),
        Kind::Classification { .. } => Some("classified"),
        Kind::Dataset | Kind::Visualization | Kind::DataSink => None,
    }
}

/// `directory-kind` of a job's document; `None` for kinds without a document.
pub(crate) fn directory_kind(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Cleaning => Some("cleaned-data"),
        Kind::Join => Some("joined-data"),
        Kind::Function => Some("function-data"),
        Kind::Classification { .. } => Some("classified-data"),
        Kind::Visualization => Some("visualization"),
        Kind::Dataset | Kind::DataSink => None,
    }
}

/// The notice of a job that succeeded, as the sink keeps it; `None` for kinds that say nothing.
pub(crate) fn job_done(kind: Kind, analysis: &str) -> Option<String> {
    let done = match kind {
        Kind::Cleaning => "Cleaning executed",
        Kind::Join => "Join executed",
        Kind::Function => "Function executed",
        Kind::Classification { .. } => "Classification executed",
        Kind::Visualization => "Visualization Executed",
        Kind::DataSink => "Data Sink Executed",
        Kind::Dataset => return None,
    };
    Some(format!("update: {done} for the analysis with ID: {analysis}"))
}

/// The last notice of an analysis that completed.
pub(crate) fn completed(analysis_key: &str) -> String {
    format!("update: Analysis completed with ID: {analysis_key}")
}

/// The last notice of an analysis that failed.
pub(crate) fn failed(analysis_key: &str) -> String {
    format!("error: Analysis with the given ID terminated with error: {analysis_key}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_the_contract() {
        // sha256 of "t\na\n1\nstep 2" and "t\na\n2\n3\n1", by another program
        let document = document_id("t", "a", 1, About::Step("2"));
        assert_eq!(hex::encode(document), "de77b45fa2685a8a4919f4e6");
        let start = StartOf { run: 2, attempt: 1, earlier: 0 };
        assert_eq!(suffix("t", "a", "3", start), "f566dd71");
    }
}
