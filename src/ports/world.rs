//! The world as recipes see it: one trait per conversation. Implementations are in `adapters/` and `store/documents.rs`.

use futures::future::LocalBoxFuture;
use serde_json::{Map, Value};
use thiserror::Error;

use super::{Notice, RecordChange, RunSpec};
use crate::playbook::job::Service;
use crate::playbook::{BucketName, ObjectKey, TenantId};

/// The HTTP job services: data, function and AutoML.
pub trait JobServices {
    /// `POST <service>/<path>` with a JSON body, redirects followed with method, headers and body. `callback` is the address
    /// at which the service may say by itself how the job ended; it goes into the header `Diastema-Callback`.
    fn post(
        &self,
        service: Service,
        path: &str,
        body: &Value,
        callback: Option<&str>,
    ) -> LocalBoxFuture<'static, Result<Answer, CallError>>;

    /// `GET <service>/<path>`.
    fn get(&self, service: Service, path: &str) -> LocalBoxFuture<'static, Result<Answer, CallError>>;

    /// `DELETE <service>/<path>`: a job is not wanted any more.
    fn delete(&self, service: Service, path: &str) -> LocalBoxFuture<'static, Result<Answer, CallError>>;
}

/// What a service answered, whatever the status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body as text, invalid UTF-8 replaced, cut at the reply limit.
    pub body: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    /// No connection: the request cannot have arrived.
    #[error("cannot connect to {to}: {why}")]
    NotConnected {
        /// Host and port.
        to: String,
        /// The system's words.
        why: String,
    },
    /// The connection was there and broke or fell silent: the request may have arrived.
    #[error("no answer from {to}: {why}")]
    NoAnswer {
        /// Host and port.
        to: String,
        /// What was seen.
        why: String,
    },
    /// An answer that cannot be used: too large, or a redirect elsewhere.
    #[error("unusable answer from {to}: {why}")]
    Unusable {
        /// Host and port.
        to: String,
        /// What was seen.
        why: String,
    },
}

/// The Spark component.
pub trait SparkSubmitter {
    /// Connects; nothing is sent. Apart from the sending, so that a component that is away leaves no doubt about a start.
    fn connect(&self) -> LocalBoxFuture<'static, Result<Box<dyn SparkConnection>, CallError>>;
}

/// A connection to the Spark component, good for one job.
pub trait SparkConnection {
    /// Sends the job and waits for the reply, which comes when Spark has finished. The connection details of the object
    /// store and the database are the submitter's own and are put in front of `job`.
    fn submit(self: Box<Self>, job: &SparkJob) -> LocalBoxFuture<'static, Result<String, CallError>>;
}

/// The job's part of the Spark message (contract section 4.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparkJob {
    /// Script of the task, with `local://` in front.
    pub script: String,
    /// Wire name of the algorithm.
    pub algorithm: String,
    /// Path of the input.
    pub input: String,
    /// Path of the output.
    pub output: String,
    /// Column, `dummycolumn` for clustering.
    pub column: String,
    /// text(id).
    pub job_id: String,
    /// text(analysis-id).
    pub analysis_id: String,
}

/// The object store.
pub trait ObjectStore {
    /// Makes sure that the bucket is there, then puts a zero-byte object whose key ends in `/`.
    fn make_directory(&self, bucket: &BucketName, key: &ObjectKey) -> LocalBoxFuture<'static, Result<(), StoreError>>;

    /// Deletes an object; an absent one is fine.
    fn delete(&self, bucket: &BucketName, key: &ObjectKey) -> LocalBoxFuture<'static, Result<(), StoreError>>;

    /// Whether an object is there.
    fn exists(&self, bucket: &BucketName, key: &ObjectKey) -> LocalBoxFuture<'static, Result<bool, StoreError>>;

    /// All keys with a prefix in listing order; a missing bucket is an empty list.
    fn list(&self, bucket: &BucketName, prefix: &ObjectKey)
    -> LocalBoxFuture<'static, Result<Vec<String>, StoreError>>;
}

/// The documents of the platform (contract section 5).
pub trait Records {
    /// Applies one change; repeating it changes nothing more.
    fn apply(&self, run: &RunSpec, change: &RecordChange) -> LocalBoxFuture<'static, Result<Applied, StoreError>>;

    /// Replaces the parameters of a Spark job in `Diastema.datatoolkit`, by `job-id`.
    fn put_parameters(
        &self,
        tenant: &TenantId,
        document: &Map<String, Value>,
    ) -> LocalBoxFuture<'static, Result<(), StoreError>>;
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It is there.
    Done,
    /// The entry to be changed does not exist (yet): the web application does not await its own saves.
    NoSuchEntry,
}

/// Why a store did not do something.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// Nobody answers, or it asks to come back later: worth trying again.
    #[error("{store} is not available: {why}")]
    Unavailable {
        /// Which store.
        store: &'static str,
        /// What was seen, without secrets.
        why: String,
    },
    /// It says no, and will say no again.
    #[error("{store} refused: {why}")]
    Refused {
        /// Which store.
        store: &'static str,
        /// What it said, without secrets.
        why: String,
    },
}

/// The web application.
pub trait Announcements {
    /// `POST /messages`, form encoded; `event_id` goes into the header `Idempotency-Key`.
    fn announce(&self, notice: &Notice, event_id: &str) -> LocalBoxFuture<'static, Result<(), CallError>>;
}
