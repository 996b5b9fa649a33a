//! The corpus again and again: what is refused leaves nothing behind.

use std::sync::Mutex;

use serde_json::Value;

use super::data::{Repeat, Row, rows};
use super::making::Names;
use super::sending::Shot;
use super::servers::Servers;
use super::{all_is_well, judging, next_number, paths, play};

const REPETITIONS: usize = 100;

/// Cases with megabytes: in so many of the repetitions, or in all when CORPUS_THOROUGH is set.
const BIG_EVERY: usize = 10;

/// What is held at a moment swings by what the allocator keeps of the largest bodies; the lowest of many moments does not. It
/// may differ by this much: a leak of 400 bytes per request would be three times that in the repetitions between.
const TOLERANCE: u64 = 4 << 20;

/// The lowest of the second twenty repetitions, when caches are full and threads have their stacks, is compared with that of
/// the last twenty.
const COMPARED: usize = 20;

#[test]
fn a_hundred_repetitions_leave_nothing_in_memory() {
    let (servers, rows) = (Servers::default(), rows());
    let big_every = if std::env::var_os("CORPUS_THOROUGH").is_some() { 1 } else { BIG_EVERY };
    let mut sizes = Vec::new();
    for repetition in 0..REPETITIONS {
        let wanted = |repeat| match repeat {
            Repeat::InARow => true,
            Repeat::Big => repetition % big_every == 0,
            Repeat::AtOnce | Repeat::Never => false,
        };
        let wrong: Vec<String> = rows.iter().flat_map(|row| play(row, &servers, |case| wanted(case.repeat))).collect();
        assert!(wrong.is_empty(), "repetition {repetition}:\n{}", wrong.join("\n"));
        sizes.push(servers.get("usual").orchestrator.memory());
    }
    for row in &rows {
        all_at_once(row, &servers);
    }
    let end = servers.get("usual").orchestrator.memory();
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let shown: Vec<String> = sizes.iter().step_by(10).chain([&end]).map(|size| format!("{:.1}", mib(*size))).collect();
    report(&format!("memory in MiB, every tenth repetition, and after the slow rows: {}", shown.join(" ")));
    let lowest = |sizes: &[u64]| sizes.iter().min().copied().unwrap_or_default();
    let warm = lowest(&sizes[COMPARED..2 * COMPARED]);
    let last = lowest(&sizes[REPETITIONS - COMPARED..]);
    report(&format!("the lowest: {:.1} MiB, then {:.1} MiB", mib(warm), mib(last)));
    assert!(last <= warm + TOLERANCE, "from {:.1} to {:.1} MiB", mib(warm), mib(last));
    all_is_well(&servers);
}

/// Cases that take a while each are repeated beside each other.
fn all_at_once(row: &Row, servers: &Servers) {
    for case in row.cases.iter().filter(|case| case.repeat == Repeat::AtOnce) {
        let stack = servers.get(case.on.as_deref().unwrap_or("usual"));
        if let Some(fault) = &case.service {
            stack.dummies.set_script(super::script(Some(fault)));
        }
        let wrong = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..REPETITIONS {
                scope.spawn(|| {
                    let (number, services) = (next_number(row.row), stack.dummies.http().to_string());
                    let names = Names { number, row: row.row, services, each: Value::Null };
                    let shot = Shot { case, path: paths(case).remove(0), names };
                    let answers = shot.send(&stack.orchestrator.server);
                    if let Err(why) = judging::judge(&shot, &answers, &stack) {
                        wrong.lock().unwrap().push(why);
                    }
                });
            }
        });
        let wrong = wrong.into_inner().unwrap();
        assert!(wrong.is_empty(), "row {}: {} of {REPETITIONS}: {:?}", row.row, wrong.len(), wrong.first());
        stack.dummies.set_script(super::script(None));
    }
}

#[expect(clippy::print_stderr, reason = "the figure is what the test is run for")]
fn report(text: &str) {
    eprintln!("{text}");
}
