//! The playbook of an analysis, as the web application would send it.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Analysis, Job, Kind};

impl Analysis {
    /// The whole document.
    pub(crate) fn document(&self, token: &str) -> Value {
        let jobs: Vec<Value> = (0..self.jobs.len()).map(|index| self.job_document(index)).collect();
        let mut document = json!({
            "diastema-token": token,
            "analysis-id": self.id,
            "database-id": self.organization,
            "jobs": jobs,
            "metadata": {"analysis-time": 1},
        });
        let mut options = Map::new();
        if self.goes_on {
            options.insert("on-failure".to_owned(), json!("continue"));
        }
        if let Some(most) = self.max_parallel {
            options.insert("max-parallel".to_owned(), json!(most));
        }
        if !options.is_empty() {
            document["options"] = Value::Object(options);
        }
        document
    }

    fn job_document(&self, index: usize) -> Value {
        let job = &self.jobs[index];
        let mut document = json!({
            "step": as_sent(&job.step),
            "id": as_sent(&job.id),
            "title": title(job.kind),
            "from": self.from(job),
            "next": self.next(index),
        });
        let members = members(job, self.spark_limit);
        if let (Some(document), Value::Object(members)) = (document.as_object_mut(), members) {
            document.extend(members);
        }
        document
    }

    /// A start has 0, most kinds a single step, joins and functions a list.
    fn from(&self, job: &Job) -> Value {
        let steps: Vec<Value> = job.from.iter().map(|index| as_sent(&self.jobs[*index].step)).collect();
        match job.kind {
            Kind::Dataset => json!(0),
            Kind::Join | Kind::Function => json!(steps),
            _ => steps.into_iter().next().unwrap_or(json!(0)),
        }
    }

    /// Every edge is named once by each of its ends.
    fn next(&self, index: usize) -> Value {
        let next: Vec<Value> = self
            .jobs
            .iter()
            .flat_map(|job| job.from.iter().filter(|from| **from == index).map(|_| as_sent(&job.step)))
            .collect();
        if next.is_empty() { json!([0]) } else { json!(next) }
    }
}

/// What its job is called in the playbook and in notices.
pub(crate) fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::Dataset => "dataset",
        Kind::Cleaning => "cleaning",
        Kind::Join => "data-join",
        Kind::Function => "function",
        Kind::Classification { .. } => "classification",
        Kind::Visualization => "visualization",
        Kind::DataSink => "data-sink",
    }
}

fn members(job: &Job, spark_limit: Duration) -> Value {
    match job.kind {
        Kind::Dataset => json!({"label": "patients"}),
        Kind::Cleaning => json!({"max-shrink": 0.5}),
        Kind::Join => json!({"column": "patient_id", "join-type": "inner"}),
        Kind::Function => json!({"function": {"name": "sum", "expression": "a+b", "args": []}}),
        Kind::Classification { automl, with_params } => {
            let params = match (automl, with_params) {
                (true, _) => json!({"max-trials": "5", "meta-learning": "true"}),
                (false, true) => json!({"maxDepth": 3}),
                (false, false) => json!({}),
            };
            // a lost message is waited for until the time limit of the job: a day would be long
            json!({
                "algorithm": "random forest classifier", "column": "risk", "automl": automl, "params": params,
                "timeout-s": spark_limit.as_secs(),
            })
        }
        Kind::Visualization => json!({"label": format!("Chart of {}", job.step)}),
        Kind::DataSink => json!({}),
    }
}

/// Whole numbers go out as numbers.
fn as_sent(text: &str) -> Value {
    text.parse::<u64>().map_or_else(|_| json!(text), |number| json!(number))
}
