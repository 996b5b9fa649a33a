//! AutoML: another service chooses algorithm and parameters of a Spark job (contract section 4.4).

use serde_json::{Map, Value, json};

use super::follow::OnComplete;
use super::recipe::Attempt;
use crate::playbook::algorithms;
use crate::playbook::job::Service;
use crate::playbook::{MlArgs, MlTask};
use crate::ports::{FailureKind, JobFailure};

/// What AutoML chose.
pub(super) struct Chosen {
    /// Wire name of the algorithm.
    pub(super) algorithm: &'static str,
    /// Whether that is what AutoML said, and not what is used where it said something else.
    is_known: bool,
    /// Parameters without the algorithm.
    pub(super) params: Map<String, Value>,
}

/// Asks AutoML and waits for its choice.
pub(super) async fn choose(attempt: &Attempt, task: MlTask, args: &MlArgs, input: &str) -> Result<Chosen, JobFailure> {
    let body = |wire_id: &str| {
        json!({
            "minio-input": input,
            "ml-task": task.as_str(),
            "job-id": job_id(attempt, wire_id),
            "column": args.column,
            "parameters": parameters(task, args),
        })
    };
    let started = attempt.start(Service::Automl, None, body).await?;
    let answer = attempt.follow(started, OnComplete::Look, body).await?;
    let chosen = read(task, &answer)?;
    if !chosen.is_known {
        let text = format!("AutoML chose an algorithm that Spark does not know, {} is used", chosen.algorithm);
        attempt.call.log.warn("unknown-algorithm", text);
    }
    Ok(chosen)
}

/// The id goes out unchanged, a number as a number, unless the job needs a wire id of its own.
fn job_id(attempt: &Attempt, wire_id: &str) -> Value {
    let id = &attempt.job().id;
    if wire_id == id.text() { id.as_json() } else { json!(wire_id) }
}

/// `params` of the job with the algorithm's wire name; the text `false` is how the client says that AutoML shall choose.
fn parameters(task: MlTask, args: &MlArgs) -> Map<String, Value> {
    let mut parameters = args.params.clone().unwrap_or_default();
    let algorithm = args.algorithm.as_deref();
    if algorithm != Some("false") {
        parameters.insert("algorithm".to_owned(), json!(algorithms::wire_name(task, algorithm).name));
    }
    parameters
}

/// What an answer of AutoML says. Of the algorithm only names that Spark knows count.
pub(super) fn read(task: MlTask, answer: &Value) -> Result<Chosen, JobFailure> {
    let Some(results) = answer.get("results").and_then(Value::as_object) else {
        return Err(JobFailure::new(FailureKind::BadAnswer, "AutoML finished without results"));
    };
    let mut params = results.clone();
    let named = params.shift_remove("algorithm").and_then(|name| name.as_str().map(str::to_owned));
    // these would overwrite or break the document that Spark reads
    params.retain(|key, _| key != "job-id" && key != "_id" && !key.starts_with('$') && !key.contains(['.', '\0']));
    let known = named.as_deref().and_then(|name| algorithms::from_automl(task, name));
    let algorithm = known.unwrap_or_else(|| algorithms::wire_name(task, None).name);
    Ok(Chosen { algorithm, is_known: known.is_some(), params })
}
