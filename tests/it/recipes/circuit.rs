//! The circuit breakers: many jobs that wait for a service that is down do not add to its troubles.

use std::collections::VecDeque;
use std::time::Duration;

use futures::future::join_all;
use orchestrator::jobs::JobSettings;
use orchestrator::playbook::job::Service;
use orchestrator::ports::{FailureKind, JobCall};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::around;
use super::attempt::{Life, known, run_of};
use super::ports::{Said, Script, Spark, nobody, says};

/// Jobs that wait.
const JOBS: usize = 64;

/// Longer patience than usual: what counts here is how often the network is touched meanwhile.
fn patient() -> JobSettings {
    JobSettings { start_retry: Duration::from_secs(150), ..JobSettings::default() }
}

fn cleaning() -> Value {
    around(json!({"title": "cleaning"}))
}

/// The same job for so many attempts at once; each failure's kind.
async fn failures_of(life: &Life, call: impl Fn() -> JobCall) -> Vec<FailureKind> {
    let all = join_all((0..JOBS).map(|_| life.run(call()))).await;
    all.into_iter().filter_map(|result| result.err().map(|failure| failure.kind)).collect()
}

/// Row: service refused. 64 jobs offer their starts for two and a half minutes to a port where nobody listens.
#[actix::test]
async fn waiting_starts_touch_the_network_at_most_a_fifth_more_often_than_there_are_jobs() {
    for seed in 0..20 {
        fastrand::seed(seed);
        let life = Life::with(Script::default().answering("POST data-cleaning", [nobody()]), patient(), None);
        let run = run_of(&cleaning());
        let since = Instant::now();
        let kinds = failures_of(&life, || life.call(&run, 1)).await;
        assert_eq!(kinds, [FailureKind::Unreachable; JOBS]);
        assert!((150..160).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
        let calls = life.world.requests("POST").len();
        assert!((10..=JOBS * 12 / 10).contains(&calls), "{calls} calls of {JOBS} jobs, seed {seed}");
    }
}

/// The same when every first call is on its way before the first one has failed.
#[actix::test]
async fn starts_that_left_at_once_are_not_repeated_all_at_once() {
    let life = Life::with(Script::default().answering("POST data-cleaning", [nobody()]).slow(), patient(), None);
    let run = run_of(&cleaning());
    failures_of(&life, || life.call(&run, 1)).await;
    let calls = life.world.requests("POST").len();
    assert!((JOBS..=JOBS * 12 / 10).contains(&calls), "{calls} calls of {JOBS} jobs");
}

/// Row: service 500, and the same for questions about running jobs. Semantics stay: only the network is spared.
#[actix::test]
async fn waiting_questions_touch_the_network_at_most_a_fifth_more_often_than_there_are_jobs() {
    for said in [nobody(), says(503, r#"{"status":"error","message":"Failed to connect to database"}"#)] {
        let life = Life::new(Script::default().answering("GET data-cleaning/progress", [said]));
        let run = run_of(&cleaning());
        let since = Instant::now();
        let at_work = || JobCall { known: vec![known(Service::Cleaning, "20", true)], ..life.call(&run, 1) };
        let kinds = failures_of(&life, at_work).await;
        assert_eq!(kinds, [FailureKind::Unreachable; JOBS]);
        assert!((300..310).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
        let calls = life.world.requests("GET").len();
        assert!((10..=JOBS * 12 / 10).contains(&calls), "{calls} calls of {JOBS} jobs");
    }
}

/// Without this, a service that is up again would be noticed too late for those who are about to give up.
#[actix::test]
async fn everybody_is_served_when_the_service_comes_back() {
    for away in [7, 20, 29] {
        let life = Life::new(Script::default().answering("POST data-cleaning", [nobody()]));
        let run = run_of(&cleaning());
        let starts = join_all((0..JOBS).map(|_| life.run(life.call(&run, 1))));
        let comes_back = async {
            sleep(Duration::from_secs(away)).await;
            life.world.answers_now("POST data-cleaning", VecDeque::from([says(200, "job submitted")]));
        };
        let (ended, ()) = futures::join!(starts, comes_back);
        let failed = ended.iter().filter(|result| result.is_err()).count();
        assert_eq!(failed, 0, "after {away} s");
    }
}

/// A service that answers 500 to everything and says how its jobs are getting on is not down.
#[actix::test]
async fn a_verdict_with_status_500_is_a_verdict() {
    let running = |count| vec![says(500, r#"{"status":"progress"}"#); count];
    let answers: Vec<Said> = [running(50), vec![says(500, r#"{"status":"complete"}"#)]].concat();
    let life = Life::new(Script::default().answering("GET data-cleaning/progress", answers));
    life.run(life.call(&run_of(&cleaning()), 1)).await.unwrap();
    assert_eq!(life.world.requests("GET").len(), 51);
}

/// One service's circuit is not another's.
#[actix::test]
async fn an_open_circuit_concerns_its_service_only() {
    let life = Life::new(Script::default().answering("POST data-cleaning", [nobody()]));
    let run = run_of(&cleaning());
    failures_of(&life, || life.call(&run, 1)).await;
    let join = json!({"title": "data-join", "from": [1, 1], "column": "c", "join-type": "inner"});
    let mut document = around(join);
    document["jobs"][0]["next"] = json!([2, 2]);
    let since = Instant::now();
    life.run(life.call(&run_of(&document), 1)).await.unwrap();
    assert!(since.elapsed() < Duration::from_secs(1));
}

/// Spark's reply takes hours: the probe's connection is what counts.
#[actix::test]
async fn a_spark_job_that_runs_for_hours_keeps_no_other_from_starting() {
    let mut does: VecDeque<Spark> = [Spark::NotThere; 5].into();
    does.push_back(Spark::NeverReplies);
    let life = Life::with(Script { spark: does, ..Script::default() }, patient(), None);
    let run = run_of(&around(json!({"title": "clustering"})));
    let first = life.run(life.call(&run, 1));
    let others = async {
        sleep(Duration::from_secs(60)).await;
        let since = Instant::now();
        for result in join_all((0..8).map(|_| life.run(life.call(&run, 1)))).await {
            result.unwrap();
        }
        since.elapsed()
    };
    tokio::select! {
        _ = first => panic!("it never ends"),
        took = others => assert!(took < Duration::from_secs(1), "{took:?}"),
    }
}
