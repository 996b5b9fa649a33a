//! The DIASTEMA orchestrator: runs a JSON graph of jobs on actors, one per job; outside services do the work.
//!
//! # Map
//! * [`playbook`]: what was asked for, checked. [`graph`]: who waits for whom, and the pure machines that run it.
//! * [`engine`]: the actors around those machines; `engine/messages.rs` is the protocol on one page.
//! * [`jobs`]: what each kind of job does, over the traits of [`ports`]; [`adapters`]: those traits over real networks.
//! * [`store`]: the journal, from which the state of every run is folded.
//! * [`chaos`]: where debug builds die or err on demand. `disk`: what follows when a database file is in doubt.
//! * [`http`], [`cli`]: the ways in. [`access`]: who may come in. [`audit`]: what they did. [`config`]: every setting. [`metrics`]: what is counted. [`testing`]: scripted jobs and virtual time for tests.
//!
//! `ARCHITECTURE.md` says which folder may name which, and what always holds.

pub mod access;
pub mod adapters;
pub mod audit;
pub mod chaos;
pub mod cli;
pub mod config;
mod disk;
pub mod engine;
pub mod graph;
pub mod http;
pub mod jobs;
pub mod metrics;
pub mod playbook;
pub mod ports;
pub mod store;
pub mod testing;
