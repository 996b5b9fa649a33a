//! Spark jobs: AutoML if asked for, parameters, output place, message, evidence (contract section 4.4, decision 13).

use actix::clock::{Instant, sleep, timeout};
use serde_json::{Map, Value, json};

use super::automl;
use super::pace::poll_delay;
use super::paths;
use super::recipe::{Attempt, unreachable};
use crate::chaos::{self, Bug, Point};
use crate::graph::inputs::JobOutput;
use crate::playbook::algorithms;
use crate::playbook::job::Service;
use crate::playbook::{MlArgs, MlTask};
use crate::ports::{FailureKind, JobFailure, JobSuccess, SparkConnection, SparkJob, SuccessDetails};

/// Parameters that only AutoML reads.
const AUTOML_ONLY: [&str; 2] = ["max-trials", "meta-learning"];

/// Runs the job to its end.
pub(super) async fn run(attempt: &Attempt, task: MlTask, args: &MlArgs) -> Result<JobSuccess, JobFailure> {
    let input = attempt.one_input()?;
    let claim = attempt.evidence.claim(&attempt.call.run, &attempt.output().0.evidence());
    let success = find_or_submit(attempt, task, args, &input).await?;
    claim.stays();
    Ok(success)
}

async fn find_or_submit(
    attempt: &Attempt,
    task: MlTask,
    args: &MlArgs,
    input: &JobOutput,
) -> Result<JobSuccess, JobFailure> {
    if let Some(known) = attempt.known_start(Service::Spark) {
        return await_evidence(
            attempt,
            known.details.clone(),
            "the orchestrator was started again while Spark was at work",
        )
        .await;
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
    // evidence of an earlier attempt must not speak for this one
    delete_evidence(attempt).await?;
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
    let connection = connect(attempt).await?;
    attempt.intend_with(Service::Spark, &wire_id, details.clone()).await?;
    let success = submit(attempt, connection, &message, details).await?;
    if chaos::seeded(Bug::DeleteEvidenceEarly) {
        delete_evidence(attempt).await?;
    }
    chaos::at(Point::K15c);
    Ok(success)
}

/// The message may or may not have arrived, and its reply is lost, for the reason `why`: only the evidence can tell. What is
/// left of the job's time limit ends the wait.
async fn await_evidence(attempt: &Attempt, details: SuccessDetails, why: &str) -> Result<JobSuccess, JobFailure> {
    let (_, output) = attempt.output();
    let since = Instant::now();
    // a little before the limit of the whole attempt, whose words would be others
    let limit = attempt.left().mul_f64(0.99);
    while !has_evidence(attempt).await? {
        if since.elapsed() >= limit {
            let text = format!("{why}, and no _SUCCESS appeared in the output");
            return Err(JobFailure::new(FailureKind::OutcomeUnknown, text));
        }
        let delay = poll_delay(since.elapsed(), attempt.settings.poll_interval);
        sleep(delay.min(limit.saturating_sub(since.elapsed()))).await;
    }
    Ok(JobSuccess { details, ..attempt.own_output(output) })
}

/// Before the intent: nobody can tell later whether a message was sent, so it is as short a while as can be between the two.
async fn connect(attempt: &Attempt) -> Result<Box<dyn SparkConnection>, JobFailure> {
    let connected = attempt.once_connected(Service::Spark, || attempt.ports.spark.connect()).await;
    connected.map_err(|error| unreachable(&error))
}

/// The reply comes when Spark has finished; the evidence decides, whatever it says or does not say. A reply that is lost says
/// nothing: Spark may be at work, and its evidence is awaited. One that does not come in time leaves a last look.
async fn submit(
    attempt: &Attempt,
    connection: Box<dyn SparkConnection>,
    message: &SparkJob,
    details: SuccessDetails,
) -> Result<JobSuccess, JobFailure> {
    let limit = attempt.left().saturating_sub(attempt.last_look());
    let without_evidence = match timeout(limit, connection.submit(message)).await {
        Ok(Ok(_)) => {
            attempt.call.log.acknowledged(Service::Spark);
            let text = "Spark answered but left no _SUCCESS in the output";
            JobFailure::new(FailureKind::ServiceError, text)
        }
        Ok(Err(lost)) => {
            attempt.call.log.warn("start-answer-lost", lost.to_string());
            return await_evidence(attempt, details, "the reply of Spark was lost").await;
        }
        Err(_) => attempt.timed_out(),
    };
    let trusted = chaos::seeded(Bug::TrustSparkReply) && without_evidence.kind == FailureKind::ServiceError;
    if trusted || has_evidence(attempt).await? {
        let (_, output) = attempt.output();
        return Ok(JobSuccess { details, ..attempt.own_output(output) });
    }
    Err(without_evidence)
}

async fn delete_evidence(attempt: &Attempt) -> Result<(), JobFailure> {
    let (run, bucket, key) = (&attempt.call.run, attempt.bucket(), attempt.output().0.evidence());
    let delete = || async {
        let delete = || attempt.ports.objects.delete(&bucket, &key);
        attempt.evidence.delete_of(run, &key, delete).await.unwrap_or(Ok(()))
    };
    attempt.patiently(delete).await
}

async fn has_evidence(attempt: &Attempt) -> Result<bool, JobFailure> {
    let evidence = attempt.output().0.evidence();
    let bucket = attempt.bucket();
    attempt.patiently(|| attempt.ports.objects.exists(&bucket, &evidence)).await
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
