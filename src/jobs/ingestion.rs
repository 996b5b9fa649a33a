//! Ingestion: the data service fetches a data set into the object store and says what its columns are (contract section 6).

use serde_json::{Value, json};

use super::follow::OnComplete;
use super::paths;
use super::recipe::Attempt;
use crate::playbook::ObjectKey;
use crate::playbook::job::{IngestionArgs, Service};
use crate::ports::{FailureKind, JobFailure, JobSuccess, SuccessDetails};

/// Runs the ingestion to its end.
pub(super) async fn run(attempt: &Attempt, args: &IngestionArgs) -> Result<JobSuccess, JobFailure> {
    let directory = ObjectKey::dataset(&args.label);
    let output = paths::path_of(&attempt.bucket(), &directory);
    let body = |wire_id: &str| json!({"minio-output": output, "job-id": wire_id, "ingestion_json": args.request});
    let started = attempt.start(Service::Ingestion, Some(&directory), body).await?;
    let wire_id = started.wire_id().to_owned();
    attempt.follow(started, OnComplete::Look, body).await?;
    let features = features(attempt, &wire_id).await?;
    Ok(JobSuccess {
        details: SuccessDetails { features: Some(features), ..SuccessDetails::default() },
        ..attempt.own_output(output)
    })
}

/// The result's content type is text/html with the real service: the body is read as JSON whatever it says.
async fn features(attempt: &Attempt, wire_id: &str) -> Result<Value, JobFailure> {
    let question = paths::job_at(Service::Ingestion, wire_id);
    let answer = attempt.ask(Service::Ingestion, &question).await?;
    let result: Option<Value> = serde_json::from_str(&answer.body).ok();
    match result.as_ref().and_then(|result| result.get("features")) {
        Some(features) => Ok(features.clone()),
        None => Err(JobFailure::new(FailureKind::BadAnswer, "the result of the ingestion has no features")),
    }
}
