//! What the outside is told, and when: milestones of a run, and the records and notices that follow from them.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::{JobFailure, JobSuccess};
use crate::graph::JobIndex;
use crate::playbook::{CollectionName, ObjectKey};

/// Moments after which the outside is told something.
#[derive(Debug, Clone)]
pub enum Milestone {
    /// The run is durable and begins.
    Accepted,
    /// A job has a result.
    JobSucceeded {
        /// Which job.
        job: JobIndex,
        /// Its result.
        success: Arc<JobSuccess>,
    },
    /// A job has failed.
    JobFailed {
        /// Which job.
        job: JobIndex,
        /// Why.
        failure: JobFailure,
    },
    /// The analysis is over.
    Finished {
        /// Whether every job ended well.
        succeeded: bool,
        /// What ended it, if no job did.
        stopped_by: Option<JobFailure>,
        /// From acceptance to the end of the last job.
        elapsed: Duration,
    },
}

/// One thing to tell the outside.
#[derive(Debug, Clone, PartialEq)]
pub enum Delivery {
    /// A change of the documents or of the object store.
    Record(RecordChange),
    /// A notice to the web application.
    Notice(Notice),
}

/// How a delivery ended; both are final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryResult {
    /// Done.
    Delivered,
    /// It will never be done, for this reason (logged and written to the history).
    GivenUp(String),
}

/// A repeatable change of the documents (contract section 5) or of the object store.
#[derive(Debug, Clone, PartialEq)]
pub enum RecordChange {
    /// Makes the entry of the run in `UIDB.pipelines` or `UIDB.datasets`. Only the embedded records do that: with a real
    /// database the web application makes its entries itself (decision 22).
    Register,
    /// Replaces or inserts one document by its id.
    Document {
        /// The collection, in the database of the run's tenant.
        collection: CollectionName,
        /// First 12 bytes of a SHA-256 over who the document belongs to.
        id: [u8; 12],
        /// The document in the contract's member order.
        document: Map<String, Value>,
    },
    /// Sets members of the analysis' entry in `UIDB.pipelines`; never creates the entry.
    Pipeline(PipelineChange),
    /// Sets `features` of the data set's entry in `UIDB.datasets`; never creates the entry.
    DatasetFeatures {
        /// `organization`: database-id unchanged.
        organization: String,
        /// `user`, unchanged.
        user: String,
        /// `label`, unchanged.
        label: String,
        /// What the service found.
        features: Value,
    },
    /// Deletes an object whose work is done; an absent one is fine.
    DeleteObject {
        /// Its key in the tenant's bucket.
        key: ObjectKey,
    },
}

/// What changes in `UIDB.pipelines` where `analysisid` is the analysis' id unchanged.
#[derive(Debug, Clone, PartialEq)]
pub enum PipelineChange {
    /// `visualization.<label>` = paths; other labels are kept.
    Visualization {
        /// A literal key, dots and all.
        label: String,
        /// The charts.
        paths: Vec<String>,
    },
    /// `status` = `completed`.
    Completed,
    /// `status` = `error` unless it is `completed`.
    Error,
    /// `performance.analysis-exec-speed` in milliseconds.
    ExecSpeed {
        /// Whole milliseconds.
        millis: i64,
    },
}

/// A notice to the web application (contract section 7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// `update` or `error`.
    pub kind: NoticeKind,
    /// The exact text.
    pub text: String,
}

/// The two kinds of notice that are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeKind {
    /// Something was done.
    Update,
    /// Something failed.
    Error,
}

impl NoticeKind {
    /// The form field's name and the value of `message`.
    pub fn as_str(self) -> &'static str {
        match self {
            NoticeKind::Update => "update",
            NoticeKind::Error => "error",
        }
    }
}
