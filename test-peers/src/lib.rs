//! Real servers, started by whoever needs them: MongoDB wire (SecantusDB), S3 (moto), any other program. None outlives
//! the process that started it. Everything here blocks and panics: it is for tests and for the kill harness.

#![allow(clippy::disallowed_methods, reason = "these wait for processes of their own, beside every async thread")]

mod process;
mod servers;
mod venv;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub use process::{Process, resident_memory};
pub use servers::{MongoServer, S3Server};
pub use venv::program;

/// A directory of its own below `target/tmp`, removed with the value.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes it.
    ///
    /// *Panics* when the target directory cannot be written.
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = target().join("tmp").join(format!("{name}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("target/tmp can be written");
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.path));
    }
}

/// The target directory that this program was built into: cargo puts programs into the folder of the profile (`debug`,
/// `release`), tests and benches into `deps` in it. (Not found by its `CACHEDIR.TAG`: cargo leaves none in a directory
/// that was there before the first build.)
///
/// *Panics* when the program was moved out of it.
pub fn target() -> PathBuf {
    let program = std::env::current_exe().expect("a program knows where it is");
    let folder = program.parent().expect("a program is in a folder");
    let profile = if folder.ends_with("deps") { folder.parent() } else { Some(folder) };
    profile.and_then(Path::parent).expect("the program is where cargo put it").to_owned()
}

/// A free port that stays free: below those that the system gives to outgoing connections, another one at every call.
pub fn free_port() -> u16 {
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
pub fn wait_for<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(since.elapsed() < limit, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(15));
    }
}
