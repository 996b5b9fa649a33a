//! What the services do with data: plain functions from tables to tables, deterministic, without store or clock. Only
//! `ingest` also downloads.

pub(crate) mod automl;
pub(crate) mod chart;
mod classify;
pub(crate) mod clean;
mod cluster;
pub(crate) mod function;
pub(crate) mod ingest;
pub(crate) mod join;
pub(crate) mod learn;
mod regress;
