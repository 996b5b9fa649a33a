//! Names that reach buckets, databases, collections, object keys and services: validated once, impossible to build otherwise.

use std::fmt;

use serde::Serialize;

/// An organisation: names its bucket and its database. Always lower case.
///
/// *Shape*: `^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`, not a reserved name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct TenantId(pub(super) String);

impl TenantId {
    /// The name of the tenant's bucket and database.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Declares an id that keeps its text as received and its lower-cased key; two ids are equal when their keys are.
macro_rules! two_faced_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name {
            pub(super) text: String,
            pub(super) key: String,
        }

        impl $name {
            /// The text form as received.
            pub fn text(&self) -> &str {
                &self.text
            }

            /// The lower-cased form: identity, object keys, collection names.
            pub fn key(&self) -> &str {
                &self.key
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.key == other.key
            }
        }

        impl Eq for $name {}

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.text)
            }
        }
    };
}

two_faced_id! {
    /// Id of an analysis or an ingestion. *Shape*: 1-64 of `[A-Za-z0-9._-]`, not `.` or `..`; numbers by their text.
    AnalysisId
}

two_faced_id! {
    /// A job's key within its playbook. *Shape*: 1-256 of `[A-Za-z0-9._-]`, not `0`; numbers by their text.
    Step
}

/// What services know a job by.
///
/// *Shape*: as [`Step`]. Whether it was a JSON number is kept, because AutoML gets it unchanged (contract section 4.4).
#[derive(Debug, Clone)]
pub struct JobId {
    pub(super) text: String,
    pub(super) key: String,
    pub(super) is_number: bool,
}

impl JobId {
    /// The text form as received.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The lower-cased form that services get.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The id as it stood in the playbook: a number stays a number.
    pub fn as_json(&self) -> serde_json::Value {
        match (self.is_number, self.text.parse::<u64>()) {
            (true, Ok(number)) => number.into(),
            _ => self.text.clone().into(),
        }
    }
}

impl PartialEq for JobId {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for JobId {}
