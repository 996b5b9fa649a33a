//! The corpus of bad inputs, `fixtures/corpus/`, replayed against the real program: every row answers the status and the code
//! that it has to, says nothing back that could do harm, breaks nothing, and leaves nothing in memory.

#![allow(clippy::disallowed_methods, reason = "the server is another process, on the real clock")]

mod data;
mod judging;
mod making;
mod memory;
mod sending;
mod servers;

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use data::{Case, ROWS, Repeat, Row, rows};
use making::Names;
use sending::Shot;
use servers::{Servers, script};

use crate::peers::wait_for;
use crate::stack::PATIENCE;

#[test]
fn every_row_of_the_table_is_there_once_and_says_what_it_expects() {
    let numbers: Vec<u32> = rows().iter().map(|row| row.row).collect();
    assert_eq!(numbers, (1..=ROWS).collect::<Vec<u32>>());
    for row in rows() {
        assert!(!row.cases.is_empty() && !row.input.is_empty(), "row {} is empty", row.row);
        for case in row.cases.iter().flat_map(|case| case.after.iter().chain([case])) {
            let expects = !case.status.is_empty() || !case.statuses.is_empty() || case.hang_up;
            assert!(expects, "row {}: nothing is expected", row.row);
            assert_eq!(case.repeat == Repeat::Never, !case.why.is_empty(), "row {}: never, and why", row.row);
        }
    }
}

#[test]
fn every_row_is_answered_as_the_table_says_and_the_server_is_none_the_worse() {
    let servers = Servers::default();
    let wrong: Vec<String> = rows().iter().flat_map(|row| play(row, &servers, |_| true)).collect();
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
    all_is_well(&servers);
}

/// Sends the cases of a row that are wanted; answers what was wrong.
fn play(row: &Row, servers: &Servers, wanted: impl Fn(&Case) -> bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for case in row.cases.iter().filter(|case| wanted(case)) {
        let stack = servers.get(case.on.as_deref().unwrap_or("usual"));
        if let Some(fault) = &case.service {
            stack.dummies.set_script(script(Some(fault)));
        }
        let everything = [Value::Null];
        for each in if case.each.is_empty() { &everything[..] } else { &case.each } {
            for path in paths(case) {
                let number = next_number(row.row);
                for one in case.after.iter().chain([case]) {
                    let path = if std::ptr::eq(one, case) { path.clone() } else { paths(one).remove(0) };
                    let services = stack.dummies.http().to_string();
                    let names = Names { number: number.clone(), row: row.row, services, each: each.clone() };
                    let shot = Shot { case: one, path, names };
                    let answers = shot.send(&stack.orchestrator.server);
                    if let Err(why) = judging::judge(&shot, &answers, &stack) {
                        let each: String = each.to_string().chars().take(80).collect();
                        wrong.push(format!("row {} ({}) at {} with {each}: {why}", row.row, row.input, shot.path));
                    }
                }
            }
        }
        if case.service.is_some() {
            stack.dummies.set_script(script(None));
        }
    }
    wrong
}

fn paths(case: &Case) -> Vec<String> {
    if case.to.is_empty() { vec!["/analysis".to_owned()] } else { case.to.clone() }
}

/// Ids of their own for every shot.
fn next_number(row: u32) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("{row}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Nothing panicked, and what should be alive is.
fn all_is_well(servers: &Servers) {
    for (name, stack) in servers.all() {
        let said = stack.orchestrator.said();
        assert!(!said.contains("panicked"), "{name}: {said}");
        assert_eq!(stack.orchestrator.server.get("/health").status, 200, "{name}");
        if !["full-disk", "stopping"].contains(&name.as_str()) {
            wait_for("it is ready", PATIENCE, || (stack.orchestrator.server.get("/ready").status == 200).then_some(()));
        }
    }
}
