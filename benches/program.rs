//! The real program in a process of its own.

use std::path::Path;
use std::time::Duration;

use test_peers::{Process, wait_for};

/// Its shared key.
pub(super) const KEY: &str = "key-of-the-bench";

/// The program; killed with the value.
pub(super) struct Program {
    pub(super) address: String,
    _process: Process,
}

impl Program {
    /// Starts it on a data directory, everything embedded, with these variables; it listens when this returns.
    pub(super) fn start(data: &Path, variables: impl Iterator<Item = (&'static str, String)>) -> Self {
        let process = Process::start(Path::new(env!("CARGO_BIN_EXE_orchestrator")), None, |command| {
            command.arg("serve").env_clear().env("DATA_DIR", data);
            command.envs([("HOST", "127.0.0.1"), ("PORT", "0"), ("DIASTEMA_KEY", KEY), ("RUST_LOG", "info")]);
            command.envs(variables);
        });
        let address = wait_for("the orchestrator listens", Duration::from_secs(20), || {
            let said = process.said();
            let (_, rest) = said.split_once("listening on http://")?;
            rest.split(|letter: char| letter.is_whitespace() || ",;".contains(letter)).next().map(str::to_owned)
        });
        Self { address, _process: process }
    }
}
