//! The power goes, or the disk refuses to make anything durable: the real binary on a disk of the tests (`peers/lossy_disk.rs`).

use dummy_services::{Behaviour, Kind, Script};
use serde_json::{Value, json};

use super::{PATIENCE, Stack, Stores};
use crate::peers::{KEY, LossyDisk, wait_for};

/// Exit code of a process whose disk cannot be trusted (`EX_IOERR`).
const IO_ERROR: i32 = 74;

fn playbook(id: &str) -> Value {
    json!({
        "analysis-id": id, "database-id": "power", "metadata": {},
        "jobs": [
            {"step": 1, "id": format!("{id}-1"), "title": "dataset", "label": "visits", "from": 0, "next": [2]},
            {"step": 2, "id": format!("{id}-2"), "title": "cleaning", "from": 1, "next": [0]},
        ],
    })
}

fn stack_on(disk: &LossyDisk, script: Script) -> Stack {
    let variables = disk.variables();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Stack::answering(Stores::Embedded, script, &variables)
}

/// How often each cleaning was started.
fn starts(stack: &Stack, id: &str) -> usize {
    let job = format!("{id}-2").to_lowercase();
    let is_it = |entry: &dummy_services::LedgerEntry| {
        entry.service == "POST /data-cleaning" && entry.body["job-id"].as_str() == Some(job.as_str())
    };
    stack.dummies.ledger().iter().filter(|entry| is_it(entry)).count()
}

#[test]
fn an_object_that_was_answered_is_there_after_a_power_cut() {
    let disk = LossyDisk::new();
    let mut stack = stack_on(&disk, Script::default());
    stack.objects.make_bucket("power");
    let objects: Vec<(String, Vec<u8>)> =
        (0..20).map(|number| (format!("a/{number}"), vec![b'x'; number * 1_000])).collect();
    for (key, content) in &objects {
        stack.objects.put("power", key, content);
    }
    stack.orchestrator = stack.orchestrator.kill_and_start_after(|data| disk.lose_power(data));
    stack.objects.port = stack.orchestrator.embedded_objects();
    for (key, content) in &objects {
        let read = stack.objects.get("power", key);
        assert!(read.as_ref() == Ok(content), "{key} had {} bytes: {:?}", content.len(), read.map(|read| read.len()));
    }
}

#[test]
fn an_analysis_that_was_acknowledged_runs_after_a_power_cut() {
    let disk = LossyDisk::new();
    let long = Behaviour { latency_ms: 2_000, ..Behaviour::default() };
    let mut stack = stack_on(&disk, Script { kinds: [(Kind::Cleaning, long)].into(), ..Script::default() });
    let ids: Vec<String> = (0..30).map(|number| format!("cut-{number}")).collect();
    for id in &ids {
        stack.orchestrator.submit(&playbook(id));
    }
    stack.orchestrator = stack.orchestrator.kill_and_start_after(|data| disk.lose_power(data));
    for id in &ids {
        let run = stack.orchestrator.settled("analyses", id, PATIENCE);
        assert_eq!((&run["state"], &run["run"]), (&json!("succeeded"), &json!(1)), "{run:#}");
        assert_eq!(starts(&stack, id), 1, "{id}");
    }
}

#[test]
fn a_failed_fsync_ends_the_process_and_the_next_one_goes_on() {
    let disk = LossyDisk::new();
    let long = Behaviour { latency_ms: 1_000, ..Behaviour::default() };
    let mut stack = stack_on(&disk, Script { kinds: [(Kind::Cleaning, long)].into(), ..Script::default() });
    stack.orchestrator.submit(&playbook("before"));
    // its directories are made by then: the journal is the next that wants something of the disk
    wait_for("the job is at work", PATIENCE, || (starts(&stack, "before") == 1).then_some(()));
    disk.refuse();
    let mut late = playbook("late");
    late["diastema-token"] = KEY.into();
    let server = stack.orchestrator.server.clone();
    let answered = std::thread::scope(|scope| {
        let asking = scope.spawn(|| server.post_if_there("/analysis", &late.to_string()).map(|answer| answer.status));
        assert_eq!(stack.orchestrator.end(PATIENCE), IO_ERROR);
        asking.join().expect("it asks")
    });
    assert_ne!(answered, Some(202), "nothing is promised on such a disk");
    let said = stack.orchestrator.said();
    assert!(
        said.contains("the journal can no longer be trusted, the process ends and has to be started again"),
        "{said}"
    );

    disk.work();
    stack.orchestrator = stack.orchestrator.kill_and_start_after(|data| disk.lose_power(data));
    assert_eq!(stack.orchestrator.settled("analyses", "before", PATIENCE)["state"], "succeeded");
    assert_eq!(starts(&stack, "before"), 1);
    stack.orchestrator.submit(&playbook("late"));
    assert_eq!(stack.orchestrator.settled("analyses", "late", PATIENCE)["state"], "succeeded");
    assert_eq!(starts(&stack, "late"), 1);
}

#[test]
fn a_failed_fsync_of_the_embedded_objects_ends_the_process_too() {
    let disk = LossyDisk::new();
    let mut stack = stack_on(&disk, Script::default());
    disk.refuse();
    assert!(stack.objects.try_make_bucket("power").is_err());
    assert_eq!(stack.orchestrator.end(PATIENCE), IO_ERROR);
    let said = stack.orchestrator.said();
    assert!(said.contains("the index of the objects can no longer be trusted"), "{said}");
}
