//! The real binary, configured by the platform's environment variables.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use test_peers::Process;

use super::{Answer, Folder, Server, wait_for};

/// Path of the program.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_orchestrator");

/// The token of the tests: nobody's default.
pub(crate) const KEY: &str = "key-of-the-tests";

/// A running orchestrator; killed with the value.
pub(crate) struct Orchestrator {
    process: Process,
    pub(crate) server: Server,
    data: Arc<Folder>,
    variables: Vec<(String, String)>,
}

impl Orchestrator {
    /// Starts `orchestrator serve` on a free port with nothing but these variables and a key.
    pub(crate) fn start(variables: &[(&str, String)]) -> Self {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Self::start_in(Arc::new(Folder::new("orchestrator")), variables)
    }

    /// Kills it (`kill -9`) and starts it again on the same data.
    pub(crate) fn kill_and_start(self) -> Self {
        let (data, variables) = (Arc::clone(&self.data), self.variables.clone());
        drop(self);
        Self::start_in(data, variables)
    }

    /// Asks it to end (SIGTERM) and starts it again on the same data.
    pub(crate) fn stop_and_start(self) -> Self {
        let Self { process, data, variables, .. } = self;
        assert_eq!(process.terminate(), 0, "it ends well when asked to");
        Self::start_in(data, variables)
    }

    /// Kills it and starts it again on the same data with more variables.
    pub(crate) fn start_again_with(self, more: &[(&str, &str)]) -> Self {
        let (data, mut variables) = (Arc::clone(&self.data), self.variables.clone());
        drop(self);
        variables.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Self::start_in(data, variables)
    }

    /// Waits until it has died by itself, and starts it again on the same data without some variables.
    pub(crate) fn dies_and_starts_again(mut self, without: &[&str]) -> Self {
        wait_for("the orchestrator dies", Duration::from_secs(30), || self.process.ended());
        let (data, mut variables) = (Arc::clone(&self.data), self.variables.clone());
        drop(self);
        variables.retain(|(name, _)| !without.contains(&name.as_str()));
        Self::start_in(data, variables)
    }

    fn start_in(data: Arc<Folder>, variables: Vec<(String, String)>) -> Self {
        let mut process = Process::start(Path::new(BINARY), None, |command| {
            command.arg("serve").env_clear().current_dir(data.path());
            command.envs([("HOST", "127.0.0.1"), ("PORT", "0"), ("DIASTEMA_KEY", KEY), ("RUST_LOG", "info")]);
            if let Some(path) = std::env::var_os("PATH") {
                command.env("PATH", path);
            }
            // a fault that the tests were given is put into the program, too: they have to find it there
            if let Some(bug) = std::env::var_os("SEEDED_BUG") {
                command.env("SEEDED_BUG", bug);
            }
            command.env("DATA_DIR", data.path().join("data"));
            command.envs(variables.iter().map(|(name, value)| (name, value)));
        });
        let address = wait_for("the orchestrator listens", Duration::from_secs(20), || {
            assert_eq!(process.ended(), None, "the orchestrator ended: {}", process.said());
            after(&process.said(), "listening on http://")
        });
        Self { process, server: Server { address }, data, variables }
    }

    /// The file with the journal and the embedded records.
    pub(crate) fn state_file(&self) -> PathBuf {
        self.data.path().join("data/state.db")
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

/// The word after a mark in the log.
fn after(said: &str, mark: &str) -> Option<String> {
    let (_, rest) = said.split_once(mark)?;
    let end = rest.find(|c: char| c.is_whitespace() || c == ';' || c == ')')?;
    Some(rest[..end].to_owned())
}
