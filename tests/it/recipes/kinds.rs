//! One transcript per kind of job, and what may differ inside a kind.

use serde_json::{Value, json};

use super::ports::says;
use super::{Script, around, fixture, matches_golden, play};

#[actix::test]
async fn a_chain_of_every_title_says_what_the_contract_says() {
    let script = Script { charts: vec!["classes.html", "predictions.html"], ..Script::default() }.answering(
        "GET data-cleaning/progress",
        [r#"{"status":"progress"}"#, r#"{"status":"complete"}"#].map(|body| says(200, body)),
    );
    let played = play(&fixture("playbooks/chain-of-every-title.json"), script).await;
    matches_golden("chain-of-every-title", &played.transcript());
    assert!(played.warnings().is_empty() && played.given_up().is_empty());
}

#[actix::test]
async fn cleaning() {
    let played = play(&around(json!({"title": "cleaning", "max-shrink": false})), Script::default()).await;
    matches_golden("kind-cleaning", &played.transcript());
}

#[actix::test]
async fn cleaning_leaves_out_what_shrinks_nothing_and_sends_the_rest_unchanged() {
    for nothing in [json!(false), json!(0), json!(0.0)] {
        let played = play(&around(json!({"title": "cleaning", "max-shrink": nothing})), Script::default()).await;
        assert_eq!(played.world.body("POST data-cleaning").get("max-shrink"), None, "{nothing}");
    }
    let without = play(&around(json!({"title": "cleaning"})), Script::default()).await;
    assert_eq!(without.world.body("POST data-cleaning").get("max-shrink"), None);
    for sent in [json!(null), json!(true), json!("0.3"), json!(0.3), json!(1), json!(-2), json!("")] {
        let played = play(&around(json!({"title": "cleaning", "max-shrink": sent})), Script::default()).await;
        let body = played.world.body("POST data-cleaning");
        assert_eq!(body["max-shrink"].to_string(), sent.to_string());
        let members: Vec<&str> =
            body.as_object().into_iter().flat_map(|body| body.keys()).map(String::as_str).collect();
        assert_eq!(members, ["minio-input", "minio-output", "job-id", "analysis-id", "max-shrink"]);
    }
}

#[actix::test]
async fn data_join_of_three_inputs() {
    let document = json!({
        "analysis-id": "0aF", "database-id": "metis",
        "jobs": [
            {"step": 1, "id": 10, "title": "dataset", "label": "A b", "from": 0, "next": ["j"]},
            {"step": "c", "id": 11, "title": "dataset", "label": "C", "from": 0, "next": ["J", "J"]},
            {"step": "J", "id": 40, "title": "data-join", "column": "ΚΩΔΙΚΌΣ", "join-type": "Left", "from": ["c", 1, "c"], "next": []},
        ],
    });
    matches_golden("kind-data-join", &play(&document, Script::default()).await.transcript());
}

#[actix::test]
async fn function_without_inputs_in_an_analysis_with_a_number_for_an_id() {
    let document = json!({
        "analysis-id": 7, "database-id": "metis", "metadata": [],
        "jobs": [{"step": 1, "id": "F.1", "title": "function", "function": {"z": 1, "a": {"args": [true, null, -1, 0.1]}}, "from": 0, "next": [0]}],
    });
    matches_golden("kind-function", &play(&document, Script::default()).await.transcript());
}

#[actix::test]
async fn classification_with_nothing_but_a_column() {
    let played = play(&around(json!({"title": "classification", "column": "Risk"})), Script::default()).await;
    matches_golden("kind-classification", &played.transcript());
}

#[actix::test]
async fn regression_with_nothing_but_a_column() {
    let played = play(&around(json!({"title": "regression", "column": "Stay_Days"})), Script::default()).await;
    matches_golden("kind-regression", &played.transcript());
}

#[actix::test]
async fn clustering_with_nothing() {
    let played = play(&around(json!({"title": "clustering"})), Script::default()).await;
    matches_golden("kind-clustering", &played.transcript());
}

#[actix::test]
async fn automl_of_a_clustering_without_a_chosen_algorithm() {
    let job = json!({"title": "clustering", "algorithm": "false", "automl": true, "params": {"max-trials": "5", "meta-learning": "true"}});
    let script = Script::default().answering(
        "GET automl/progress",
        [
            says(200, r#"{"status":"progress"}"#),
            says(200, r#"{"status":"complete","results":{"k":3,"algorithm":"gaussian mixture model","tol":0.5},"exec-speed":9}"#),
        ],
    );
    matches_golden("kind-automl", &play(&around(job), script).await.transcript());
}

#[actix::test]
async fn automl_gets_an_empty_object_and_the_id_as_it_is() {
    let job = json!({"id": "Job-A", "title": "classification", "column": "Risk", "automl": true});
    let played = play(&around(job), Script::default()).await;
    let body = json!({
        "minio-input": "metis/datasets/data/one", "ml-task": "classification", "job-id": "Job-A", "column": "Risk",
        "parameters": {"algorithm": "decisiontree"},
    });
    assert_eq!(played.world.body("POST automl").to_string(), body.to_string());
    assert_eq!(played.world.requests("GET automl"), ["GET automl/progress?id=Job-A"]);
}

#[actix::test]
async fn visualization_of_a_job_without_charts() {
    let document = json!({
        "analysis-id": "0aF", "database-id": "metis", "metadata": "text",
        "jobs": [
            {"step": 1, "id": 1, "title": "dataset", "label": "D", "from": 0, "next": [2]},
            {"step": 2, "id": "P-1", "title": "cleaning", "from": 1, "next": [3]},
            {"step": 3, "id": 3, "title": "visualization", "label": "A.b$c", "from": 2, "next": 0},
        ],
    });
    let played = play(&document, Script::default()).await;
    matches_golden("kind-visualization", &played.transcript());
    assert_eq!(played.warnings(), ["no-charts"]);
}

#[actix::test]
async fn ingestion() {
    let document = json!({
        "ingestion-id": "In-1", "database-id": "Metis", "user": "Ann Ng", "dataset-label": "Open Data/People",
        "ingestion_json": {
            "method": "GET", "url": "http://example.org/people.csv?x=1&y=a b", "separator": ";",
            "first-line-labels": false, "labels": "a,b", "token": "secret",
        },
    });
    let script = Script::default().answering(
        "GET data-ingesting/progress",
        [r#"{"status":"progress"}"#, r#"{"status":"complete"}"#].map(|body| says(200, body)),
    );
    matches_golden("kind-ingestion", &play(&document, script).await.transcript());
}

/// Display names of the client with the names that Spark knows.
const ALGORITHMS: [(&str, &[(&str, &str)]); 3] = [
    (
        "classification",
        &[
            ("decision tree classifier", "decisiontree"),
            ("random forest classifier", "randomForest"),
            ("logistic regression", "logisticregression"),
            ("gradient boosted tree classifier", "gbt"),
            ("multilayer perceptron", "mlp"),
            ("linear support vector machine", "linearsvc"),
            ("onevsrest", "onevsrest"),
            ("naive bayes", "naivebayes"),
            ("factorization machines", "fm"),
            ("Random Forest Classifier", "decisiontree"),
            ("false", "decisiontree"),
        ],
    ),
    (
        "regression",
        &[
            ("linear regression", "linearregression"),
            ("decision tree regression", "decisiontree"),
            ("random forest regression", "randomforest"),
            ("gradient boosted tree regression", "gbt"),
            ("survival", "survival"),
            ("isotonic", "isotonic"),
            ("factorization machines", "fm"),
            ("", "decisiontree"),
        ],
    ),
    (
        "clustering",
        &[
            ("kmeans", "kmeans"),
            ("latent dirichlet allocation", "lda"),
            ("gaussian mixture model", "gmm"),
            ("power iteration clustering", "pic"),
            ("unheard of", "kmeans"),
        ],
    ),
];

#[actix::test]
async fn every_algorithm_reaches_spark_by_its_wire_name() {
    for (title, table) in ALGORITHMS {
        for (display, wire) in table {
            let job = json!({"title": title, "algorithm": display, "column": "c", "automl": false});
            let sent = play(&around(job), Script::default()).await.world.body("SPARK");
            assert_eq!(sent["algorithm"], *wire, "{title} {display:?}");
        }
        for nothing in [Value::Null, json!(false)] {
            let job = json!({"title": title, "algorithm": nothing, "column": "c"});
            let sent = play(&around(job), Script::default()).await.world.body("SPARK");
            let default = if title == "clustering" { "kmeans" } else { "decisiontree" };
            assert_eq!(sent["algorithm"], default, "{title} {nothing}");
        }
    }
}

#[actix::test]
async fn parameters_that_only_automl_reads_do_not_reach_spark() {
    for params in [json!({}), json!({"max-trials": 5}), json!({"meta-learning": true, "max-trials": "5"})] {
        let job = json!({"title": "classification", "column": "c", "params": params});
        let played = play(&around(job), Script::default()).await;
        assert_eq!(played.world.requests("Diastema.datatoolkit"), [r#"Diastema.datatoolkit {"job-id":"20"}"#]);
    }
    let without = play(&around(json!({"title": "classification", "column": "c"})), Script::default()).await;
    assert!(without.world.requests("Diastema.datatoolkit").is_empty());
}
