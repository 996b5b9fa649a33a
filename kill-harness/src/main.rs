//! Kills the real orchestrator again and again while it works, between real sockets, a real MongoDB-wire server and S3,
//! and shows from outside that nothing was lost, repeated or stuck. `README.md` says how to read its figures.
//!
//! # Map
//! * `workload/`: what is submitted. `client.rs`: submits it. `schedule.rs`: when the orchestrator dies.
//! * `world.rs`: the neighbours, which outlive it. `proxy/`: disturbed roads to them. `orchestrator.rs`: the process.
//! * `evidence/`: what was seen from outside. `checker/`: judges it. `contract.rs`: ids and texts, worked out once more.
//! * `tenants/`, `overload.rs`: scenarios of their own: tenants who want the same things, and too much work.
//! * `scenario/`: what is done. `enough.rs`: whether enough happened. `report.rs`: the figures.

#![allow(clippy::disallowed_methods, reason = "a program of its own, in real time")]

mod checker;
mod client;
mod contract;
mod enough;
mod evidence;
mod http;
mod options;
mod orchestrator;
mod overload;
mod proxy;
mod report;
mod scenario;
mod schedule;
mod stage;
mod tenants;
mod workload;
mod world;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

/// Time limit of Spark jobs: a message that was never sent is waited for as long. Long enough for several deaths or troubles in a
/// row, which hold a job up and must cost nobody anything.
const SPARK_LIMIT: Duration = Duration::from_secs(40);

fn main() -> ExitCode {
    let options = options::Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => tokio::task::LocalSet::new().block_on(&runtime, stage::run(options.scenario)),
        Err(error) => Err(error.to_string()),
    };
    let (text, code) = match outcome {
        Ok((text, well)) => (text, if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        Err(error) => (format!("the harness could not do its work: {error}\n"), ExitCode::from(2)),
    };
    drop(std::io::stdout().write_all(text.as_bytes()));
    code
}
