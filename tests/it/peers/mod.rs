//! Real servers for the tests, started by the tests themselves: MongoDB wire (SecantusDB), S3 (moto), the orchestrator's
//! own binary; and programs that talk to it. One server per test binary where tenants keep tests apart; none outlives the test process.

mod client;
mod lossy_disk;
mod mongo;
mod objects;
mod orchestrator;

pub(crate) use client::{Answer, Connection, Server};
pub(crate) use lossy_disk::LossyDisk;
pub(crate) use mongo::Mongo;
pub(crate) use objects::Objects;
pub(crate) use orchestrator::{BINARY, KEY, Orchestrator};
pub(crate) use test_peers::{Folder, free_port, program, wait_for};

/// A port where nobody ever listens.
pub(crate) const CLOSED_PORT: &str = "1";
