//! What one job means for another, beyond edges: steps and ids given twice, numbers of inputs, texts that reach Spark.

use std::collections::HashMap;

use super::arguments::{feature_arguments, hands_input_on, is_sent};
use super::check::{CheckSettings, Outline};
use super::draft::JobDraft;
use super::findings::Findings;
use super::links::{Entry, Links, Named};
use super::rules::spark_argument;
use super::text::quoted;
use super::{AnalysisId, JobKind, Problem};

/// The first job of every step; later ones with the same step are problems.
pub(super) fn index_steps<'a>(drafts: &'a [JobDraft<'_>], findings: &mut Findings) -> HashMap<&'a str, usize> {
    let mut index = HashMap::with_capacity(drafts.len());
    for (position, draft) in drafts.iter().enumerate() {
        let Some(name) = draft.name.as_deref() else { continue };
        let first = *index.entry(name).or_insert(position);
        if first != position {
            let reason = format!("step {} is taken by job {} of the list", quoted(name), first + 1);
            let hint = "steps are compared without case, and 1 is the same as \"1\"";
            findings.problem(Problem::new("duplicate-step", format!("/jobs/{position}/step"), reason).hint(hint));
        }
    }
    index
}

/// Notes everything that needs more than one job to be seen.
pub(super) fn check_relations(
    drafts: &[JobDraft<'_>],
    links: &[Links],
    outlines: &[Outline],
    analysis_id: Option<&AnalysisId>,
    settings: &CheckSettings,
    findings: &mut Findings,
) {
    for (position, draft) in drafts.iter().enumerate() {
        check_inputs(position, draft, &links[position], findings);
    }
    check_ids(drafts, findings);
    if !settings.spark_arguments_any {
        check_spark(drafts, outlines, analysis_id, findings);
    }
}

/// Whether a job's kind can work with as many inputs as `from` names.
fn check_inputs(position: usize, draft: &JobDraft<'_>, links: &Links, findings: &mut Findings) {
    let (Some(title), at) = (draft.title, format!("/jobs/{position}/from")) else { return };
    if links.entry == Entry::Start {
        if !matches!(title, "dataset" | "function") {
            let reason = format!("{title} needs an input and cannot be a starting job");
            findings.problem(Problem::new("bad-start", at, reason).hint("begin with a dataset or a function"));
        } else {
            check_features(position, draft, 0, findings);
        }
        return;
    }
    // A reference that is no step was reported where it stands; how many were meant is not known.
    if links.entry != Entry::Inputs {
        return;
    }
    let count = links.from.len();
    let wanted = match title {
        "data-join" if count < 2 => "two inputs or more",
        "data-join" if count > 2 => {
            let reason = format!("all {count} inputs are joined; the original platform used the first two");
            return findings.warning(Problem::new("join-inputs", at, reason));
        }
        "function" => {
            if links.from.iter().all(Named::is_scalar) {
                let reason = "`from` of a function is usually a list; a single step is taken as a list of one";
                findings.warning(Problem::new("scalar-from", at, reason));
            }
            return check_features(position, draft, count, findings);
        }
        "dataset" => {
            let reason = "a dataset takes no input: it only waits for the jobs in its `from`";
            return findings.warning(Problem::new("unused-input", at, reason));
        }
        "cleaning" | "classification" | "regression" | "clustering" | "visualization" | "data-sink" if count != 1 => {
            "one input"
        }
        _ => return,
    };
    findings.problem(Problem::new("arity", at, format!("{title} takes {wanted}, not {count}")));
}

/// The real function service waits for ever for an input that nobody names.
fn check_features(position: usize, draft: &JobDraft<'_>, inputs: usize, findings: &mut Findings) {
    if let Some(JobKind::Function { function }) = &draft.kind {
        let features = feature_arguments(function);
        if features > inputs {
            let reason = format!("the function has {features} feature arguments but only {inputs} inputs");
            findings.problem(Problem::new("bad-function", format!("/jobs/{position}/function/args"), reason));
        }
    }
}

/// Services know a job by its id alone: two that are sent may not share one.
fn check_ids(drafts: &[JobDraft<'_>], findings: &mut Findings) {
    /// The first job with an id, and the first of those that are sent to a service.
    struct First {
        any: usize,
        sent: Option<usize>,
    }
    let mut firsts: HashMap<&str, First> = HashMap::with_capacity(drafts.len());
    for (position, draft) in drafts.iter().enumerate() {
        let Some(id) = &draft.id else { continue };
        let sent = draft.title.is_some_and(is_sent);
        let first = firsts.entry(id.key()).or_insert(First { any: position, sent: None });
        let at = format!("/jobs/{position}/id");
        let reason =
            |other: usize| format!("the id {} is also that of job {} of the list", quoted(id.text()), other + 1);
        match first.sent {
            Some(other) if sent => {
                let hint = "services know a job by its id alone: give every job its own";
                findings.problem(Problem::new("duplicate-job-id", at, reason(other)).hint(hint));
            }
            _ if first.any != position => findings.warning(Problem::new("duplicate-job-id", at, reason(first.any))),
            _ => {}
        }
        if sent {
            first.sent.get_or_insert(position);
        }
    }
}

/// Every text that becomes an argument of a Spark job; `column` was checked where it was read.
fn check_spark(
    drafts: &[JobDraft<'_>],
    outlines: &[Outline],
    analysis_id: Option<&AnalysisId>,
    findings: &mut Findings,
) {
    let producers = producers(outlines);
    let mut seen = vec![false; drafts.len()];
    let mut any = false;
    for (position, draft) in drafts.iter().enumerate() {
        if !draft.title.is_some_and(|title| matches!(title, "classification" | "regression" | "clustering")) {
            continue;
        }
        any = true;
        if let Some(Err(fault)) = draft.id.as_ref().map(|id| spark_argument(id.text())) {
            findings.problem(fault.at(format!("/jobs/{position}/id"), "id"));
        }
        let source = outlines[position].inputs.first().map(|input| producers[*input]);
        let Some(source) = source.filter(|source| !std::mem::replace(&mut seen[*source], true)) else { continue };
        if let Some(JobKind::Dataset { label }) = &drafts[source].kind
            // Object keys have the lower-cased label.
            && let Err(fault) = spark_argument(&label.as_str().to_lowercase())
        {
            let hint = "clean the data set first, or give it a label without spaces and special characters";
            findings.problem(fault.at(format!("/jobs/{source}/label"), "label").hint(hint));
        }
    }
    if let Some(Err(fault)) = analysis_id.filter(|_| any).map(|id| spark_argument(id.text())) {
        findings.problem(fault.at("/analysis-id", "analysis-id"));
    }
}

/// For every job the one whose output a child of it gets: data-sink and visualization hand their input on.
fn producers(outlines: &[Outline]) -> Vec<usize> {
    let mut known: Vec<Option<usize>> = vec![None; outlines.len()];
    let mut path = Vec::new();
    for start in 0..outlines.len() {
        let mut job = start;
        let producer = loop {
            if let Some(producer) = known[job] {
                break producer;
            }
            // Set at once, so that a cycle (reported elsewhere) ends the walk.
            known[job] = Some(job);
            path.push(job);
            match (outlines[job].title, outlines[job].inputs.first()) {
                (Some(title), Some(input)) if hands_input_on(title) => job = *input,
                _ => break job,
            }
        };
        for passed in path.drain(..) {
            known[passed] = Some(producer);
        }
    }
    known.into_iter().enumerate().map(|(job, producer)| producer.unwrap_or(job)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::check::check;
    use super::super::fixtures::{accepted, around, book, problems, refused};
    use super::*;

    #[test]
    fn kinds_take_their_number_of_inputs() {
        let arguments = json!({"max-shrink": 0.1, "column": "c", "join-type": "inner", "label": "l", "function": {},
            "algorithm": "factorization machines"});
        let with = |title: &str, from: Value| {
            let mut job = arguments.clone();
            job["title"] = json!(title);
            job["from"] = from;
            let mut document = around(job);
            if title == "clustering" {
                document["jobs"][1]["algorithm"] = json!("kmeans");
            }
            document
        };
        for title in ["cleaning", "classification", "regression", "clustering", "visualization", "data-sink"] {
            accepted(&with(title, json!(1)), &[]);
            accepted(&with(title, json!([1])), &[]);
            refused(&with(title, json!([1, 1])), "arity", "/jobs/1/from");
            refused(&with(title, json!([1, 1, 1])), "arity", "/jobs/1/from");
        }
        for from in [json!(1), json!([1])] {
            refused(&with("data-join", from), "arity", "/jobs/1/from");
        }
        for title in ["data-join", "function"] {
            accepted(&with(title, json!([1, 1])), &[]);
        }
        accepted(&with("data-join", json!([1, 1, 1])), &[("join-inputs", "/jobs/1/from")]);
        accepted(&with("function", json!([1, 1, 1])), &[]);
        accepted(&with("function", json!([1])), &[]);
        accepted(&with("function", json!(1)), &[("scalar-from", "/jobs/1/from")]);
        accepted(&with("dataset", json!(1)), &[("unused-input", "/jobs/1/from")]);
    }

    #[test]
    fn only_datasets_and_functions_begin() {
        let arguments = json!({"step": 1, "id": 1, "from": 0, "next": [0], "max-shrink": 0.1, "column": "c",
            "join-type": "inner", "algorithm": "x", "label": "l", "function": {}});
        for title in
            ["cleaning", "data-join", "classification", "regression", "clustering", "visualization", "data-sink"]
        {
            let mut job = arguments.clone();
            job["title"] = json!(title);
            refused(&book(json!([job])), "bad-start", "/jobs/0/from");
        }
        for title in ["dataset", "function"] {
            let mut job = arguments.clone();
            job["title"] = json!(title);
            accepted(&book(json!([job])), &[]);
        }
    }

    #[test]
    fn a_function_has_an_input_for_every_feature() {
        let with =
            |from: Value, args: Value| around(json!({"title": "function", "from": from, "function": {"args": args}}));
        let feature = json!({"feature": "x"});
        accepted(&with(json!([1, 1]), json!([feature, feature])), &[]);
        accepted(&with(json!([1, 1]), json!([feature])), &[]);
        refused(&with(json!([1, 1]), json!([feature, feature, feature])), "bad-function", "/jobs/1/function/args");
        let alone =
            json!({"step": 1, "id": 1, "title": "function", "from": 0, "next": [], "function": {"args": [feature]}});
        refused(&book(json!([alone])), "bad-function", "/jobs/0/function/args");
    }

    #[test]
    fn steps_are_unique_without_case() {
        let steps = |first: Value, second: Value| {
            book(json!([
                {"step": first, "id": 1, "title": "function", "function": {}, "from": 0, "next": [0]},
                {"step": second, "id": 2, "title": "function", "function": {}, "from": 0, "next": [0]},
            ]))
        };
        accepted(&steps(json!("a"), json!("b")), &[]);
        for (first, second) in [(json!(1), json!(1)), (json!(1), json!("1")), (json!("A"), json!("a"))] {
            refused(&steps(first, second), "duplicate-step", "/jobs/1/step");
        }
    }

    #[test]
    fn ids_sent_to_services_are_unique() {
        let ids = |first: Value, second: Value, title: &str| {
            let mut document = around(json!({"title": title, "id": second, "max-shrink": 0.1, "label": "l"}));
            document["jobs"][0]["id"] = first;
            document
        };
        accepted(&ids(json!(1), json!("1"), "cleaning"), &[("duplicate-job-id", "/jobs/1/id")]);
        accepted(&ids(json!("x"), json!("X"), "visualization"), &[("duplicate-job-id", "/jobs/1/id")]);
        // Job 3 is a data-sink: both are sent.
        refused(&ids(json!(1), json!(30), "cleaning"), "duplicate-job-id", "/jobs/2/id");
        accepted(&ids(json!(1), json!(30), "visualization"), &[("duplicate-job-id", "/jobs/2/id")]);
        // The first two may share one, the third may not share it with the second.
        refused(&ids(json!(30), json!(30), "cleaning"), "duplicate-job-id", "/jobs/2/id");
    }

    #[test]
    fn a_label_that_reaches_spark_obeys_its_rule() {
        let spark = json!({"title": "clustering", "algorithm": "kmeans"});
        let mut document = around(spark);
        document["jobs"][0]["label"] = json!("my set");
        refused(&document, "spark-arg", "/jobs/0/label");
        let any = CheckSettings { spark_arguments_any: true, ..CheckSettings::default() };
        assert!(check(&document, &any).is_ok());
        document["jobs"][0]["label"] = json!("Σύνολο/1");
        accepted(&document, &[]);

        // Behind a cleaning the label is not an argument; behind a data-sink it is.
        let mut document = around(json!({"title": "cleaning", "max-shrink": 0.1}));
        document["jobs"][0]["label"] = json!("my set");
        document["jobs"][2] =
            json!({"step": 3, "id": 3, "title": "clustering", "algorithm": "kmeans", "from": 2, "next": [0]});
        accepted(&document, &[]);
        document["jobs"][1] = json!({"step": 2, "id": 2, "title": "data-sink", "from": 1, "next": [3]});
        refused(&document, "spark-arg", "/jobs/0/label");
    }

    #[test]
    fn ids_that_look_like_options_do_not_reach_spark() {
        let mut document = around(json!({"title": "clustering", "algorithm": "kmeans", "id": "--conf"}));
        refused(&document, "spark-arg", "/jobs/1/id");
        document["jobs"][1]["id"] = json!("a");
        document["analysis-id"] = json!("-e");
        refused(&document, "spark-arg", "/analysis-id");
        document["jobs"][1] =
            json!({"step": 2, "id": "-e", "title": "cleaning", "max-shrink": 0.1, "from": 1, "next": [3]});
        accepted(&document, &[]);
    }

    #[test]
    fn a_ring_of_sinks_ends_the_search() {
        let ring = json!([
            {"step": 1, "id": 1, "title": "data-sink", "from": 2, "next": [2, 3]},
            {"step": 2, "id": 2, "title": "data-sink", "from": 1, "next": [1]},
            {"step": 3, "id": 3, "title": "clustering", "algorithm": "kmeans", "from": 1, "next": [0]},
        ]);
        // The cycle is found by the graph, not here.
        assert_eq!(problems(&book(ring)), []);
    }
}
