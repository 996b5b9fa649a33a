//! The real binary, configured by the platform's environment variables.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::process::Process;
use super::{Answer, Folder, Server, wait_for};

/// Path of the program.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_orchestrator");

/// The token of the tests: nobody's default.
pub(crate) const KEY: &str = "key-of-the-tests";

/// What the log has before the address.
const LISTENING: &str = "listening on http://";

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

    /// Kills it and starts it on the same data again and again while it crashes, until its log has this. Each life has one
    /// more variable: the first one of `lives`, the second one and so on, the last one for ever. Answers how often it has
    /// crashed.
    pub(crate) fn crash_until_it_says(mut self, lives: &[(&str, &str)], mark: &str) -> (Self, usize) {
        let (data, variables) = (Arc::clone(&self.data), std::mem::take(&mut self.variables));
        drop(self);
        for crashes in 0..20 {
            let (name, value) = lives[crashes.min(lives.len() - 1)];
            let mut with = variables.clone();
            with.push((name.to_owned(), value.to_owned()));
            let mut process = Self::launch(&data, &with);
            let address = wait_for("the orchestrator crashes or says it", Duration::from_secs(20), || {
                let (ended, said) = (process.ended(), process.said());
                let address = said.contains(mark).then(|| after(&said, LISTENING)).flatten();
                (ended.is_some() || address.is_some()).then_some(address)
            });
            if let Some(address) = address {
                return (Self { process, server: Server { address }, data, variables }, crashes);
            }
        }
        panic!("it crashes for ever");
    }

    fn start_in(data: Arc<Folder>, variables: Vec<(String, String)>) -> Self {
        let mut process = Self::launch(&data, &variables);
        let address = wait_for("the orchestrator listens", Duration::from_secs(20), || {
            assert_eq!(process.ended(), None, "the orchestrator ended: {}", process.said());
            after(&process.said(), LISTENING)
        });
        Self { process, server: Server { address }, data, variables }
    }

    fn launch(data: &Folder, variables: &[(String, String)]) -> Process {
        Process::start(Path::new(BINARY), None, |command| {
            command.arg("serve").env_clear().current_dir(data.path());
            command.envs([("HOST", "127.0.0.1"), ("PORT", "0"), ("DIASTEMA_KEY", KEY), ("RUST_LOG", "info")]);
            if let Some(path) = std::env::var_os("PATH") {
                command.env("PATH", path);
            }
            command.env("DATA_DIR", data.path().join("data"));
            command.envs(variables.iter().map(|(name, value)| (name, value)));
        })
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
