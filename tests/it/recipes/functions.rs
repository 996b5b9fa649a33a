//! Functions that were let go of, or may have been started, in an earlier life of the process: the service mixes inputs when
//! two run at once, so no other one begins beside them.

use std::time::Duration;

use futures::FutureExt;
use orchestrator::jobs::{JobSettings, PlatformJobs};
use orchestrator::playbook::job::Service;
use orchestrator::ports::{CallbackVerdict, FailureKind, JobCall, LetGoStart};
use orchestrator::testing::freeze_time;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::around;
use super::attempt::{Life, known, run_of};
use super::callbacks::{callbacks, speak};
use super::journal::MemoryJournal;
use super::ports::{Script, World, says};

const QUESTION: &str = "GET function/progress";

fn function() -> Value {
    around(json!({"title": "function", "function": {"name": "f", "args": []}, "from": [1], "timeout-s": 5_000}))
}

/// A life that begins with these functions let go of.
fn life_holding(script: Script, let_go: Vec<LetGoStart>) -> Life {
    freeze_time();
    let world = World::new(script);
    let jobs = PlatformJobs::new(world.ports(), JobSettings::default()).holding(let_go);
    Life { world, jobs, log: Default::default() }
}

fn let_go(acknowledged: bool, seconds: u64) -> LetGoStart {
    LetGoStart { wire_id: "before".to_owned(), acknowledged, let_go: Duration::from_secs(seconds) }
}

/// When the next function has started, since the start of the process.
async fn next_starts_after(life: &Life) -> u64 {
    let since = Instant::now();
    life.run(life.call(&run_of(&function()), 1)).await.expect("it succeeds");
    since.elapsed().as_secs()
}

#[actix::test]
async fn a_function_that_was_let_go_of_keeps_its_slot_over_a_restart_until_the_service_is_done() {
    let takes = |seconds| Script { takes: Duration::from_secs(seconds), ..Script::default() };
    // the next job takes as long as the one before
    let life = life_holding(takes(100), vec![let_go(true, 30)]);
    assert!((100..=115).contains(&next_starts_after(&life).await));
    let questions = life.world.requests(QUESTION);
    assert!(questions[0].contains("id=before"), "{questions:?}");
    let start = life.world.requests("").iter().position(|line| line.starts_with("POST function"));
    let before = life.world.requests("").iter().rposition(|line| line.contains("id=before"));
    assert!(start > before, "nobody asks for it once the next one has begun");
}

#[actix::test]
async fn a_function_that_was_let_go_of_keeps_its_slot_over_a_restart_for_its_limit_at_most() {
    for (acknowledged, ago, left) in [(false, 0, 600), (false, 400, 200), (true, 590, 10), (false, 600, 0)] {
        let script = Script::default();
        let life = life_holding(script, vec![let_go(acknowledged, ago)]);
        if acknowledged {
            life.world.answers_now(QUESTION, [says(200, r#"{"status":"progress"}"#)].into());
        }
        let call = life.call(&run_of(&function()), 1);
        let mut job = life.run(call).boxed_local();
        let waits = tokio::time::timeout(Duration::from_secs(left).saturating_sub(Duration::from_millis(1)), &mut job);
        if left > 0 {
            assert!(waits.await.is_err(), "{acknowledged} {ago}");
            assert!(life.world.requests("POST function").is_empty(), "{acknowledged} {ago}");
        }
        life.world.answers_now(QUESTION, [says(200, r#"{"status":"complete"}"#)].into());
        let since = Instant::now();
        job.await.expect("it succeeds");
        assert!(since.elapsed() <= Duration::from_secs(3), "{acknowledged} {ago}: {:?}", since.elapsed());
    }
}

/// The job was being stopped when the process died: nothing of this life holds its slot.
#[actix::test]
async fn a_function_that_is_cancelled_after_a_restart_keeps_its_slot() {
    let life = life_holding(Script { takes: Duration::from_secs(100), ..Script::default() }, Vec::new());
    let run = run_of(&function());
    assert!(!life.cancel(&run, 1, vec![known(Service::Function, "before", true)]).await);
    tokio::task::yield_now().await;
    assert!((100..=115).contains(&next_starts_after(&life).await));
}

#[actix::test]
async fn a_function_start_that_nobody_heard_back_from_is_waited_out_before_the_next_one() {
    for (spent, left) in [(0, 600), (250, 350), (700, 0)] {
        let life = Life::new(Script::default());
        let call = life.call(&run_of(&function()), 1);
        let spent = Duration::from_secs(spent);
        let call = JobCall { known: vec![known(Service::Function, "20", false)], spent, ..call };
        let since = Instant::now();
        let other = async {
            // one of another tenant waits, too
            tokio::time::sleep(Duration::from_millis(1)).await;
            life.run(life.call(&run_of(&function()), 1)).await
        };
        let (again, other) = futures::join!(life.run(call), other);
        again.expect("it succeeds");
        other.expect("it succeeds");
        let took = since.elapsed().as_secs();
        assert!((left..=left + 3).contains(&took), "{took} s instead of {left}");
        assert_eq!(life.world.requests("POST function").len(), 2);
        assert!(life.log.lines().contains(&"warn start-ambiguous".to_owned()));
    }
}

#[actix::test]
async fn a_function_start_that_nobody_heard_back_from_ends_with_the_time_of_its_job() {
    let life = Life::new(Script::default());
    let document = around(json!({"title": "function", "function": {}, "from": [1], "timeout-s": 90}));
    let call = life.call(&run_of(&document), 1);
    let call = JobCall { known: vec![known(Service::Function, "20", false)], ..call };
    let since = Instant::now();
    assert_eq!(life.run(call).await.expect_err("no time is left").kind, FailureKind::TimedOut);
    assert_eq!(since.elapsed().as_secs(), 90);
    assert!(life.world.requests("").is_empty(), "an unknown id wedges the service");
    // and the slot is held on after it
    assert!((599..=603).contains(&next_starts_after(&life).await));
}

#[actix::test]
async fn a_function_that_calls_back_while_it_is_waited_out_is_not_started_again() {
    let callbacks = callbacks();
    let life = Life::with(Script::default(), JobSettings::default(), Some(callbacks.clone()));
    let run = run_of(&function());
    // the life before: it has told the service where to call
    life.run(life.call(&run, 1)).await.expect("it succeeds");
    let address = life.world.callbacks().remove(0);
    let call = JobCall { known: vec![known(Service::Function, "20", false)], ..life.call(&run, 1) };
    let calls_back = async {
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert_eq!(speak(&callbacks, &MemoryJournal::default(), &address, CallbackVerdict::Complete), 204);
    };
    let since = Instant::now();
    let (ended, ()) = futures::join!(life.run(call), calls_back);
    ended.expect("the service has said so");
    assert_eq!(since.elapsed().as_secs(), 100);
    assert_eq!(life.world.requests("POST").len(), 1);
}
