//! Visualization: lists the charts that the producing job left in the graph bucket; calls no service (contract section 4.5).

use std::sync::Arc;

use super::recipe::Attempt;
use crate::playbook::{BucketName, ObjectKey};
use crate::ports::{JobFailure, JobSuccess, SuccessDetails};

/// Finds the charts; their names go into the pipeline's `visualization` map when the job's records are written.
pub(super) async fn run(attempt: &Attempt) -> Result<JobSuccess, JobFailure> {
    let input = attempt.one_input()?;
    let parent = &attempt.call.run.job(input.producer).id;
    let (bucket, directory) = (BucketName::charts(), ObjectKey::charts(parent));
    let keys = attempt.patiently(|| attempt.ports.objects.list(&bucket, &directory)).await?;
    // the client cuts these at slashes: exactly bucket, job id and file name
    let charts: Vec<String> = keys
        .iter()
        .filter_map(|key| key.rsplit('/').next())
        .filter(|name| !name.is_empty())
        .map(|name| format!("{bucket}/{directory}{name}"))
        .collect();
    if charts.is_empty() {
        attempt.call.log.warn("no-charts", "the job before it has left no charts".to_owned());
    }
    Ok(JobSuccess { output: Arc::clone(&input), details: SuccessDetails { charts, ..SuccessDetails::default() } })
}
