//! The texts of the web application's notices, exact (contract section 7).

use crate::playbook::{Job, JobKind, MlTask, Playbook, Problem, Space};
use crate::ports::{FailureKind, JobFailure, Notice, NoticeKind};

/// Most characters of a service's own words in a notice.
const LONGEST_MESSAGE: usize = 300;

/// What is told when a job has succeeded; `None` for kinds that say nothing.
pub fn job_succeeded(playbook: &Playbook, job: &Job) -> Option<Notice> {
    let done = match &job.kind {
        JobKind::Cleaning { .. } => "Cleaning executed",
        JobKind::DataJoin { .. } => "Join executed",
        JobKind::Function { .. } => "Function executed",
        JobKind::Ml { task: MlTask::Classification, .. } => "Classification executed",
        JobKind::Ml { task: MlTask::Regression, .. } => "Regression executed",
        JobKind::Ml { task: MlTask::Clustering, .. } => "Clustering executed",
        JobKind::Visualization { .. } => "Visualization Executed",
        JobKind::DataSink => "Data Sink Executed",
        JobKind::Dataset { .. } | JobKind::Ingestion(_) => return None,
    };
    Some(update(format!("{done} for the analysis with ID: {}", playbook.id.text())))
}

/// What is told when a job has failed.
pub fn job_failed(playbook: &Playbook, job: &Job, failure: &JobFailure) -> Notice {
    let noun = playbook.space.as_str();
    error(format!("{} for the {noun} with ID: {}", public_text(job, failure), playbook.id.text()))
}

/// What is told when an analysis was ended by something other than a job.
pub fn stopped(playbook: &Playbook, cause: &JobFailure) -> Notice {
    error(format!("{} for the {} with ID: {}", inert(&cause.message), playbook.space.as_str(), playbook.id.text()))
}

/// The last notice of an analysis; an ingestion has none.
pub fn analysis_finished(playbook: &Playbook, succeeded: bool) -> Option<Notice> {
    match (playbook.space, succeeded) {
        (Space::Ingestion, _) => None,
        (Space::Analysis, true) => Some(update(format!("Analysis completed with ID: {}", playbook.id.key()))),
        (Space::Analysis, false) => Some(terminated(playbook.id.key())),
    }
}

/// Both notices of a submission that was refused (decision 9).
pub fn refusal(analysis: &str, problems: &[Problem]) -> Vec<Notice> {
    let Some(first) = problems.first() else { return Vec::new() };
    let more = match problems.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let text = format!("{}{more} for the analysis with ID: {analysis}", inert(&first.reason));
    vec![error(text), terminated(&analysis.to_lowercase())]
}

fn terminated(analysis_key: &str) -> Notice {
    error(format!("Analysis with the given ID terminated with error: {analysis_key}"))
}

/// Every browser of every tenant sees notices: a service's own words as they are, everything else without addresses.
fn public_text(job: &Job, failure: &JobFailure) -> String {
    let title = job.kind.title();
    match failure.kind {
        FailureKind::ServiceError | FailureKind::Refused => inert(&failure.message),
        FailureKind::Unreachable => format!("The {title} service cannot be reached"),
        FailureKind::TimedOut => format!("The {title} job did not finish in time"),
        FailureKind::BadAnswer => format!("The {title} service gave an unusable answer"),
        FailureKind::OutcomeUnknown => format!("The outcome of the {title} job is unknown"),
        FailureKind::MissingInput => format!("The {title} job has no input"),
        FailureKind::Store => format!("The {title} job could not use the store"),
        FailureKind::Cancelled => format!("The {title} job was cancelled"),
        FailureKind::StoppedUnexpectedly => format!("The {title} job stopped unexpectedly"),
        FailureKind::NotDurable => format!("The {title} job could not be written down"),
        FailureKind::Stuck => format!("The {title} job could not go on"),
    }
}

/// The client inserts notices as HTML: cut, without control characters, escaped (decision 21).
fn inert(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars().filter(|character| !character.is_control()).take(LONGEST_MESSAGE) {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            other => out.push(other),
        }
    }
    out
}

fn update(text: String) -> Notice {
    Notice { kind: NoticeKind::Update, text }
}

fn error(text: String) -> Notice {
    Notice { kind: NoticeKind::Error, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_words_are_cut_and_cannot_be_html() {
        assert_eq!(inert("a<b>&\n\u{7}c"), "a&lt;b&gt;&amp;c");
        assert_eq!(inert(&"x".repeat(500)).len(), LONGEST_MESSAGE);
    }

    #[test]
    fn a_refusal_names_the_first_problem_and_counts_the_rest() {
        let problems = [Problem::new("cycle", "/jobs", "jobs wait for each other"), Problem::new("x", "", "y")];
        let texts: Vec<String> = refusal("0AF", &problems).into_iter().map(|notice| notice.text).collect();
        assert_eq!(
            texts,
            [
                "jobs wait for each other (and 1 more) for the analysis with ID: 0AF",
                "Analysis with the given ID terminated with error: 0af"
            ]
        );
    }
}
