//! Which columns reach which job, as far as the data sets' columns are known, and which jobs name one that does not.
//!
//! *Source*: what the platform's own validator takes for granted. A join has the columns of all its inputs; cleaning, charts
//! and sinks change none; behind a classification or a regression there are its own column and `prediction`. Nobody knows the
//! columns of a function's or a clustering's result: behind those nothing is said.

use std::collections::HashMap;
use std::rc::Rc;

use serde_json::Value;

use super::{JobIndex, Plan};
use crate::playbook::text::{did_you_mean, quoted};
use crate::playbook::{Job, JobKind, MlTask, Problem};

/// Names of columns, `None` when nobody knows them.
type Columns = Option<Rc<[String]>>;

/// What Spark adds to its own column.
const PREDICTION: &str = "prediction";

/// Every name of a column that is not among those that reach its job, in playbook order. `known` has the columns of data sets
/// by lower-cased label.
pub fn unknown_columns(plan: &Plan, known: &HashMap<String, Vec<String>>) -> Vec<Problem> {
    let jobs = &plan.playbook.jobs;
    let mut outputs: Vec<Columns> = vec![None; jobs.len()];
    for job in plan.graph.topological() {
        let inputs = inputs(&jobs[*job], &outputs);
        outputs[*job] = output(&jobs[*job], &inputs, known);
    }
    let mut found = Vec::new();
    for (index, job) in jobs.iter().enumerate() {
        check(index, job, &inputs(job, &outputs), &mut found);
    }
    found
}

fn inputs(job: &Job, outputs: &[Columns]) -> Vec<Columns> {
    job.inputs.iter().map(|input| outputs[*input].clone()).collect()
}

fn output(job: &Job, inputs: &[Columns], known: &HashMap<String, Vec<String>>) -> Columns {
    match &job.kind {
        JobKind::Dataset { label } => {
            known.get(&label.as_str().to_lowercase()).map(|columns| columns.as_slice().into())
        }
        JobKind::Cleaning { .. } | JobKind::Visualization { .. } | JobKind::DataSink => inputs.first()?.clone(),
        JobKind::DataJoin { .. } => {
            let all: Option<Vec<&Rc<[String]>>> = inputs.iter().map(Option::as_ref).collect();
            Some(all?.into_iter().flat_map(|columns| columns.iter().cloned()).collect())
        }
        JobKind::Ml { task: MlTask::Classification | MlTask::Regression, args } => {
            Some([args.column.clone(), PREDICTION.to_owned()].into())
        }
        JobKind::Ml { task: MlTask::Clustering, .. } | JobKind::Function { .. } | JobKind::Ingestion(_) => None,
    }
}

fn check(index: JobIndex, job: &Job, inputs: &[Columns], found: &mut Vec<Problem>) {
    let at = format!("/jobs/{index}/column");
    match &job.kind {
        JobKind::DataJoin { column, .. } => {
            // the join service gets it in lower case
            let column = column.to_lowercase();
            found.extend(inputs.iter().find_map(|columns| missing(&column, columns, &at)));
        }
        JobKind::Ml { task: MlTask::Classification | MlTask::Regression, args } => {
            found.extend(inputs.first().and_then(|columns| missing(&args.column, columns, &at)));
        }
        JobKind::Function { function } => {
            let arguments = function.get("args").and_then(Value::as_array).into_iter().flatten().enumerate();
            let features = arguments.filter_map(|(place, argument)| Some((place, argument.get("feature")?)));
            // the first feature is one of the first input, and so on
            for ((place, feature), columns) in features.zip(inputs) {
                let at = format!("/jobs/{index}/function/args/{place}/feature");
                found.extend(feature.as_str().and_then(|feature| missing(feature, columns, &at)));
            }
        }
        _ => {}
    }
}

fn missing(column: &str, columns: &Columns, at: &str) -> Option<Problem> {
    let columns = columns.as_ref()?;
    if columns.iter().any(|known| known == column) {
        return None;
    }
    let reason = format!("there is no column {} in what reaches this job", quoted(column));
    let near = did_you_mean(column, columns.iter().map(String::as_str));
    let all = || {
        let names: Vec<String> = columns.iter().take(10).map(|name| quoted(name)).collect();
        format!("columns are {}{}", names.join(", "), if columns.len() > 10 { ", ..." } else { "" })
    };
    Some(Problem::new("unknown-column", at, reason).hint(if near.is_empty() { all() } else { near }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::graph::build;
    use crate::playbook::check::CheckSettings;
    use crate::playbook::fixtures::book;

    /// Two data sets, a join of both by `column`, `more` behind it.
    fn found(column: &str, more: Value) -> Vec<(String, String)> {
        let mut document = book(json!([
            {"step": 1, "id": 1, "title": "dataset", "label": "People", "from": 0, "next": [3]},
            {"step": 2, "id": 2, "title": "dataset", "label": "visits", "from": 0, "next": [3]},
            {"step": 3, "id": 3, "title": "data-join", "column": column, "join-type": "inner", "from": [1, 2], "next": [4]},
            {"step": 4, "id": 4, "from": 3, "next": [0]},
        ]));
        for (member, value) in more.as_object().unwrap() {
            document["jobs"][3][member] = value.clone();
        }
        let plan = build(&document, &CheckSettings::default()).expect("it is accepted");
        let columns = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let known = HashMap::from([
            ("people".to_owned(), columns(&["id", "age", "name"])),
            ("visits".to_owned(), columns(&["id", "stay"])),
        ]);
        unknown_columns(&plan, &known).into_iter().map(|problem| (problem.at, problem.hint)).collect()
    }

    #[test]
    fn a_join_needs_its_column_in_every_input() {
        assert_eq!(found("ID", json!({"title": "data-sink"})), []);
        let at = "/jobs/2/column".to_owned();
        let hint = r#"did you mean "stay"?"#.to_owned();
        assert_eq!(
            found("stai", json!({"title": "data-sink"})),
            [(at.clone(), r#"columns are "id", "age", "name""#.to_owned())]
        );
        assert_ne!(found("age", json!({"title": "data-sink"})), []);
        assert_eq!(
            found("id", json!({"title": "regression", "column": "stai"})),
            [("/jobs/3/column".to_owned(), hint)]
        );
    }

    #[test]
    fn learning_needs_its_column_and_a_function_its_features() {
        assert_eq!(found("id", json!({"title": "classification", "column": "age"})), []);
        assert_eq!(found("id", json!({"title": "clustering", "column": "nothing"})), [], "it is not used");
        let function = |feature: &str| json!({"title": "function", "from": [3], "function": {"args": [{"value": 1}, {"feature": feature}]}});
        assert_eq!(found("id", function("name")), []);
        let at: Vec<String> = found("id", function("nam")).into_iter().map(|(at, _)| at).collect();
        assert_eq!(at, ["/jobs/3/function/args/1/feature"]);
    }

    #[test]
    fn nothing_is_said_about_what_nobody_knows() {
        let document = book(json!([
            {"step": 1, "id": 1, "title": "dataset", "label": "strange", "from": 0, "next": [2]},
            {"step": 2, "id": 2, "title": "regression", "column": "any", "from": 1, "next": [3]},
            {"step": 3, "id": 3, "title": "regression", "column": "other", "from": 2, "next": [0]},
        ]));
        let plan = build(&document, &CheckSettings::default()).expect("it is accepted");
        let at: Vec<String> = unknown_columns(&plan, &HashMap::new()).into_iter().map(|problem| problem.at).collect();
        assert_eq!(at, ["/jobs/2/column"], "behind a regression there are two columns, whatever was before");
    }
}
