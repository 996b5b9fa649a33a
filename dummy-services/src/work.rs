//! A job's work: its inputs from the store, an operation on them, its output back to the store.

use serde_json::{Value, json};

use crate::{
    Kind,
    jobs::Outcome,
    ops::{
        automl,
        chart::{self, Chart},
        clean, function,
        ingest::{self, FetchError},
        join,
        learn::{self, LearnError, Task},
    },
    store::{Store, StoreError},
    table::{Table, TableError},
};

/// The bucket of charts; the orchestrator looks there for a job's pictures.
const CHARTS: &str = "diastemaviz";

/// Name of the data in an output directory.
const DATA: &str = "data.csv";

/// Why a job's work failed. The text reaches the user as the job's error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkError {
    #[error("missing `{0}`")]
    Missing(&'static str),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Learn(#[from] LearnError),
}

/// A value as text, the way ids are written: texts as they are, numbers in decimal.
pub(crate) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The work of an HTTP job.
pub(crate) struct Work {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    pub(crate) request: Value,
}

impl Work {
    /// Does the work.
    pub(crate) async fn run(&self, store: &Store, client: &awc::Client) -> Outcome {
        let result = match self.kind {
            Kind::Cleaning => self.clean(store).await,
            Kind::Join => self.join(store).await,
            Kind::Function => self.function(store).await,
            Kind::Ingestion => self.ingest(store, client).await,
            Kind::Visualization => self.visualize(store).await,
            Kind::Automl | Kind::DataSink | Kind::Spark | Kind::Messages => Ok(self.result_without_data()),
        };
        result.map_err(|why| why.to_string())
    }

    /// The result of a job that does no work on data.
    pub(crate) fn result_without_data(&self) -> Value {
        match self.kind {
            Kind::Automl => automl::results(&self.request),
            Kind::Ingestion => {
                // Without a download nobody knows the names, but a data set without features cannot be selected.
                let labels = ingest::labels(&self.request["ingestion_json"]);
                self.ingested(&labels.unwrap_or_else(|| ["id", "value"].map(str::to_owned).to_vec()))
            }
            _ => json!({"job-id": self.id}),
        }
    }

    async fn clean(&self, store: &Store) -> Result<Value, WorkError> {
        let table = store.read(self.text("minio-input")?).await?;
        let cleaned = clean::clean(&table, clean::share(&self.request["max-shrink"]));
        self.write(store, "minio-output", &cleaned).await
    }

    async fn join(&self, store: &Store) -> Result<Value, WorkError> {
        let tables = self.inputs(store).await?;
        let joined = join::join_all(&tables, self.text("column")?, self.text("type").unwrap_or_default())?;
        self.write(store, "output", &joined).await
    }

    async fn function(&self, store: &Store) -> Result<Value, WorkError> {
        let tables = self.inputs(store).await?;
        let computed = function::apply(&self.request["function"], &tables);
        self.write(store, "output", &computed).await
    }

    async fn ingest(&self, store: &Store, client: &awc::Client) -> Result<Value, WorkError> {
        let table = ingest::fetch(client, &self.request["ingestion_json"]).await?;
        self.write(store, "minio-output", &table).await?;
        Ok(self.ingested(&table.columns))
    }

    async fn visualize(&self, store: &Store) -> Result<Value, WorkError> {
        let table = store.read(self.text("minio-input")?).await?;
        put_charts(store, &self.id, &[chart::histogram(&table)]).await?;
        Ok(json!({"job-id": self.id}))
    }

    fn ingested(&self, features: &[String]) -> Value {
        json!({"job-id": self.id, "ingested": true, "features": features})
    }

    async fn inputs(&self, store: &Store) -> Result<Vec<Table>, WorkError> {
        let mut tables = Vec::new();
        for path in self.request["inputs"].as_array().ok_or(WorkError::Missing("inputs"))? {
            tables.push(store.read(path.as_str().unwrap_or_default()).await?);
        }
        Ok(tables)
    }

    async fn write(&self, store: &Store, member: &'static str, table: &Table) -> Result<Value, WorkError> {
        let path = self.text(member)?;
        store.write(path, DATA, table).await?;
        Ok(json!({"job-id": self.id, "result": path}))
    }

    fn text(&self, member: &'static str) -> Result<&str, WorkError> {
        self.request[member].as_str().ok_or(WorkError::Missing(member))
    }
}

/// The work of a Spark job.
pub(crate) struct SparkJob<'a> {
    message: &'a Value,
}

impl<'a> SparkJob<'a> {
    pub(crate) fn new(message: &'a Value) -> Self {
        Self { message }
    }

    pub(crate) fn id(&self) -> &str {
        self.text("job-id").unwrap_or_default()
    }

    /// Learns, writes what was learned and its pictures, and then `_SUCCESS` if it is to be left.
    pub(crate) async fn run(&self, store: &Store, leaves_evidence: bool) -> Result<(), WorkError> {
        let table = store.read(self.text("minio-input")?).await?;
        let task = Task::of_script(self.text("path")?);
        let learned = learn::learn(task, &table, self.text("column")?)?;
        store.write(self.text("minio-output")?, "part-00000.csv", &learned.table).await?;
        put_charts(store, self.text("job-id")?, &learned.charts).await?;
        if leaves_evidence { self.leave_evidence(store).await } else { Ok(()) }
    }

    /// Writes `_SUCCESS`, as Spark does after everything else.
    pub(crate) async fn leave_evidence(&self, store: &Store) -> Result<(), WorkError> {
        Ok(store.put(self.text("minio-output")?, "_SUCCESS", &[], "application/octet-stream").await?)
    }

    fn text(&self, member: &'static str) -> Result<&'a str, WorkError> {
        self.message[member].as_str().ok_or(WorkError::Missing(member))
    }
}

async fn put_charts(store: &Store, job_id: &str, charts: &[Chart]) -> Result<(), WorkError> {
    store.create_bucket(CHARTS).await?;
    for chart in charts {
        store
            .put(
                &format!("{CHARTS}/{job_id}"),
                &format!("{}.html", chart.name),
                chart.html.as_bytes(),
                "text/html; charset=utf-8",
            )
            .await?;
    }
    Ok(())
}
