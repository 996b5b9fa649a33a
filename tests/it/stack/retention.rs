//! Finished runs leave the real binary's journal, and it dies at each place on that way.

use rusqlite::Connection;
use serde_json::{Value, json};

use super::{PATIENCE, Stack, Stores};
use crate::peers::{KEY, wait_for};

/// More jobs than records are removed at once.
fn playbook(id: &str) -> Value {
    let jobs: Vec<Value> = (1..=300)
        .map(|step| json!({"step": step, "id": step, "title": "dataset", "label": "a", "from": 0, "next": [0]}))
        .collect();
    json!({"analysis-id": id, "database-id": "forgetful", "metadata": {}, "jobs": jobs})
}

/// Four runs stay, and there are four: two of one id, then two more.
fn with_four_runs(more: &[(&str, &str)]) -> Stack {
    let variables = [&[("RETENTION_RUNS", "4"), ("RETENTION_SWEEP_SECONDS", "0.05")], more].concat();
    let stack = Stack::answering(Stores::Embedded, Default::default(), &variables);
    for id in ["First", "First", "b", "c"] {
        let run = stack.play(&playbook(id));
        assert_eq!(run["state"], "succeeded", "{run:#}");
    }
    stack
}

/// Waits until the first run of the first id has gone, with everything that belongs to it.
fn forgets_the_first(stack: &Stack) {
    let db = Connection::open(stack.orchestrator.state_file()).expect("the file is there");
    let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("valid");
    wait_for("the first run is forgotten", PATIENCE, || {
        let left = count("SELECT count(*) FROM runs WHERE id_key = 'first'");
        let undone = count("SELECT count(*) FROM forgotten") + count("SELECT count(*) FROM runs WHERE settled = 0");
        (left == 1 && undone == 0).then_some(())
    });
    assert_eq!(count("SELECT count(DISTINCT run_id) FROM journal"), 4);
    assert_eq!(count("SELECT count(*) FROM ids"), 1);
    let integrity: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("valid");
    assert_eq!(integrity, "ok");
}

/// What the API says of what is left and of what has gone.
fn others_are_whole(stack: &Stack) {
    let get = |path: &str| stack.orchestrator.server.get_with(&format!("/api/v1/analyses/{path}"), KEY);
    let gone = get("first?run=1");
    assert_eq!((gone.status, &gone.json()["error"]), (404, &json!("not-found")));
    assert!(gone.text.contains("RETENTION_DAYS"), "{}", gone.text);
    for path in ["first", "first?run=2", "b", "c", "last"] {
        let run = get(path).json();
        assert_eq!((&run["state"], &run["counts"]["succeeded"]), (&json!("succeeded"), &json!(300)), "{path}");
    }
}

/// The process dies at the place on its way to forget the first run, and is started again.
fn dies_at(place: &str) {
    let mut stack = with_four_runs(&[("KILL_AT", place)]);
    stack.orchestrator.submit(&playbook("last"));
    stack.orchestrator = stack.orchestrator.dies_and_starts_again(&["KILL_AT"]);
    forgets_the_first(&stack);
    others_are_whole(&stack);
    let again = stack.play(&playbook("First"));
    assert_eq!((&again["run"], &again["state"]), (&json!(3), &json!("succeeded")));
}

#[test]
fn k13a_a_run_is_struck_off_and_that_is_not_committed() {
    dies_at("k13a");
}

#[test]
fn k13b_a_run_is_struck_off_and_its_records_are_still_there() {
    dies_at("k13b");
}

#[test]
fn k13c_some_records_of_a_forgotten_run_are_gone() {
    dies_at("k13c");
}

#[test]
fn k13d_everything_is_gone_and_the_log_is_not_cut() {
    dies_at("k13d");
}

#[test]
fn an_id_whose_run_was_forgotten_stays_its_tenants_and_goes_on_counting() {
    let stack = with_four_runs(&[]);
    stack.play(&playbook("last"));
    forgets_the_first(&stack);
    others_are_whole(&stack);
    stack.play(&playbook("b"));
    let first = || stack.orchestrator.server.get_with("/api/v1/analyses/first", KEY).status;
    wait_for("no run of the id is left", PATIENCE, || (first() == 404).then_some(()));
    // the ids of jobs are as old as the ids of the analyses: only a foreign one shows whose this one is
    let mut foreign = playbook("First");
    foreign["database-id"] = json!("foreign");
    for job in foreign["jobs"].as_array_mut().expect("jobs") {
        job["id"] = json!(format!("foreign-{}", job["step"]));
    }
    let refused = stack.orchestrator.post("/analysis", &foreign);
    assert_eq!((refused.status, &refused.json()["error"]), (409, &json!("id-in-use")));
    let again = stack.play(&playbook("First"));
    assert_eq!(again["run"], 3);
    let metrics = stack.orchestrator.server.get("/metrics").text;
    let value = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name}: {metrics}")).parse::<f64>().expect("a number")
    };
    assert!(value("runs_forgotten_total") >= 1.0 && value("journal_bytes") > 100_000.0, "{metrics}");
}
