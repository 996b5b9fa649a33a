//! Pause, resume, cancel and rerun, as the engine does them.

use orchestrator::engine::EngineLimits;
use orchestrator::engine::messages::{SteerError, Verb};
use orchestrator::playbook::job::Service;
use orchestrator::ports::FailureKind;
use orchestrator::store::record::{ReusedJob, RunOutcome};
use orchestrator::store::{JobPhase, Record, Submission};
use orchestrator::testing::{Latch, ScriptedRunner, Sketch, TestEngine, graph_of, quiet};

use crate::{secs, slots};

async fn steer(engine: &TestEngine, id: &str, verb: Verb) -> Result<(), SteerError> {
    let run = engine.journal().newest_run(id).expect("it was accepted");
    engine.handle().steer(run, verb).await
}

fn phases(engine: &TestEngine, sketch: &Sketch) -> Vec<JobPhase> {
    engine.progress(sketch).jobs.iter().map(|job| job.phase).collect()
}

#[actix::test]
async fn a_pause_holds_what_is_ready_and_lets_running_jobs_go_on() {
    let jobs = ScriptedRunner::new();
    jobs.step("2").succeeds_after(secs(10));
    jobs.step("3").succeeds_after(secs(20));
    let engine = TestEngine::new(&jobs);
    let sketch = graph_of("1 -> 2,3 -> 4 -> 5");
    engine.submit(&sketch).await.unwrap();
    actix::clock::sleep(secs(5)).await;
    steer(&engine, "a1", Verb::Pause).await.unwrap();
    steer(&engine, "a1", Verb::Pause).await.unwrap();
    actix::clock::sleep(secs(1000)).await;
    let done = [JobPhase::Succeeded; 3];
    assert_eq!(phases(&engine, &sketch)[..3], done, "what ran has ended");
    assert_eq!(jobs.steps(), ["1", "2", "3"], "and nothing more has started");
    steer(&engine, "a1", Verb::Resume).await.unwrap();
    let end = engine.outcome("a1").await;
    assert_eq!(end.outcome, RunOutcome::Succeeded);
    assert_eq!(jobs.steps(), ["1", "2", "3", "4", "5"]);
    engine.finish().await;
}

#[actix::test]
async fn what_is_asked_in_a_row_has_its_effect_in_that_order() {
    for (id, place) in [("a1", "running"), ("c1", "in line")] {
        let (jobs, latch) = (ScriptedRunner::new(), Latch::new());
        jobs.step("1").waits_for(&latch);
        let limits = EngineLimits { running_per_tenant: 2, ..EngineLimits::default() };
        let engine = TestEngine::with(&jobs, limits);
        for other in ["a1", "b1", "c1"] {
            engine.submit(&graph_of("1 -> 2").id(other)).await.unwrap();
        }
        engine.journal().hold();
        // one commit acknowledges all of them, and the first to be heard makes place for the last
        let (b1, asked) = (steer(&engine, "b1", Verb::Resume), [Verb::Pause, Verb::Resume]);
        let [pause, resume] = asked.map(|verb| steer(&engine, id, verb));
        let commit = async {
            quiet().await;
            engine.journal().release_all();
        };
        let answers = futures::join!(b1, pause, resume, commit);
        assert_eq!((answers.0, answers.1, answers.2), (Ok(()), Ok(()), Ok(())));
        latch.open();
        assert_eq!(engine.outcome(id).await.outcome, RunOutcome::Succeeded, "{place}");
        for other in ["a1", "b1", "c1"] {
            engine.outcome(other).await;
        }
        engine.finish().await;
    }
}

#[actix::test]
async fn a_job_that_stands_in_line_when_its_run_is_paused_gives_its_slot_to_others() {
    let (jobs, latch) = (ScriptedRunner::new(), Latch::new());
    jobs.step_of("a1", "2").waits_for(&latch);
    let engine = TestEngine::with(&jobs, slots(|slots| slots.total = 1));
    engine.submit(&graph_of("1 -> 2").id("a1")).await.unwrap();
    engine.submit(&graph_of("1 -> 2").id("b1")).await.unwrap();
    engine.submit(&graph_of("1 -> 2").id("c1")).await.unwrap();
    actix::clock::sleep(secs(1)).await;
    steer(&engine, "b1", Verb::Pause).await.unwrap();
    latch.open();
    engine.outcome("c1").await;
    assert!(jobs.ran().iter().all(|ran| ran.analysis != "b1" || ran.step == "1"));
    steer(&engine, "b1", Verb::Resume).await.unwrap();
    engine.outcome("b1").await;
    engine.outcome("a1").await;
    assert_eq!(jobs.most_at_once_at(Service::Cleaning), 1);
    engine.finish().await;
}

#[actix::test]
async fn the_deadline_stands_still_during_a_pause() {
    let jobs = ScriptedRunner::new();
    jobs.every().succeeds_after(secs(10));
    let engine = TestEngine::new(&jobs);
    let sketch = graph_of("1 -> 2 -> 3").option("deadline-s", 60);
    engine.submit(&sketch).await.unwrap();
    actix::clock::sleep(secs(15)).await;
    steer(&engine, "a1", Verb::Pause).await.unwrap();
    actix::clock::sleep(secs(10_000)).await;
    steer(&engine, "a1", Verb::Resume).await.unwrap();
    assert_eq!(engine.outcome("a1").await.outcome, RunOutcome::Succeeded);
    engine.finish().await;

    let engine = TestEngine::new(&jobs);
    jobs.step("3").never_returns();
    engine.submit(&sketch).await.unwrap();
    actix::clock::sleep(secs(25)).await;
    steer(&engine, "a1", Verb::Pause).await.unwrap();
    actix::clock::sleep(secs(10_000)).await;
    steer(&engine, "a1", Verb::Resume).await.unwrap();
    let end = engine.outcome("a1").await;
    assert_eq!((end.outcome, end.elapsed.as_secs()), (RunOutcome::Stopped, 10_060));
    engine.finish().await;
}

#[actix::test]
async fn a_cancelled_run_ends_its_running_jobs_and_skips_the_rest() {
    let jobs = ScriptedRunner::new();
    jobs.tells_milestones().step("2").never_returns();
    let engine = TestEngine::new(&jobs);
    let sketch = graph_of("1 -> 2 -> 3");
    engine.submit(&sketch).await.unwrap();
    actix::clock::sleep(secs(5)).await;
    steer(&engine, "a1", Verb::Cancel).await.unwrap();
    let end = engine.outcome("a1").await;
    assert_eq!(end.outcome, RunOutcome::Cancelled);
    assert_eq!(end.cause.unwrap().failure.kind, FailureKind::Cancelled);
    assert_eq!(phases(&engine, &sketch), [JobPhase::Succeeded, JobPhase::Cancelled, JobPhase::Skipped]);
    assert!(engine.progress(&sketch).jobs[1].may_still_run, "its service cannot be told");
    assert_eq!(steer(&engine, "a1", Verb::Cancel).await, Err(SteerError::Over));
    let finishes =
        engine.journal().records(1).iter().filter(|record| matches!(record, Record::AnalysisFinished { .. })).count();
    assert_eq!(finishes, 1);
    engine.finish().await;
    assert_eq!(jobs.notices().last().map(String::as_str), Some("finished badly"));
}

#[actix::test]
async fn a_paused_run_can_be_cancelled() {
    let jobs = ScriptedRunner::new();
    jobs.step("2").succeeds_after(secs(9));
    let engine = TestEngine::new(&jobs);
    let sketch = graph_of("1 -> 2 -> 3");
    engine.submit(&sketch).await.unwrap();
    actix::clock::sleep(secs(5)).await;
    steer(&engine, "a1", Verb::Pause).await.unwrap();
    actix::clock::sleep(secs(100)).await;
    steer(&engine, "a1", Verb::Cancel).await.unwrap();
    assert_eq!(engine.outcome("a1").await.outcome, RunOutcome::Cancelled);
    assert_eq!(phases(&engine, &sketch), [JobPhase::Succeeded, JobPhase::Succeeded, JobPhase::Skipped]);
    engine.finish().await;
}

#[actix::test]
async fn runs_in_line_can_be_steered() {
    let (jobs, latch) = (ScriptedRunner::new(), Latch::new());
    jobs.step_of("a1", "2").waits_for(&latch);
    let engine = TestEngine::with(&jobs, EngineLimits { running_per_tenant: 1, ..EngineLimits::default() });
    for id in ["a1", "b1", "c1"] {
        engine.submit(&graph_of("1 -> 2").id(id)).await.unwrap();
    }
    steer(&engine, "b1", Verb::Cancel).await.unwrap();
    assert_eq!(engine.outcome("b1").await.outcome, RunOutcome::Cancelled);
    steer(&engine, "c1", Verb::Pause).await.unwrap();
    latch.open();
    engine.outcome("a1").await;
    actix::clock::sleep(secs(1000)).await;
    assert!(jobs.ran().iter().all(|ran| ran.analysis == "a1"), "nothing of the others has started");
    steer(&engine, "c1", Verb::Resume).await.unwrap();
    assert_eq!(engine.outcome("c1").await.outcome, RunOutcome::Succeeded);
    engine.finish().await;
}

#[actix::test]
async fn a_rerun_takes_over_what_succeeded_and_tells_nothing_of_it_again() {
    let jobs = ScriptedRunner::new();
    jobs.tells_milestones().step("3").fails_with(FailureKind::ServiceError, "no");
    let engine = TestEngine::new(&jobs);
    let sketch = graph_of("1 -> 2 -> 3 -> 4");
    assert_eq!(engine.run(&sketch).await.outcome, RunOutcome::Failed);
    jobs.step("3").succeeds_after(secs(1));
    let reused = |job: usize| {
        let success = engine.progress(&sketch).jobs[job].success.clone().unwrap();
        let (producer, path) = (success.output.producer, success.output.path.clone());
        ReusedJob { job, producer, path, details: success.details }
    };
    let first = Record::Rerun { of: 1, reused: vec![reused(0), reused(1)] };
    let plan = sketch.plan();
    let submission = Submission::again(&plan.playbook, &sketch.document(), first.clone(), "1 from 3");
    let accepted = engine.handle().submit(plan, submission).await.unwrap();
    assert_eq!((accepted.number, accepted.is_new), (2, true));
    assert_eq!(engine.outcome("a1").await.outcome, RunOutcome::Succeeded);
    assert_eq!(engine.journal().records(2)[0], first);
    let second: Vec<String> = jobs.ran().into_iter().filter(|ran| ran.run == 2).map(|ran| ran.step).collect();
    assert_eq!(second, ["3", "4"]);
    let third = jobs.ran().into_iter().find(|ran| ran.run == 2).unwrap();
    assert_eq!(third.inputs, ["2"], "the result of the first run is its input");
    assert!(engine.progress(&sketch).jobs[..2].iter().all(|job| job.reused));
    engine.finish().await;
    let successes = jobs.notices().into_iter().filter(|notice| notice.ends_with("succeeded")).collect::<Vec<_>>();
    assert_eq!(successes, ["1 succeeded", "2 succeeded", "3 succeeded", "4 succeeded"]);
}

#[actix::test]
async fn two_reruns_at_the_same_moment_are_one_run() {
    let engine = TestEngine::new(&ScriptedRunner::new());
    let sketch = graph_of("1 -> 2");
    engine.run(&sketch).await;
    let submit = || {
        let plan = sketch.plan();
        let first = Record::Rerun { of: 1, reused: Vec::new() };
        let submission = Submission::again(&plan.playbook, &sketch.document(), first, "1 from 1");
        let handle = engine.handle();
        async move { handle.submit(plan, submission).await.is_ok() }
    };
    let (one, other) = futures::join!(submit(), submit());
    assert!(one != other, "one of them is the new run, the other is too late");
    engine.outcome("a1").await;
    engine.finish().await;
}
