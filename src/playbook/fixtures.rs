//! Documents and verdicts for the tests of `playbook/` and `graph/`.

use serde_json::{Map, Value, json};

use super::check::{CheckSettings, check};
use super::{Job, Problem};

/// Code and place of a finding.
pub(crate) type Found = (&'static str, String);

/// A playbook around a list of jobs.
pub(crate) fn book(jobs: Value) -> Map<String, Value> {
    let document =
        json!({"diastema-token": "t", "analysis-id": "a1", "database-id": "metis", "jobs": jobs, "metadata": {}});
    document.as_object().unwrap().clone()
}

/// `1 dataset -> 2 <title> -> 3 data-sink`, with the given members in job 2 (or removed from it by null at the end).
pub(crate) fn around(job: Value) -> Map<String, Value> {
    let mut middle = json!({"step": 2, "id": 20, "from": 1, "next": [3]});
    for (key, value) in job.as_object().unwrap() {
        middle[key] = value.clone();
    }
    book(json!([
        {"step": 1, "id": 10, "title": "dataset", "label": "set", "from": 0, "next": [2]},
        middle,
        {"step": 3, "id": 30, "title": "data-sink", "from": 2, "next": [0]},
    ]))
}

/// The findings of a list.
pub(crate) fn found(problems: &[Problem]) -> Vec<Found> {
    problems.iter().map(|problem| (problem.code, problem.at.clone())).collect()
}

/// What refuses a document, as far as its members go.
pub(crate) fn problems(document: &Map<String, Value>) -> Vec<Found> {
    match check(document, &CheckSettings::default()) {
        Ok(_) => Vec::new(),
        Err(refusal) => found(&refusal.problems),
    }
}

/// What is odd about an accepted document, as far as its members go.
#[track_caller]
pub(crate) fn warnings(document: &Map<String, Value>) -> Vec<Found> {
    found(&check(document, &CheckSettings::default()).expect("this document is accepted").warnings)
}

/// One job of an accepted document.
#[track_caller]
pub(crate) fn job(document: &Map<String, Value>, position: usize) -> Job {
    check(document, &CheckSettings::default()).expect("this document is accepted").playbook.jobs.swap_remove(position)
}

/// Asserts the only problem of a document.
#[track_caller]
pub(crate) fn refused(document: &Map<String, Value>, code: &'static str, at: &str) {
    assert_eq!(problems(document), [(code, at.to_owned())], "{}", Value::Object(document.clone()));
}

/// Asserts the warnings of an accepted document.
#[track_caller]
pub(crate) fn accepted(document: &Map<String, Value>, warned: &[(&'static str, &str)]) {
    let expected: Vec<Found> = warned.iter().map(|(code, at)| (*code, (*at).to_owned())).collect();
    assert_eq!(warnings(document), expected, "{}", Value::Object(document.clone()));
}
