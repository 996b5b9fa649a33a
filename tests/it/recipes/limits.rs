//! The time limit of an attempt over restarts of the process: what earlier lives have spent is spent, and what has ended
//! well by then still counts.

use std::time::Duration;

use orchestrator::jobs::JobSettings;
use orchestrator::playbook::job::Service;
use orchestrator::ports::{FailureKind, JobCall};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::around;
use super::attempt::{Life, known, run_of};
use super::ports::{Script, broken, says};

const PROGRESS: &str = r#"{"status":"progress"}"#;

fn cleaning() -> Value {
    around(json!({"title": "cleaning", "timeout-s": 90}))
}

/// A later life of an attempt that was started before, this long ago.
fn later(life: &Life, document: &Value, service: Service, acknowledged: bool, spent: u64) -> JobCall {
    let call = life.call(&run_of(document), 1);
    JobCall { known: vec![known(service, "20", acknowledged)], spent: Duration::from_secs(spent), ..call }
}

fn never() -> Script {
    Script::default().answering("GET data-cleaning/progress", [says(200, PROGRESS)])
}

#[actix::test]
async fn an_attempt_has_what_earlier_lives_have_left_of_its_limit() {
    let life = Life::new(never());
    let since = Instant::now();
    let failure = life.run(later(&life, &cleaning(), Service::Cleaning, true, 60)).await.unwrap_err();
    assert_eq!((failure.kind, since.elapsed().as_secs()), (FailureKind::TimedOut, 30), "{failure}");
    assert_eq!(failure.message, "the job did not finish within 90 s");
}

#[actix::test]
async fn the_usual_limit_is_spent_too() {
    let document = around(json!({"title": "cleaning"}));
    let life = Life::new(never());
    let since = Instant::now();
    let failure = life.run(later(&life, &document, Service::Cleaning, true, 86_390)).await.unwrap_err();
    assert_eq!((failure.kind, since.elapsed().as_secs()), (FailureKind::TimedOut, 10));
}

#[actix::test]
async fn an_attempt_whose_time_is_over_is_looked_at_once() {
    let life = Life::new(never());
    let since = Instant::now();
    let failure = life.run(later(&life, &cleaning(), Service::Cleaning, true, 1_000)).await.unwrap_err();
    assert_eq!((failure.kind, since.elapsed()), (FailureKind::TimedOut, Duration::ZERO));
    assert_eq!(life.world.requests("GET data-cleaning").len(), 1);
}

#[actix::test]
async fn a_late_success_of_the_present_attempt_counts() {
    let life = Life::new(Script::default());
    let success = life.run(later(&life, &cleaning(), Service::Cleaning, true, 1_000)).await.unwrap();
    assert_eq!(success.output.path, "metis/analysis-0af/cleaned-2");
}

#[actix::test]
async fn a_service_that_is_silent_then_is_not_waited_for() {
    let life = Life::new(Script::default().answering("GET data-cleaning/progress", [broken()]));
    let since = Instant::now();
    let failure = life.run(later(&life, &cleaning(), Service::Cleaning, true, 1_000)).await.unwrap_err();
    assert_eq!((failure.kind, since.elapsed()), (FailureKind::TimedOut, Duration::ZERO));
}

#[actix::test]
async fn nothing_is_started_after_the_time_is_over() {
    let unknown = says(400, r#"{"status":"error","message":"Job ID doesn't exist"}"#);
    let data = || Script::default().answering("GET data-cleaning/progress", [unknown.clone()]);
    let function = around(json!({"title": "function", "function": {}, "from": [1], "timeout-s": 90}));
    let automl = around(json!({"title": "regression", "column": "c", "automl": true, "timeout-s": 90}));
    let automl_script = Script::default().answering("GET automl/progress", [unknown.clone()]);
    for (document, service, script) in [
        (cleaning(), Service::Cleaning, data()),
        (function, Service::Function, Script::default()),
        (automl, Service::Automl, automl_script),
    ] {
        let life = Life::new(script);
        let failure = life.run(later(&life, &document, service, false, 90)).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::TimedOut, "{failure}");
        assert!(life.world.requests("POST").is_empty(), "{:?}", life.world.requests(""));
        assert!(life.log.lines().is_empty(), "{:?}", life.log.lines());
    }
    // an attempt that had only prepared its start
    let life = Life::new(Script::default());
    let document = around(json!({"title": "clustering", "timeout-s": 90}));
    let call = JobCall { spent: Duration::from_secs(90), ..life.call(&run_of(&document), 1) };
    assert_eq!(life.run(call).await.unwrap_err().kind, FailureKind::TimedOut);
    assert!(life.world.requests("").is_empty());
}

#[actix::test]
async fn the_evidence_of_spark_is_awaited_for_what_is_left() {
    let document = around(json!({"title": "clustering", "timeout-s": 90}));
    for (spent, left) in [(60, 30), (90, 0), (1_000, 0)] {
        let life = Life::new(Script::default());
        let since = Instant::now();
        let failure = life.run(later(&life, &document, Service::Spark, false, spent)).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::OutcomeUnknown, "{failure}");
        let took = since.elapsed();
        assert!((left * 900..=left * 1_000).contains(&(took.as_millis() as u64)), "{took:?} of {left} s");
        assert!(life.world.requests("SPARK").is_empty());
    }
}

#[actix::test]
async fn evidence_that_is_there_counts_however_late() {
    let document = around(json!({"title": "clustering", "timeout-s": 90}));
    let life = Life::new(Script::default());
    life.world.leaves_evidence("metis/analysis-0af/clustered-2/_SUCCESS");
    let success = life.run(later(&life, &document, Service::Spark, true, 1_000)).await.unwrap();
    assert_eq!(success.output.path, "metis/analysis-0af/clustered-2");
}

/// The limit of the last look holds where a service takes the question and says nothing.
#[actix::test]
async fn the_last_look_has_a_limit_too() {
    let life = Life::with(never().hanging("GET data-cleaning/progress"), JobSettings::default(), None);
    let since = Instant::now();
    let failure = life.run(later(&life, &cleaning(), Service::Cleaning, true, 1_000)).await.unwrap_err();
    assert_eq!((failure.kind, since.elapsed().as_secs()), (FailureKind::TimedOut, 5));
}
