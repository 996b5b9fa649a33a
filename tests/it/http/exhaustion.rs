//! Fault matrix: *FD exhaustion*, and idle and slow connections in numbers. What cannot be accepted waits; when the others
//! have gone, everything is as before.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dummy_services::{Behaviour, Kind, Script};

use super::{playbook, server};
use crate::peers::{Connection, wait_for};
use crate::stack::{PATIENCE, Stack};

/// Files for the orchestrator's own use and a few connections.
const FEW: u32 = 64;

/// Connections that say nothing, more than there are files for.
fn crowd(stack: &Stack, size: usize) -> Vec<Connection> {
    (0..size).map(|_| stack.orchestrator.server.connect()).collect()
}

/// A question that nobody hears while the house is full.
#[track_caller]
fn waiting_outside(stack: &Stack) -> Connection {
    let mut outside = stack.orchestrator.server.connect();
    outside.say(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n");
    outside.wait_only(Duration::from_secs(1));
    assert_eq!(outside.hear_if_any(), None, "the house is full");
    outside.wait_only(PATIENCE);
    outside
}

#[test]
fn when_a_crowd_goes_everything_is_as_before() {
    let stack = Stack::with_few_files(FEW, Script::default());
    let crowd = crowd(&stack, 100);
    let mut outside = waiting_outside(&stack);
    drop(crowd);
    assert_eq!(outside.hear().status, 200);
    for number in 0..5 {
        let id = format!("After-{number}");
        stack.orchestrator.submit(&playbook(&id));
        let run = stack.orchestrator.settled("analyses", &id, PATIENCE);
        assert_eq!(run["state"], "succeeded", "{run:#}");
    }
    assert!(!stack.orchestrator.said().contains("panicked"), "{}", stack.orchestrator.said());
}

/// Nobody has to go by themselves: who says nothing is let go, and others come in.
#[test]
fn a_crowd_that_says_nothing_and_does_not_go_is_let_go() {
    let stack = Stack::with_few_files(FEW, Script::default());
    let crowd = crowd(&stack, 20);
    let mut outside = waiting_outside(&stack);
    assert_eq!(outside.hear().status, 200);
    drop(crowd);
}

/// Calls of services and stores need files, too (and the embedded store has the other end of its own): clients do not get
/// those.
#[test]
fn work_goes_on_behind_a_crowd() {
    let slow = Behaviour { latency_ms: 1_500, ..Behaviour::default() };
    let script = Script { kinds: [(Kind::Cleaning, slow)].into(), ..Script::default() };
    let stack = Stack::with_few_files(2 * FEW, script);
    let ids: Vec<String> = (0..10).map(|number| format!("Crowded-{number}")).collect();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        ids.iter().for_each(|id| stack.orchestrator.submit(&playbook(id)));
        let _crowd = crowd(&stack, 100);
        scope.spawn(|| push_in(&stack, &over));
        let _outside = waiting_outside(&stack);
        wait_for("all analyses end", PATIENCE, || {
            let said = stack.orchestrator.said();
            let ended = |id: &String, how: &str| said.contains(&format!("analysis={id} run=1: {how} after"));
            ids.iter().all(|id| ended(id, "succeeded") || ended(id, "failed")).then_some(())
        });
        over.store(true, Ordering::Relaxed);
    });
    for id in &ids {
        let run = stack.orchestrator.settled("analyses", id, PATIENCE);
        assert_eq!(run["state"], "succeeded", "{run:#}");
    }
}

/// Opens one connection after the other and gives none up, for every one that is let go another.
fn push_in(stack: &Stack, over: &AtomicBool) {
    let address = stack.orchestrator.server.address.parse().expect("an address");
    let mut inside = Vec::new();
    while !over.load(Ordering::Relaxed) {
        inside.extend(TcpStream::connect_timeout(&address, Duration::from_millis(100)));
    }
}

/// The whole head has one limit, however busily it comes.
#[test]
fn a_head_byte_by_byte_is_not_waited_for() {
    let since = Instant::now();
    let mut slow: Vec<Connection> = (0..50).map(|_| server().connect()).collect();
    let head = b"POST /analysis HTTP/1.1\r\nHost: x\r\nX-Long: ";
    for byte in head.iter().copied().chain(std::iter::repeat(b'x')).take(26) {
        slow.iter_mut().for_each(|connection| connection.say(&[byte]));
        let next = Instant::now() + Duration::from_millis(250);
        wait_for("time passes", PATIENCE, || (Instant::now() >= next).then_some(()));
        assert_eq!(server().get("/health").status, 200, "others are served");
    }
    for mut connection in slow {
        assert_eq!(connection.hear().status, 408);
    }
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
}
