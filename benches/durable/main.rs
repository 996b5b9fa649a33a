//! What durability leaves of throughput: jobs that cost nothing on the real journal, and acceptance by the real server.
//!
//! The floors are measured in the same run: the same records written by the journal alone, and a bare server that says yes.
//! `cargo bench --bench durable -- --quick` does a tenth.

#![allow(clippy::print_stdout, reason = "a bench prints its table")]
#![allow(clippy::disallowed_methods, reason = "a bench measures real time")]
#![allow(clippy::unwrap_used, reason = "a bench may end with a panic")]

mod accept;
mod orchestration;
#[path = "../program.rs"]
mod program;
#[path = "../times.rs"]
mod times;

use std::path::PathBuf;
use std::time::Duration;

use accept::Pace;
use times::{median, percentile};

/// As in the program: actors are many small things that come and go, which glibc's allocator handles badly.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ANALYSES: usize = 5_000;
const JOBS: usize = 10;
const SUBMISSIONS: usize = 20_000;
const CLIENTS: usize = 256;
/// More than the budget asks for. *Unit*: submissions a second.
const RATE: u32 = 6_000;

fn main() {
    let share = if std::env::args().any(|argument| argument == "--quick") { 10 } else { 1 };
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("durable-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    actix::System::new().block_on(async {
        orchestration(ANALYSES / share, &directory).await;
        acceptance(SUBMISSIONS / share, &directory).await;
    });
    std::fs::remove_dir_all(&directory).ok();
}

async fn orchestration(analyses: usize, directory: &std::path::Path) {
    let ours = orchestration::ours(&directory.join("ours.db"), analyses, JOBS).await;
    let records = orchestration::records(&directory.join("ours.db"), analyses);
    let floor = orchestration::floor(&directory.join("floor.db"), &records).await;
    println!(
        "{analyses} analyses x {JOBS} instant jobs, durable: {ours:?}, {:.0} jobs/s (budget >= 20,000); floor: the journal alone, {} records {floor:?}; {:.2} x floor",
        (analyses * JOBS) as f64 / ours.as_secs_f64(),
        records.len(),
        ours.as_secs_f64() / floor.as_secs_f64(),
    );
}

async fn acceptance(submissions: usize, directory: &std::path::Path) {
    let orchestrator = accept::orchestrator(&directory.join("data"));
    let bare = accept::bare_server();
    let paces = [(Pace::PerSecond(RATE), 0..submissions), (Pace::AsAnswered, submissions..2 * submissions)];
    for (pace, numbers) in paces {
        let ours = accept::submit(&orchestrator.address, numbers.clone(), CLIENTS, pace).await;
        let floor = accept::submit(&bare, numbers, CLIENTS, pace).await;
        let offered = match pace {
            Pace::PerSecond(rate) => format!("{rate}/s offered (budget: 5,000/s with p99 <= 20ms)"),
            Pace::AsAnswered => "as fast as they are answered".to_owned(),
        };
        println!(
            "{submissions} durable 202s, {CLIENTS} clients, {offered}: {}; floor: a bare server {}; {:.2} x floor",
            figures(&ours, submissions),
            figures(&floor, submissions),
            ours.time.as_secs_f64() / floor.time.as_secs_f64(),
        );
    }
}

/// Without the first fifth of the time and with it: connections are opened then, and everything is cold.
fn figures(seen: &accept::Seen, submissions: usize) -> String {
    let (mut all, mut warm) = (seen.answers_after(Duration::ZERO), seen.answers_after(seen.time / 5));
    format!(
        "{:.0}/s, p50 {:?}, p99 {:?} ({:?} with the first fifth)",
        submissions as f64 / seen.time.as_secs_f64(),
        median(&mut warm),
        percentile(&mut warm, 99),
        percentile(&mut all, 99),
    )
}
