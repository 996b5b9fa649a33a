//! What the outside is told after a milestone, in the contract's order (sections 4, 5 and 7). Decides only.

use serde_json::{Map, Value, json};

use super::{notices, paths};
use crate::playbook::{BucketName, CollectionName, Job, JobKind, MlTask, ObjectKey, Space};
use crate::ports::{Delivery, JobSuccess, Milestone, PipelineChange, RecordChange, RunSpec};

/// Records and notices of a milestone.
pub(super) fn follow_ups(run: &RunSpec, milestone: &Milestone) -> Vec<Delivery> {
    let playbook = &run.playbook;
    match milestone {
        Milestone::Accepted => vec![Delivery::Record(RecordChange::Register)],
        Milestone::JobSucceeded { job, success } => {
            let job = run.job(*job);
            let mut deliveries: Vec<Delivery> = records(run, job, success).into_iter().map(Delivery::Record).collect();
            deliveries.extend(notices::job_succeeded(playbook, job).map(Delivery::Notice));
            deliveries
        }
        Milestone::JobFailed { job, failure } => {
            vec![Delivery::Notice(notices::job_failed(playbook, run.job(*job), failure))]
        }
        Milestone::Finished { succeeded, stopped_by, elapsed } => {
            let mut deliveries = closing_records(run, *succeeded, elapsed.as_millis() as i64);
            deliveries.extend(stopped_by.iter().map(|cause| Delivery::Notice(notices::stopped(playbook, cause))));
            deliveries.extend(notices::analysis_finished(playbook, *succeeded).map(Delivery::Notice));
            deliveries
        }
    }
}

fn records(run: &RunSpec, job: &Job, success: &JobSuccess) -> Vec<RecordChange> {
    match &job.kind {
        JobKind::Dataset { .. } | JobKind::DataSink => Vec::new(),
        JobKind::Cleaning { .. } => vec![result(run, job, success, "cleaned-data", true)],
        JobKind::DataJoin { .. } => vec![result(run, job, success, "joined-data", true)],
        JobKind::Function { .. } => vec![result(run, job, success, "function-data", true)],
        JobKind::Ml { task, .. } => {
            let kind = match task {
                MlTask::Classification => "classified-data",
                MlTask::Regression => "regressed-data",
                MlTask::Clustering => "clustered-data",
            };
            let evidence = paths::output_directory(run, job).map(|directory| directory.evidence());
            let delete = evidence.map(|key| RecordChange::DeleteObject { key });
            delete.into_iter().chain([result(run, job, success, kind, false)]).collect()
        }
        JobKind::Visualization { label } => {
            let parent = run.job(success.output.producer);
            let path = paths::path_of(&BucketName::charts(), &ObjectKey::charts(&parent.id));
            let charts = PipelineChange::Visualization { label: label.clone(), paths: success.details.charts.clone() };
            vec![document(run, job, &path, "visualization", None, false), RecordChange::Pipeline(charts)]
        }
        JobKind::Ingestion(args) => success
            .details
            .features
            .iter()
            .map(|features| RecordChange::DatasetFeatures {
                organization: run.playbook.database_id.clone(),
                user: args.user.clone(),
                label: args.label.as_str().to_owned(),
                features: features.clone(),
            })
            .collect(),
    }
}

fn result(run: &RunSpec, job: &Job, success: &JobSuccess, kind: &str, with_analysis: bool) -> RecordChange {
    document(run, job, &success.output.path, kind, success.details.params.as_ref(), with_analysis)
}

/// Member order is part of the contract; machine-learning and visualization documents carry no `analysis-id`.
fn document(
    run: &RunSpec,
    job: &Job,
    path: &str,
    kind: &str,
    params: Option<&Map<String, Value>>,
    with_analysis: bool,
) -> RecordChange {
    let mut document = Map::new();
    document.insert("minio-path".to_owned(), json!(path));
    document.insert("directory-kind".to_owned(), json!(kind));
    document.insert("job-json".to_owned(), Value::Object(job.raw.document(params)));
    if with_analysis {
        document.insert("analysis-id".to_owned(), json!(run.playbook.id.text()));
    }
    let id = paths::document_id(run, &paths::DocumentOf::Job(job));
    RecordChange::Document { collection: CollectionName::of(&run.playbook.id), id, document }
}

fn closing_records(run: &RunSpec, succeeded: bool, millis: i64) -> Vec<Delivery> {
    let changes = match (run.playbook.space, succeeded) {
        (Space::Ingestion, _) => Vec::new(),
        (Space::Analysis, false) => vec![RecordChange::Pipeline(PipelineChange::Error)],
        (Space::Analysis, true) => vec![
            metadata(run),
            RecordChange::Pipeline(PipelineChange::Completed),
            RecordChange::Pipeline(PipelineChange::ExecSpeed { millis }),
        ],
    };
    changes.into_iter().map(Delivery::Record).collect()
}

fn metadata(run: &RunSpec) -> RecordChange {
    let mut document = Map::new();
    document.insert("kind".to_owned(), json!("metadata"));
    document.insert("metadata".to_owned(), run.playbook.metadata.clone());
    let id = paths::document_id(run, &paths::DocumentOf::Metadata);
    RecordChange::Document { collection: CollectionName::of(&run.playbook.id), id, document }
}
