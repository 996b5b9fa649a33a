//! Cancelled jobs at their services: who can be told is told, within a limit, and nobody says `stopped` who does not know.

use std::rc::Rc;
use std::time::Duration;

use orchestrator::jobs::JobSettings;
use orchestrator::playbook::job::Service;
use orchestrator::ports::{CancelledAttempt, JobCall, JobRunner};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::attempt::{Life, known, run_of};
use super::ports::{Said, Script, broken, nobody, says};
use super::{around, play_with};

fn tells(services: impl IntoIterator<Item = Service>) -> JobSettings {
    JobSettings { cancellable: services.into_iter().collect(), ..JobSettings::default() }
}

fn cleaning() -> Value {
    around(json!({"title": "cleaning"}))
}

fn unknown_id() -> Said {
    says(400, r#"{"status":"error","message":"Job ID doesn't exist"}"#)
}

/// What comes of a cancel whose `DELETE` is answered like that, and how long it takes.
async fn cancelled(answers: impl IntoIterator<Item = Said>, acknowledged: bool) -> (bool, Duration, usize) {
    let script = Script::default().answering("DELETE data-cleaning", answers);
    let life = Life::with(script, tells([Service::Cleaning]), None);
    let since = Instant::now();
    let starts = vec![known(Service::Cleaning, "20", acknowledged)];
    let stopped = life.cancel(&run_of(&cleaning()), 1, starts).await;
    (stopped, since.elapsed(), life.world.requests("DELETE data-cleaning/20").len())
}

#[actix::test]
async fn the_services_of_the_platform_are_not_told() {
    let life = Life::new(Script::default());
    assert!(!life.cancel(&run_of(&cleaning()), 1, vec![known(Service::Cleaning, "20", true)]).await);
    assert!(life.world.requests("").is_empty());
}

#[actix::test]
async fn a_service_that_says_so_has_stopped() {
    for said in [says(200, "{}"), says(204, ""), says(404, ""), unknown_id()] {
        assert_eq!(cancelled([said], true).await, (true, Duration::ZERO, 1));
    }
}

#[actix::test]
async fn a_service_that_says_something_else_may_still_run() {
    for said in [says(400, "no"), says(405, ""), says(302, ""), says(409, r#"{"status":"progress"}"#)] {
        assert_eq!(cancelled([said], true).await, (false, Duration::ZERO, 1));
    }
}

#[actix::test]
async fn a_service_is_told_again_until_it_answers_and_no_longer_than_ten_seconds() {
    let (stopped, _, times) = cancelled([broken(), nobody(), says(503, ""), says(200, "")], true).await;
    assert_eq!((stopped, times), (true, 4));
    for silence in [broken(), nobody(), says(500, "")] {
        let (stopped, took, _) = cancelled([silence], true).await;
        assert_eq!((stopped, took.as_secs()), (false, 10));
    }
    let life = Life::with(Script::default().hanging("DELETE data-cleaning"), tells([Service::Cleaning]), None);
    let since = Instant::now();
    assert!(!life.cancel(&run_of(&cleaning()), 1, vec![known(Service::Cleaning, "20", true)]).await);
    assert_eq!(since.elapsed().as_secs(), 10);
}

/// The start of a job whose answer never came may arrive after the first `DELETE`.
#[actix::test]
async fn an_unknown_job_whose_start_may_be_on_its_way_is_deleted_twice() {
    let (stopped, took, times) = cancelled([says(404, "")], false).await;
    assert_eq!((stopped, took.as_secs(), times), (true, 1, 2));
    let (stopped, _, times) = cancelled([says(404, ""), says(200, "")], false).await;
    assert_eq!((stopped, times), (true, 2));
    let (stopped, took, times) = cancelled([says(200, "")], false).await;
    assert_eq!((stopped, took, times), (true, Duration::ZERO, 1));
}

#[actix::test]
async fn every_start_of_the_attempt_has_to_be_stopped() {
    let automl_and_spark = vec![known(Service::Automl, "20", true), known(Service::Spark, "20", true)];
    let document = around(json!({"title": "regression", "column": "c", "automl": true}));
    let life = Life::with(Script::default(), tells([Service::Automl]), None);
    let run = run_of(&document);
    assert!(life.cancel(&run, 1, vec![known(Service::Automl, "20", true)]).await);
    assert!(!life.cancel(&run, 1, automl_and_spark).await, "Spark cannot be told");
    assert_eq!(life.world.requests("DELETE automl/20").len(), 2, "who can be told is told");
    let all = [Service::Cleaning, Service::Join, Service::Function, Service::Automl, Service::Ingestion];
    let life = Life::with(Script::default(), tells(all), None);
    assert!(life.cancel(&run_of(&cleaning()), 1, all.map(|service| known(service, "a b", true)).into()).await);
    let paths = ["data-cleaning", "join", "function", "automl", "data-ingesting"];
    assert_eq!(life.world.requests("DELETE"), paths.map(|path| format!("DELETE {path}/a%20b")));
}

/// Also where the service does not answer that: the next attempt begins when it would have begun.
#[actix::test]
async fn an_attempt_that_ran_out_of_time_is_told_to_stop_and_the_next_one_does_not_wait_for_that() {
    let retry = json!({"attempts": 2, "backoff-s": 0, "max-backoff-s": 0});
    let document = around(json!({"title": "cleaning", "timeout-s": 5, "retry": retry}));
    let progress = [says(200, r#"{"status":"progress"}"#)];
    let script = Script::default().answering("GET data-cleaning/progress", progress).hanging("DELETE data-cleaning");
    let since = Instant::now();
    let played = play_with(&document, script, tells([Service::Cleaning])).await;
    let wire_id = |request: &String| {
        let body: Value = serde_json::from_str(&request[request.find('{').unwrap()..]).unwrap();
        body["job-id"].as_str().unwrap().to_owned()
    };
    let wire_ids: Vec<String> = played.world.requests("POST data-cleaning").iter().map(wire_id).collect();
    assert_eq!(wire_ids.len(), 2, "{wire_ids:?}");
    let told = played.world.requests("DELETE data-cleaning");
    assert_eq!(told, wire_ids.iter().map(|id| format!("DELETE data-cleaning/{id}")).collect::<Vec<_>>());
    assert!((10..12).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
}

/// Functions run one at a time: the next one's start says when the slot was free.
async fn next_function_after(settings: JobSettings, acknowledged: bool) -> Duration {
    let mut script = Script::default().answering("GET function/progress", [says(200, r#"{"status":"progress"}"#)]);
    if !acknowledged {
        script = script.hanging("POST function");
    }
    let life = Life::with(script, settings, None);
    let run = run_of(&around(json!({"title": "function", "function": {}, "from": [1]})));
    let first = actix::clock::timeout(Duration::from_secs(60), life.run(life.call(&run, 1)));
    assert!(first.await.is_err(), "it is at work until it is let go");
    let since = Instant::now();
    life.cancel(&run, 1, vec![known(Service::Function, "20", acknowledged)]).await;
    life.world.answers_now("POST function", [says(202, "")].into());
    life.world.hangs_no_more();
    let done = JobCall { attempt: 2, ..life.call(&run, 1) };
    let second = actix::clock::timeout(Duration::from_secs(700), life.run(done));
    let started = async {
        while life.world.requests("POST function").len() < 2 {
            actix::clock::sleep(Duration::from_millis(10)).await;
        }
        since.elapsed()
    };
    tokio::select! {
        _ = second => panic!("nobody says that it is done"),
        after = started => after,
    }
}

#[actix::test]
async fn the_slot_of_a_function_that_has_stopped_for_certain_is_free_at_once() {
    for acknowledged in [true, false] {
        let after = next_function_after(tells([Service::Function]), acknowledged).await;
        assert!(after < Duration::from_secs(2), "{after:?}, acknowledged: {acknowledged}");
    }
}

#[actix::test]
async fn the_slot_of_a_function_that_cannot_be_told_is_held() {
    for acknowledged in [true, false] {
        let after = next_function_after(tells([]), acknowledged).await;
        assert!((600..610).contains(&after.as_secs()), "{after:?}, acknowledged: {acknowledged}");
    }
}

#[actix::test]
async fn the_slot_of_an_earlier_attempt_is_not_held_again() {
    let life = Life::new(Script::default());
    let run = run_of(&around(json!({"title": "function", "function": {}, "from": [1]})));
    let (started, starts) = (Instant::now(), vec![known(Service::Function, "20", false)]);
    life.jobs.cancel(CancelledAttempt { run: Rc::clone(&run), job: 1, attempt: 2, starts }).await;
    assert!(life.run(JobCall { attempt: 2, ..life.call(&run, 1) }).await.is_ok());
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}
