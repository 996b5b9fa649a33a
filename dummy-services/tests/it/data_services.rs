//! Cleaning, join, ingestion and visualization.

use awc::Client;
use dummy_services::{Behaviour, Kind, Options, start};
use serde_json::json;

use crate::support::{get, is, post, with_behaviour};

#[actix_web::test]
async fn a_start_without_final_slash_is_redirected() {
    let dummies = start(Options::default()).unwrap();
    for path in ["/data-cleaning", "/join", "/data-ingesting", "/visualization"] {
        let client = Client::builder().disable_redirects().finish();
        let response = client.post(format!("http://{}{path}", dummies.http())).send_body("{}").await.unwrap();
        assert_eq!(response.status(), 308);
        let location = response.headers().get("location").unwrap().to_str().unwrap();
        assert_eq!(location, format!("http://{}{path}/", dummies.http()));
    }
    let services: Vec<String> = dummies.ledger().into_iter().map(|entry| entry.service).collect();
    assert_eq!(services, ["308 /data-cleaning", "308 /join", "308 /data-ingesting", "308 /visualization"]);
}

#[actix_web::test]
async fn a_job_is_submitted_polled_and_complete() {
    let dummies = with_behaviour(Kind::Join, Behaviour { progress_answers: 2, ..Behaviour::default() });
    is(post(&dummies, "/join/", r#"{"job-id": "5"}"#).await, 200, "Join job submitted");
    is(post(&dummies, "/join/", r#"{"job-id": "5"}"#).await, 400, "Job ID already exists");
    is(get(&dummies, "/join/progress?id=5").await, 200, r#"{"status":"progress"}"#);
    is(get(&dummies, "/join/5").await, 200, "");
    is(get(&dummies, "/join/progress?id=5").await, 200, r#"{"status":"progress"}"#);
    is(get(&dummies, "/join/progress?id=5").await, 200, r#"{"status":"complete"}"#);
    is(get(&dummies, "/join/5").await, 200, r#"{"job-id":"5"}"#);
}

#[actix_web::test]
async fn an_unknown_job_is_an_error() {
    let dummies = start(Options::default()).unwrap();
    let answer = r#"{"status":"error","message":"Job ID doesn't exist"}"#;
    is(get(&dummies, "/data-cleaning/progress?id=A").await, 400, answer);
    // Ids keep their case, so a start with `a` is not what `A` asks for.
    is(post(&dummies, "/data-cleaning/", r#"{"job-id": "a"}"#).await, 200, "Cleaning job submitted");
    is(get(&dummies, "/data-cleaning/progress?id=A").await, 400, answer);
    is(post(&dummies, "/data-cleaning/", "no json").await, 400, "Invalid JSON");
}

#[actix_web::test]
async fn an_ingestion_has_features() {
    let dummies = start(Options::default()).unwrap();
    let body = json!({"job-id": "i1", "minio-output": "db/datasets/x", "ingestion_json": {"labels": ["A", "b"]}});
    is(post(&dummies, "/data-ingesting/", &body.to_string()).await, 200, "Ingestion job submitted");
    is(get(&dummies, "/data-ingesting/progress?id=i1").await, 200, r#"{"status":"complete"}"#);
    let result = get(&dummies, "/data-ingesting/i1").await.unwrap().json();
    assert_eq!(result, json!({"job-id": "i1", "ingested": true, "features": ["a", "b"]}));
}

#[actix_web::test]
async fn a_trial_ingestion_shows_ten_rows_or_the_reason() {
    let dummies = start(Options::default()).unwrap();
    let trial =
        |file: &str| json!({"method": "GET", "url": format!("http://{}/samples/{file}", dummies.http())}).to_string();
    let rows = post(&dummies, "/data-ingesting/test", &trial("patients.csv")).await.unwrap();
    assert_eq!((rows.status, rows.json().as_array().map(Vec::len)), (200, Some(10)));
    assert_eq!(rows.json()[0]["patient_id"], 1001);
    let refused = post(&dummies, "/data-ingesting/test", &trial("absent.csv")).await.unwrap();
    assert_eq!(refused.status, 400);
    assert!(refused.text.ends_with("answered 404"), "{}", refused.text);
}
