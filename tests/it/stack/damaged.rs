//! A journal of which a part cannot be read back: the run that it belongs to is ended, everybody else goes on.

use std::path::Path;

use dummy_services::{Behaviour, Script};
use rusqlite::{Connection, params};
use serde_json::{Value, json};

use super::{PATIENCE, Stack, Stores};
use crate::peers::wait_for;

fn playbook(id: &str) -> Value {
    json!({
        "analysis-id": id, "database-id": "damaged", "metadata": {},
        "jobs": [
            {"step": 1, "id": format!("{id}-1"), "title": "dataset", "label": "a", "from": 0, "next": [2]},
            {"step": 2, "id": format!("{id}-2"), "title": "cleaning", "max-shrink": 0.1, "from": 1, "next": [3]},
            {"step": 3, "id": format!("{id}-3"), "title": "cleaning", "max-shrink": 0.1, "from": 2, "next": [0]},
        ],
    })
}

/// These analyses at work, each with something that has been told already.
fn stack(ids: &[&str]) -> Stack {
    let slow =
        |id: &&str| (format!("{}-3", id.to_lowercase()), Behaviour { latency_ms: 4_000, ..Behaviour::default() });
    let script = Script { jobs: ids.iter().map(slow).collect(), ..Script::default() };
    let stack = Stack::answering(Stores::Embedded, script, &[]);
    for id in ids {
        stack.orchestrator.submit(&playbook(id));
        wait_for(&format!("{id} is at work, and its first job is told of"), PATIENCE, || {
            let told = !notices_of(&stack, id).is_empty();
            (told && stack.orchestrator.run("analyses", id)["jobs"][2]["state"] == "running").then_some(())
        });
    }
    stack
}

fn notices_of(stack: &Stack, id: &str) -> Vec<String> {
    let said = stack.dummies.notices();
    said.into_iter().filter(|text| text.to_lowercase().contains(&id.to_lowercase())).collect()
}

/// Puts something else in the place of the last record of this event in the run of an analysis; answers its number.
fn damage(data: &Path, id: &str, event: &str, line: &[u8]) -> i64 {
    let file = Connection::open(data.join("data/state.db")).unwrap();
    let find = "SELECT j.seq FROM journal j JOIN runs r USING (run_id)
        WHERE r.id_text = ?1 AND j.record ->> 'event' = ?2
        ORDER BY j.seq DESC LIMIT 1";
    let seq: i64 = file.query_row(find, params![id, event], |row| row.get(0)).unwrap();
    file.execute("UPDATE journal SET record = CAST(?2 AS TEXT) WHERE seq = ?1", params![seq, line]).unwrap();
    seq
}

fn succeeds(stack: &Stack, id: &str) {
    let run = stack.orchestrator.settled("analyses", id, PATIENCE);
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let job = format!("{}-3", id.to_lowercase());
    let starts = stack.dummies.ledger();
    let starts =
        starts.iter().filter(|entry| entry.service == "POST /data-cleaning" && entry.body["job-id"] == job.as_str());
    assert_eq!(starts.count(), 1, "{id} was started once");
}

#[test]
fn a_run_of_which_a_record_cannot_be_read_back_ends_as_failed_and_that_is_told() {
    let mut stack = stack(&["Before", "Torn", "Strange", "After"]);
    let (mut torn, mut strange) = (0, 0);
    stack.orchestrator = stack.orchestrator.kill_and_start_after(|data| {
        torn = damage(data, "Torn", "job-succeeded", b"{\"event\":\"job-succ\xff\xfe");
        strange = damage(data, "Strange", "job-starting", br#"{"event":"job-teleported","job":2}"#);
    });
    for (id, seq, last_job) in [("Torn", torn, "cancelled"), ("Strange", strange, "skipped")] {
        let run = stack.orchestrator.settled("analyses", id, PATIENCE);
        assert_eq!(run["state"], "failed", "{run:#}");
        let message = run["cause"]["failure"]["message"].as_str().unwrap();
        assert!(message.contains(&format!("record {seq} of the journal")), "{message}");
        let warnings = run["warnings"].as_array().unwrap();
        assert!(warnings.iter().any(|warning| warning["error"] == "record-unreadable"), "{run:#}");
        assert_eq!(run["jobs"][2]["state"], last_job, "{run:#}");
        assert_eq!(run["jobs"][2]["may-still-run"], last_job == "cancelled", "{run:#}");
        let told = notices_of(&stack, id);
        let why = told.iter().filter(|text| text.contains("cannot read back"));
        assert_eq!(why.count(), 1, "{told:?}");
        let last = format!("error: Analysis with the given ID terminated with error: {}", id.to_lowercase());
        assert_eq!(told.last(), Some(&last), "{told:?}");
    }
    for id in ["Before", "After"] {
        succeeds(&stack, id);
    }
    let counted = stack.orchestrator.server.get("/metrics").text;
    assert!(counted.contains("\nunreadable_total 2\n"), "{counted}");
    let file = Connection::open(stack.orchestrator.state_file()).unwrap();
    let kept: String =
        file.query_row("SELECT record FROM journal WHERE seq = ?1", [strange], |row| row.get(0)).unwrap();
    assert!(kept.contains("teleported"), "the operator can look at it: {kept}");
}

#[test]
fn a_run_whose_playbook_cannot_be_read_back_is_settled_silently() {
    let mut stack = stack(&["Before", "Lost", "After"]);
    stack.orchestrator = stack.orchestrator.kill_and_start_after(|data| {
        let file = Connection::open(data.join("data/state.db")).unwrap();
        file.execute("UPDATE runs SET document = '{\"analysis' WHERE id_text = 'Lost'", []).unwrap();
    });
    let run = stack.orchestrator.settled("analyses", "Lost", PATIENCE);
    assert_eq!(run["state"], "failed", "{run:#}");
    let message = run["cause"]["failure"]["message"].as_str().unwrap();
    assert!(message.contains("(its playbook)"), "{message}");
    for id in ["Before", "After"] {
        succeeds(&stack, id);
    }
    let counted = stack.orchestrator.server.get("/metrics").text;
    assert!(counted.contains("\nunreadable_total 1\n"), "{counted}");
    assert!(!notices_of(&stack, "Lost").iter().any(|text| text.starts_with("error")));
}
