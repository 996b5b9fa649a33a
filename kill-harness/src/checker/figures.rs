//! What was counted.

use std::collections::BTreeMap;

/// The counts of a run. Those that must be 0 are violations as well.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) accepted: usize,
    pub(crate) completed: usize,
    pub(crate) failed_as_scripted: usize,
    /// Failed because nobody can know whether something happened: lost messages to Spark.
    pub(crate) outcome_unknown: usize,
    /// Messages to Spark that never arrived, because the process died when they were to be sent.
    pub(crate) unsent: usize,
    /// Failed because the process stood still for longer than jobs wait.
    pub(crate) stood_still: usize,
    /// Runs beyond the first: the first had ended before the client sent the analysis again.
    pub(crate) further_runs: usize,
    pub(crate) jobs_started: usize,
    pub(crate) lost: usize,
    pub(crate) stuck: usize,
    /// At services that can be asked.
    pub(crate) second_starts: usize,
    /// At services that cannot be asked, by their name.
    pub(crate) repeated_starts: BTreeMap<&'static str, usize>,
    /// Warnings about these by the orchestrator itself.
    pub(crate) owned_up: usize,
    pub(crate) sinks_not_told: usize,
    pub(crate) documents: usize,
    pub(crate) missing_documents: usize,
    pub(crate) duplicate_documents: usize,
    pub(crate) notices: usize,
    pub(crate) missing_notices: usize,
    pub(crate) repeated_notices: usize,
    /// Ledger entries read.
    pub(crate) entries: u64,
}

impl Figures {
    /// *Shape*: name, text.
    pub(crate) fn lines(&self) -> Vec<(&'static str, String)> {
        let repeated: usize = self.repeated_starts.values().sum();
        let by_service: Vec<String> =
            self.repeated_starts.iter().map(|(service, count)| format!("{service} {count}")).collect();
        let by_service = if by_service.is_empty() { String::new() } else { format!(" ({})", by_service.join(", ")) };
        let mut ends = format!("{} completed, {} failed as scripted", self.completed, self.failed_as_scripted);
        for (count, what) in
            [(self.outcome_unknown, "with an unknown outcome"), (self.stood_still, "after a standstill")]
        {
            if count > 0 {
                ends.push_str(&format!(", {count} failed {what}"));
            }
        }
        vec![
            ("analyses", format!("{} accepted: {ends}; {} further runs", self.accepted, self.further_runs)),
            ("jobs started", format!("{} ({} ledger entries)", self.jobs_started, self.entries)),
            ("lost", self.lost.to_string()),
            ("stuck", self.stuck.to_string()),
            ("second starts", format!("{} at services that can be asked", self.second_starts)),
            ("ambiguous", format!("{repeated} starts repeated{by_service}, {} announced as ambiguous", self.owned_up)),
            ("sinks not told", self.sinks_not_told.to_string()),
            (
                "records",
                format!(
                    "{} documents, {} missing, {} duplicate",
                    self.documents, self.missing_documents, self.duplicate_documents
                ),
            ),
            (
                "notices",
                format!("{}, {} missing, {} repeated", self.notices, self.missing_notices, self.repeated_notices),
            ),
        ]
    }
}
