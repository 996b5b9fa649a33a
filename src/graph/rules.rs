//! The truth table of `when`: from the outcomes counted so far to wait, start or skip.

use crate::playbook::When;

/// How many incoming edges have spoken, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Tally {
    /// Edges that lead to the job.
    pub edges: u32,
    /// Edges whose predecessor succeeded.
    pub succeeded: u32,
    /// Edges whose predecessor failed.
    pub failed: u32,
    /// Edges whose predecessor was skipped or cancelled.
    pub passed_over: u32,
}

impl Tally {
    /// Edges that have not spoken yet.
    pub fn missing(&self) -> u32 {
        self.edges - self.succeeded - self.failed - self.passed_over
    }
}

/// What a tally means for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Undecided: another edge may still settle it.
    Wait,
    /// The job may start.
    Start,
    /// The job can never start.
    Skip,
}

/// Applies a start rule.
///
/// | rule | starts when | is skipped when |
/// |---|---|---|
/// | `all-success` | every edge succeeded | any edge failed or was passed over |
/// | `all-done` | every edge has spoken | never |
/// | `one-success` | the first edge succeeded | every edge has spoken and none succeeded |
/// | `one-failed` | the first edge failed | every edge has spoken and none failed |
/// | `none-failed` | every edge has spoken and none failed | any edge failed |
///
/// A job without incoming edges starts under every rule.
pub fn verdict(when: When, tally: Tally) -> Verdict {
    if tally.edges == 0 {
        return Verdict::Start;
    }
    let all_spoke = tally.missing() == 0;
    let (start, skip) = match when {
        When::AllSuccess => (tally.succeeded == tally.edges, tally.failed + tally.passed_over > 0),
        When::AllDone => (all_spoke, false),
        When::OneSuccess => (tally.succeeded > 0, all_spoke),
        When::OneFailed => (tally.failed > 0, all_spoke),
        When::NoneFailed => (all_spoke && tally.failed == 0, tally.failed > 0),
    };
    match (start, skip) {
        (true, _) => Verdict::Start,
        (false, true) => Verdict::Skip,
        (false, false) => Verdict::Wait,
    }
}

// the published table is tried cell by cell in tests/it/truth_table.rs
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_without_edges_starts_under_every_rule() {
        for rule in [When::AllSuccess, When::AllDone, When::OneSuccess, When::OneFailed, When::NoneFailed] {
            assert_eq!(verdict(rule, Tally::default()), Verdict::Start);
        }
    }
}
