//! The published JSON Schema against the checks themselves, on random documents: whatever the checks accept, the schema
//! accepts; whatever the schema accepts and the checks refuse, no schema could have known.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use jsonschema::Validator;
use orchestrator::graph::build::build;
use orchestrator::playbook::Problem;
use orchestrator::playbook::check::CheckSettings;
use orchestrator::playbook::schema::playbook_schema;
use proptest::prelude::*;
use serde_json::{Value, json};

/// `orchestrator schema > schemas/playbook.schema.json`.
const FILE: &str = "schemas/playbook.schema.json";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn validator() -> &'static Validator {
    static VALIDATOR: OnceLock<Validator> = OnceLock::new();
    VALIDATOR.get_or_init(|| jsonschema::validator_for(&playbook_schema(&CheckSettings::default())).expect("a schema"))
}

/// Every sample playbook of these folders.
fn samples(folders: &[&str]) -> Vec<(PathBuf, Value)> {
    let files = folders.iter().flat_map(|folder| fs::read_dir(root().join("fixtures").join(folder)).unwrap());
    let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files.into_iter().map(|file| (file.clone(), serde_json::from_slice(&fs::read(file).unwrap()).unwrap())).collect()
}

/// What the checks have against a document.
fn problems(document: &Value) -> Vec<Problem> {
    let object = document.as_object().expect("an object");
    build(object, &CheckSettings::default()).err().map(|refusal| refusal.problems).unwrap_or_default()
}

/// Whether a problem is one of those that the schema's description names.
fn is_beyond_a_schema(problem: &Problem, document: &Value) -> bool {
    let value = document.pointer(&problem.at);
    // JSON Schema takes 1.0 for a whole number
    let with_fraction = |value: &Value| value.is_f64() && value.as_f64().is_some_and(|number| number.fract() == 0.0);
    match problem.code {
        "duplicate-step"
        | "dangling-edge"
        | "edge-mismatch"
        | "cycle"
        | "no-start"
        | "unreachable"
        | "bad-start"
        | "arity"
        | "too-many-edges"
        | "duplicate-job-id"
        | "when-needs-continue"
        | "limit" => true,
        "number-range" => !problem.at.ends_with("/id"),
        "bad-key" => problem.at.contains('\0'),
        "bad-function" => problem.at.ends_with("/args"),
        "spark-arg" => !problem.at.ends_with("/column"),
        "length" => value.and_then(Value::as_str).is_some_and(|label| label.to_lowercase().len() > 900),
        _ => value.is_some_and(with_fraction),
    }
}

#[test]
fn the_published_file_is_what_the_checks_say() {
    let expected = serde_json::to_string_pretty(&playbook_schema(&CheckSettings::default())).unwrap() + "\n";
    let published = fs::read_to_string(root().join(FILE)).unwrap_or_default();
    assert!(published == expected, "run: cargo run -- schema > {FILE}");
    assert_eq!(
        jsonschema::meta::validate(&serde_json::from_str(&published).unwrap()).map_err(|e| e.to_string()),
        Ok(())
    );
}

#[test]
fn the_samples_are_judged_alike() {
    for (file, document) in samples(&["playbooks", "playbooks/warned"]) {
        let errors: Vec<String> = validator().iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", file.display());
    }
    for (file, document) in samples(&["playbooks/invalid"]) {
        let all_beyond = problems(&document).iter().all(|problem| is_beyond_a_schema(problem, &document));
        assert_eq!(validator().is_valid(&document), all_beyond, "{}", file.display());
    }
}

const MEMBERS: &[&str] = &[
    "",
    "/analysis-id",
    "/database-id",
    "/metadata",
    "/options",
    "/options/on-failure",
    "/options/deadline-s",
    "/options/max-parallel",
    "/diastema-token",
    "/x-mine",
    "/jobs",
];

const OF_JOBS: &[&str] = &[
    "",
    "/step",
    "/id",
    "/title",
    "/from",
    "/next",
    "/label",
    "/column",
    "/join-type",
    "/function",
    "/algorithm",
    "/automl",
    "/params",
    "/max-shrink",
    "/timeout-s",
    "/retry",
    "/when",
    "/retry/attempts",
    "/retry/backoff-s",
    "/params/a",
    "/function/args",
    "/from/0",
    "/next/0",
    "/x-mine",
];

/// Where something is changed: a member of the document, of a job, of what is in it.
fn places() -> impl Strategy<Value = (usize, String)> {
    prop_oneof![
        1 => proptest::sample::select(MEMBERS).prop_map(|member| (usize::MAX, member.to_owned())),
        4 => (0_usize..12, proptest::sample::select(OF_JOBS)).prop_map(|(job, member)| (job, member.to_owned())),
    ]
}

fn values() -> impl Strategy<Value = Value> {
    let texts = prop_oneof![
        proptest::sample::select(vec![
            "",
            "0",
            "1",
            "2",
            ".",
            "..",
            "a/b",
            "a//b",
            "/a",
            "a/",
            "a/./b",
            "a b",
            " a",
            "a\u{a0}",
            "a\u{200b}",
            "a\n",
            "<b>",
            "a\\b",
            "-e",
            "--conf",
            "a;b",
            "$set",
            "a.b",
            "__proto__",
            "κόσμος",
            "🎉",
            "\u{e0041}",
            "①",
            "metis",
            "Diastema",
            "UIDB",
            "xn--abc",
            "x-s3alias",
            "ab",
            "-abc",
            "my_org",
            "dataset",
            "cleaning",
            "function",
            "data-sink",
            "visualization",
            "classification",
            "clustering",
            "stop",
            "continue",
            "all-done",
            "all-success",
            "naive bayes",
            "inner",
            "yes",
            "\0",
        ])
        .prop_map(str::to_owned),
        (250_usize..260).prop_map(|count| "x".repeat(count)),
        (60_usize..68).prop_map(|count| "a".repeat(count)),
        (1020_usize..1030).prop_map(|count| "x".repeat(count)),
        (200_usize..257).prop_map(|count| "🎉".repeat(count)),
        "\\PC{0,12}",
        ".{0,4}",
        "[A-Za-z0-9._-]{1,20}",
    ];
    let numbers = prop_oneof![
        proptest::sample::select(vec![
            json!(0),
            json!(1),
            json!(2),
            json!(3),
            json!(-1),
            json!(0.5),
            json!(1.0),
            json!(1.5),
            json!(100),
            json!(101),
            json!(1e-12),
            json!(1e-9),
            json!(315_360_000),
            json!(315_360_001),
            json!(1e30),
            json!((1_u64 << 53) - 1),
            json!(1_u64 << 53),
            json!(i64::MAX),
            json!(9_223_372_036_854_775_808_u64),
            json!(u64::MAX),
            json!(4_294_967_296_u64),
        ]),
        any::<f64>().prop_filter("JSON has no others", |number| number.is_finite()).prop_map(|number| json!(number)),
        any::<i64>().prop_map(|number| json!(number)),
    ];
    let leaf = prop_oneof![
        texts.prop_map(Value::String),
        numbers,
        proptest::sample::select(vec![json!(null), json!(true), json!(false)])
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            (proptest::sample::select(vec!["a", "a.b", "$a", "_id", "args", "attempts", "on-failure", "\0"]), inner)
                .prop_map(|(name, value)| json!({name: value})),
            proptest::sample::select(vec![
                json!({}),
                json!({"args": [{"feature": "a"}]}),
                json!({"args": [{"value": 1}]}),
                json!({"attempts": 3}),
                json!({"on-failure": "continue"}),
            ]),
        ]
    })
}

/// Puts a value there, or takes away what is there; what leads nowhere changes nothing.
fn change(document: &mut Value, (job, member): &(usize, String), value: Option<Value>) {
    let base = if *job == usize::MAX {
        String::new()
    } else {
        let count = document["jobs"].as_array().map_or(0, Vec::len);
        if count == 0 {
            return;
        }
        format!("/jobs/{}", job % count)
    };
    let pointer = format!("{base}{member}");
    let Some((place, name)) = pointer.rsplit_once('/') else { return };
    match (document.pointer_mut(place), value) {
        (Some(Value::Object(object)), Some(value)) => drop(object.insert(name.to_owned(), value)),
        (Some(Value::Object(object)), None) => drop(object.shift_remove(name)),
        (Some(Value::Array(list)), value) => {
            if let (Some(at), Some(value)) = (name.parse().ok().filter(|at| *at < list.len()), value) {
                let at: usize = at;
                list[at] = value;
            }
        }
        _ => {}
    }
}

#[test]
fn random_changes_of_the_samples_are_judged_alike() {
    let samples: Vec<Value> =
        samples(&["playbooks", "playbooks/warned"]).into_iter().map(|(_, document)| document).collect();
    let config = ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let changes = proptest::collection::vec((places(), proptest::option::weighted(0.85, values())), 1..3);
    let counts = std::cell::Cell::new([0_usize; 3]);
    let strategy = (0..samples.len(), changes);
    runner
        .run(&strategy, |(sample, changes)| {
            let mut document = samples[sample].clone();
            for (place, value) in changes {
                change(&mut document, &place, value);
            }
            let problems = problems(&document);
            let errors: Vec<String> = validator().iter_errors(&document).map(|error| error.to_string()).collect();
            let mut sorts = counts.get();
            if problems.is_empty() {
                sorts[0] += 1;
                prop_assert!(errors.is_empty(), "accepted, but by the schema {errors:?}: {document}");
            } else if errors.is_empty() {
                sorts[1] += 1;
                let strange = problems.iter().find(|problem| !is_beyond_a_schema(problem, &document));
                prop_assert!(strange.is_none(), "the schema accepts, but: {strange:?}: {document}");
            } else {
                sorts[2] += 1;
            }
            counts.set(sorts);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    let [accepted, beyond, refused] = counts.get();
    assert!(accepted > 2_000 && beyond > 200 && refused > 2_000, "{accepted} {beyond} {refused}");
}
