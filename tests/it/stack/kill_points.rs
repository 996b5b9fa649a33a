//! The real binary dies at a named place, in the middle of what it does there, and goes on after the next start.
//! `kill-harness` goes through all places under load; here are those that a seeded fault needs to be found.

use std::collections::BTreeMap;

use orchestrator::store::SqliteHistory;
use serde_json::{Value, json};

use super::{PATIENCE, Stack, Stores, playbook};

const TENANT: &str = "killed";
const ANALYSIS: &str = "killed-1";

/// Runs an analysis with a job of every kind; the process dies at the place once and is started again.
fn die_at(place: &str) -> (Stack, Value) {
    let mut stack = Stack::start(Stores::Embedded, Default::default(), &[]);
    stack.ingest(TENANT, "visits");
    let mut playbook = playbook("chain-of-every-title.json", TENANT, ANALYSIS, 8_000);
    // the evidence of a Spark job is awaited until the job's limit
    for job in playbook["jobs"].as_array_mut().expect("jobs") {
        job["timeout-s"] = 10.into();
    }
    stack.orchestrator = stack.orchestrator.start_again_with(&[("KILL_AT", place)]);
    stack.orchestrator.submit(&playbook);
    stack.orchestrator = stack.orchestrator.dies_and_starts_again(&["KILL_AT"]);
    let run = stack.orchestrator.settled("analyses", ANALYSIS, PATIENCE);
    (stack, run)
}

/// Starts under the same id at services that can be asked.
fn repeated_starts(stack: &Stack) -> BTreeMap<(String, String), usize> {
    let mut starts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for entry in stack.dummies.ledger() {
        let asked = ["POST /data-cleaning", "POST /join", "SPARK"].contains(&entry.service.as_str());
        if let (true, Some(id)) = (asked, entry.body["job-id"].as_str()) {
            *starts.entry((entry.service.clone(), id.to_owned())).or_default() += 1;
        }
    }
    starts.retain(|_, count| *count > 1);
    starts
}

#[test]
fn k5_the_answer_to_a_start_was_read_and_not_written_down() {
    // services that only answer: they would not find their data in an object store that dies with the orchestrator
    let mut stack = Stack::answering(Stores::Embedded, Default::default(), &[("KILL_AT", "k5")]);
    let cleaning = |step: u32, from: u32| json!({"step": step, "id": step, "title": "cleaning", "from": from, "next": [step % 3 + 1]});
    let mut last = cleaning(3, 2);
    last["next"] = json!([0]);
    let dataset = json!({"step": 1, "id": 1, "title": "dataset", "label": "visits", "from": 0, "next": [2]});
    let playbook = json!({
        "analysis-id": ANALYSIS, "database-id": TENANT, "metadata": {}, "jobs": [dataset, cleaning(2, 1), last],
    });
    stack.orchestrator.submit(&playbook);
    stack.orchestrator = stack.orchestrator.dies_and_starts_again(&["KILL_AT"]);
    let run = stack.orchestrator.settled("analyses", ANALYSIS, PATIENCE);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    assert_eq!(repeated_starts(&stack), BTreeMap::new());
    let starts = stack.dummies.ledger().into_iter().filter(|entry| entry.service == "POST /data-cleaning").count();
    assert_eq!(starts, 2, "one for each job");
}

#[test]
fn k9_a_record_has_gone_out_and_that_is_not_written_down() {
    let (stack, run) = die_at("k9:2");
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let documents = SqliteHistory::open(&stack.orchestrator.state_file())
        .documents(TENANT, "analysis_killed-1")
        .expect("the documents can be read");
    let subject = |document: &serde_json::Map<String, Value>| match document.get("job-json") {
        Some(job) => job["step"].to_string(),
        None => "metadata".to_owned(),
    };
    let mut about: Vec<String> = documents.iter().map(subject).collect();
    let all = about.len();
    about.sort();
    about.dedup();
    assert_eq!(about.len(), all, "one document for each job and the metadata");
    assert!(all > 4, "{about:?}");
}

#[test]
fn k15c_the_evidence_was_seen_and_the_success_is_not_written_down() {
    let (stack, run) = die_at("k15c");
    assert_eq!(run["state"], "succeeded", "{run:#}");
    assert_eq!(repeated_starts(&stack), BTreeMap::new());
}

#[test]
fn k15d_the_success_is_durable_and_the_evidence_is_still_there() {
    let (stack, run) = die_at("k15d");
    assert_eq!(run["state"], "succeeded", "{run:#}");
    assert_eq!(repeated_starts(&stack), BTreeMap::new());
    let left = stack.objects.keys(TENANT, "analysis-killed-1/");
    assert!(left.iter().all(|key| !key.ends_with("_SUCCESS")), "{left:?}");
}
