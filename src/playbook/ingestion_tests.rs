//! Corpus part G: what an ingestion may say.

use serde_json::{Value, json};

use super::super::ingestion_url::{UrlPolicy, UrlRule};
use super::*;

fn document() -> Value {
    json!({
        "testing": false, "diastema-token": "t", "ingestion-id": "Ab-1", "database-id": "Metis", "user": "Άννα",
        "dataset-label": "Σύνολο 1/2024",
        "ingestion_json": {"method": "get", "url": "http://example.org/d.csv", "separator": ";;", "token": "x", "headers": {"A": "b"}},
    })
}

fn check(document: &Value) -> Result<Draft, Refusal> {
    check_ingestion(document.as_object().unwrap(), &CheckSettings::default())
}

/// Sets one member (by pointer of the parent and name) and gives code and place of every problem.
#[track_caller]
fn with(parent: &str, member: &str, value: Value) -> Vec<(&'static str, String)> {
    let mut document = document();
    document.pointer_mut(parent).unwrap()[member] = value;
    let problems = check(&document).map_or_else(|refusal| refusal.problems, |_| Vec::new());
    problems.into_iter().map(|problem| (problem.code, problem.at)).collect()
}

#[track_caller]
fn refused(parent: &str, member: &str, code: &'static str, values: &[Value]) {
    for value in values {
        assert_eq!(with(parent, member, value.clone()), [(code, format!("{parent}/{member}"))], "{value}");
    }
}

#[track_caller]
fn accepted(parent: &str, member: &str, values: &[Value]) {
    for value in values {
        assert_eq!(with(parent, member, value.clone()), [], "{value}");
    }
}

#[test]
fn an_ingestion_is_a_playbook_with_one_job() {
    let playbook = check(&document()).unwrap().playbook;
    assert_eq!((playbook.tenant.as_str(), playbook.database_id.as_str()), ("metis", "Metis"));
    assert_eq!((playbook.id.text(), playbook.id.key(), playbook.space), ("Ab-1", "ab-1", Space::Ingestion));
    let [job] = &playbook.jobs[..] else { panic!("one job") };
    assert_eq!((job.step.text(), job.id.text(), job.kind.title()), ("1", "Ab-1", "ingestion"));
    let JobKind::Ingestion(args) = &job.kind else { panic!("an ingestion") };
    assert_eq!((args.user.as_str(), args.label.as_str()), ("Άννα", "Σύνολο 1/2024"));
    assert_eq!(args.request.reveal(), &document()["ingestion_json"], "forwarded unchanged, its token included");
}

#[test]
fn testing_is_true_false_or_refused() {
    let testing =
        |value: Value| is_test_call(json!({ "testing": value }).as_object().unwrap()).map_err(|problem| problem.code);
    for yes in [json!(true), json!(1), json!(1.0)] {
        assert_eq!(testing(yes), Ok(true));
    }
    for no in [json!(false), json!(0), json!(null)] {
        assert_eq!(testing(no), Ok(false));
    }
    assert_eq!(is_test_call(&Map::new()), Ok(false));
    for other in [json!("true"), json!(2), json!([]), json!({}), json!("")] {
        assert_eq!(testing(other), Err("type"));
    }
}

#[test]
fn a_test_call_needs_the_request_only() {
    let settings = CheckSettings::default();
    let call = |value: &Value| check_test_call(value.as_object().unwrap(), &settings);
    let request = document()["ingestion_json"].clone();
    assert_eq!(call(&json!({ "ingestion_json": request })).unwrap(), request);
    assert_eq!(call(&json!({})).unwrap_err().problems[0].code, "type");
    let wrong = json!({"database-id": "uidb", "ingestion_json": {"url": "file:///x", "method": "PATCH"}});
    let codes: Vec<_> = call(&wrong).unwrap_err().problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["reserved", "scheme", "method"]);
}

#[test]
fn requests_are_looked_at() {
    refused("", "ingestion_json", "type", &[json!(null), json!("x"), json!([])]);
    refused("", "ingestion_json", "limit", &[json!({"url": "http://example.org", "body": "x".repeat(1 << 20)})]);
    let at = "/ingestion_json";
    refused(
        at,
        "url",
        "bad-url",
        &[json!(""), json!(5), json!(null), json!("http://user:pw@host/"), json!("http://a\nb")],
    );
    refused(at, "url", "scheme", &[json!("file:///etc/passwd"), json!("gopher://x")]);
    refused(
        at,
        "url",
        "blocked-address",
        &[json!("http://127.0.0.1:27017"), json!("http://169.254.169.254/latest/meta-data")],
    );
    refused(at, "method", "method", &[json!("PATCH"), json!("GET\r\nX: y"), json!(""), json!(5)]);
    accepted(at, "method", &[json!("Put"), json!("DELETE"), json!("post"), json!(null)]);
    refused(
        at,
        "separator",
        "separator",
        &[json!("(a+)+$"), json!("x".repeat(1024)), json!(""), json!("\n"), json!("a.b"), json!(5)],
    );
    accepted(
        at,
        "separator",
        &[json!("\t"), json!(";"), json!("|"), json!("."), json!("\\t"), json!("\\s+"), json!(", "), json!(null)],
    );
    let many: Map<String, Value> = (0..10_000).map(|n| (n.to_string(), json!(1))).collect();
    for member in ["query_params", "headers", "params"] {
        refused(
            at,
            member,
            "limit",
            &[json!({"a\r\nb": 1}), json!({"a": "x\r\ny"}), json!([{"k": "x\n"}]), Value::Object(many.clone())],
        );
        accepted(at, member, &[json!({"a": "b c"}), json!(null), json!([]), json!("a=b")]);
    }
}

#[test]
fn names_follow_the_common_rules() {
    refused("", "ingestion-id", "charset", &[json!("../join/5"), json!("."), json!("a b")]);
    refused("", "ingestion-id", "bad-id", &[json!(""), json!(null), json!({}), json!("x".repeat(65))]);
    refused(
        "",
        "dataset-label",
        "charset",
        &[json!("../../other-tenant/x"), json!("a//b"), json!("/abs"), json!("a/"), json!(" "), json!("<script>")],
    );
    refused("", "dataset-label", "length", &[json!(""), json!("x".repeat(300))]);
    refused("", "dataset-label", "type", &[json!(null), json!([])]);
    refused("", "user", "charset", &[json!("x\r\nINFO fake line")]);
    refused("", "database-id", "reserved", &[json!("UIDB")]);
    refused("", "database-id", "type", &[json!(5)]);
    accepted("", "ingestion-id", &[json!(1_700_000_000_000_u64)]);
}

#[test]
fn everything_wrong_is_found_at_once() {
    let wrong = json!({"ingestion_json": {"url": "x"}, "database-id": "uidb", "ingestion-id": "A"});
    let refusal = check(&wrong).unwrap_err();
    let found: Vec<_> = refusal.problems.iter().map(|problem| (problem.code, problem.at.as_str())).collect();
    let expected = [
        ("bad-url", "/ingestion_json/url"),
        ("reserved", "/database-id"),
        ("missing", "/user"),
        ("missing", "/dataset-label"),
    ];
    assert_eq!(found, expected);
    assert_eq!((refusal.analysis_id.as_deref(), refusal.tenant), (Some("A"), None));
}

#[test]
fn the_url_policy_is_a_setting() {
    let mut document = document();
    document["ingestion_json"]["url"] = json!("http://127.0.0.1:9/x");
    let settings = CheckSettings {
        ingestion_urls: UrlRule { policy: UrlPolicy::Any, own_services: Vec::new() },
        ..CheckSettings::default()
    };
    assert!(check_ingestion(document.as_object().unwrap(), &settings).is_ok());
}
