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

/// What is allocated at the quietest of some moments may differ by this much: what is remembered of the last runs, connections,
/// caches. A leak of 40 bytes per request would be more.
const TOLERANCE: u64 = 1 << 20;

/// What the process holds of the system's memory swings by megabytes with what the allocator keeps of large bodies.
const TOLERANCE_HELD: u64 = 32 << 20;

/// The lowest of the second twenty repetitions, when caches are full and threads have their stacks, is compared with that of
/// the last twenty.
const COMPARED: usize = 20;

#[test]
fn a_hundred_repetitions_leave_nothing_in_memory() {
    let (servers, rows) = (Servers::default(), rows());
    let big_every = if std::env::var_os("CORPUS_THOROUGH").is_some() { 1 } else { BIG_EVERY };
    let (mut allocated, mut held) = (Vec::new(), Vec::new());
    for repetition in 0..REPETITIONS {
        let wanted = |repeat| match repeat {
            Repeat::InARow => true,
            Repeat::Big => repetition % big_every == 0,
            Repeat::AtOnce | Repeat::Never => false,
        };
        let wrong: Vec<String> = rows.iter().flat_map(|row| play(row, &servers, |case| wanted(case.repeat))).collect();
        assert!(wrong.is_empty(), "repetition {repetition}:\n{}", wrong.join("\n"));
        allocated.push(allocated_by(&servers));
        held.push(servers.get("usual").orchestrator.memory());
    }
    for row in &rows {
        all_at_once(row, &servers);
    }
    allocated.push(allocated_by(&servers));
    compare("allocated", &allocated, TOLERANCE);
    compare("held", &held, TOLERANCE_HELD);
    all_is_well(&servers);
}

/// How many bytes the server has allocated, which debug builds count.
fn allocated_by(servers: &Servers) -> u64 {
    let text = servers.get("usual").orchestrator.server.get("/metrics").text;
    let line = text.lines().find_map(|line| line.strip_prefix("allocated_bytes "));
    line.and_then(|value| value.parse().ok()).expect("debug builds count what is allocated")
}

/// Nothing has grown since the first repetitions, at the quietest moments.
fn compare(what: &str, sizes: &[u64], tolerance: u64) {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let shown: Vec<String> = sizes.iter().step_by(10).map(|size| format!("{:.2}", mib(*size))).collect();
    let lowest = |sizes: &[u64]| sizes.iter().min().copied().unwrap_or_default();
    let (warm, last) = (lowest(&sizes[COMPARED..2 * COMPARED]), lowest(&sizes[REPETITIONS - COMPARED..]));
    report(&format!("{what}, MiB, every tenth repetition: {}", shown.join(" ")));
    report(&format!("{what}, the lowest: {:.2} MiB, then {:.2} MiB", mib(warm), mib(last)));
    assert!(last <= warm + tolerance, "{what}: from {:.2} to {:.2} MiB", mib(warm), mib(last));
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
