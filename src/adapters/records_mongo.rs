//! The platform's documents in MongoDB (contract section 5). Every write may be repeated: ids are fixed, updates set.

use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::{Error, ErrorKind, WriteFailure};
use mongodb::options::{Acknowledgment, ClientOptions, ServerAddress, WriteConcern};
use mongodb::{Client, Collection};
use serde_json::{Map, Value};

use super::address::Address;
use crate::playbook::TenantId;
use crate::ports::{Applied, PipelineChange, RecordChange, Records, RunSpec, StoreError};

const STORE: &str = "the database";

/// How long to look for a server before saying that there is none.
const SELECTION_TIMEOUT: Duration = Duration::from_secs(3);

/// The server's code for a path that leads through something other than a map.
const PATH_NOT_VIABLE: i32 = 28;

/// Connections kept per server.
const POOL: u32 = 32;

/// Documents in MongoDB. Belongs to the thread that made it.
pub struct MongoRecords {
    client: Client,
}

impl MongoRecords {
    /// A client of the database; connects when it is first needed.
    ///
    /// *Errors*: an address that cannot be used.
    pub fn new(address: &Address) -> Result<Self, StoreError> {
        let server = ServerAddress::Tcp { host: address.host.clone(), port: Some(address.port) };
        // one address, asked directly: the platform's database names itself by hosts that are known only inside its network
        let options = ClientOptions::builder()
            .hosts(vec![server])
            .direct_connection(true)
            .app_name("diastema-orchestrator".to_owned())
            .server_selection_timeout(SELECTION_TIMEOUT)
            .connect_timeout(SELECTION_TIMEOUT)
            .max_pool_size(POOL)
            .write_concern(WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build())
            .build();
        let client = Client::with_options(options).map_err(|error| failed(&error))?;
        Ok(Self { client })
    }

    fn collection(&self, database: &str, collection: &str) -> Collection<Document> {
        self.client.database(database).collection(collection)
    }
}

impl Records for MongoRecords {
    fn apply(&self, run: &RunSpec, change: &RecordChange) -> LocalBoxFuture<'static, Result<Applied, StoreError>> {
        let analysis = run.playbook.id.text().to_owned();
        match change {
            // the web application makes its entries itself; objects are the object store's
            RecordChange::Register | RecordChange::DeleteObject { .. } => {
                futures::future::ready(Ok(Applied::Done)).boxed_local()
            }
            RecordChange::Document { collection, id, document } => {
                let collection = self.collection(run.playbook.tenant.as_str(), collection.as_str());
                let (id, document) = (ObjectId::from_bytes(*id), document_of(document));
                async move { replace(&collection, doc! {"_id": id}, document).await }.boxed_local()
            }
            RecordChange::Pipeline(change) => {
                let pipelines = self.collection("UIDB", "pipelines");
                let change = change.clone();
                async move { change_pipeline(&pipelines, &analysis, &change).await }.boxed_local()
            }
            RecordChange::DatasetFeatures { organization, user, label, features } => {
                let datasets = self.collection("UIDB", "datasets");
                let filter = doc! {"organization": organization, "user": user, "label": label};
                let update = doc! {"$set": {"features": bson_of(features)}};
                async move { update_one(&datasets, filter, update).await }.boxed_local()
            }
        }
    }

    fn put_parameters(
        &self,
        _tenant: &TenantId,
        document: &Map<String, Value>,
    ) -> LocalBoxFuture<'static, Result<(), StoreError>> {
        let collection = self.collection("Diastema", "datatoolkit");
        let filter = doc! {"job-id": document.get("job-id").map_or(Bson::Null, bson_of)};
        let document = document_of(document);
        async move { replace(&collection, filter, document).await.map(|_| ()) }.boxed_local()
    }
}

async fn replace(
    collection: &Collection<Document>,
    filter: Document,
    document: Document,
) -> Result<Applied, StoreError> {
    let replaced = collection.replace_one(filter, document).upsert(true).await;
    replaced.map(|_| Applied::Done).map_err(|error| failed(&error))
}

async fn update_one(
    collection: &Collection<Document>,
    filter: Document,
    update: Document,
) -> Result<Applied, StoreError> {
    let updated = collection.update_one(filter, update).await.map_err(|error| failed(&error))?;
    Ok(if updated.matched_count == 0 { Applied::NoSuchEntry } else { Applied::Done })
}

async fn change_pipeline(
    pipelines: &Collection<Document>,
    analysis: &str,
    change: &PipelineChange,
) -> Result<Applied, StoreError> {
    let filter = doc! {"analysisid": analysis};
    match change {
        PipelineChange::Visualization { label, paths } => add_charts(pipelines, filter, label, paths).await,
        PipelineChange::Completed => update_one(pipelines, filter, doc! {"$set": {"status": "completed"}}).await,
        PipelineChange::Error => {
            let open = doc! {"analysisid": analysis, "status": {"$ne": "completed"}};
            match update_one(pipelines, open, doc! {"$set": {"status": "error"}}).await? {
                Applied::Done => Ok(Applied::Done),
                Applied::NoSuchEntry => exists(pipelines, filter).await,
            }
        }
        PipelineChange::ExecSpeed { millis } => set_exec_speed(pipelines, filter, number(*millis)).await,
    }
}

/// One member of the map, because others write theirs; something else in its place is replaced.
async fn set_exec_speed(
    pipelines: &Collection<Document>,
    filter: Document,
    speed: Bson,
) -> Result<Applied, StoreError> {
    let update = doc! {"$set": {"performance.analysis-exec-speed": speed.clone()}};
    match pipelines.update_one(filter.clone(), update).await {
        Ok(updated) if updated.matched_count == 0 => Ok(Applied::NoSuchEntry),
        Ok(_) => Ok(Applied::Done),
        Err(error) if is_not_a_map(&error) => {
            update_one(pipelines, filter, doc! {"$set": {"performance": {"analysis-exec-speed": speed}}}).await
        }
        Err(error) => Err(failed(&error)),
    }
}

async fn exists(collection: &Collection<Document>, filter: Document) -> Result<Applied, StoreError> {
    let found = collection.find_one(filter).await.map_err(|error| failed(&error))?;
    Ok(if found.is_some() { Applied::Done } else { Applied::NoSuchEntry })
}

/// Labels are literal keys, dots and all, which no path of `$set` can name: the whole map is read and written back. Only
/// this run's record lane writes it.
async fn add_charts(
    pipelines: &Collection<Document>,
    filter: Document,
    label: &str,
    paths: &[String],
) -> Result<Applied, StoreError> {
    let Some(entry) = pipelines.find_one(filter.clone()).await.map_err(|error| failed(&error))? else {
        return Ok(Applied::NoSuchEntry);
    };
    let mut charts = entry.get_document("visualization").cloned().unwrap_or_default();
    charts.insert(label, paths);
    update_one(pipelines, filter, doc! {"$set": {"visualization": charts}}).await
}

/// The driver's own retries have been tried: what may pass is waited for, what would be said again is refused.
fn failed(error: &Error) -> StoreError {
    let why = error.to_string().chars().take(300).collect();
    let refused = match error.kind.as_ref() {
        ErrorKind::Write(WriteFailure::WriteError(_))
        | ErrorKind::Command(_)
        | ErrorKind::InvalidArgument { .. }
        | ErrorKind::BsonSerialization(_)
        | ErrorKind::Authentication { .. } => !error.contains_label("RetryableWriteError"),
        _ => false,
    };
    if refused { StoreError::Refused { store: STORE, why } } else { StoreError::Unavailable { store: STORE, why } }
}

/// Whether the server could not go into a member because it is not a map.
fn is_not_a_map(error: &Error) -> bool {
    matches!(error.kind.as_ref(), ErrorKind::Write(WriteFailure::WriteError(write)) if write.code == PATH_NOT_VIABLE)
}

fn document_of(object: &Map<String, Value>) -> Document {
    object.iter().map(|(key, value)| (key.clone(), bson_of(value))).collect()
}

/// JSON as the original's driver stores it: whole numbers by size, other numbers as doubles.
fn bson_of(value: &Value) -> Bson {
    match value {
        Value::Null => Bson::Null,
        Value::Bool(truth) => Bson::Boolean(*truth),
        Value::String(text) => Bson::String(text.clone()),
        Value::Array(items) => Bson::Array(items.iter().map(bson_of).collect()),
        Value::Object(object) => Bson::Document(document_of(object)),
        Value::Number(any) => match any.as_i64() {
            Some(whole) => number(whole),
            None => Bson::Double(any.as_f64().unwrap_or_default()),
        },
    }
}

fn number(whole: i64) -> Bson {
    i32::try_from(whole).map_or(Bson::Int64(whole), Bson::Int32)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_stored_by_size() {
        assert_eq!(bson_of(&json!(2_147_483_647)), Bson::Int32(2_147_483_647));
        assert_eq!(bson_of(&json!(2_147_483_648_i64)), Bson::Int64(2_147_483_648));
        assert_eq!(bson_of(&json!(1.0)), Bson::Double(1.0));
        assert_eq!(bson_of(&json!(-5)), Bson::Int32(-5));
    }

    #[test]
    fn documents_keep_their_member_order() {
        let object = json!({"b": 1, "a": {"z": null, "y": [true]}});
        let keys: Vec<String> = document_of(object.as_object().expect("an object")).keys().cloned().collect();
        assert_eq!(keys, ["b", "a"]);
    }
}
