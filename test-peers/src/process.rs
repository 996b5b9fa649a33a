//! A child process that cannot outlive the tests, however they end.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Runs a command and kills it when standard input closes, which happens when the parent is gone for whatever reason. A `t`
/// on standard input asks it to end (SIGTERM), an `i` interrupts it (SIGINT), an `h` hangs it up (SIGHUP).
const WATCHDOG: &str = r"
import subprocess, sys, threading, os, shutil, signal
folder, command = sys.argv[1], sys.argv[2:]
child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
def watch():
    signals = {b't': signal.SIGTERM, b'i': signal.SIGINT, b'h': signal.SIGHUP}
    while (letter := sys.stdin.buffer.read(1)) in signals:
        child.send_signal(signals[letter])
    child.kill()
threading.Thread(target=watch, daemon=True).start()
code = child.wait()
if folder:
    shutil.rmtree(folder, ignore_errors=True)
os._exit(code if code >= 0 else 128 - code)
";

/// A running command with everything it has said.
#[derive(Debug)]
pub struct Process {
    watchdog: Child,
    said: Arc<Mutex<String>>,
}

impl Process {
    /// Starts a program; `configure` adds arguments and environment. `scratch` is removed when the program has ended.
    ///
    /// *Panics* when it cannot be started.
    pub fn start(program: &Path, scratch: Option<&Path>, configure: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new("python3");
        command.arg("-c").arg(WATCHDOG).arg(scratch.unwrap_or(Path::new(""))).arg(program);
        configure(&mut command);
        let mut watchdog = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program:?} cannot be started: {error}; install Python 3"));
        let said = Arc::new(Mutex::new(String::new()));
        let (listening, stderr) = (Arc::clone(&said), watchdog.stderr.take().expect("stderr is piped"));
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                let mut said = listening.lock().unwrap_or_else(PoisonError::into_inner);
                said.push_str(&String::from_utf8_lossy(&line));
                said.push('\n');
            }
        });
        Self { watchdog, said }
    }

    /// Everything on stderr so far.
    pub fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks it to end (SIGTERM).
    pub fn terminate(&mut self) {
        self.send(b"t");
    }

    /// Interrupts it (SIGINT).
    pub fn interrupt(&mut self) {
        self.send(b"i");
    }

    /// Tells it to read its files again (SIGHUP).
    pub fn hang_up(&mut self) {
        self.send(b"h");
    }

    fn send(&mut self, letter: &[u8]) {
        let stdin = self.watchdog.stdin.as_mut().expect("stdin is piped");
        stdin.write_all(letter).and_then(|()| stdin.flush()).expect("the watchdog listens");
    }

    /// Waits for its end; answers its exit code.
    #[track_caller]
    pub fn end(&mut self, limit: Duration) -> i32 {
        // not `wait`, which would close standard input and so kill it
        crate::wait_for("it ends when asked to", limit, || self.ended())
    }

    /// Whether it has ended by itself, and with which code.
    pub fn ended(&mut self) -> Option<i32> {
        self.watchdog.try_wait().ok().flatten().map(|status| status.code().unwrap_or(-1))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        drop(self.watchdog.wait());
        if std::thread::panicking() {
            print_log(&self.said());
        }
    }
}

#[expect(clippy::print_stderr, reason = "the log of the program explains the failure of the test")]
fn print_log(said: &str) {
    eprintln!("--- the program said:\n{said}---");
}

/// What a process holds of the system's memory, none when it has ended. *Unit*: KiB.
pub fn resident_memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok())
}
