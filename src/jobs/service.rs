//! Service jobs: make the output place, start, follow. Cleaning, data-join and function are three descriptions of it;
//! data-sink is a start whose answer is all there is (contract sections 4.1, 4.2, 4.3, 4.6).

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::answers::StartAnswer;
use super::follow::OnComplete;
use super::paths;
use super::recipe::{Attempt, missing_input};
use super::start::Started;
use crate::metrics;
use crate::playbook::job::Service;
use crate::ports::{FailureKind, JobFailure, JobSuccess, SuccessDetails};

/// What distinguishes one service job from another on the wire, beside its body.
struct ServiceJob {
    service: Service,
    /// Inputs it needs at least.
    inputs: usize,
}

const CLEANING: ServiceJob = ServiceJob { service: Service::Cleaning, inputs: 1 };
const DATA_JOIN: ServiceJob = ServiceJob { service: Service::Join, inputs: 2 };
const FUNCTION: ServiceJob = ServiceJob { service: Service::Function, inputs: 0 };

impl ServiceJob {
    /// Runs the job to its end; `body` is made from the id and the output path.
    async fn run(&self, attempt: &Attempt, body: impl Fn(&str, &str) -> Value) -> Result<JobSuccess, JobFailure> {
        let started = self.start(attempt, &body).await?;
        self.follow(attempt, started, &body).await
    }

    async fn start(&self, attempt: &Attempt, body: impl Fn(&str, &str) -> Value) -> Result<Started, JobFailure> {
        let needed = self.inputs.max(attempt.job().inputs.len());
        if attempt.call.inputs.len() < self.inputs {
            return Err(missing_input(needed, attempt.call.inputs.len()));
        }
        let (directory, output) = attempt.output();
        attempt.start(self.service, Some(&directory), |wire_id| body(wire_id, &output)).await
    }

    async fn follow(
        &self,
        attempt: &Attempt,
        started: Started,
        body: impl Fn(&str, &str) -> Value,
    ) -> Result<JobSuccess, JobFailure> {
        let (_, output) = attempt.output();
        attempt.follow(started, OnComplete::Done, |wire_id| body(wire_id, &output)).await?;
        Ok(attempt.own_output(output))
    }
}

/// `POST /data-cleaning`.
pub(super) async fn cleaning(attempt: &Attempt, max_shrink: Option<&Value>) -> Result<JobSuccess, JobFailure> {
    let body = |wire_id: &str, output: &str| {
        let mut body = Map::new();
        body.insert("minio-input".to_owned(), json!(input_paths(attempt).first()));
        body.insert("minio-output".to_owned(), json!(output));
        body.insert("job-id".to_owned(), json!(wire_id));
        body.insert("analysis-id".to_owned(), json!(attempt.call.run.playbook.id.text()));
        if let Some(max_shrink) = max_shrink {
            body.insert("max-shrink".to_owned(), max_shrink.clone());
        }
        Value::Object(body)
    };
    CLEANING.run(attempt, body).await
}

/// `POST /join`.
pub(super) async fn data_join(attempt: &Attempt, column: &str, join_type: &str) -> Result<JobSuccess, JobFailure> {
    let body = |wire_id: &str, output: &str| {
        json!({
            "job-id": wire_id,
            "column": column.to_lowercase(),
            "type": join_type.to_lowercase(),
            "inputs": input_paths(attempt),
            "output": output,
            "analysis-id": attempt.call.run.playbook.id.text(),
        })
    };
    DATA_JOIN.run(attempt, body).await
}

/// `POST /function`, whose slot is held as long as the service is at work.
pub(super) async fn function(attempt: &Attempt, function: &Value) -> Result<JobSuccess, JobFailure> {
    let body = |wire_id: &str, output: &str| {
        json!({
            "job-id": wire_id,
            "inputs": input_paths(attempt),
            "output": output,
            "function": function,
            "analysis-id": attempt.call.run.playbook.id.text(),
        })
    };
    let mut slot = attempt.functions.take(attempt.known_start(Service::Function)).await?;
    let leaving = |wire_id: &str, output: &str| {
        slot.may_be_at_work(wire_id);
        body(wire_id, output)
    };
    let started = match FUNCTION.start(attempt, leaving).await {
        Ok(started) => started,
        Err(failure) => {
            if failure.kind != FailureKind::OutcomeUnknown {
                slot.give_back();
            }
            return Err(failure);
        }
    };
    slot.known_as(started.wire_id());
    let result = FUNCTION.follow(attempt, started, body).await;
    let the_service_said_so = match &result {
        Ok(_) => true,
        Err(failure) => failure.kind == FailureKind::ServiceError,
    };
    if the_service_said_so {
        slot.give_back();
    }
    result
}

fn input_paths(attempt: &Attempt) -> Vec<&str> {
    attempt.call.inputs.iter().map(|input| input.path.as_str()).collect()
}

/// Tells the data sink; a refusal is a warning, because sinking never worked with the real service. `message` is what
/// that service reads, `data` what the original sent.
pub(super) async fn data_sink(attempt: &Attempt) -> Result<JobSuccess, JobFailure> {
    let input = attempt.one_input()?;
    let success = JobSuccess { output: Arc::clone(&input), details: SuccessDetails::default() };
    if attempt.known_start(Service::DataSink).is_some() {
        // there is nothing to ask, and a second message would sink the data twice
        sink_outcome_unknown(attempt, "nobody knows whether the data sink was told");
        return Ok(success);
    }
    let database = &attempt.call.run.playbook.database_id;
    let inner = json!({"key": database, "data": attempt.job().id.key()});
    let body = json!({"key": database, "data": inner, "message": inner});
    let wire_id = paths::wire_id(&attempt.call.run, attempt.call.job, attempt.call.attempt, Service::DataSink);
    attempt.intend(Service::DataSink, &wire_id).await?;
    match attempt.post(Service::DataSink, &body, None).await? {
        Some(StartAnswer::Started | StartAnswer::KnownId) => attempt.call.log.acknowledged(Service::DataSink),
        Some(StartAnswer::Refused(text) | StartAnswer::Failed(text)) => {
            attempt.call.log.warn("data-sink-refused", text)
        }
        None => sink_outcome_unknown(attempt, "the data sink's answer was lost"),
    }
    Ok(success)
}

/// The analysis goes on all the same (decision 12); it is counted and visible.
fn sink_outcome_unknown(attempt: &Attempt, text: &str) {
    attempt.call.log.warn("outcome-unknown", text.to_owned());
    metrics::outcome_unknown(Service::DataSink);
}
