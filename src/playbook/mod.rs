//! The nouns of an analysis: what a playbook says once it has been checked.
//!
//! Nothing in this folder knows actors, networks, clocks or files. JSON is read once: [`json`] parses bytes strictly,
//! [`wire`] takes what clients send as it comes, [`check`] turns it into the types below, which cannot be wrong.

pub mod algorithms;
mod arguments;
mod blob;
pub mod check;
mod confidential;
mod draft;
pub mod findings;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod ids;
pub mod ingestion;
pub mod ingestion_url;
pub mod job;
pub mod json;
mod links;
mod names;
mod options;
pub mod places;
pub mod problem;
mod relations;
pub mod rules;
pub mod schema;
pub mod settings;
pub mod text;
pub mod wire;

use std::time::Duration;

use serde_json::Value;

pub use confidential::{Blot, Confidential};
pub use ids::{AnalysisId, JobId, Step, TenantId};
pub use job::{Job, JobKind, MlArgs, MlTask, Retry, When};
pub use places::{BucketName, CollectionName, DatasetLabel, ObjectKey};
pub use problem::Problem;

/// A checked analysis: every job, reference, name and argument in it is usable as it is.
///
/// *Source*: contract section 3; `POST /ingestion` becomes a playbook with one job (contract section 6).
#[derive(Debug, Clone)]
pub struct Playbook {
    /// Whose analysis it is; names its bucket and its database.
    pub tenant: TenantId,
    /// The member `database-id` exactly as received: data-sink and the ingestion's filter want it unchanged.
    pub database_id: String,
    /// The analysis' (or ingestion's) id.
    pub id: AnalysisId,
    /// Analysis or ingestion: they have separate id spaces and different closing steps.
    pub space: Space,
    /// The jobs in playbook order; the position in this list is the job's index everywhere in the program.
    pub jobs: Vec<Job>,
    /// The member `metadata` untouched, `null` when absent.
    pub metadata: Value,
    /// What the optional member `options` asks for.
    pub options: Options,
}

/// The two id spaces: an analysis and an ingestion may share an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Space {
    /// Submitted by `POST /analysis`.
    Analysis,
    /// Submitted by `POST /ingestion`.
    Ingestion,
}

impl Space {
    /// The word used in the journal and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Space::Analysis => "analysis",
            Space::Ingestion => "ingestion",
        }
    }
}

/// How an analysis wants to be run; the default is the platform's behaviour.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// What a failed job means for the others.
    pub on_failure: OnFailure,
    /// Time limit of the whole analysis, from acceptance.
    pub deadline: Option<Duration>,
    /// Most jobs of this analysis in flight at once.
    pub max_parallel: Option<usize>,
    /// From 1 to 10: where it waits in a line, a higher one of the same tenant comes first.
    pub priority: u8,
}

impl Default for Options {
    fn default() -> Self {
        Self { on_failure: OnFailure::default(), deadline: None, max_parallel: None, priority: 5 }
    }
}

/// What the failure of one job means for the rest of its analysis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum OnFailure {
    /// Nothing starts any more and running jobs are told to stop (the platform's behaviour).
    #[default]
    Stop,
    /// Branches that do not depend on the failed job go on.
    Continue,
}
