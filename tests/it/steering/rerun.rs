//! Runs that repeat earlier ones and take over what those have done.

use actix::clock::sleep;
use orchestrator::engine::EngineLimits;
use orchestrator::engine::messages::{SubmitError, Verb};
use orchestrator::graph::rerun::RerunFrom;
use orchestrator::ports::FailureKind;
use orchestrator::store::record::RunOutcome;
use orchestrator::store::{JobPhase, Record};
use orchestrator::testing::{ScriptedRunner, Sketch, TestEngine, graph_of, quiet};

use super::{ends, life, phases};
use crate::secs;

/// Steps that a run started, in playbook order, with the inputs they got.
fn done_in(jobs: &ScriptedRunner, run: u32) -> Vec<(String, Vec<String>)> {
    let ran = jobs.ran().into_iter().filter(|ran| ran.run == run);
    let mut steps: Vec<_> = ran.map(|ran| (ran.step, ran.inputs)).collect();
    steps.sort();
    steps
}

fn step(step: &str, inputs: &[&str]) -> (String, Vec<String>) {
    (step.to_owned(), inputs.iter().map(|input| (*input).to_owned()).collect())
}

/// `1 -> 2 -> 4; 1 -> 3 -> 4 -> 5`, whose first run fails at step 3.
async fn failed_at_3(jobs: &ScriptedRunner) -> (TestEngine, Sketch) {
    jobs.tells_milestones().step("3").takes(secs(1)).fails_with(FailureKind::ServiceError, "no");
    let engine = TestEngine::new(jobs);
    let sketch = graph_of("1 -> 2,3 -> 4 -> 5");
    assert_eq!(engine.run(&sketch).await.outcome, RunOutcome::Failed);
    jobs.step("3").succeeds_after(secs(1));
    (engine, sketch)
}

#[actix::test]
async fn what_has_succeeded_is_not_done_again_and_its_outputs_are_inputs_of_the_rest() {
    let jobs = ScriptedRunner::new();
    let (engine, sketch) = failed_at_3(&jobs).await;
    quiet().await;
    let told = jobs.notices().len();
    let (accepted, reused) = engine.rerun(&sketch, 1, RerunFrom::Failed).await.unwrap();
    assert_eq!((accepted.number, accepted.is_new, reused), (2, true, vec![0, 1]));
    assert_eq!(engine.outcome("a1").await.outcome, RunOutcome::Succeeded);
    assert_eq!(done_in(&jobs, 2), [step("3", &["1"]), step("4", &["2", "3"]), step("5", &["4"])]);
    let progress = engine.progress(&sketch);
    assert_eq!(progress.rerun_of, Some(1));
    let reused: Vec<bool> = progress.jobs.iter().map(|job| job.reused).collect();
    assert_eq!(reused, [true, true, false, false, false]);
    quiet().await;
    assert_eq!(
        jobs.notices()[told..],
        ["accepted", "3 succeeded", "4 succeeded", "5 succeeded", "finished well"],
        "what the first run has told is not told again"
    );
    engine.finish().await;
}

#[actix::test]
async fn from_a_step_that_step_and_everything_after_it_is_done_again() {
    let jobs = ScriptedRunner::new();
    let engine = TestEngine::new(&jobs);
    let sketch = graph_of("1 -> 2,3 -> 4 -> 5; 3 -> 6");
    engine.run(&sketch).await;
    let (_, reused) = engine.rerun(&sketch, 1, RerunFrom::Job(2)).await.unwrap();
    assert_eq!(reused, [0, 1]);
    assert_eq!(engine.outcome("a1").await.outcome, RunOutcome::Succeeded);
    let steps: Vec<String> = done_in(&jobs, 2).into_iter().map(|(step, _)| step).collect();
    assert_eq!(steps, ["3", "4", "5", "6"]);
    engine.finish().await;
}

#[actix::test]
async fn all_is_done_again_if_asked() {
    let jobs = ScriptedRunner::new();
    let (engine, sketch) = failed_at_3(&jobs).await;
    let (_, reused) = engine.rerun(&sketch, 1, RerunFrom::All).await.unwrap();
    assert!(reused.is_empty());
    assert_eq!(engine.outcome("a1").await.outcome, RunOutcome::Succeeded);
    assert_eq!(done_in(&jobs, 2).len(), 5);
    engine.finish().await;
}

#[actix::test]
async fn two_reruns_at_once_are_one_new_run() {
    let jobs = ScriptedRunner::new();
    let (engine, sketch) = failed_at_3(&jobs).await;
    let rerun = || engine.rerun(&sketch, 1, RerunFrom::Failed);
    let answers = futures::join!(rerun(), rerun(), rerun());
    let answers = [answers.0, answers.1, answers.2];
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(answers.iter().flatten().all(|(accepted, _)| accepted.number == 2));
    assert!(answers.iter().filter_map(|answer| answer.as_ref().err()).all(|error| *error == SubmitError::IdInUse));
    engine.outcome("a1").await;
    assert_eq!(done_in(&jobs, 2).len(), 3);
    engine.finish().await;
}

#[actix::test]
async fn a_rerun_that_was_decided_before_another_run_began_and_ended_comes_too_late() {
    let jobs = ScriptedRunner::new();
    let (engine, sketch) = failed_at_3(&jobs).await;
    let plan = sketch.plan();
    let late = sketch.submission(&plan).repeating(Record::Rerun { of: 1, reused: Vec::new() }, 2);
    engine.rerun(&sketch, 1, RerunFrom::Failed).await.unwrap();
    engine.outcome("a1").await;
    quiet().await;
    assert_eq!(engine.handle().submit(plan, late).await, Err(SubmitError::IdInUse));
    engine.finish().await;
}

#[actix::test]
async fn a_resubmission_and_a_rerun_at_once_are_one_new_run() {
    for rerun_first in [true, false] {
        let jobs = ScriptedRunner::new();
        let (engine, sketch) = failed_at_3(&jobs).await;
        let (rerun, submitted) = if rerun_first {
            futures::join!(engine.rerun(&sketch, 1, RerunFrom::Failed), engine.submit(&sketch))
        } else {
            let (submitted, rerun) =
                futures::join!(engine.submit(&sketch), engine.rerun(&sketch, 1, RerunFrom::Failed));
            (rerun, submitted)
        };
        let submitted = submitted.expect("the same jobs are the run that is there, whoever began it");
        assert_eq!((submitted.number, submitted.is_new), (2, !rerun_first));
        assert_eq!(rerun.is_ok(), rerun_first);
        engine.outcome("a1").await;
        assert_eq!(done_in(&jobs, 2).len(), if rerun_first { 3 } else { 5 });
        engine.finish().await;
    }
}

#[actix::test]
async fn a_rerun_of_a_rerun_takes_over_what_both_have_done() {
    let jobs = ScriptedRunner::new();
    let (engine, sketch) = failed_at_3(&jobs).await;
    jobs.step("4").fails_with(FailureKind::ServiceError, "no");
    engine.rerun(&sketch, 1, RerunFrom::Failed).await.unwrap();
    assert_eq!(engine.outcome("a1").await.outcome, RunOutcome::Failed);
    jobs.step("4").succeeds_after(secs(0));
    let (accepted, mut reused) = engine.rerun(&sketch, 2, RerunFrom::Failed).await.unwrap();
    reused.sort_unstable();
    assert_eq!((accepted.number, reused), (3, vec![0, 1, 2]));
    assert_eq!(engine.outcome("a1").await.outcome, RunOutcome::Succeeded);
    assert_eq!(done_in(&jobs, 3), [step("4", &["2", "3"]), step("5", &["4"])]);
    engine.finish().await;
}

#[actix::test]
async fn results_of_an_older_run_count_only_where_no_newer_one_has_begun_the_same_step() {
    let jobs = ScriptedRunner::new();
    let (engine, sketch) = failed_at_3(&jobs).await;
    // run 2 has other jobs: it writes to the place of step 2
    let other = graph_of("1 -> 2 -> 9").member("2", "max-shrink", 0.9);
    engine.run(&other).await;
    let (accepted, reused) = engine.rerun(&sketch, 1, RerunFrom::Failed).await.unwrap();
    assert_eq!((accepted.number, reused), (3, vec![0]), "only the data set is what it was");
    assert_eq!(engine.outcome("a1").await.outcome, RunOutcome::Succeeded);
    engine.finish().await;
}

#[actix::test]
async fn a_cancelled_run_may_be_run_again() {
    let jobs = ScriptedRunner::new();
    jobs.step("3").never_returns();
    let engine = TestEngine::new(&jobs);
    let sketch = graph_of("1 -> 2 -> 3 -> 4");
    engine.submit(&sketch).await.unwrap();
    sleep(secs(1)).await;
    assert_eq!(engine.rerun(&sketch, 1, RerunFrom::All).await.unwrap_err(), SubmitError::IdInUse);
    engine.steer("a1", Verb::Cancel).await.unwrap();
    engine.outcome("a1").await;
    jobs.step("3").succeeds_after(secs(1));
    let (_, reused) = engine.rerun(&sketch, 1, RerunFrom::Failed).await.unwrap();
    assert_eq!(reused, [0, 1]);
    assert_eq!(engine.outcome("a1").await.outcome, RunOutcome::Succeeded);
    engine.finish().await;
}

#[test]
fn a_rerun_goes_on_after_a_restart_with_what_it_has_taken_over() {
    let jobs = ScriptedRunner::new();
    let sketch = graph_of("1 -> 2,3 -> 4 -> 5");
    let remains = life(async {
        let (engine, sketch) = failed_at_3(&jobs).await;
        jobs.step("3").never_returns();
        engine.rerun(&sketch, 1, RerunFrom::Failed).await.unwrap();
        quiet().await;
        engine.dies()
    });
    life(async {
        jobs.step("3").succeeds_after(secs(1));
        let engine = TestEngine::goes_on(remains, secs(5), &jobs, EngineLimits::default());
        assert_eq!(engine.outcome("a1").await.outcome, RunOutcome::Succeeded);
        assert_eq!(phases(&engine, &sketch), [JobPhase::Succeeded; 5]);
        let again: Vec<_> =
            done_in(&jobs, 2).into_iter().filter(|(step, _)| ["1", "2"].contains(&step.as_str())).collect();
        assert!(again.is_empty(), "{again:?}");
        assert_eq!(ends(&engine, 2), 1);
        engine.finish().await;
    });
}
