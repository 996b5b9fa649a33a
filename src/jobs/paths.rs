//! Every bucket, object key and output path of the contract (sections 3 to 6), and the ids of documents.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::chaos::{self, Bug};
use crate::graph::JobIndex;
use crate::playbook::job::Service;
use crate::playbook::{BucketName, Job, JobKind, MlTask, ObjectKey};
use crate::ports::RunSpec;

/// What may not stand in a query or a path as it is; ids of the platform have nothing of it.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Path of a service's endpoint below its address (contract section 4); Spark has none.
pub(super) fn endpoint(service: Service) -> &'static str {
    match service {
        Service::Cleaning => "data-cleaning",
        Service::Join => "join",
        Service::Function => "function",
        Service::Automl => "automl",
        Service::Ingestion => "data-ingesting",
        Service::DataSink => "data-sink",
        Service::Spark => "",
    }
}

/// One job below an endpoint. *Shape*: `<endpoint>/<wire id>`.
pub(super) fn job_at(service: Service, wire_id: &str) -> String {
    format!("{}/{}", endpoint(service), encode(wire_id))
}

/// The question how a job is getting on.
pub(super) fn progress_question(service: Service, wire_id: &str) -> String {
    format!("{}/progress?id={}", endpoint(service), encode(wire_id))
}

/// An id as a part of a query or a path.
fn encode(id: &str) -> String {
    utf8_percent_encode(id, ENCODED).to_string()
}

/// First part of the output directory's name, `None` for kinds that make no directory of their own.
pub fn output_prefix(kind: &JobKind) -> Option<&'static str> {
    match kind {
        JobKind::Cleaning { .. } => Some("cleaned"),
        JobKind::DataJoin { .. } => Some("joined"),
        JobKind::Function { .. } => Some("function"),
        JobKind::Ml { task: MlTask::Classification, .. } => Some("classified"),
        JobKind::Ml { task: MlTask::Regression, .. } => Some("regressed"),
        JobKind::Ml { task: MlTask::Clustering, .. } => Some("clustered"),
        JobKind::Dataset { .. } | JobKind::Visualization { .. } | JobKind::DataSink | JobKind::Ingestion(_) => None,
    }
}

/// Key of a job's output directory in the tenant's bucket, `None` for kinds that make none.
pub fn output_directory(run: &RunSpec, job: &Job) -> Option<ObjectKey> {
    Some(ObjectKey::output(&run.playbook.id, output_prefix(&job.kind)?, &job.step))
}

/// Bucket and key without a final slash: what services get and documents carry.
pub fn path_of(bucket: &BucketName, directory: &ObjectKey) -> String {
    format!("{bucket}/{}", directory.as_str().trim_end_matches('/'))
}

/// What a document is about.
pub enum DocumentOf<'a> {
    /// A job's result.
    Job(&'a Job),
    /// The analysis' metadata.
    Metadata,
}

/// The id of a document: writing it again replaces it, run 2 adds its own (decision 22).
pub fn document_id(run: &RunSpec, about: &DocumentOf<'_>) -> [u8; 12] {
    let about = match about {
        DocumentOf::Job(job) => format!("step {}", job.step.key()),
        DocumentOf::Metadata => "metadata".to_owned(),
    };
    let digest = Sha256::digest(format!("{}\n{}\n{}\n{about}", run.playbook.tenant, run.playbook.id.key(), run.number));
    let mut id = [0; 12];
    id.copy_from_slice(&digest[..12]);
    if chaos::seeded(Bug::RandomDocumentIds) {
        id.copy_from_slice(&uuid::Uuid::new_v4().as_bytes()[..12]);
    }
    id
}

/// The id under which a service gets a job (decision 11): the plain one for the first attempt of its first use there,
/// otherwise one of its own, because the real services remember ids for ever. AutoML's plain id keeps its case.
pub fn wire_id(run: &RunSpec, job: JobIndex, attempt: u32, service: Service) -> String {
    let id = &run.job(job).id;
    if !service.has_wire_ids() || (attempt == 1 && !run.reused_ids.contains(&job)) {
        let plain = if service == Service::Automl { id.text() } else { id.key() };
        return plain.to_owned();
    }
    suffixed_wire_id(run, job, attempt, 0)
}

/// The id of a job that cannot go by its plain one; `earlier` starts of the same attempt have used others.
pub fn suffixed_wire_id(run: &RunSpec, job: JobIndex, attempt: u32, earlier: usize) -> String {
    let (playbook, spec) = (&run.playbook, run.job(job));
    let text = format!("{}\n{}\n{}\n{}\n{attempt}", playbook.tenant, playbook.id.key(), run.number, spec.step.key());
    let text = if earlier == 0 { text } else { format!("{text}\n{earlier}") };
    let digest = hex::encode(&Sha256::digest(text)[..4]);
    format!("{}-{digest}", spec.id.key())
}
