//! Fault matrix: *slow clients* in their thousands.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use dummy_services::Script;

use super::playbook;
use crate::stack::{PATIENCE, Stack, Stores};

/// As many as that, or as the system lets this process and the orchestrator have.
const MOST: u64 = 5_000;

/// Files for everything else.
const OTHERS: u64 = 200;

/// Threads that open them.
const AT_ONCE: u64 = 50;

/// Longest time until somebody is answered who asks properly, while the crowd pushes in on a busy machine.
const PROMPT: Duration = Duration::from_secs(10);

/// Connections that begin a head and never end it, until each of them was let in.
fn crowd(address: SocketAddr, size: u64) -> Vec<TcpStream> {
    let slow = |_| {
        let mut socket = TcpStream::connect(address).expect("it is let in");
        // one that was let go meanwhile cannot be written to
        drop(socket.write(b"P"));
        socket
    };
    (0..size).map(slow).collect()
}

#[test]
fn thousands_of_slow_sockets_keep_nobody_out() {
    let files = rlimit::increase_nofile_limit(u64::MAX).expect("the limit of open files can be read");
    // the orchestrator gives its clients half of its own
    let count = MOST.min((files / 2).saturating_sub(OTHERS));
    assert!(count >= 200, "only {files} files may be open: raise the limit (ulimit -n)");
    let stack = Stack::answering(Stores::Embedded, Script::default(), &[]);
    let server = &stack.orchestrator.server;
    let address: SocketAddr = server.address.parse().expect("an address");
    std::thread::scope(|scope| {
        let crowds: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(|| crowd(address, count / AT_ONCE))).collect();
        let mut rounds = 0;
        while rounds < 4 || !crowds.iter().all(|crowd| crowd.is_finished()) {
            let since = Instant::now();
            assert_eq!(server.get("/ready").status, 200);
            let id = format!("Between-{rounds}");
            stack.orchestrator.submit(&playbook(&id));
            let run = stack.orchestrator.settled("analyses", &id, PATIENCE);
            assert_eq!(run["state"], "succeeded", "{run:#}");
            assert!(since.elapsed() < PROMPT, "{:?} with up to {count} slow sockets", since.elapsed());
            rounds += 1;
        }
    });
    assert!(!stack.orchestrator.said().contains("panicked"), "{}", stack.orchestrator.said());
}
