//! The servers of the Python environment: a database that speaks MongoDB's wire protocol, and an object store.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::{Process, free_port, venv, wait_for};

/// How long a server may take to come up on a busy machine.
const START: Duration = Duration::from_secs(60);

/// A running database; killed with the value.
#[derive(Debug)]
pub struct MongoServer {
    _process: Process,
    port: u16,
}

impl MongoServer {
    /// A server on this directory and port, which keeps its data for the next one however it ends.
    ///
    /// *Panics* when it does not come up.
    pub fn start(directory: &Path, port: u16) -> Self {
        Self::serve(directory, port, false)
    }

    /// A server whose data is removed with it, and which therefore need not be durable.
    ///
    /// *Panics* when it does not come up.
    pub fn scratch(directory: &Path) -> Self {
        Self::serve(directory, free_port(), true)
    }

    fn serve(directory: &Path, port: u16, scratch: bool) -> Self {
        let process = start("secantusd-py", scratch.then_some(directory), port, |command| {
            command.args(["--host", "127.0.0.1", "--log-level", "ERROR", "--cache-size", "128M"]);
            command.args(["--enable-test-commands", "--port", &port.to_string(), "--storage-path"]);
            command.arg(directory.join("data"));
            command.args((!scratch).then_some("--sync-on-commit")).current_dir(directory);
        });
        Self { _process: process, port }
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// A running object store, everything in memory; killed with the value.
#[derive(Debug)]
pub struct S3Server {
    _process: Process,
    port: u16,
}

impl S3Server {
    /// A server on a free port.
    ///
    /// *Panics* when it does not come up.
    pub fn start() -> Self {
        let port = free_port();
        let process = start("moto_server", None, port, |command| {
            command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        });
        Self { _process: process, port }
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

fn start(program: &str, scratch: Option<&Path>, port: u16, configure: impl FnOnce(&mut Command)) -> Process {
    let mut process = Process::start(&venv::program(program), scratch, configure);
    wait_for(&format!("{program} listens"), START, || {
        assert_eq!(process.ended(), None, "{program} ended: {}", process.said());
        TcpStream::connect(("127.0.0.1", port)).ok()
    });
    process
}
