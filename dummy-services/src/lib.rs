//! Stand-ins for the services of the DIASTEMA platform: data cleaning, join, ingestion, data-sink, visualization,
//! function, AutoML, the front end's `/messages`, and the Spark component behind its TCP socket. They do small real
//! work on CSV files, so that data can be seen to flow, and misbehave exactly as a [`Script`] says. This is not a
//! reference for how the real services work inside.
//!
//! # Layout
//! * [`start`], [`Dummies`]: the running services, on threads of their own (`running.rs`)
//! * [`Script`], [`Behaviour`], [`Fault`], [`Kind`]: what each job kind does (`script.rs`, `flags.rs`)
//! * `state.rs`, `jobs.rs`, `ledger.rs`: what the services remember
//! * `http/`: one file per service; `spark.rs`: the framed socket
//! * `work.rs`: a job's way from its inputs in S3 (`store.rs`) through `ops/` (pure functions on a `table.rs`) to its output

pub mod flags;
mod http;
mod jobs;
mod ledger;
mod ops;
mod options;
mod running;
mod samples;
mod script;
mod spark;
mod state;
mod store;
mod table;
mod work;

pub use ledger::{End, LedgerEntry};
pub use options::{Options, S3Options};
pub use running::{Dummies, StartError, start, start_http, start_spark, wait_for_end};
pub use samples::sample_datasets;
pub use script::{Behaviour, Fault, Kind, Script};
