//! One job of a playbook with its typed arguments. What a kind *does* is in `jobs/`.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{DatasetLabel, JobId, Step};

/// A job as the engine and the recipes see it.
#[derive(Debug, Clone)]
pub struct Job {
    /// Unique within the playbook; names outputs and edges.
    pub step: Step,
    /// What services, charts and documents know the job by.
    pub id: JobId,
    /// What is to be done.
    pub kind: JobKind,
    /// What `from` names, in that order and with repetitions, as positions in [`super::Playbook::jobs`]; empty for a starting job.
    pub inputs: Vec<usize>,
    /// What `next` names, with repetitions, as positions in [`super::Playbook::jobs`].
    pub next: Vec<usize>,
    /// Overrides the configured time limit of a job (member `timeout-s`).
    pub timeout: Option<Duration>,
    /// How often the job is tried (member `retry`); once when absent. Boxed, because few jobs have one.
    pub retry: Option<Box<Retry>>,
    /// When the job starts, given the outcomes of its predecessors.
    pub when: When,
    /// The job object as received, key order kept: it is stored as `job-json` (contract section 5) and read by nobody here.
    pub raw: RawJob,
}

/// How often a job is tried, and how long it waits in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all, 1 or more.
    pub attempts: u32,
    /// Longest wait before the second attempt; doubles with each further one.
    pub backoff: Duration,
    /// No wait is longer than this.
    pub max_backoff: Duration,
}

impl Default for Retry {
    /// One attempt; whoever asks for more and says nothing about waits gets one second, doubling up to a minute.
    fn default() -> Self {
        Self { attempts: 1, backoff: Duration::from_secs(1), max_backoff: Duration::from_secs(60) }
    }
}

/// A job object as received. Opaque on purpose: what the program needs of it is in the typed members of [`Job`]. A list,
/// because nobody looks anything up in it and it is kept as long as the run.
#[derive(Debug, Clone, Default)]
pub struct RawJob(Box<[(String, Value)]>);

impl RawJob {
    /// Keeps a job object for `job-json`.
    pub fn new(object: Map<String, Value>) -> Self {
        Self(object.into_iter().collect())
    }

    /// The object as stored in documents; `params` is replaced when AutoML chose others (contract section 4.4).
    pub fn document(&self, params: Option<&Map<String, Value>>) -> Map<String, Value> {
        let mut object: Map<String, Value> = self.0.iter().cloned().collect();
        if let Some(params) = params {
            object.insert("params".to_owned(), Value::Object(params.clone()));
        }
        object
    }
}

/// Every title of the platform, with its arguments. A service's answer never changes these.
#[derive(Debug, Clone)]
pub enum JobKind {
    /// Names a data set that is already in the object store; no call.
    Dataset {
        /// The member `label`, not lower-cased.
        label: DatasetLabel,
    },
    /// Cleans one input.
    Cleaning {
        /// Sent as it is; `None` where the contract leaves it out (absent, false, 0 or 0.0).
        max_shrink: Option<Value>,
    },
    /// Joins two or more inputs.
    DataJoin {
        /// The member `column`, not lower-cased.
        column: String,
        /// The member `join-type`, not lower-cased.
        join_type: String,
    },
    /// Runs a stored function over any number of inputs.
    Function {
        /// The function object, sent unchanged.
        function: Value,
    },
    /// Trains on one input with Spark; optionally AutoML chooses the algorithm.
    Ml {
        /// Which of the three titles.
        task: MlTask,
        /// Its arguments.
        args: Box<MlArgs>,
    },
    /// Collects the charts that the parent job left in the graph bucket.
    Visualization {
        /// Name of the entry in the pipeline's `visualization` map.
        label: String,
    },
    /// Tells the data sink that the parent's output may be taken.
    DataSink,
    /// Brings a data set into the object store; the only job of an ingestion.
    Ingestion(Box<IngestionArgs>),
}

/// The three machine-learning titles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MlTask {
    /// Title `classification`.
    Classification,
    /// Title `regression`.
    Regression,
    /// Title `clustering`.
    Clustering,
}

/// Arguments of a machine-learning job.
#[derive(Debug, Clone, PartialEq)]
pub struct MlArgs {
    /// The member `algorithm` as text; `None` when absent, null or false.
    pub algorithm: Option<String>,
    /// The member `column`, unchanged; empty when absent (clustering).
    pub column: String,
    /// Whether AutoML chooses algorithm and parameters.
    pub automl: bool,
    /// The member `params`, `None` when absent.
    pub params: Option<Map<String, Value>>,
}

/// What `POST /ingestion` asks for (contract section 6).
#[derive(Debug, Clone)]
pub struct IngestionArgs {
    /// The member `user`, unchanged.
    pub user: String,
    /// The member `dataset-label`, unchanged.
    pub label: DatasetLabel,
    /// The member `ingestion_json`, forwarded unchanged.
    pub request: Value,
}

/// Start rule of a job over the outcomes of its incoming edges; the truth table is in `graph/rules.rs`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum When {
    /// Every predecessor succeeded (default).
    #[default]
    AllSuccess,
    /// Every predecessor ended, however.
    AllDone,
    /// At least one predecessor succeeded.
    OneSuccess,
    /// At least one predecessor failed.
    OneFailed,
    /// Every predecessor ended and none failed (skipped ones are fine).
    NoneFailed,
}

impl JobKind {
    /// The member `title` of the playbook, also used in answers and logs.
    pub fn title(&self) -> &'static str {
        match self {
            JobKind::Dataset { .. } => "dataset",
            JobKind::Cleaning { .. } => "cleaning",
            JobKind::DataJoin { .. } => "data-join",
            JobKind::Function { .. } => "function",
            JobKind::Ml { task, .. } => task.as_str(),
            JobKind::Visualization { .. } => "visualization",
            JobKind::DataSink => "data-sink",
            JobKind::Ingestion(_) => "ingestion",
        }
    }

    /// The outside service that does this kind, `None` for kinds that call nobody.
    pub fn service(&self) -> Option<Service> {
        match self {
            JobKind::Dataset { .. } | JobKind::Visualization { .. } => None,
            JobKind::Cleaning { .. } => Some(Service::Cleaning),
            JobKind::DataJoin { .. } => Some(Service::Join),
            JobKind::Function { .. } => Some(Service::Function),
            JobKind::Ml { .. } => Some(Service::Spark),
            JobKind::DataSink => Some(Service::DataSink),
            JobKind::Ingestion(_) => Some(Service::Ingestion),
        }
    }
}

impl MlTask {
    /// The title, also the `ml-task` of an AutoML request.
    pub fn as_str(self) -> &'static str {
        match self {
            MlTask::Classification => "classification",
            MlTask::Regression => "regression",
            MlTask::Clustering => "clustering",
        }
    }
}

/// An outside party that does jobs: the unit of concurrency limits and of wire ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// `POST /data-cleaning`.
    Cleaning,
    /// `POST /join`.
    Join,
    /// `POST /function`.
    Function,
    /// `POST /automl`.
    Automl,
    /// `POST /data-ingesting`.
    Ingestion,
    /// `POST /data-sink`.
    DataSink,
    /// The framed TCP component.
    Spark,
}

impl Service {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Service::Cleaning,
        Service::Join,
        Service::Function,
        Service::Automl,
        Service::Ingestion,
        Service::DataSink,
        Service::Spark,
    ];

    /// Stable name for the journal, limits and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Service::Cleaning => "cleaning",
            Service::Join => "join",
            Service::Function => "function",
            Service::Automl => "automl",
            Service::Ingestion => "ingestion",
            Service::DataSink => "data-sink",
            Service::Spark => "spark",
        }
    }

    /// The service of a stable name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.as_str() == name)
    }

    /// Whether job ids sent there may carry an attempt suffix (`decisions` 11: Spark jobs and data-sink keep the plain id).
    pub fn has_wire_ids(self) -> bool {
        !matches!(self, Service::Spark | Service::DataSink)
    }
}
