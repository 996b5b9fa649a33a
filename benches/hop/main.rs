//! What a durable step costs: from a job's end to its successor's start at a service, with the real journal on disk, the
//! real recipes and real HTTP. Objects, records and notices are left out.
//!
//! The floors are measured in the same run: the same calls from a bare loop, and bare appends with fdatasync.
//! `cargo bench --bench hop -- --quick` repeats less.

#![allow(clippy::print_stdout, reason = "a bench prints its table")]
#![allow(clippy::disallowed_methods, reason = "a bench measures real time")]
#![allow(clippy::unwrap_used, reason = "a bench may end with a panic")]

mod engine;
mod floors;
mod service;
#[path = "../times.rs"]
mod times;

use std::path::PathBuf;

use engine::Running;
use orchestrator::testing::{Shape, Sketch};
use service::Service;
use times::{median, percentile};

/// As in the program: actors are many small things that come and go, which glibc's allocator handles badly.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Jobs of the chain that call a service; the data set in front of them does not.
const CHAIN: usize = 40;
const GRAPHS: usize = 200;
const JOBS: usize = 10;

fn main() {
    let rounds = if std::env::args().any(|argument| argument == "--quick") { 5 } else { 30 };
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("hop-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    actix::System::new().block_on(async {
        let service = Service::start();
        let running = Running::start(&directory.join("state.db"), &service);
        chains(rounds, &service, &running, &directory).await;
        graphs(rounds.div_ceil(5), &service, &running, &directory).await;
    });
    std::fs::remove_dir_all(&directory).ok();
}

async fn chains(rounds: usize, service: &Service, running: &Running, directory: &std::path::Path) {
    let (mut ours, mut calls, mut syncs) = (Vec::new(), Vec::new(), Vec::new());
    running.run(vec![chain("warm-up", CHAIN)]).await;
    service.take_hops();
    for round in 0..rounds {
        calls.push(floors::calls(service, CHAIN, 1).await);
        syncs.push(floors::syncs(directory, CHAIN));
        ours.push(running.run(vec![chain(&format!("c{round}"), CHAIN)]).await);
    }
    let mut hops = service.take_hops();
    let (hop_50, hop_99) = (percentile(&mut hops, 50), percentile(&mut hops, 99));
    println!(
        "hop, job done -> successor's POST at the service, durable: p50 {hop_50:?}, p99 {hop_99:?} of {} hops (budget p50 <= 500us, p99 <= 3ms)",
        hops.len()
    );
    let one_sync = median(&mut syncs) / CHAIN as u32;
    let one_call = median(&mut calls) / (2 * CHAIN as u32);
    println!(
        "    floor: one fdatasync {one_sync:?} + one call on loopback {one_call:?}; p50 is {:.2} x that",
        hop_50.as_secs_f64() / (one_sync + one_call).as_secs_f64()
    );
    let (ours, floor) = (median(&mut ours), median(&mut calls) + median(&mut syncs));
    println!(
        "chain of {CHAIN} jobs: {ours:?} (budget <= 30ms and <= 2 x floor); floor: {} calls {:?} + {CHAIN} fdatasyncs {:?}; {:.2} x floor",
        2 * CHAIN,
        median(&mut calls),
        median(&mut syncs),
        ours.as_secs_f64() / floor.as_secs_f64(),
    );
}

async fn graphs(rounds: usize, service: &Service, running: &Running, directory: &std::path::Path) {
    let (mut ours, mut calls, mut syncs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        calls.push(floors::calls(service, GRAPHS * JOBS, 64).await);
        syncs.push(floors::syncs(directory, JOBS));
        let all = (0..GRAPHS).map(|number| chain(&format!("g{round}-{number}"), JOBS)).collect();
        ours.push(running.run(all).await);
    }
    let (ours, floor) = (median(&mut ours), median(&mut calls) + median(&mut syncs));
    println!(
        "{GRAPHS} graphs x {JOBS} jobs at once: {ours:?}, {:.0} jobs/s (budget <= 400ms); floor: {} calls, 64 at a time {:?} + {JOBS} fdatasyncs {:?}; {:.2} x floor",
        (GRAPHS * JOBS) as f64 / ours.as_secs_f64(),
        2 * GRAPHS * JOBS,
        median(&mut calls),
        median(&mut syncs),
        ours.as_secs_f64() / floor.as_secs_f64(),
    );
}

/// A data set and so many cleanings one after the other.
fn chain(id: &str, jobs: usize) -> Sketch {
    Shape::Chain.sketch(jobs + 1, 0).id(id)
}
