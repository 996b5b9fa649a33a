//! The embedded records: the platform's documents in the journal's own file, when no MongoDB is configured.

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use rusqlite::Connection;
use serde_json::{Map, Value, json};

use super::{Receipt, SqliteJournal, sqlite};
use crate::playbook::job::JobKind;
use crate::playbook::{Space, TenantId};
use crate::ports::{Applied, PipelineChange, RecordChange, Records, RunSpec, StoreError};

/// Database and collections that the platform's web application owns.
const WEB_DATABASE: &str = "UIDB";
const PIPELINES: &str = "pipelines";
const DATASETS: &str = "datasets";

/// A change of one document, applied inside the writer's transaction.
pub(super) struct DocumentChange {
    database: String,
    collection: String,
    id: String,
    edit: Edit,
}

/// What happens to the document.
enum Edit {
    Replace(Map<String, Value>),
    /// Only if it is not there yet.
    Insert(Map<String, Value>),
    Change(PipelineChange),
    Set(&'static str, Value),
}

impl DocumentChange {
    /// Applies the change; repeating it changes nothing more.
    pub(super) fn apply(&self, db: &Connection) -> rusqlite::Result<Applied> {
        let known = sqlite::get_document(db, &self.database, &self.collection, &self.id)?;
        let changed = match (&self.edit, known) {
            (Edit::Replace(document), _) | (Edit::Insert(document), None) => document.clone(),
            (Edit::Insert(_), Some(_)) => return Ok(Applied::Done),
            (Edit::Change(_) | Edit::Set(..), None) => return Ok(Applied::NoSuchEntry),
            (Edit::Change(change), Some(mut document)) => {
                change_pipeline(&mut document, change);
                document
            }
            (Edit::Set(member, value), Some(mut document)) => {
                document.insert((*member).to_owned(), value.clone());
                document
            }
        };
        sqlite::put_document(db, &self.database, &self.collection, &self.id, &changed)?;
        Ok(Applied::Done)
    }
}

/// What a change of the pipeline's entry means to its members; also the reference for the MongoDB adapter.
fn change_pipeline(document: &mut Map<String, Value>, change: &PipelineChange) {
    match change {
        PipelineChange::Visualization { label, paths } => {
            member_map(document, "visualization").insert(label.clone(), json!(paths));
        }
        PipelineChange::Completed => {
            document.insert("status".to_owned(), json!("completed"));
        }
        PipelineChange::Error => {
            if document.get("status") != Some(&json!("completed")) {
                document.insert("status".to_owned(), json!("error"));
            }
        }
        PipelineChange::ExecSpeed { millis } => {
            member_map(document, "performance").insert("analysis-exec-speed".to_owned(), json!(millis));
        }
    }
}

/// The member as a map; something else in its place is replaced by an empty map.
fn member_map<'a>(document: &'a mut Map<String, Value>, member: &str) -> &'a mut Map<String, Value> {
    let value = document.entry(member).or_insert_with(|| json!({}));
    if !value.is_object() {
        *value = json!({});
    }
    value.as_object_mut().expect("the member was just made an object")
}

/// The port over the journal's file.
pub struct EmbeddedRecords {
    journal: SqliteJournal,
}

impl EmbeddedRecords {
    /// Documents in the file of this journal.
    pub fn new(journal: SqliteJournal) -> Self {
        Self { journal }
    }

    fn change(&self, database: &str, collection: &str, id: String, edit: Edit) -> Receipt<Applied> {
        let change = DocumentChange { database: database.to_owned(), collection: collection.to_owned(), id, edit };
        self.journal.change_document(change)
    }
}

impl Records for EmbeddedRecords {
    fn apply(&self, run: &RunSpec, change: &RecordChange) -> LocalBoxFuture<'static, Result<Applied, StoreError>> {
        let playbook = &run.playbook;
        let receipt = match change {
            RecordChange::Register => match playbook.space {
                Space::Analysis => {
                    let entry = pipeline_entry(run);
                    self.change(WEB_DATABASE, PIPELINES, playbook.id.text().to_owned(), Edit::Insert(entry))
                }
                Space::Ingestion => {
                    let (id, entry) = dataset_entry(run);
                    self.change(WEB_DATABASE, DATASETS, id, Edit::Insert(entry))
                }
            },
            RecordChange::Document { collection, id, document } => self.change(
                playbook.tenant.as_str(),
                collection.as_str(),
                hex::encode(id),
                Edit::Replace(document.clone()),
            ),
            RecordChange::Pipeline(change) => {
                self.change(WEB_DATABASE, PIPELINES, playbook.id.text().to_owned(), Edit::Change(change.clone()))
            }
            RecordChange::DatasetFeatures { organization, user, label, features } => self.change(
                WEB_DATABASE,
                DATASETS,
                dataset_id(organization, user, label),
                Edit::Set("features", features.clone()),
            ),
            // objects are the object store's; the caller sends those there
            RecordChange::DeleteObject { .. } => Receipt::ready(Applied::Done),
        };
        receipt.map(unavailable).boxed_local()
    }

    fn put_parameters(
        &self,
        _tenant: &TenantId,
        document: &Map<String, Value>,
    ) -> LocalBoxFuture<'static, Result<(), StoreError>> {
        let id = document.get("job-id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let receipt = self.change("Diastema", "datatoolkit", id, Edit::Replace(document.clone()));
        receipt.map(|result| unavailable(result).map(|_| ())).boxed_local()
    }
}

fn unavailable<T>(result: Result<T, super::JournalError>) -> Result<T, StoreError> {
    result.map_err(|error| StoreError::Unavailable { store: "embedded records", why: error.to_string() })
}

fn pipeline_entry(run: &RunSpec) -> Map<String, Value> {
    let playbook = &run.playbook;
    let entry = json!({"analysisid": playbook.id.text(), "databaseid": playbook.database_id});
    entry.as_object().cloned().unwrap_or_default()
}

/// Data sets are found by organization, user and label together.
fn dataset_id(organization: &str, user: &str, label: &str) -> String {
    json!([organization, user, label]).to_string()
}

fn dataset_entry(run: &RunSpec) -> (String, Map<String, Value>) {
    let organization = &run.playbook.database_id;
    let args = run
        .playbook
        .jobs
        .iter()
        .find_map(|job| if let JobKind::Ingestion(args) = &job.kind { Some(args) } else { None });
    let (user, label) = args.map_or(("", ""), |args| (args.user.as_str(), args.label.as_str()));
    let entry = json!({
        "organization": organization, "user": user, "label": label, "ingestationId": run.playbook.id.text(),
    });
    (dataset_id(organization, user, label), entry.as_object().cloned().unwrap_or_default())
}
