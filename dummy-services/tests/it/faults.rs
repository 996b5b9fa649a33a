//! What a script makes the HTTP services do.

use std::time::Duration;

use dummy_services::{Behaviour, Fault, Kind, Script};
use tokio::time::Instant;

use crate::support::{get, is, post, with_behaviour, with_fault, with_script};

const JOB: &str = r#"{"job-id": "1"}"#;

#[actix_web::test]
async fn http_500_on_start_forgets_the_job() {
    let fault = Behaviour { fault: Some(Fault::Http500OnStart), fault_first: Some(1), ..Behaviour::default() };
    let dummies = with_behaviour(Kind::Join, fault);
    assert_eq!(post(&dummies, "/join/", JOB).await.unwrap().status, 500);
    is(post(&dummies, "/join/", JOB).await, 200, "Join job submitted");
}

#[actix_web::test]
async fn cut_on_start_leaves_a_running_job() {
    let dummies = with_fault(Kind::Join, Fault::CutOnStart);
    assert_eq!(post(&dummies, "/join/", JOB).await, None);
    is(get(&dummies, "/join/progress?id=1").await, 200, r#"{"status":"complete"}"#);
    is(post(&dummies, "/join/", JOB).await, 400, "Job ID already exists");
}

#[actix_web::test]
async fn an_error_comes_with_or_without_a_message() {
    for (message, expected) in
        [(Some("no disk"), r#"{"status":"error","message":"no disk"}"#), (None, r#"{"status":"error"}"#)]
    {
        let dummies = with_fault(Kind::Cleaning, Fault::Error { message: message.map(str::to_owned) });
        post(&dummies, "/data-cleaning/", JOB).await.unwrap();
        is(get(&dummies, "/data-cleaning/progress?id=1").await, 400, expected);
    }
}

#[actix_web::test]
async fn progress_can_be_unusable_cut_or_endless() {
    for fault in [Fault::NotJson, Fault::NoStatus, Fault::CutOnProgress, Fault::NeverFinishes, Fault::BlackHole] {
        let dummies = with_fault(Kind::Function, fault.clone());
        let started = post(&dummies, "/function", JOB).await;
        assert_eq!(started.is_none(), fault == Fault::BlackHole);
        let answer = get(&dummies, "/function/progress?id=1").await;
        match fault {
            Fault::NotJson => assert!(answer.unwrap().text.starts_with('<')),
            Fault::NoStatus => assert!(answer.unwrap().json().get("status").is_none()),
            Fault::NeverFinishes => is(answer, 200, r#"{"status":"progress"}"#),
            _ => assert_eq!(answer, None),
        }
    }
}

#[actix_web::test]
async fn latency_is_the_least_time_of_a_job() {
    let dummies = with_behaviour(Kind::Join, Behaviour { latency_ms: 150, ..Behaviour::default() });
    let start = Instant::now();
    post(&dummies, "/join/", JOB).await.unwrap();
    is(get(&dummies, "/join/progress?id=1").await, 200, r#"{"status":"progress"}"#);
    while !get(&dummies, "/join/progress?id=1").await.unwrap().text.contains("complete") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(start.elapsed() >= Duration::from_millis(150));
}

#[actix_web::test]
async fn answers_are_held_back() {
    let dummies = with_behaviour(Kind::Join, Behaviour { answer_delay_ms: 60, ..Behaviour::default() });
    let start = Instant::now();
    post(&dummies, "/join/", JOB).await.unwrap();
    get(&dummies, "/join/progress?id=1").await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(120));
}

#[actix_web::test]
async fn a_job_can_have_a_behaviour_of_its_own() {
    let fault = Behaviour { fault: Some(Fault::Error { message: None }), ..Behaviour::default() };
    let dummies = with_script(Script { jobs: [("bad".to_owned(), fault)].into(), ..Script::default() });
    for (id, status) in [("bad", 400), ("good", 200)] {
        post(&dummies, "/join/", &format!(r#"{{"job-id": "{id}"}}"#)).await.unwrap();
        assert_eq!(get(&dummies, &format!("/join/progress?id={id}")).await.unwrap().status, status);
    }
}

#[actix_web::test]
async fn a_new_script_holds_for_new_jobs() {
    let dummies = with_fault(Kind::Messages, Fault::Http500OnStart);
    let message = "message=update&update=x";
    assert_eq!(post(&dummies, "/messages", message).await.unwrap().status, 500);
    dummies.set_script(Script::default());
    assert_eq!(post(&dummies, "/messages", message).await.unwrap().status, 200);
    assert_eq!(dummies.notices(), ["update: x"]);
}
