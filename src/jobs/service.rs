//! Service jobs: make the output place, start, follow. Cleaning, data-join and function are three descriptions of it;
//! data-sink is a start whose answer is all there is (contract sections 4.1, 4.2, 4.3, 4.6).

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::answers::StartAnswer;
use super::function_slots;
use super::paths;
use super::recipe::{Attempt, Started, missing_input};
use crate::playbook::JobKind;
use crate::playbook::job::Service;
use crate::ports::{FailureKind, JobFailure, JobSuccess, SuccessDetails};

/// What distinguishes one service job from another on the wire.
pub(super) struct ServiceJob {
    service: Service,
    /// Path of the endpoint below the service's address.
    path: &'static str,
    /// Inputs it needs at least.
    inputs: usize,
    /// The body, from the attempt, the id and the output path.
    body: fn(&Attempt, &str, &str) -> Value,
}

/// `POST /data-cleaning`.
pub(super) const CLEANING: ServiceJob =
    ServiceJob { service: Service::Cleaning, path: "data-cleaning", inputs: 1, body: cleaning_body };

/// `POST /join`.
pub(super) const DATA_JOIN: ServiceJob =
    ServiceJob { service: Service::Join, path: "join", inputs: 2, body: join_body };

/// `POST /function`.
const FUNCTION: ServiceJob =
    ServiceJob { service: Service::Function, path: function_slots::PATH, inputs: 0, body: function_body };

impl ServiceJob {
    /// Runs the job to its end.
    pub(super) async fn run(&self, attempt: &Attempt) -> Result<JobSuccess, JobFailure> {
        let started = self.start(attempt, || ()).await?;
        self.follow(attempt, started).await
    }

    /// `leaving` is called when a start is about to leave.
    async fn start(&self, attempt: &Attempt, leaving: impl Fn()) -> Result<Started, JobFailure> {
        let needed = self.inputs.max(attempt.job().inputs.len());
        if attempt.call.inputs.len() < self.inputs {
            return Err(missing_input(needed, attempt.call.inputs.len()));
        }
        let (directory, output) = attempt.output();
        let body = |wire_id: &str| {
            leaving();
            (self.body)(attempt, wire_id, &output)
        };
        attempt.start(self.service, self.path, Some(&directory), body).await
    }

    async fn follow(&self, attempt: &Attempt, started: Started) -> Result<JobSuccess, JobFailure> {
        let (_, output) = attempt.output();
        let body = |wire_id: &str| (self.body)(attempt, wire_id, &output);
        attempt.follow(started, self.path, body).await?;
        Ok(attempt.own_output(output))
    }
}

/// A function, whose slot is held as long as the service is at work.
pub(super) async fn function(attempt: &Attempt) -> Result<JobSuccess, JobFailure> {
    let mut slot = attempt.functions.take().await?;
    let started = match FUNCTION.start(attempt, || slot.may_be_at_work()).await {
        Ok(started) => started,
        Err(failure) => {
            if failure.kind != FailureKind::OutcomeUnknown {
                slot.give_back();
            }
            return Err(failure);
        }
    };
    slot.known_as(started.wire_id());
    let result = FUNCTION.follow(attempt, started).await;
    let said_so = match &result {
        Ok(_) => true,
        Err(failure) => failure.kind == FailureKind::ServiceError,
    };
    if said_so {
        slot.give_back();
    }
    result
}

fn cleaning_body(attempt: &Attempt, wire_id: &str, output: &str) -> Value {
    let mut body = Map::new();
    body.insert("minio-input".to_owned(), json!(input_paths(attempt).first()));
    body.insert("minio-output".to_owned(), json!(output));
    body.insert("job-id".to_owned(), json!(wire_id));
    body.insert("analysis-id".to_owned(), json!(attempt.call.run.playbook.id.text()));
    if let JobKind::Cleaning { max_shrink: Some(max_shrink) } = &attempt.job().kind {
        body.insert("max-shrink".to_owned(), max_shrink.clone());
    }
    Value::Object(body)
}

fn join_body(attempt: &Attempt, wire_id: &str, output: &str) -> Value {
    let (column, join_type) = match &attempt.job().kind {
        JobKind::DataJoin { column, join_type } => (column.to_lowercase(), join_type.to_lowercase()),
        _ => Default::default(),
    };
    json!({
        "job-id": wire_id,
        "column": column,
        "type": join_type,
        "inputs": input_paths(attempt),
        "output": output,
        "analysis-id": attempt.call.run.playbook.id.text(),
    })
}

fn function_body(attempt: &Attempt, wire_id: &str, output: &str) -> Value {
    let function = match &attempt.job().kind {
        JobKind::Function { function } => function,
        _ => &Value::Null,
    };
    json!({
        "job-id": wire_id,
        "inputs": input_paths(attempt),
        "output": output,
        "function": function,
        "analysis-id": attempt.call.run.playbook.id.text(),
    })
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
        attempt.call.log.warn("outcome-unknown", "nobody knows whether the data sink was told".to_owned());
        return Ok(success);
    }
    let database = &attempt.call.run.playbook.database_id;
    let inner = json!({"key": database, "data": attempt.job().id.key()});
    let body = json!({"key": database, "data": inner, "message": inner});
    let wire_id = paths::wire_id(&attempt.call.run, attempt.call.job, attempt.call.attempt, Service::DataSink);
    attempt.intend(Service::DataSink, &wire_id).await?;
    match attempt.post(Service::DataSink, "data-sink", &body).await? {
        Some(StartAnswer::Started | StartAnswer::KnownId) => attempt.call.log.acknowledged(Service::DataSink),
        Some(StartAnswer::Refused(text)) => attempt.call.log.warn("data-sink-refused", text),
        None => attempt.call.log.warn("outcome-unknown", "the data sink's answer was lost".to_owned()),
    }
    Ok(success)
}
