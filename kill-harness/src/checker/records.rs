//! The documents in the database: exactly one per job and run, the metadata of what completed, the right status.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::{StreamExt, TryStreamExt, stream};
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::{ClientOptions, IndexOptions, ServerAddress};
use mongodb::{Client, IndexModel};

use super::{Case, Findings, proofs, reasons};
use crate::contract::{self, About};
use crate::workload::{Analysis, Kind};
use crate::world::World;

/// Questions to the database at the same time.
const AT_ONCE: usize = 16;

/// What is in the database.
pub(super) struct Documents {
    /// By tenant and collection.
    collections: HashMap<(String, String), Vec<Document>>,
    /// By analysis id.
    pipelines: HashMap<String, Vec<Document>>,
    /// Documents per `job-id`.
    parameters: HashMap<String, usize>,
}

/// A client of the database itself, not over the road that is disturbed.
pub(crate) fn client(world: &World) -> Result<Client, String> {
    let server = ServerAddress::Tcp { host: "127.0.0.1".to_owned(), port: Some(world.mongo_port) };
    let options = ClientOptions::builder().hosts(vec![server]).direct_connection(true).build();
    Client::with_options(options).map_err(|error| error.to_string())
}

/// Saves what the web application saves before it submits, with the indexes that it would have.
pub(crate) async fn deploy(world: &World) -> Result<(), String> {
    let client = client(world)?;
    let pipelines = client.database("UIDB").collection::<Document>("pipelines");
    let entries = world.analyses.iter().map(|analysis| {
        doc! {"analysisid": &analysis.id, "name": "harness", "databaseid": analysis.organization, "jobs": []}
    });
    let entries: Vec<Document> = entries.collect();
    for some in entries.chunks(500) {
        pipelines.insert_many(some.to_vec()).await.map_err(|error| error.to_string())?;
    }
    let parameters = client.database("Diastema").collection::<Document>("datatoolkit");
    for (collection, member) in [(pipelines, "analysisid"), (parameters, "job-id")] {
        let index = IndexModel::builder().keys(doc! {member: 1}).options(IndexOptions::default()).build();
        collection.create_index(index).await.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Reads everything.
pub(super) async fn read(world: &World) -> Result<Documents, String> {
    let client = client(world)?;
    let mut names: Vec<(String, String)> = Vec::new();
    for tenant in crate::workload::TENANTS {
        let database = client.database(&tenant.to_lowercase());
        let collections = database.list_collection_names().await.map_err(|error| error.to_string())?;
        names.extend(collections.into_iter().map(|collection| (database.name().to_owned(), collection)));
    }
    let reads = names.into_iter().map(|(database, collection)| {
        let client = client.clone();
        async move {
            let found = all(&client, &database, &collection).await?;
            Ok::<_, String>(((database, collection), found))
        }
    });
    let collections = stream::iter(reads).buffer_unordered(AT_ONCE).try_collect().await?;
    let mut pipelines: HashMap<String, Vec<Document>> = HashMap::new();
    for entry in all(&client, "UIDB", "pipelines").await? {
        pipelines.entry(entry.get_str("analysisid").unwrap_or_default().to_owned()).or_default().push(entry);
    }
    let mut parameters = HashMap::new();
    for entry in all(&client, "Diastema", "datatoolkit").await? {
        *parameters.entry(entry.get_str("job-id").unwrap_or_default().to_owned()).or_default() += 1;
    }
    Ok(Documents { collections, pipelines, parameters })
}

async fn all(client: &Client, database: &str, collection: &str) -> Result<Vec<Document>, String> {
    let found = client.database(database).collection::<Document>(collection).find(doc! {}).await;
    found.map_err(|error| error.to_string())?.try_collect().await.map_err(|error| error.to_string())
}

/// A document that there may be.
struct Expected<'a> {
    run: u32,
    /// Index of its job; `None` for the metadata.
    job: Option<usize>,
    kind: Option<Kind>,
    text: &'a str,
    path: Option<String>,
}

/// Judges the documents of one analysis.
pub(super) fn check(case: &Case<'_>, documents: &Documents, findings: &mut Findings) {
    let mut possible: BTreeMap<[u8; 12], Expected<'_>> = BTreeMap::new();
    for run in 1..=case.runs {
        add_possible(case.analysis, run, &mut possible);
    }
    let place = (case.analysis.tenant(), format!("analysis_{}", case.analysis.key()));
    let found = documents.collections.get(&place).map_or(&[][..], Vec::as_slice);
    findings.figures.documents += found.len();
    let mut there: BTreeSet<[u8; 12]> = BTreeSet::new();
    for document in found {
        let id = document.get_object_id("_id").map(|id| id.bytes()).unwrap_or_default();
        match possible.get(&id) {
            Some(expected) => {
                there.insert(id);
                check_content(case, expected, document, findings);
            }
            None => {
                findings.figures.duplicate_documents += 1;
                findings.violation("a document too many", format!("{}: {document}", case.name()));
            }
        }
    }
    for run in 1..=case.runs {
        check_run(case, run, &possible, &there, findings);
    }
    check_entry(case, documents, findings);
    check_parameters(case, documents, findings);
}

fn add_possible<'a>(analysis: &'a Analysis, run: u32, possible: &mut BTreeMap<[u8; 12], Expected<'a>>) {
    let (tenant, key) = (analysis.tenant(), analysis.key());
    for (index, job) in analysis.jobs.iter().enumerate() {
        if let Some(text) = contract::directory_kind(job.kind) {
            let id = contract::document_id(&tenant, &key, run, About::Step(&job.step.to_lowercase()));
            let path = analysis.directory(job).map(|directory| format!("{tenant}/{directory}"));
            possible.insert(id, Expected { run, job: Some(index), kind: Some(job.kind), text, path });
        }
    }
    let id = contract::document_id(&tenant, &key, run, About::Metadata);
    possible.insert(id, Expected { run, job: None, kind: None, text: "metadata", path: None });
}

fn check_content(case: &Case<'_>, expected: &Expected<'_>, document: &Document, findings: &mut Findings) {
    let member = if expected.kind.is_some() { "directory-kind" } else { "kind" };
    let path = document.get_str("minio-path").ok();
    let right_path = match &expected.path {
        Some(expected) => path == Some(expected),
        None => expected.kind.is_none() || path.is_some_and(|path| path.starts_with(contract::GRAPH_BUCKET)),
    };
    if document.get_str(member).ok() != Some(expected.text) || !right_path {
        findings.violation("a document with the wrong content", format!("{}: {document}", case.name()));
    }
}

/// What must have succeeded has its document. A record goes out before its notice: what was told has a document, and what
/// has none was not told.
fn check_run(
    case: &Case<'_>,
    run: u32,
    possible: &BTreeMap<[u8; 12], Expected<'_>>,
    there: &BTreeSet<[u8; 12]>,
    findings: &mut Findings,
) {
    let Some(notices) = case.seen.notices.get(&run) else { return };
    let completed = contract::completed(&case.analysis.key());
    let is_complete = notices.values().any(|told| told.text == completed);
    let has_ended = notices.values().any(|told| told.text == contract::failed(&case.analysis.key()));
    let succeeded = if is_complete || has_ended { proofs::succeeded(case, run) } else { BTreeSet::new() };
    for (id, expected) in possible.iter().filter(|(_, expected)| expected.run == run) {
        let must_be_there = expected.job.map_or(is_complete, |job| succeeded.contains(&job));
        if must_be_there && !there.contains(id) {
            findings.figures.missing_documents += 1;
            findings.violation("a document missing", format!("{} run {run}: {}", case.name(), expected.text));
        }
    }
    if is_complete {
        return;
    }
    let mut kinds: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (id, expected) in possible.iter().filter(|(_, expected)| expected.run == run) {
        let Some(text) = expected.kind.and_then(|kind| contract::job_done(kind, &case.analysis.id)) else {
            if there.contains(id) {
                findings.violation("metadata of an analysis that failed", case.name());
            }
            continue;
        };
        let told = notices.values().filter(|told| told.text == text).count();
        let counts = kinds.entry(expected.text).or_insert((0, told));
        counts.0 += usize::from(there.contains(id));
    }
    for (kind, (documents, told)) in kinds {
        if documents < told {
            findings.figures.missing_documents += told - documents;
            findings.violation("a document missing", format!("{} run {run}: {kind}", case.name()));
        } else if documents > told && has_ended {
            findings.violation("a document without its notice", format!("{} run {run}: {kind}", case.name()));
        }
    }
}

/// The web application's own entry.
fn check_entry(case: &Case<'_>, documents: &Documents, findings: &mut Findings) {
    let entries = documents.pipelines.get(&case.analysis.id).map_or(&[][..], Vec::as_slice);
    let [entry] = entries else {
        let what = format!("{}: {} entries", case.name(), entries.len());
        return findings.violation("the web application's entry was multiplied or lost", what);
    };
    let key = case.analysis.key();
    let told = |text: &str| case.seen.notices.values().any(|run| run.values().any(|told| told.text == text));
    let (completed, failed) = (told(&contract::completed(&key)), told(&contract::failed(&key)));
    let expected = match (completed, failed) {
        (true, _) => Some("completed"),
        (false, true) => Some("error"),
        (false, false) => return,
    };
    let status = entry.get_str("status").ok();
    if status != expected {
        findings.violation("the wrong status", format!("{}: {status:?} instead of {expected:?}", case.name()));
    }
    if !completed {
        return;
    }
    let speed = entry.get_document("performance").ok().and_then(|map| map.get("analysis-exec-speed"));
    if !matches!(speed, Some(Bson::Int32(_) | Bson::Int64(_))) {
        findings.violation("no execution speed", case.name());
    }
    let charts = entry.get_document("visualization").ok();
    let labels = case.analysis.jobs.iter().filter(|job| job.kind == Kind::Visualization);
    for label in labels.map(|job| format!("Chart of {}", job.step)) {
        if !charts.is_some_and(|charts| charts.contains_key(&label)) {
            findings.violation("no charts", format!("{}: {label}", case.name()));
        }
    }
}

/// The parameters of a Spark job: one document each, whatever happened, written before its message.
fn check_parameters(case: &Case<'_>, documents: &Documents, findings: &mut Findings) {
    for (index, job) in case.analysis.jobs.iter().enumerate() {
        let count = documents.parameters.get(&job.id).copied().unwrap_or(0);
        if count == 0 && reasons::messages_to_spark(case, index) > 0 {
            findings.figures.missing_documents += 1;
            findings.violation("a Spark job without its parameters", format!("{}: {}", case.name(), job.id));
        }
        if count > 1 {
            findings.figures.duplicate_documents += count - 1;
            findings.violation("parameters of a Spark job twice", format!("{}: {}", case.name(), job.id));
        }
    }
}

/// Collections of analyses that were never submitted.
pub(super) fn check_foreign(world: &World, documents: &Documents, findings: &mut Findings) {
    let known = |analysis: &Analysis| (analysis.tenant(), format!("analysis_{}", analysis.key()));
    let known: BTreeSet<(String, String)> = world.analyses.iter().map(known).collect();
    for place in documents.collections.keys().filter(|place| !known.contains(*place)) {
        findings.violation("a collection that belongs to nobody", format!("{place:?}"));
    }
}
