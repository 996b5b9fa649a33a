//! Function, AutoML, data-sink, messages, and what the stand-in itself answers.

use dummy_services::{Behaviour, End, Kind, Options, sample_datasets, start};
use serde_json::json;

use crate::support::{get, is, post, with_behaviour};

#[actix_web::test]
async fn a_function_is_accepted_with_202_and_an_unknown_one_never_answered() {
    let dummies = start(Options::default()).unwrap();
    assert_eq!(post(&dummies, "/function", r#"{"job-id": "f"}"#).await.unwrap().status, 202);
    is(get(&dummies, "/function/progress?id=f").await, 200, r#"{"status":"complete"}"#);
    assert_eq!(get(&dummies, "/function/progress?id=g").await, None);
    assert_eq!(post(&dummies, "/function", r#"{"job-id": "f"}"#).await.unwrap().status, 202);
}

#[actix_web::test]
async fn automl_answers_with_an_algorithm() {
    let dummies = start(Options::default()).unwrap();
    let body = json!({"minio-input": "a/b", "ml-task": "regression", "job-id": 7, "column": "y", "parameters": {}});
    is(post(&dummies, "/automl", &body.to_string()).await, 200, "AutoML job submitted");
    let answer = get(&dummies, "/automl/progress?id=7").await.unwrap().json();
    assert_eq!((&answer["status"], &answer["results"]["algorithm"]), (&json!("complete"), &json!("linearregression")));
    assert!(answer["exec-speed"].is_number());
}

#[actix_web::test]
async fn the_data_sink_wants_key_and_message() {
    let dummies = start(Options::default()).unwrap();
    is(post(&dummies, "/data-sink", r#"{"key": "a", "data": {}}"#).await, 400, "Invalid JSON");
    assert_eq!(post(&dummies, "/data-sink", r#"{"key": "a", "message": {}}"#).await.unwrap().status, 200);
    assert_eq!(post(&dummies, "/data-sink/", r#"{"key": "a", "message": {}}"#).await.unwrap().status, 200);
}

#[actix_web::test]
async fn messages_become_notices() {
    let dummies = start(Options::default()).unwrap();
    let sent = awc::Client::default()
        .post(format!("http://{}/messages", dummies.http()))
        .insert_header(("Idempotency-Key", "a/1/2"))
        .send_form(&[("message", "error"), ("error", "Ä & b+c = 1% for the analysis")])
        .await;
    assert_eq!(sent.unwrap().status(), 200);
    assert_eq!(post(&dummies, "/messages", "message=update&error=x").await.unwrap().status, 400);
    assert_eq!(dummies.notices(), ["error: Ä & b+c = 1% for the analysis"]);
    let entry = &dummies.ledger()[0];
    assert_eq!(entry.headers["idempotency-key"], "a/1/2");
    assert_eq!(entry.headers["content-type"], "application/x-www-form-urlencoded");
    assert!(entry.body.as_str().unwrap().starts_with("message=error&error="));
}

#[actix_web::test]
async fn an_end_is_noted_once_when_it_is_told_first() {
    let waits = Behaviour { progress_answers: 1, ..Behaviour::default() };
    let dummies = with_behaviour(Kind::Join, waits);
    post(&dummies, "/join/", r#"{"job-id": "a"}"#).await.unwrap();
    for _ in 0..3 {
        get(&dummies, "/join/progress?id=a").await.unwrap();
    }
    let (entries, ends) = dummies.take_ledger();
    assert_eq!(entries.len(), 4);
    assert_eq!(ends, [End { seq: 3, kind: Kind::Join, id: "a".to_owned(), well: true }]);
    get(&dummies, "/join/progress?id=a").await.unwrap();
    let (entries, ends) = dummies.take_ledger();
    assert_eq!((entries[0].seq, entries.len(), ends.len()), (4, 1, 0));
}

#[actix_web::test]
async fn the_ledger_tells_what_arrived() {
    let dummies = start(Options::default()).unwrap();
    post(&dummies, "/automl", r#"{"job-id": "a"}"#).await.unwrap();
    get(&dummies, "/automl/progress?id=a").await.unwrap();
    get(&dummies, "/automl/a").await.unwrap();
    let ledger = get(&dummies, "/ledger").await.unwrap().json();
    let told: Vec<_> =
        ledger.as_array().unwrap().iter().map(|entry| (entry["service"].clone(), entry["body"].clone())).collect();
    assert_eq!(told[0], (json!("POST /automl"), json!({"job-id": "a"})));
    assert_eq!(told[1], (json!("GET /automl/progress"), json!({"id": "a"})));
    assert_eq!(told[2], (json!("GET /automl/{id}"), json!({"id": "a"})));
    assert_eq!(told.len(), 3);
}

#[actix_web::test]
async fn samples_and_health_are_served() {
    let dummies = start(Options::default()).unwrap();
    for (name, text) in sample_datasets() {
        is(get(&dummies, &format!("/samples/{name}")).await, 200, text);
    }
    assert_eq!(get(&dummies, "/health").await.unwrap().status, 200);
    assert_eq!(get(&dummies, "/nothing").await.unwrap().status, 404);
    assert_eq!(get(&dummies, "/samples/../Cargo.toml").await.unwrap().status, 404);
}
