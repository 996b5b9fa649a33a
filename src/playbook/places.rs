//! Names of buckets, objects and collections: they are made of checked names and of nothing else, so that no text of a
//! document can point into what belongs to somebody else.
//!
//! ```compile_fail
//! // a bucket is a tenant's or the one of the charts, never any text
//! let bucket = orchestrator::playbook::BucketName("somebody-elses".into());
//! ```
//! ```compile_fail
//! let key = orchestrator::playbook::ObjectKey("../datasets/of/others".to_owned());
//! ```
//! ```compile_fail
//! let collection = orchestrator::playbook::CollectionName("system.users".to_owned());
//! ```
//! ```compile_fail
//! let tenant = orchestrator::playbook::TenantId("UIDB".to_owned());
//! ```

use std::borrow::Cow;
use std::fmt;

use super::ids::{AnalysisId, JobId, Step, TenantId};
use super::rules::{Fault, dataset_label};

/// Bucket of the charts, shared by all tenants (contract section 1).
const CHARTS: &str = "diastemaviz";

/// Name of the empty object that Spark leaves in its output when it has finished.
const EVIDENCE: &str = "_SUCCESS";

/// Label of a data set, as received.
///
/// *Shape*: 1-256 characters; `/` separates segments, none of which is empty, `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetLabel(String);

impl DatasetLabel {
    /// A label from its text.
    ///
    /// # Errors
    /// `length` or `charset`.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        dataset_label(text)?;
        Ok(Self(text.to_owned()))
    }

    /// The text as received.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Name of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BucketName(Cow<'static, str>);

impl BucketName {
    /// A tenant's bucket.
    pub fn of(tenant: &TenantId) -> Self {
        Self(Cow::Owned(tenant.as_str().to_owned()))
    }

    /// The bucket of everybody's charts.
    pub fn charts() -> Self {
        Self(Cow::Borrowed(CHARTS))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Key of an object, or of a directory with its final slash, within a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// Output directory of a job. *Shape*: `analysis-<A>/<kind>-<S>/`.
    pub fn output(analysis: &AnalysisId, kind: &'static str, step: &Step) -> Self {
        Self(format!("analysis-{}/{kind}-{}/", analysis.key(), step.key()))
    }

    /// Directory of a data set. *Shape*: `datasets/<lower(label)>/`.
    pub fn dataset(label: &DatasetLabel) -> Self {
        Self(format!("datasets/{}/", label.0.to_lowercase()))
    }

    /// Directory of a job's charts in their bucket. *Shape*: `<id>/`.
    pub fn charts(job: &JobId) -> Self {
        Self(format!("{}/", job.text()))
    }

    /// Key of the evidence that a Spark job with this output has finished.
    pub fn evidence(&self) -> Self {
        Self(format!("{}{EVIDENCE}", self.0))
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Collection of an analysis' documents in its tenant's database. *Shape*: `analysis_<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CollectionName(String);

impl CollectionName {
    /// The collection of an analysis.
    pub fn of(analysis: &AnalysisId) -> Self {
        Self(format!("analysis_{}", analysis.key()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CollectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
