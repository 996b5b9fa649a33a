//! The real binary as a process that is killed, paused and started again on the same data and the same port.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::sleep;

/// How long a life may take to answer its port.
const START: Duration = Duration::from_secs(60);

/// The token that everybody uses here.
pub(crate) const TOKEN: &str = "key-of-the-harness";

/// How to start it.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) binary: PathBuf,
    pub(crate) data: PathBuf,
    pub(crate) port: u16,
    /// Everything it says goes here, all lives one after the other.
    pub(crate) log: PathBuf,
    pub(crate) variables: Vec<(String, String)>,
    /// A program that starts it in another world, with its arguments: a namespace, a limit.
    pub(crate) wrapper: Vec<String>,
}

/// One life of it.
#[derive(Debug)]
pub(crate) struct Orchestrator {
    child: Child,
    pid: u32,
    pub(crate) port: u16,
    pub(crate) started: Instant,
}

impl Recipe {
    /// Starts a life; `orders` are variables for this one only. It need not listen yet when this returns.
    ///
    /// *Errors*: it cannot be started.
    pub(crate) fn start(&self, orders: &[(String, String)]) -> Result<Orchestrator, String> {
        let log = open_log(&self.log)?;
        // no core dumps of aborted debug builds; and it must not outlive the harness
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -c 0; exec setpriv --pdeathsig KILL \"$0\" \"$@\""]);
        command.args(&self.wrapper).arg(&self.binary).arg("serve").env_clear();
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command.envs([("HOST", "127.0.0.1"), ("DIASTEMA_KEY", TOKEN), ("RUST_LOG", "warn"), ("RUST_BACKTRACE", "1")]);
        command.env("PORT", self.port.to_string()).env("DATA_DIR", &self.data);
        command.envs(self.variables.iter().cloned()).envs(orders.iter().cloned());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn();
        let child = child.map_err(|error| format!("{} cannot be started: {error}", self.binary.display()))?;
        let pid = child.id().ok_or("it ended at once")?;
        Ok(Orchestrator { child, pid, port: self.port, started: Instant::now() })
    }
}

fn open_log(path: &Path) -> Result<File, String> {
    OpenOptions::new().create(true).append(true).open(path).map_err(|error| format!("{}: {error}", path.display()))
}

impl Orchestrator {
    /// Waits until it answers its port; false when it ended before.
    pub(crate) async fn listens(&mut self) -> bool {
        while self.started.elapsed() < START {
            if TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                return true;
            }
            if self.ended().is_some() {
                return false;
            }
            sleep(Duration::from_millis(5)).await;
        }
        false
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// SIGKILL; answers how it ended, which may have been before.
    pub(crate) async fn kill(&mut self) -> Option<ExitStatus> {
        // an error means that it has ended, and the wait says how
        drop(self.child.start_kill());
        self.wait().await
    }

    /// SIGTERM, and waits for its end.
    pub(crate) async fn terminate(&mut self) -> Option<ExitStatus> {
        self.signal("TERM").await;
        self.wait().await
    }

    /// What it holds of the system's memory. *Unit*: KiB.
    ///
    /// *Errors*: it has ended.
    pub(crate) fn memory(&self) -> Result<f64, String> {
        let resident = test_peers::resident_memory(self.pid).map(|kib| kib as f64);
        resident.ok_or_else(|| "the orchestrator has no memory any more".to_owned())
    }

    /// Waits for its end.
    pub(crate) async fn wait(&mut self) -> Option<ExitStatus> {
        self.child.wait().await.ok()
    }

    /// SIGSTOP: everything stands still, sockets stay open.
    pub(crate) async fn pause(&self) {
        self.signal("STOP").await;
    }

    /// SIGCONT.
    pub(crate) async fn resume(&self) {
        self.signal("CONT").await;
    }

    async fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.pid.to_string()).status().await;
        assert!(sent.is_ok_and(|status| status.success()), "the signal {name} was sent");
    }
}
