//! One transcript per way to fail: what is still said, what is not said any more, and the two notices at the end.

use orchestrator::ports::StoreError;
use serde_json::{Value, json};

use super::ports::{Said, Spark, broken, says};
use super::{Script, around, matches_golden, play};

fn cleaning() -> Value {
    around(json!({"title": "cleaning", "max-shrink": 0.5}))
}

fn spark() -> Value {
    around(json!({"title": "regression", "algorithm": "isotonic", "column": "y", "params": {"maxIter": 3}}))
}

fn asked(request: &str, said: Said) -> Script {
    Script::default().answering(request, [said])
}

async fn fails_like(name: &str, document: Value, script: Script) {
    matches_golden(&format!("failure-{name}"), &play(&document, script).await.transcript());
}

#[actix::test]
async fn the_service_reports_an_error() {
    let said = says(400, r#"{"status":"error","message":"no column <b>\"x\"</b> & no\nrows"}"#);
    fails_like("error", cleaning(), asked("GET data-cleaning/progress", said)).await;
}

#[actix::test]
async fn the_service_reports_an_error_without_a_message() {
    let said = says(200, r#"{"status":"error"}"#);
    let job = json!({"title": "function", "function": {}, "from": [1]});
    fails_like("error-without-message", around(job), asked("GET function/progress", said)).await;
}

#[actix::test]
async fn the_start_is_answered_500() {
    fails_like("start-500", cleaning(), asked("POST data-cleaning", says(500, "<html>Traceback</html>"))).await;
}

#[actix::test]
async fn the_start_is_answered_400() {
    fails_like("start-400", cleaning(), asked("POST data-cleaning", says(400, "Invalid JSON"))).await;
}

#[actix::test]
async fn the_id_belongs_to_a_job_of_somebody_else() {
    let script = Script::default()
        .answering("POST data-cleaning", [says(400, "Job ID already exists"), says(200, "Cleaning job submitted")]);
    fails_like("known-id", cleaning(), script).await;
}

#[actix::test]
async fn answers_are_not_json() {
    fails_like("not-json", cleaning(), asked("GET data-cleaning/progress", says(502, "<html>Bad Gateway</html>")))
        .await;
}

#[actix::test]
async fn answers_have_no_status() {
    fails_like("no-status", cleaning(), asked("GET data-cleaning/progress", says(200, r#"{"progress":7}"#))).await;
}

#[actix::test]
async fn the_service_has_lost_the_job() {
    let said = says(400, r#"{"status":"error","message":"Job ID doesn't exist"}"#);
    fails_like("lost-job", cleaning(), asked("GET data-cleaning/progress", said)).await;
}

#[actix::test]
async fn the_reply_to_a_start_is_lost_and_the_service_knows_nothing() {
    let unknown = says(400, r#"{"status":"error","message":"Job ID doesn't exist"}"#);
    let script = Script::default()
        .answering("POST data-cleaning", [broken(), says(200, "Cleaning job submitted")])
        .answering("GET data-cleaning/progress", [unknown, says(200, r#"{"status":"complete"}"#)]);
    fails_like("start-lost-unknown", cleaning(), script).await;
}

#[actix::test]
async fn the_reply_to_a_start_is_lost_and_the_service_has_the_job() {
    let script = asked("POST data-cleaning", broken());
    fails_like("start-lost-known", cleaning(), script).await;
}

#[actix::test]
async fn the_reply_to_the_start_of_a_function_is_lost() {
    let job = json!({"title": "function", "function": {}, "from": [1]});
    fails_like("function-start-lost", around(job), asked("POST function", broken())).await;
}

#[actix::test]
async fn automl_reports_an_error() {
    let job = json!({"title": "classification", "column": "c", "automl": true, "params": {"a": 1}});
    let said = says(400, r#"{"status":"error","message":"no trial worked"}"#);
    fails_like("automl-error", around(job), asked("GET automl/progress", said)).await;
}

#[actix::test]
async fn automl_finishes_without_results() {
    let job = json!({"title": "classification", "column": "c", "automl": true});
    fails_like("automl-no-results", around(job), asked("GET automl/progress", says(200, r#"{"status":"complete"}"#)))
        .await;
}

#[actix::test]
async fn spark_closes_without_a_reply() {
    let script = Script { spark: [Spark::ClosesWithoutReply].into(), ..Script::default() };
    // the evidence is awaited for as long as the job may take
    let mut document = spark();
    document["jobs"][1]["timeout-s"] = json!(0.02);
    fails_like("spark-no-reply", document, script).await;
}

#[actix::test]
async fn spark_replies_but_has_left_no_evidence() {
    let script = Script { spark: [Spark::RepliesWithoutEvidence].into(), ..Script::default() };
    fails_like("spark-no-evidence", spark(), script).await;
}

#[actix::test]
async fn the_object_store_refuses() {
    let refused = StoreError::Refused { store: "the object store", why: "it answered 403 AccessDenied".to_owned() };
    let script = Script { objects: [refused].into(), ..Script::default() };
    fails_like("store-refused", cleaning(), script).await;
}

#[actix::test]
async fn an_ingestion_fails() {
    let document = json!({
        "ingestion-id": "In-1", "database-id": "Metis", "user": "ann", "dataset-label": "People",
        "ingestion_json": {"method": "GET", "url": "http://example.org/x.csv"},
    });
    let said = says(400, r#"{"status":"error","message":"cannot read the data set"}"#);
    fails_like("ingestion-error", document.clone(), asked("GET data-ingesting/progress", said)).await;
    fails_like("ingestion-no-features", document, asked("GET data-ingesting", says(200, ""))).await;
}

#[actix::test]
async fn the_data_sink_refuses_and_nothing_fails() {
    let played = play(&cleaning(), asked("POST data-sink", says(400, "Invalid JSON"))).await;
    assert_eq!(played.warnings(), ["data-sink-refused"]);
    assert_eq!(played.world.notices().last().map(String::as_str), Some("update: Analysis completed with ID: 0af"));
}

#[actix::test]
async fn nothing_starts_after_a_failure_and_earlier_results_stay() {
    let document = json!({
        "analysis-id": "0aF", "database-id": "metis",
        "jobs": [
            {"step": 1, "id": 1, "title": "dataset", "label": "d", "from": 0, "next": [2]},
            {"step": 2, "id": 2, "title": "cleaning", "from": 1, "next": [3, 5]},
            {"step": 3, "id": 3, "title": "function", "function": {}, "from": [2], "next": [4]},
            {"step": 4, "id": 4, "title": "data-sink", "from": 3, "next": [0]},
            {"step": 5, "id": 5, "title": "regression", "column": "y", "from": 2, "next": [6]},
            {"step": 6, "id": 6, "title": "visualization", "label": "v", "from": 5, "next": [0]},
        ],
    });
    let mut script = asked("GET function/progress", says(400, r#"{"status":"error","message":"no"}"#));
    script.spark = [Spark::NeverReplies].into();
    let played = play(&document, script).await;
    // the branches are beside each other: only what is not there says something
    assert!(played.world.requests("POST data-sink").is_empty());
    let transcript = played.transcript();
    assert!(!transcript.contains("diastemaviz"), "{transcript}");
    let records: Vec<&str> =
        transcript.lines().filter(|line| line.contains("analysis_0af") || line.starts_with("UIDB")).collect();
    assert_eq!(records.len(), 2, "{transcript}");
    assert!(records[0].contains("cleaned-data") && records[1].contains("status = \"error\""), "{transcript}");
    let expected = [
        "update: Cleaning executed for the analysis with ID: 0aF",
        "error: no for the analysis with ID: 0aF",
        "error: Analysis with the given ID terminated with error: 0af",
    ];
    assert_eq!(played.world.notices(), expected);
}
