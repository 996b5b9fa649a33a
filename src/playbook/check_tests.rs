//! Corpus parts B, D, E and F as far as members of a playbook go.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::super::fixtures::{accepted, around, book, problems, refused};
use super::super::{OnFailure, When};
use super::*;

fn sample() -> Map<String, Value> {
    around(json!({"title": "cleaning", "max-shrink": 0.1}))
}

fn with(member: &str, value: Value) -> Map<String, Value> {
    let mut document = sample();
    document.insert(member.to_owned(), value);
    document
}

fn without(member: &str) -> Map<String, Value> {
    let mut document = sample();
    document.shift_remove(member);
    document
}

#[track_caller]
fn refused_each(member: &str, code: &'static str, values: &[Value]) {
    for value in values {
        refused(&with(member, value.clone()), code, &format!("/{member}"));
    }
}

#[test]
fn a_playbook_keeps_what_was_sent() {
    let mut document = sample();
    document["database-id"] = json!("Metis");
    document["analysis-id"] = json!(42);
    document["metadata"] = json!([{"z": 1}]);
    document.insert("options".to_owned(), json!({"on-failure": "continue", "deadline-s": 9}));
    document["jobs"][1]["when"] = json!("one-failed");
    document["jobs"][1]["timeout-s"] = json!(1.5);
    document["jobs"][1]["x-anything"] = json!({"kept": true});
    let playbook = check(&document, &CheckSettings::default()).unwrap().playbook;
    assert_eq!((playbook.tenant.as_str(), playbook.database_id.as_str()), ("metis", "Metis"));
    assert_eq!((playbook.id.text(), playbook.space), ("42", Space::Analysis));
    assert_eq!(playbook.metadata, document["metadata"]);
    assert_eq!(
        (playbook.options.on_failure, playbook.options.deadline),
        (OnFailure::Continue, Some(Duration::from_secs(9)))
    );
    let job = &playbook.jobs[1];
    assert_eq!((job.when, job.timeout), (When::OneFailed, Some(Duration::from_millis(1500))));
    assert_eq!(
        Value::Object(job.raw.document(None)).to_string(),
        document["jobs"][1].to_string(),
        "key order included"
    );
}

#[test]
fn absent_and_unknown_members_do_no_harm() {
    accepted(&without("metadata"), &[]);
    accepted(&without("diastema-token"), &[]);
    accepted(&with("nodes", json!({"label": "x".repeat(1_000_000)})), &[]);
    accepted(&with("x-deep", json!([[[{"a.b": "$"}]]])), &[]);
}

#[test]
fn the_analysis_id_is_a_name() {
    refused(&without("analysis-id"), "bad-id", "/analysis-id");
    refused_each("analysis-id", "bad-id", &[json!(""), json!("x".repeat(65)), json!({}), json!(null), json!(true)]);
    let bad = ["../../other", "a/b", ".", "..", "a$b", "a\0", "a b"];
    refused_each("analysis-id", "charset", &bad.map(|text| json!(text)));
    // Collections carry a prefix, so this is no system collection.
    accepted(&with("analysis-id", json!("system.x")), &[]);
    accepted(&with("analysis-id", json!("039FF")), &[]);
}

#[test]
fn the_tenant_is_a_name() {
    refused(&without("database-id"), "type", "/database-id");
    refused_each("database-id", "type", &[json!(null), json!(5), json!({}), json!([])]);
    refused_each("database-id", "length", &[json!(""), json!("ab"), json!("a".repeat(64))]);
    refused_each("database-id", "reserved", &[json!("admin"), json!("UIDB"), json!("diastemaviz")]);
}

#[test]
fn jobs_are_a_list_of_objects() {
    refused(&without("jobs"), "type", "/jobs");
    refused_each("jobs", "type", &[json!(null), json!({}), json!("x")]);
    refused_each("jobs", "empty-graph", &[json!([])]);
    for job in [json!(null), json!(5), json!([])] {
        let mut document = sample();
        document["jobs"].as_array_mut().unwrap().push(job);
        refused(&document, "type", "/jobs/3");
    }
}

#[test]
fn steps_and_ids_are_names() {
    for (member, code) in [("step", "bad-step"), ("id", "bad-id")] {
        let mut document = sample();
        let at = format!("/jobs/2/{member}");
        document["jobs"][2][member] = json!({});
        assert_eq!(problems(&document).last(), Some(&(code, at.clone())));
        document["jobs"][2][member] = json!("a&b");
        document["jobs"][1]["next"] = json!([if member == "step" { "A&b" } else { "3" }]);
        refused(&document, "charset", &at);
        document["jobs"][2].as_object_mut().unwrap().remove(member);
        assert!(problems(&document).contains(&("missing", format!("/jobs/2/{member}"))));
    }
    let mut document = sample();
    document["jobs"][2]["id"] = json!(9_223_372_036_854_775_808_u64);
    refused(&document, "number-range", "/jobs/2/id");
}

#[test]
fn sizes_have_limits() {
    refused_each("metadata", "limit", &[json!({"x": "y".repeat(1 << 20)})]);
    refused(&with("metadata", json!({"a": [{"b\0": 1}]})), "bad-key", "/metadata/a/0/b\0");
    let settings = CheckSettings { limits: Limits { jobs: 2, ..Limits::default() }, ..CheckSettings::default() };
    let refusal = check(&sample(), &settings).unwrap_err();
    assert_eq!((refusal.problems[0].code, refusal.problems[0].at.as_str()), ("too-many-jobs", "/jobs"));
    let mut document = sample();
    document.extend((0..100_000).map(|n| (format!("k{n}"), json!(1))));
    refused(&document, "too-many-fields", "");
}

#[test]
fn a_start_rule_needs_an_analysis_that_goes_on() {
    let mut document = sample();
    document["jobs"][1]["when"] = json!("all-done");
    refused(&document, "when-needs-continue", "/jobs/1/when");
    document.insert("options".to_owned(), json!({"on-failure": "continue"}));
    accepted(&document, &[]);
}

#[test]
fn everything_wrong_is_found_at_once_in_document_order() {
    let document = json!({
        "jobs": [
            {"title": "hack", "step": 0, "from": 0, "next": [7], "id": 1.5},
            null,
            {"step": "s", "id": "i", "title": "visualization", "from": "", "next": []},
        ],
        "metadata": {"\0": 1},
        "database-id": "uidb",
        "analysis-id": "Run-1",
        "options": {"max-parallel": 0},
    });
    let document = document.as_object().unwrap();
    let expected = [
        ("unknown-title", "/jobs/0/title"),
        ("bad-step", "/jobs/0/step"),
        ("dangling-edge", "/jobs/0/next/0"),
        ("bad-id", "/jobs/0/id"),
        ("type", "/jobs/1"),
        ("bad-from", "/jobs/2/from"),
        ("missing", "/jobs/2/label"),
        ("bad-key", "/metadata/\0"),
        ("reserved", "/database-id"),
        ("bad-option", "/options/max-parallel"),
    ];
    assert_eq!(problems(document), expected.map(|(code, at)| (code, at.to_owned())));
    let refusal = check(document, &CheckSettings::default()).unwrap_err();
    assert_eq!((refusal.analysis_id.as_deref(), refusal.tenant), (Some("Run-1"), None));
    assert!(refusal.problems.iter().all(|problem| problem.reason.len() < 300));
}

/// JSON that often has the members and values that the checks look at.
fn json_like() -> impl Strategy<Value = Value> {
    const WORDS: [&str; 24] = [
        "jobs",
        "step",
        "id",
        "title",
        "from",
        "next",
        "label",
        "function",
        "args",
        "feature",
        "column",
        "params",
        "options",
        "when",
        "retry",
        "max-shrink",
        "automl",
        "algorithm",
        "database-id",
        "analysis-id",
        "classification",
        "data-sink",
        "metadata",
        "0",
    ];
    let word = || prop::sample::select(WORDS.to_vec()).prop_map(str::to_owned);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2_i64..4).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 8, move |inner| {
        let objects = prop::collection::vec((word(), inner.clone()), 0..8);
        prop_oneof![
            prop::collection::vec(inner, 0..5).prop_map(Value::from),
            objects.prop_map(|members| Value::Object(members.into_iter().collect()))
        ]
    })
}

proptest! {
    #[test]
    fn no_document_makes_it_panic(jobs in prop::collection::vec(json_like(), 0..4), rest in json_like()) {
        let mut document = book(Value::Array(jobs));
        if let Value::Object(rest) = rest {
            document.extend(rest);
        }
        if let Err(refusal) = check(&document, &CheckSettings::default()) {
            prop_assert!(!refusal.problems.is_empty());
            prop_assert!(refusal.problems.iter().all(|problem| !problem.reason.is_empty()));
        }
    }
}

/// Code, place and hint of everything that was found.
fn hints(document: &Map<String, Value>) -> Vec<(&'static str, String, String)> {
    let (problems, warnings) = match check(document, &CheckSettings::default()) {
        Ok(draft) => (Vec::new(), draft.warnings),
        Err(refusal) => (refusal.problems, refusal.warnings),
    };
    problems.into_iter().chain(warnings).map(|found| (found.code, found.at, found.hint)).collect()
}

#[test]
fn a_missing_member_that_is_there_under_another_name_is_pointed_at() {
    let mut document = around(json!({"title": "cleaning", "max-shrink": 0.1}));
    for (member, misspelt) in [("from", "form"), ("next", "nxt"), ("step", "Step"), ("title", "tilte")] {
        let job = document["jobs"][1].as_object_mut().unwrap();
        let value = job.remove(member).unwrap();
        job.insert(misspelt.to_owned(), value);
    }
    let found = hints(&document);
    for (member, misspelt) in [("from", "form"), ("next", "nxt"), ("step", "Step"), ("title", "tilte")] {
        let hint = format!("there is a member \"{misspelt}\": did you mean `{member}`?");
        let at = format!("/jobs/1/{member}");
        assert!(found.iter().any(|(_, place, text)| *place == at && *text == hint), "{member}: {found:?}");
    }
    let mut document = book(json!([]));
    let jobs = document.remove("jobs").unwrap();
    document.insert("job".to_owned(), jobs);
    let expected = ("type", "/jobs".to_owned(), "there is a member \"job\": did you mean `jobs`?".to_owned());
    assert_eq!(hints(&document), [expected]);
}

#[test]
fn a_misspelt_member_that_may_be_left_out_is_a_warning() {
    let mut document = around(json!({"title": "cleaning", "max_shrink": 0.1, "retries": {}, "colour": "red"}));
    document.insert("optoins".to_owned(), json!({"on-failure": "continue"}));
    let warned = |code: &'static str, at: &str, meant: &str| (code, at.to_owned(), format!("did you mean `{meant}`?"));
    let found = hints(&document);
    for expected in
        [warned("unknown-member", "/jobs/1/max_shrink", "max-shrink"), warned("unknown-member", "/optoins", "options")]
    {
        assert!(found.contains(&expected), "{found:?}");
    }
    assert!(!found.iter().any(|(_, at, _)| at.ends_with("colour")), "{found:?}");
    let mut crowded = around(json!({"title": "cleaning", "max-shrink": 0.1}));
    let many = (0..10_000).map(|number| (format!("k{number}"), json!(0)));
    crowded["jobs"][1].as_object_mut().unwrap().extend(many.take(9_000));
    crowded["jobs"][1].as_object_mut().unwrap().insert("max_shrink".to_owned(), json!(0));
    assert!(hints(&crowded).is_empty(), "nobody looks for near misses among thousands of members");
}
