//! The real binary, configured by the platform's environment variables.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::process::Process;
use super::{Answer, Folder, Server, wait_for};

/// Path of the program.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_orchestrator");

/// The token of the tests: nobody's default.
pub(crate) const KEY: &str = "key-of-the-tests";

/// A running orchestrator; ended with the value.
pub(crate) struct Orchestrator {
    process: Process,
    pub(crate) server: Server,
    _data: Folder,
}

impl Orchestrator {
    /// Starts `orchestrator serve` on a free port with nothing but these variables and a key.
    pub(crate) fn start(variables: &[(&str, String)]) -> Self {
        let data = Folder::new("orchestrator");
        let mut process = Process::start(Path::new(BINARY), Some(data.path()), |command| {
            command.arg("serve").env_clear().current_dir(data.path());
            command.envs([("HOST", "127.0.0.1"), ("PORT", "0"), ("DIASTEMA_KEY", KEY), ("RUST_LOG", "info")]);
            if let Some(path) = std::env::var_os("PATH") {
                command.env("PATH", path);
            }
            command.env("DATA_DIR", data.path().join("data"));
            command.envs(variables.iter().map(|(name, value)| (name, value)));
        });
        let address = wait_for("the orchestrator listens", Duration::from_secs(20), || {
            assert_eq!(process.ended(), None, "the orchestrator ended: {}", process.said());
            after(&process.said(), "listening on http://")
        });
        Self { process, server: Server { address }, _data: data }
    }

    /// Port of the embedded S3 endpoint.
    pub(crate) fn embedded_objects(&self) -> u16 {
        let address = after(&self.said(), "(S3 at http://").expect("the objects are embedded");
        address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("it has a port")
    }

    /// Everything logged so far.
    pub(crate) fn said(&self) -> String {
        self.process.said()
    }

    /// Submits to a platform endpoint with the right token.
    pub(crate) fn post(&self, path: &str, document: &Value) -> Answer {
        let mut document = document.clone();
        document["diastema-token"] = KEY.into();
        self.server.post(path, &document.to_string())
    }

    /// Submits a playbook that has to be accepted.
    #[track_caller]
    pub(crate) fn submit(&self, playbook: &Value) {
        let answer = self.post("/analysis", playbook);
        assert_eq!(answer.status, 202, "{}", answer.text);
    }

    /// One run, as the API shows it.
    #[track_caller]
    pub(crate) fn run(&self, collection: &str, id: &str) -> Value {
        let answer = self.server.get_with(&format!("/api/v1/{collection}/{id}"), KEY);
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    /// Waits until a run is over and everything it has to tell has been told.
    #[track_caller]
    pub(crate) fn settled(&self, collection: &str, id: &str, limit: Duration) -> Value {
        wait_for(&format!("{id} settles"), limit, || {
            let run = self.run(collection, id);
            (run["state"] != "running" && run["settled"] == true).then_some(run)
        })
    }
}

impl Drop for Orchestrator {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln_log(&self.process.said());
        }
    }
}

#[expect(clippy::print_stderr, reason = "the log of the program explains the failure of the test")]
fn eprintln_log(said: &str) {
    eprintln!("--- the orchestrator said:\n{said}---");
}

/// The word after a mark in the log.
fn after(said: &str, mark: &str) -> Option<String> {
    let (_, rest) = said.split_once(mark)?;
    let end = rest.find(|c: char| c.is_whitespace() || c == ';' || c == ')')?;
    Some(rest[..end].to_owned())
}
