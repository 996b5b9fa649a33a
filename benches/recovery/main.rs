//! How long it takes until every open analysis goes on after the process was killed: the real binary on a data directory
//! with 10,000 of them, from its start until all their actors exist.
//!
//! The floor is measured in the same run: reading the same rows and parsing their JSON, without understanding it.
//! `cargo bench --bench recovery -- --quick` repeats less; a number takes so many analyses.

#![allow(clippy::print_stdout, reason = "a bench prints its table")]
#![allow(clippy::disallowed_methods, reason = "a bench measures real time")]
#![allow(clippy::unwrap_used, reason = "a bench may end with a panic")]

mod prepare;
mod service;
#[path = "../times.rs"]
mod times;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use times::median;

const ANALYSES: usize = 10_000;

/// What the log says when everything has gone on.
const DONE: &str = "runs have gone on within";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let rounds = if arguments.iter().any(|argument| argument == "--quick") { 2 } else { 5 };
    let analyses = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(ANALYSES);
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("recovery-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let prepared = directory.join("state.db");
    let since = Instant::now();
    let records = prepare::open_analyses(&prepared, analyses);
    let size = std::fs::metadata(&prepared).unwrap().len() >> 20;
    println!("{analyses} open analyses, {records} records, {size} MiB, written in {:?}", since.elapsed());
    let service = service::start();
    let (mut ours, mut floors, mut work, mut memory) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        floors.push(floor(&prepared));
        let data = directory.join(format!("round-{round}"));
        std::fs::create_dir(&data).unwrap();
        std::fs::copy(&prepared, data.join("state.db")).unwrap();
        let recovered = recover(&data, service);
        ours.push(recovered.time);
        work.push(recovered.work);
        memory.push(recovered.kib);
        std::fs::remove_dir_all(&data).unwrap();
    }
    let (ours, floor, work) = (median(&mut ours), median(&mut floors), median(&mut work));
    memory.sort_unstable();
    println!(
        "start of the process until all {analyses} go on: {ours:?} (budget <= 2s); floor: rows read and parsed {floor:?}; {:.2} x floor; processor time {work:?}; RSS then {} MiB (budget <= 400 MiB)",
        ours.as_secs_f64() / floor.as_secs_f64(),
        memory[memory.len() / 2] / 1024,
    );
    std::fs::remove_dir_all(&directory).ok();
}

/// The rows of every open run, each parsed for itself.
fn floor(file: &Path) -> Duration {
    let since = Instant::now();
    let db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut parsed = 0;
    for sql in [
        "SELECT document FROM runs WHERE settled = 0 ORDER BY run_id",
        "SELECT record FROM journal WHERE run_id IN (SELECT run_id FROM runs WHERE settled = 0) ORDER BY seq",
    ] {
        let mut statement = db.prepare(sql).unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let value: Value = serde_json::from_str(row.get_ref(0).unwrap().as_str().unwrap()).unwrap();
            parsed += usize::from(value.is_object());
        }
    }
    assert!(parsed > 0);
    since.elapsed()
}

/// What going on has cost.
struct Recovered {
    time: Duration,
    /// Of all processors together: on a busy machine it says more than the time.
    work: Duration,
    /// Memory afterwards.
    kib: u64,
}

/// Starts the program and waits until everything goes on.
fn recover(data: &Path, service: u16) -> Recovered {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orchestrator"));
    command.arg("serve").env_clear().env("DATA_DIR", data).envs([("HOST", "127.0.0.1"), ("PORT", "0")]);
    for name in ["DIASTEMA_SERVICES", "FUNCTION_SERVICE", "AUTOML", "DIASTEMA_FRONTEND"] {
        command.env(format!("{name}_HOST"), "127.0.0.1").env(format!("{name}_PORT"), service.to_string());
    }
    let since = Instant::now();
    let mut child = Ending(command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let lines = BufReader::new(child.0.stderr.take().unwrap()).lines();
    let done = lines.map_while(Result::ok).find(|line| line.contains(DONE)).expect("it says when everything goes on");
    let time = since.elapsed();
    println!("    {time:?}, {done}");
    let process = child.0.id();
    Recovered { time, work: processor_time(process), kib: test_peers::resident_memory(process).unwrap() }
}

/// Killed with the value.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// In steps of ten milliseconds, the kernel's own.
fn processor_time(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let (_, numbers) = stat.rsplit_once(')').unwrap();
    let ticks = numbers.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}
