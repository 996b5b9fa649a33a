//! The real binary, configured by the platform's environment variables.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use test_peers::{Process, resident_memory};

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
    launch: Launch,
}

/// How it is started.
#[derive(Clone)]
struct Launch {
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    /// Most files and sockets that it may have open.
    most_files: Option<u32>,
}

impl Launch {
    fn new(arguments: &[&str], variables: &[(&str, String)]) -> Self {
        Self {
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            variables: variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            most_files: None,
        }
    }
}

impl Orchestrator {
    /// Starts `orchestrator serve` on a free port with nothing but these variables and a key.
    pub(crate) fn start(variables: &[(&str, String)]) -> Self {
        Self::launch(Arc::new(Folder::new("orchestrator")), Launch::new(&["serve"], variables))
    }

    /// The same with few files and sockets to open.
    pub(crate) fn start_with_few_files(most_files: u32, variables: &[(&str, String)]) -> Self {
        let launch = Launch { most_files: Some(most_files), ..Launch::new(&["serve"], variables) };
        Self::launch(Arc::new(Folder::new("orchestrator")), launch)
    }

    /// Starts `orchestrator demo` with more arguments.
    pub(crate) fn demo(arguments: &[&str]) -> Self {
        let arguments = [&["demo"], arguments].concat();
        Self::launch(Arc::new(Folder::new("orchestrator")), Launch::new(&arguments, &[]))
    }

    /// Kills it (`kill -9`) if it has not ended, and starts it again on the same data.
    pub(crate) fn kill_and_start(self) -> Self {
        self.kill_and_start_after(|_| ())
    }

    /// The same, with something done to the folder of its data while it is dead.
    pub(crate) fn kill_and_start_after(self, change: impl FnOnce(&Path)) -> Self {
        let (data, launch) = (Arc::clone(&self.data), self.launch.clone());
        drop(self);
        change(data.path());
        Self::launch(data, launch)
    }

    /// Asks it to end (SIGTERM) and starts it again on the same data.
    pub(crate) fn stop_and_start(mut self) -> Self {
        self.terminate();
        assert_eq!(self.end(Duration::from_secs(20)), 0, "it ends well when asked to");
        self.kill_and_start()
    }

    /// Kills it and starts it again on the same data with more variables.
    pub(crate) fn start_again_with(self, more: &[(&str, &str)]) -> Self {
        let (data, mut launch) = (Arc::clone(&self.data), self.launch.clone());
        drop(self);
        launch.variables.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Self::launch(data, launch)
    }

    /// Waits until it has died by itself, and starts it again on the same data without some variables.
    pub(crate) fn dies_and_starts_again(mut self, without: &[&str]) -> Self {
        self.end(Duration::from_secs(30));
        let (data, mut launch) = (Arc::clone(&self.data), self.launch.clone());
        drop(self);
        launch.variables.retain(|(name, _)| !without.contains(&name.as_str()));
        Self::launch(data, launch)
    }

    /// Asks it to end (SIGTERM).
    pub(crate) fn terminate(&mut self) {
        self.process.terminate();
    }

    /// Interrupts it (SIGINT).
    pub(crate) fn interrupt(&mut self) {
        self.process.interrupt();
    }

    /// Tells it to read its files again (SIGHUP).
    pub(crate) fn hang_up(&mut self) {
        self.process.hang_up();
    }

    /// Waits for the end of the process; answers its exit code.
    #[track_caller]
    pub(crate) fn end(&mut self, limit: Duration) -> i32 {
        self.process.end(limit)
    }

    /// Kills it and starts it on the same data again and again while it crashes, until its log has this. Each life has one
    /// more variable: the first one of `lives`, the second one and so on, the last one for ever. Answers how often it has
    /// crashed.
    pub(crate) fn crash_until_it_says(self, lives: &[(&str, &str)], mark: &str) -> (Self, usize) {
        let (data, launch) = (Arc::clone(&self.data), self.launch.clone());
        drop(self);
        let mut last_words = String::new();
        for crashes in 0..20 {
            let (name, value) = lives[crashes.min(lives.len() - 1)];
            let mut with = launch.clone();
            with.variables.push((name.to_owned(), value.to_owned()));
            let mut process = Self::begin(&data, &with);
            let address = wait_for("the orchestrator crashes or says it", Duration::from_secs(20), || {
                let (ended, said) = (process.ended(), process.said());
                let address = said.contains(mark).then(|| address(&said)).flatten();
                (ended.is_some() || address.is_some()).then_some(address)
            });
            if let Some(address) = address {
                return (Self { process, server: Server { address }, data, launch }, crashes);
            }
            last_words = process.said();
        }
        panic!("it crashes for ever: {last_words}");
    }

    fn launch(data: Arc<Folder>, launch: Launch) -> Self {
        let mut process = Self::begin(&data, &launch);
        let address = wait_for("the orchestrator listens", Duration::from_secs(20), || {
            assert_eq!(process.ended(), None, "the orchestrator ended: {}", process.said());
            address(&process.said())
        });
        Self { process, server: Server { address }, data, launch }
    }

    fn begin(data: &Folder, launch: &Launch) -> Process {
        let shell = launch.most_files.map(|most| format!("ulimit -n {most}; exec \"$0\" \"$@\""));
        let program = if shell.is_some() { "/bin/sh" } else { BINARY };
        Process::start(Path::new(program), None, |command| {
            if let Some(shell) = shell {
                command.args(["-c", &shell, BINARY]);
            }
            command.args(&launch.arguments).env_clear().current_dir(data.path());
            command.envs([("HOST", "127.0.0.1"), ("PORT", "0"), ("DIASTEMA_KEY", KEY), ("RUST_LOG", "info")]);
            if let Some(path) = std::env::var_os("PATH") {
                command.env("PATH", path);
            }
            // a fault that the tests were given is put into the program, too: they have to find it there
            if let Some(bug) = std::env::var_os("SEEDED_BUG") {
                command.env("SEEDED_BUG", bug);
            }
            command.env("DATA_DIR", data.path().join("data")).env("TMPDIR", data.path());
            command.envs(launch.variables.iter().map(|(name, value)| (name, value)));
        })
    }

    /// How many bytes of memory it holds.
    #[track_caller]
    pub(crate) fn memory(&self) -> u64 {
        let (folder, program) = (std::fs::canonicalize(self.data.path()).ok(), std::fs::canonicalize(BINARY).ok());
        let is_ours = |process: &PathBuf| {
            std::fs::read_link(process.join("cwd")).ok() == folder
                && std::fs::read_link(process.join("exe")).ok() == program
        };
        let processes = std::fs::read_dir("/proc").expect("Linux shows its processes");
        let process = processes.flatten().map(|entry| entry.path()).find(is_ours).expect("it runs");
        let pid = process.file_name().and_then(|name| name.to_str()?.parse().ok()).expect("processes are numbers");
        1024 * resident_memory(pid).expect("it runs")
    }

    /// The token that it wants.
    fn token(&self) -> &str {
        let given = self.launch.variables.iter().rev().find(|(name, _)| name == "DIASTEMA_KEY");
        given.map_or(KEY, |(_, token)| token)
    }

    /// Where it keeps everything.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.data.path().join("data")
    }

    /// The file with the journal and the embedded records.
    pub(crate) fn state_file(&self) -> PathBuf {
        self.data.path().join("data/state.db")
    }

    /// The audit trail so far.
    #[track_caller]
    pub(crate) fn trail(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.data.path().join("data/audit.log")).expect("there is an audit trail");
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
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
        document["diastema-token"] = self.token().into();
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
        let answer = self.server.get_with(&format!("/api/v1/{collection}/{id}"), self.token());
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

/// Where it listens, as its log says.
fn address(said: &str) -> Option<String> {
    ["listening on http://", "listening on https://", "orchestrator at http://"]
        .iter()
        .find_map(|mark| after(said, mark))
}

/// The word after a mark in the log.
fn after(said: &str, mark: &str) -> Option<String> {
    let (_, rest) = said.split_once(mark)?;
    let end = rest.find(|c: char| c.is_whitespace() || matches!(c, ';' | ')' | ','))?;
    Some(rest[..end].to_owned())
}
