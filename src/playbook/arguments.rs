//! The arguments of each title: what a job of that kind needs, what may be left out, what becomes a warning.
//!
//! *Source*: contract sections 3 and 4, `decisions` 3, 6 and 7.

use serde_json::{Map, Value};

use super::algorithms::{display_names, is_nothing, wire_name};
use super::rules::{Fault, chart_label, dataset_label, plain_text, spark_argument};
use super::text::{did_you_mean, quoted, shown, text_of};
use super::wire::Reader;
use super::{DatasetLabel, JobKind, MlArgs, MlTask};

/// Every title of the platform.
pub(super) const TITLES: [&str; 9] = [
    "dataset",
    "cleaning",
    "data-join",
    "function",
    "classification",
    "regression",
    "clustering",
    "visualization",
    "data-sink",
];
/// Join types of the platform; `join` is what the client sends when nothing was chosen.
const JOIN_TYPES: [&str; 5] = ["inner", "left", "right", "outer", "join"];
/// Keys that would change the document in which the parameters are kept (contract section 4.4).
const BAD_PARAMS: [&str; 3] = ["_id", "job-id", "__proto__"];

/// Reads the member `title`.
pub(super) fn read_title(job: &mut Reader<'_, '_>) -> Option<&'static str> {
    let value = job.get("title");
    let text = value.and_then(Value::as_str);
    let known = TITLES.into_iter().find(|title| Some(*title) == text);
    if known.is_none() {
        let reason = match value {
            None => "`title` is missing".to_owned(),
            Some(value) => format!("there is no title like {}", shown(value)),
        };
        let near = did_you_mean(text.unwrap_or_default(), TITLES);
        let hint = if near.is_empty() { format!("titles are {}", TITLES.join(", ")) } else { near };
        job.problem_with_hint("unknown-title", "title", reason, &hint);
    }
    known
}

/// Whether jobs of a title are sent to a service; the same as [`JobKind::service`], also for jobs with wrong arguments.
pub(super) fn is_sent(title: &str) -> bool {
    !matches!(title, "dataset" | "visualization")
}

/// Whether a title hands its input on as its output.
pub(super) fn hands_input_on(title: &str) -> bool {
    matches!(title, "visualization" | "data-sink")
}

/// Reads the arguments of a title; `None` when something is wrong with them.
pub(super) fn read_kind(title: &'static str, job: &mut Reader<'_, '_>) -> Option<JobKind> {
    let kind = match title {
        "dataset" => {
            JobKind::Dataset { label: DatasetLabel::parse(&job.text_or_number("label", dataset_label)?).ok()? }
        }
        "cleaning" => JobKind::Cleaning { max_shrink: read_max_shrink(job)? },
        "data-join" => {
            let (column, join_type) = (job.text_or_number("column", plain_text), read_join_type(job));
            JobKind::DataJoin { column: column?, join_type: join_type? }
        }
        "function" => JobKind::Function { function: read_function(job)? },
        "classification" => read_ml(MlTask::Classification, job)?,
        "regression" => read_ml(MlTask::Regression, job)?,
        "clustering" => read_ml(MlTask::Clustering, job)?,
        "visualization" => JobKind::Visualization { label: job.text("label", chart_label)? },
        "data-sink" => JobKind::DataSink,
        _ => return None,
    };
    Some(kind)
}

/// How many arguments of a function take an input: those with a member `feature`.
pub(super) fn feature_arguments(function: &Value) -> usize {
    let arguments = function.get("args").and_then(Value::as_array);
    arguments.map_or(0, |list| list.iter().filter(|argument| argument.get("feature").is_some()).count())
}

fn read_max_shrink(job: &mut Reader<'_, '_>) -> Option<Option<Value>> {
    const MEMBER: &str = "max-shrink";
    let Some(value) = job.get(MEMBER) else {
        job.warning("missing-max-shrink", MEMBER, "`max-shrink` is missing: rows are not limited".to_owned(), "");
        return Some(None);
    };
    match value {
        Value::Array(_) | Value::Object(_) => {
            job.wrong_type(MEMBER, "a number", value);
            return None;
        }
        Value::String(text) if job.is_over_long(text) => {
            job.problem("too-long", MEMBER, format!("`max-shrink` is too long: {}", quoted(text)));
            return None;
        }
        Value::String(_) => odd_max_shrink(job, value),
        Value::Number(number) if !number.as_f64().is_some_and(|n| (0.0..=1.0).contains(&n)) => {
            odd_max_shrink(job, value)
        }
        Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
    let left_out = *value == Value::Bool(false) || value.as_f64() == Some(0.0);
    Some((!left_out).then(|| value.clone()))
}

fn odd_max_shrink(job: &mut Reader<'_, '_>, value: &Value) {
    let reason = format!("`max-shrink` is usually a number from 0 to 1, not {}; it is sent as it is", shown(value));
    job.warning("odd-max-shrink", "max-shrink", reason, "");
}

fn read_join_type(job: &mut Reader<'_, '_>) -> Option<String> {
    let join_type = job.text("join-type", plain_text)?;
    if !JOIN_TYPES.contains(&join_type.to_lowercase().as_str()) {
        let hint = did_you_mean(&join_type, JOIN_TYPES);
        job.warning(
            "unknown-join-type",
            "join-type",
            format!("the platform has no join type {}", quoted(&join_type)),
            &hint,
        );
    }
    Some(join_type)
}

fn read_function(job: &mut Reader<'_, '_>) -> Option<Value> {
    const MEMBER: &str = "function";
    match job.get(MEMBER) {
        Some(function @ Value::Object(_)) => return job.fits(MEMBER, function).then(|| function.clone()),
        Some(other) => {
            job.problem("bad-function", MEMBER, format!("`function` must be an object, not {}", shown(other)))
        }
        None => job.problem("bad-function", MEMBER, "`function` is missing".to_owned()),
    }
    None
}

fn read_ml(task: MlTask, job: &mut Reader<'_, '_>) -> Option<JobKind> {
    let automl = read_automl(job);
    let algorithm = read_algorithm(task, automl.unwrap_or_default(), job);
    let column = read_column(task, job);
    let params = read_params(job);
    let args = MlArgs { algorithm: algorithm?, column: column?, automl: automl?, params: params? };
    Some(JobKind::Ml { task, args: Box::new(args) })
}

/// AutoML is on when the member equals true, as in the original: 1 does.
fn read_automl(job: &mut Reader<'_, '_>) -> Option<bool> {
    match job.get("automl") {
        None | Some(Value::Null | Value::Bool(false)) => Some(false),
        Some(Value::Bool(true)) => Some(true),
        Some(value) if value.as_f64() == Some(1.0) => Some(true),
        Some(value) if value.as_f64() == Some(0.0) => Some(false),
        Some(other) => {
            job.wrong_type("automl", "true or false", other);
            None
        }
    }
}

fn read_algorithm(task: MlTask, automl: bool, job: &mut Reader<'_, '_>) -> Option<Option<String>> {
    const MEMBER: &str = "algorithm";
    let text = match job.get(MEMBER) {
        None | Some(Value::Null | Value::Bool(false)) => None,
        Some(Value::Bool(true)) => Some("true".to_owned()),
        Some(value) => match text_of(value) {
            None => {
                job.wrong_type(MEMBER, "a text", value);
                return None;
            }
            Some(text) if job.is_over_long(&text) => {
                job.problem("too-long", MEMBER, format!("`algorithm` is too long: {}", quoted(&text)));
                return None;
            }
            Some(text) => Some(text),
        },
    };
    let mapped = wire_name(task, text.as_deref());
    match text.as_deref() {
        Some(unknown) if !mapped.known => {
            let reason = format!("{} has no algorithm {}; {} is used", task.as_str(), quoted(unknown), mapped.name);
            let hint = did_you_mean(unknown, display_names(task));
            job.warning("unknown-algorithm", MEMBER, reason, &hint);
        }
        // With AutoML nothing needs to be selected.
        selected if !automl && selected.is_none_or(is_nothing) => {
            job.warning("missing-algorithm", MEMBER, format!("no algorithm is selected; {} is used", mapped.name), "");
        }
        _ => {}
    }
    Some(text)
}

fn read_column(task: MlTask, job: &mut Reader<'_, '_>) -> Option<String> {
    const MEMBER: &str = "column";
    if task == MlTask::Clustering {
        // Spark gets `dummycolumn` whatever stands here; only AutoML sees it.
        return job.any_text(MEMBER);
    }
    let rule: fn(&str) -> Result<(), Fault> =
        if job.settings.spark_arguments_any { plain_text } else { spark_argument };
    match job.get(MEMBER) {
        Some(Value::String(text)) => job.noted(MEMBER, rule(text)).map(|()| text.clone()),
        _ => job.text(MEMBER, rule),
    }
}

fn read_params(job: &mut Reader<'_, '_>) -> Option<Option<Map<String, Value>>> {
    const MEMBER: &str = "params";
    let Some(value) = job.optional(MEMBER) else { return Some(None) };
    let Value::Object(params) = value else {
        job.wrong_type(MEMBER, "an object", value);
        return None;
    };
    let at = job.pointer(MEMBER);
    let mut inner = Reader { object: params, at, settings: job.settings, findings: &mut *job.findings };
    let mut fine = inner.has_few_fields();
    for key in params.keys().take(inner.settings.limits.fields) {
        if BAD_PARAMS.contains(&key.as_str()) || key.starts_with('$') || key.contains('.') {
            let reason = format!("a parameter may not be called {}", quoted(key));
            inner.problem_with_hint(
                "bad-key",
                key,
                reason,
                "names with a dot or a leading $, _id, job-id and __proto__ are not allowed",
            );
            fine = false;
        }
    }
    (job.fits(MEMBER, value) && fine).then(|| Some(params.clone()))
}

#[cfg(test)]
#[path = "arguments_tests.rs"]
mod tests;
