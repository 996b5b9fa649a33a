//! Documents that cannot be read, or that say what no document may say (reliability corpus, part B).

use serde_json::{Value, json};

use super::{playbook, refused, server};
use crate::peers::{Answer, KEY};

fn post_bytes(path: &str, body: &[u8]) -> Answer {
    let mut connection = server().connect();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    connection.say(head.as_bytes());
    connection.say(body);
    connection.hear()
}

#[test]
fn bytes_that_are_no_json_are_refused() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"".to_vec(), "bad-json"),
        (b"{".to_vec(), "bad-json"),
        (b"{\"a\":".to_vec(), "bad-json"),
        (b"{} {}".to_vec(), "bad-json"),
        (b"\xef\xbb\xbf{}".to_vec(), "bad-json"),
        (b"{\"a\": \"\xff\xfe\"}".to_vec(), "bad-utf8"),
        (br#"{"a": "\ud800"}"#.to_vec(), "bad-json"),
        (b"{\"a\": NaN}".to_vec(), "bad-json"),
        (b"{\"a\": Infinity}".to_vec(), "bad-json"),
        (b"{\"a\": 1e400}".to_vec(), "number-range"),
        (b"{'a': 1}".to_vec(), "bad-json"),
        (b"{\"a\": 1,}".to_vec(), "bad-json"),
        (b"{\"a\": 1 /* x */}".to_vec(), "bad-json"),
        (deep(65).into_bytes(), "too-deep"),
        (deep(129).into_bytes(), "too-deep"),
        (deep(1_000_000).into_bytes(), "too-deep"),
        (format!("{{\"a\": {}}}", deep(64)).into_bytes(), "too-deep"),
        (b"null".to_vec(), "not-object"),
        (b"[]".to_vec(), "not-object"),
        (b"\"diastema-token\"".to_vec(), "not-object"),
        (b"5".to_vec(), "not-object"),
        (b"true".to_vec(), "not-object"),
    ];
    for (body, code) in cases {
        for path in ["/analysis", "/ingestion"] {
            let answer = post_bytes(path, &body);
            refused(&answer, 400, code);
            assert!(answer.text.len() < 600, "a short answer: {}", answer.text.len());
        }
    }
}

#[test]
fn a_broken_document_is_told_where() {
    let reason = server().post("/analysis", "{\n  \"a\": }").json()["reason"].as_str().unwrap_or_default().to_owned();
    assert!(reason.contains("line 2 column"), "{reason}");
}

#[test]
fn keys_that_stand_twice_are_refused() {
    let twice = format!(r#"{{"diastema-token": "{KEY}", "diastema-token": "bad"}}"#);
    refused(&server().post("/analysis", &twice), 400, "duplicate-key");
    let other = format!(r#"{{"diastema-token": "bad", "a": 1, "diastema-token": "{KEY}"}}"#);
    refused(&server().post("/ingestion", &other), 400, "duplicate-key");
    let inside = format!(r#"{{"diastema-token": "{KEY}", "jobs": [{{"step": 1, "step": 2}}]}}"#);
    let answer = server().post("/analysis", &inside);
    refused(&answer, 400, "duplicate-key");
    assert_eq!(answer.json()["at"], "/jobs/0/step");
}

/// A playbook whose job 2 has these members on top.
fn with(member: &str, value: Value) -> Value {
    let mut document = playbook("Refused");
    document["jobs"][1][member] = value;
    document
}

#[test]
fn values_that_no_store_can_hold_are_refused() {
    let long = "x".repeat(1_000_000);
    for (document, code) in [
        (with("id", json!(long)), "bad-id"),
        (with("id", json!(9_223_372_036_854_775_808_u64)), "number-range"),
        (with("id", json!(1.5)), "bad-id"),
        (with("id", json!(-1)), "bad-id"),
        (with("id", json!("1&id=2")), "charset"),
    ] {
        let answer = server().post("/analysis", &document.to_string());
        assert_eq!(answer.status, 422, "{answer:?}");
        let text = answer.text.clone();
        assert!(text.contains(code), "{code}: {text}");
        assert!(text.len() < 2_000, "values are not repeated in full");
    }
    let mut many = playbook("Refused");
    let fields = (0..100_000).map(|number| (format!("k{number}"), json!(0)));
    many["jobs"][1].as_object_mut().expect("an object").extend(fields);
    assert!(server().post("/analysis", &many.to_string()).text.contains("too-many-fields"));
}

#[test]
fn parameters_with_keys_that_mean_something_to_the_database_are_refused() {
    for key in ["$where", "a.b", "_id", "job-id", "a\u{0}b"] {
        let mut document = playbook("Refused");
        document["jobs"][1] = json!({
            "step": 2, "id": 2, "title": "classification", "column": "c", "from": 1, "next": [3], "params": {key: 1},
        });
        let answer = server().post("/analysis", &document.to_string());
        assert_eq!(answer.status, 422, "{key:?}: {answer:?}");
        assert!(answer.text.contains("bad-key"), "{key:?}: {answer:?}");
    }
}
