//! What makes an analysis better, not possible: the advice of the platform's own validator about cleaning.

use super::{JobIndex, Plan};
use crate::playbook::{JobKind, Problem};

/// Whether data were cleaned since they came or were changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Raw,
    Clean,
    /// Results of learning: nobody cleans them.
    Learned,
}

/// Where cleaning is missing, or comes before a join that it should follow; in playbook order.
pub fn advice(plan: &Plan) -> Vec<Problem> {
    let jobs = &plan.playbook.jobs;
    let mut states = vec![State::Raw; jobs.len()];
    for job in plan.graph.topological() {
        states[*job] = match &jobs[*job].kind {
            JobKind::Dataset { .. } | JobKind::DataJoin { .. } | JobKind::Function { .. } | JobKind::Ingestion(_) => {
                State::Raw
            }
            JobKind::Cleaning { .. } => State::Clean,
            JobKind::Ml { .. } => State::Learned,
            JobKind::Visualization { .. } | JobKind::DataSink => {
                jobs[*job].inputs.first().map_or(State::Raw, |input| states[*input])
            }
        };
    }
    jobs.iter()
        .enumerate()
        .filter_map(|(index, job)| {
            let has = |state: State| job.inputs.iter().any(|input| states[*input] == state);
            match &job.kind {
                JobKind::Ml { .. } | JobKind::Function { .. } if has(State::Raw) => Some(not_cleaned(index, &job.kind)),
                JobKind::DataJoin { .. } if has(State::Clean) => Some(cleaned_too_early(index)),
                _ => None,
            }
        })
        .collect()
}

fn not_cleaned(index: JobIndex, kind: &JobKind) -> Problem {
    let reason = format!("this {} gets data that were not cleaned", kind.title());
    Problem::new("not-cleaned", format!("/jobs/{index}/from"), reason).hint("put a cleaning in front of it")
}

fn cleaned_too_early(index: JobIndex) -> Problem {
    let reason = "the result of a join has to be cleaned again, whatever was cleaned before";
    Problem::new("cleaned-before-join", format!("/jobs/{index}/from"), reason).hint("join first, then clean the result")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::graph::build;
    use crate::playbook::check::CheckSettings;
    use crate::playbook::fixtures::{Found, book, found};

    fn advised(jobs: Value) -> Vec<Found> {
        found(&advice(&build(&book(jobs), &CheckSettings::default()).expect("it is accepted")))
    }

    #[test]
    fn learning_and_functions_want_clean_data() {
        let chain = |second: Value| {
            let mut jobs = json!([
                {"step": 1, "id": 1, "title": "dataset", "label": "l", "from": 0, "next": [2]},
                {"step": 2, "id": 2, "max-shrink": 0.1, "from": 1, "next": [3]},
                {"step": 3, "id": 3, "title": "regression", "column": "c", "from": 2, "next": [4]},
                {"step": 4, "id": 4, "title": "function", "function": {}, "from": [3], "next": [0]},
            ]);
            jobs[1]["title"] = second;
            advised(jobs)
        };
        assert_eq!(chain(json!("cleaning")), []);
        assert_eq!(chain(json!("data-sink")), [("not-cleaned", "/jobs/2/from".to_owned())]);
    }

    #[test]
    fn joins_come_before_cleaning() {
        let joined = advised(json!([
            {"step": 1, "id": 1, "title": "dataset", "label": "l", "from": 0, "next": [2, 3]},
            {"step": 2, "id": 2, "title": "cleaning", "max-shrink": 0.1, "from": 1, "next": [3]},
            {"step": 3, "id": 3, "title": "data-join", "column": "c", "join-type": "inner", "from": [1, 2], "next": [4]},
            {"step": 4, "id": 4, "title": "clustering", "algorithm": "kmeans", "from": 3, "next": [0]},
        ]));
        assert_eq!(
            joined,
            [("cleaned-before-join", "/jobs/2/from".to_owned()), ("not-cleaned", "/jobs/3/from".to_owned())]
        );
    }
}
