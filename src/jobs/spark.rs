//! Spark jobs: AutoML if asked for, parameters, output place, message, evidence (contract section 4.4, decision 13).

use actix::clock::{Instant, sleep, timeout};
use serde_json::{Map, Value, json};

use super::automl;
use super::pace::poll_delay;
use super::paths;
use super::recipe::{Attempt, unreachable};
use crate::chaos::{self, Bug, Point};
use crate::playbook::algorithms;
use crate::playbook::job::Service;
use crate::playbook::{MlArgs, MlTask};
use crate::ports::{CallError, FailureKind, JobFailure, JobSuccess, SparkJob, SuccessDetails};

/// Parameters that only AutoML reads.
const AUTOML_ONLY: [&str; 2] = ["max-trials", "meta-learning"];

/// Runs the job to its end.
pub(super) async fn run(attempt: &Attempt, task: MlTask, args: &MlArgs) -> Result<JobSuccess, JobFailure> {
    let input = attempt.one_input()?;
    if let Some(known) = attempt.known_start(Service::Spark) {
        return await_evidence(attempt, known.details.clone()).await;
    }
    attempt.ends_if_over()?;
    attempt.call.log.prepare().await?;
    let chosen = if args.automl { Some(automl::choose(attempt, task, args, &input.path).await?) } else { None };
    let algorithm = match &chosen {
        Some(chosen) => chosen.algorithm,
        None => algorithms::wire_name(task, args.algorithm.as_deref()).name,
    };
    let params = chosen.as_ref().map(|chosen| &chosen.params).or(args.params.as_ref());
    if let Some(params) = params {
        put_parameters(attempt, params).await?;
    }
    let (directory, output) = attempt.output();
    attempt.make_directory(&directory).await?;
    let evidence = paths::evidence(&directory);
    let tenant = attempt.call.run.playbook.tenant.as_str();
    // evidence of an earlier attempt must not speak for this one
    attempt.patiently(|| attempt.ports.objects.delete(tenant, &evidence)).await?;
    let message = SparkJob {
        script: format!("local://{}", script(task)),
        algorithm: algorithm.to_owned(),
        input: input.path.clone(),
        output: output.clone(),
        column: column(task, args).to_owned(),
        job_id: attempt.job().id.text().to_owned(),
        analysis_id: attempt.call.run.playbook.id.text().to_owned(),
    };
    let wire_id = paths::wire_id(&attempt.call.run, attempt.call.job, attempt.call.attempt, Service::Spark);
    let details = SuccessDetails { params: chosen.map(|chosen| chosen.params), ..SuccessDetails::default() };
    attempt.intend_with(Service::Spark, &wire_id, details.clone()).await?;
    let replied = submit(attempt, &message).await?;
    if replied.is_ok() {
        attempt.call.log.acknowledged(Service::Spark);
    }
    let has_finished = match &replied {
        Ok(()) if chaos::seeded(Bug::TrustSparkReply) => true,
        _ => attempt.patiently(|| attempt.ports.objects.exists(tenant, &evidence)).await?,
    };
    if !has_finished {
        let without_evidence =
            JobFailure::new(FailureKind::ServiceError, "Spark answered but left no _SUCCESS in the output");
        return Err(replied.err().unwrap_or(without_evidence));
    }
    if chaos::seeded(Bug::DeleteEvidenceEarly) {
        attempt.patiently(|| attempt.ports.objects.delete(tenant, &evidence)).await?;
    }
    chaos::at(Point::K15c);
    Ok(JobSuccess { details, ..attempt.own_output(output) })
}

/// The message of an earlier life of the process may or may not have arrived, and its reply is lost: only the evidence
/// can tell. What is left of the job's time limit ends the wait.
async fn await_evidence(attempt: &Attempt, details: SuccessDetails) -> Result<JobSuccess, JobFailure> {
    let (directory, output) = attempt.output();
    let evidence = paths::evidence(&directory);
    let tenant = attempt.call.run.playbook.tenant.as_str();
    let since = Instant::now();
    // a little before the limit of the whole attempt, whose words would be others
    let limit = attempt.left().mul_f64(0.99);
    while !attempt.patiently(|| attempt.ports.objects.exists(tenant, &evidence)).await? {
        if since.elapsed() >= limit {
            let text =
                "the orchestrator was started again while Spark was at work, and no _SUCCESS appeared in the output";
            return Err(JobFailure::new(FailureKind::OutcomeUnknown, text));
        }
        let delay = poll_delay(since.elapsed(), attempt.settings.poll_interval);
        sleep(delay.min(limit.saturating_sub(since.elapsed()))).await;
    }
    Ok(JobSuccess { details, ..attempt.own_output(output) })
}

/// The reply comes when Spark has finished. Whether there was one: a message that was sent and not answered in time is a
/// failure unless the evidence says otherwise.
async fn submit(attempt: &Attempt, message: &SparkJob) -> Result<Result<(), JobFailure>, JobFailure> {
    let submitting = attempt.once_connected(Service::Spark, || attempt.ports.spark.submit(message));
    match timeout(attempt.left(), submitting).await {
        Ok(Ok(_)) => Ok(Ok(())),
        Ok(Err(error @ CallError::NotConnected { .. })) => Err(unreachable(&error)),
        Ok(Err(error @ (CallError::NoAnswer { .. } | CallError::Unusable { .. }))) => {
            Ok(Err(JobFailure::new(FailureKind::OutcomeUnknown, error.to_string())))
        }
        Err(_) => Ok(Err(attempt.timed_out())),
    }
}

/// `Diastema.datatoolkit`: read by the Spark job, therefore before the message.
async fn put_parameters(attempt: &Attempt, params: &Map<String, Value>) -> Result<(), JobFailure> {
    let mut document = Map::new();
    document.insert("job-id".to_owned(), json!(attempt.job().id.text()));
    let read_by_spark = params.iter().filter(|(key, _)| !AUTOML_ONLY.contains(&key.as_str()));
    document.extend(read_by_spark.map(|(key, value)| (key.clone(), value.clone())));
    let tenant = &attempt.call.run.playbook.tenant;
    attempt.patiently(|| attempt.ports.records.put_parameters(tenant, &document)).await
}

fn script(task: MlTask) -> &'static str {
    match task {
        MlTask::Classification => "/app/src/ClassificationJob.py",
        MlTask::Regression => "/app/src/RegressionJob.py",
        MlTask::Clustering => "/app/src/ClusteringJob.py",
    }
}

/// Clustering has no column, but the launcher's arguments have a place for it.
fn column(task: MlTask, args: &MlArgs) -> &str {
    match task {
        MlTask::Clustering => "dummycolumn",
        MlTask::Classification | MlTask::Regression => &args.column,
    }
}
