//! Real servers for the tests, started by the tests themselves: MongoDB wire (SecantusDB), S3 (moto), the orchestrator's
//! own binary; and programs that talk to it. One server per test binary where tenants keep tests apart; none outlives the test process.

#![allow(clippy::disallowed_methods, reason = "these wait for processes of their own, beside every async thread")]

mod client;
mod mongo;
mod objects;
mod orchestrator;
mod process;
mod venv;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub(crate) use client::{Answer, Connection, Server};
pub(crate) use mongo::Mongo;
pub(crate) use objects::Objects;
pub(crate) use orchestrator::{BINARY, KEY, Orchestrator};
pub(crate) use venv::program;

/// A directory of its own below `target/tmp`, removed with the value.
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("target/tmp can be written");
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.path));
    }
}

/// A port where nobody ever listens.
pub(crate) const CLOSED_PORT: &str = "1";

/// A free port that stays free: below those that the system gives to outgoing connections, another one at every call.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const PORTS: std::ops::Range<u32> = 20_000..32_000;
    let start = std::process::id().wrapping_mul(977);
    loop {
        let number = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = (PORTS.start + number % (PORTS.end - PORTS.start)) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Looks again and again until there is something to see.
///
/// *Panics* with `what` when `limit` has passed.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(since.elapsed() < limit, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(15));
    }
}
