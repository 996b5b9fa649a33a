//! One graph with its nodes and a probe for a supervisor.

use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::*;
use orchestrator::engine::lane_order::LaneOrder;
use orchestrator::engine::messages::AnalysisFinished;
use orchestrator::engine::places::Places;
use orchestrator::engine::retry_line::RetryLine;
use orchestrator::engine::{GraphActor, GraphSetup};
use orchestrator::ports::FailureKind;
use orchestrator::store::record::RunOutcome;
use orchestrator::store::{JobPhase, Record, RunProgress};
use orchestrator::testing::{MemoryJournal, Probe, ScriptedRunner, Sketch, freeze_time, graph_of, probe, quiet};

use crate::{run_of, secs};

struct Stage {
    graph: Addr<GraphActor>,
    journal: MemoryJournal,
    supervisor: Probe<AnalysisFinished>,
}

fn stage(sketch: &Sketch, jobs: &ScriptedRunner) -> Stage {
    stage_after(sketch, jobs, RunProgress::new(sketch.len()))
}

fn stage_after(sketch: &Sketch, jobs: &ScriptedRunner, before: RunProgress) -> Stage {
    freeze_time();
    let (journal, supervisor) = (MemoryJournal::new(), probe());
    let graph = sketch.plan().graph;
    let run = run_of(sketch);
    let place = Places::default().take(&run.playbook.tenant);
    let setup = GraphSetup {
        turns: LaneOrder::default().next(&run),
        run,
        before,
        graph,
        runner: Rc::new(jobs.clone()),
        journal: Arc::new(journal.clone()),
        supervisor: supervisor.weak(),
        gate: None,
        before_at: 0,
        retries: RetryLine::new(10.0),
        sweep: secs(30),
        place,
    };
    Stage { graph: GraphActor::new(setup).start(), journal, supervisor }
}

#[actix::test]
async fn a_graph_says_its_final_word_once_and_stops() {
    let mut stage = stage(&graph_of("1,2 -> 3 -> 4,5 -> 6"), &ScriptedRunner::new());
    assert_eq!(stage.supervisor.next().await.run_id, 1);
    assert!(stage.supervisor.drain().await.is_empty());
    assert!(!stage.graph.connected());
    assert_eq!(stage.journal.end_of(1).unwrap().outcome, RunOutcome::Succeeded);
    let settled = |record: &Record| matches!(record, Record::Settled);
    assert_eq!(stage.journal.records(1).iter().filter(|record| settled(record)).count(), 1);
}

#[actix::test]
async fn no_actor_is_left_after_success_failure_or_stop() {
    for failing in ["", "2", "3"] {
        let jobs = ScriptedRunner::new();
        jobs.step(failing).panics("boom");
        let mut stage = stage(&graph_of("1 -> 2,3 -> 4").option("deadline-s", 5), &jobs);
        stage.supervisor.next().await;
        quiet().await;
        assert!(jobs.living_runs().is_empty(), "after a failure of {failing:?}");
    }
    let jobs = ScriptedRunner::new();
    jobs.step("2").never_returns();
    let mut stage = stage(&graph_of("1 -> 2,3 -> 4").option("deadline-s", 5), &jobs);
    stage.supervisor.next().await;
    quiet().await;
    assert!(jobs.living_runs().is_empty(), "after its deadline");
    assert_eq!(stage.journal.end_of(1).unwrap().outcome, RunOutcome::Stopped);
}

#[actix::test]
async fn milestones_come_in_order_around_the_jobs() {
    let jobs = ScriptedRunner::new();
    jobs.every().succeeds_after(secs(1));
    let mut stage = stage(&graph_of("1 -> 2 -> 3"), &jobs);
    stage.supervisor.next().await;
    let texts: Vec<String> = jobs.milestones().into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["accepted", "1 succeeded", "2 succeeded", "3 succeeded", "finished well"]);
}

#[actix::test]
async fn a_stuck_analysis_fails_and_names_the_edge_that_is_missing() {
    // a success without a result cannot be told to anybody
    let mut before = RunProgress::new(3);
    before.jobs[0].phase = JobPhase::Succeeded;
    before.ended.push(0);
    let mut stage = stage_after(&graph_of("1 -> 2 -> 3"), &ScriptedRunner::new(), before);
    stage.supervisor.next().await;
    let end = stage.journal.end_of(1).unwrap();
    assert_eq!(end.outcome, RunOutcome::Failed);
    let cause = end.cause.unwrap();
    assert_eq!(cause.failure.kind, FailureKind::Stuck);
    assert_eq!(cause.failure.message, "The analysis is stuck: step 2 waits for step 1, which has ended");
    assert!(end.elapsed <= secs(90), "three looks, not {:?}", end.elapsed);
}
