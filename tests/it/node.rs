//! One node with probes around it.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use actix::clock::Instant;
use actix::prelude::*;
use orchestrator::engine::messages::{
    InputReady, JobFinished, JobReport, SlotGranted, SlotReleased, SlotWanted, StopJob, Ticket,
};
use orchestrator::engine::retry_line::RetryLine;
use orchestrator::engine::{Gate, NodeActor, NodeContext, Traffic};
use orchestrator::graph::EdgeId;
use orchestrator::graph::inputs::{EdgeOutcome, InputBuffer, JobOutput};
use orchestrator::playbook::When;
use orchestrator::ports::FailureKind;
use orchestrator::store::{Record, RunProgress};
use orchestrator::testing::{Latch, MemoryJournal, Probe, RanEnd, ScriptedRunner, freeze_time, graph_of, probe, quiet};

use crate::run_of;

/// Node 3 of `1,2 -> 3 -> 4`: edges 0 and 1 lead to it, edge 2 leaves it.
struct Stage {
    node: Addr<NodeActor>,
    jobs: ScriptedRunner,
    journal: MemoryJournal,
    successor: Probe<InputReady>,
    graph: Probe<JobFinished>,
    wanted: Probe<SlotWanted>,
    released: Probe<SlotReleased>,
}

fn stage(jobs: ScriptedRunner, gated: bool) -> Stage {
    freeze_time();
    let (successor, graph, wanted, released) = (probe(), probe(), probe(), probe());
    let journal = MemoryJournal::new();
    let gate = gated.then(|| Gate { wanted: wanted.weak(), released: released.weak() });
    let context = NodeContext {
        run: run_of(&graph_of("1,2 -> 3 -> 4")),
        runner: Rc::new(jobs.clone()),
        journal: Arc::new(journal.clone()),
        graph: graph.weak(),
        gate,
        before: Rc::new(RunProgress::new(4)),
        before_at: 0,
        began: Instant::now(),
        paused: Cell::new(false),
        retries: RetryLine::new(10.0),
        traffic: Traffic::default(),
    };
    let inputs = InputBuffer::new(When::AllSuccess, [(EdgeId(0), 0), (EdgeId(1), 1)]);
    let successors = [(EdgeId(2), successor.recipient())].into();
    let node = NodeActor::new(Rc::new(context), 2, inputs, successors).start();
    Stage { node, jobs, journal, successor, graph, wanted, released }
}

impl Stage {
    fn hear(&self, edge: u32, outcome: EdgeOutcome) {
        self.node.do_send(InputReady { edge: EdgeId(edge), outcome });
    }

    fn hear_success(&self, edge: u32) {
        let output = JobOutput { producer: edge as usize, path: format!("metis/{edge}") };
        self.hear(edge, EdgeOutcome::Succeeded(Arc::new(output)));
    }
}

#[actix::test]
async fn a_join_runs_once_both_inputs_arrived() {
    let mut stage = stage(ScriptedRunner::new(), false);
    stage.hear_success(1);
    stage.hear_success(1);
    quiet().await;
    assert!(stage.jobs.ran().is_empty());
    stage.hear_success(0);
    assert!(matches!(stage.successor.next().await.outcome, EdgeOutcome::Succeeded(_)));
    assert_eq!(stage.jobs.only("3").inputs, ["1", "2"]);
    assert!(matches!(stage.graph.next().await.report, JobReport::Succeeded(_)));
    assert!(!stage.node.connected(), "a node stops after its final word");
}

#[actix::test]
async fn a_completion_is_queued_to_the_journal_before_anybody_hears_of_it() {
    let mut stage = stage(ScriptedRunner::new(), false);
    stage.hear_success(0);
    stage.hear_success(1);
    let heard = stage.successor.next().await;
    assert_eq!(heard.edge, EdgeId(2));
    let records: Vec<Record> = stage.journal.entries().into_iter().map(|entry| entry.record).collect();
    assert!(matches!(records.last(), Some(Record::JobSucceeded { job: 2, .. })), "{records:?}");
    assert!(matches!(records.first(), Some(Record::JobStarting { job: 2, .. })), "{records:?}");
}

#[actix::test]
async fn a_job_whose_predecessor_failed_is_skipped_and_says_so_once() {
    let mut stage = stage(ScriptedRunner::new(), false);
    stage.hear(0, EdgeOutcome::Failed);
    stage.hear_success(1);
    assert_eq!(stage.successor.next().await.outcome, EdgeOutcome::Skipped);
    assert!(matches!(stage.graph.next().await.report, JobReport::Skipped));
    assert!(stage.successor.drain().await.is_empty() && stage.graph.drain().await.is_empty());
    assert!(stage.jobs.ran().is_empty());
}

#[actix::test]
async fn a_node_asks_for_a_slot_and_gives_it_back_after_its_final_word() {
    let mut stage = stage(ScriptedRunner::new(), true);
    stage.hear_success(0);
    stage.hear_success(1);
    let wanted = stage.wanted.next().await;
    quiet().await;
    assert!(stage.jobs.ran().is_empty());
    wanted.reply.do_send(SlotGranted);
    stage.graph.next().await;
    let ticket = Ticket { run_id: 1, job: 2 };
    assert_eq!((wanted.ticket, stage.released.next().await.ticket), (ticket, ticket));
}

#[actix::test]
async fn a_node_that_is_stopped_in_line_leaves_the_line_and_never_starts() {
    let mut stage = stage(ScriptedRunner::new(), true);
    stage.hear_success(0);
    stage.hear_success(1);
    let wanted = stage.wanted.next().await;
    stage.node.do_send(StopJob);
    wanted.reply.do_send(SlotGranted);
    assert!(matches!(stage.graph.next().await.report, JobReport::Skipped));
    stage.released.next().await;
    quiet().await;
    assert!(stage.jobs.ran().is_empty());
}

#[actix::test]
async fn a_running_job_that_is_stopped_is_dropped_and_reported_as_cancelled() {
    let jobs = ScriptedRunner::new();
    let latch = Latch::new();
    jobs.step("3").waits_for(&latch);
    let mut stage = stage(jobs, true);
    stage.hear_success(0);
    stage.hear_success(1);
    stage.wanted.next().await.reply.do_send(SlotGranted);
    quiet().await;
    stage.node.do_send(StopJob);
    assert!(matches!(stage.graph.next().await.report, JobReport::Cancelled { .. }));
    assert_eq!(stage.successor.next().await.outcome, EdgeOutcome::Cancelled);
    assert_eq!(stage.jobs.only("3").end, Some(RanEnd::Dropped));
    stage.released.next().await;
    latch.open();
    assert!(stage.graph.drain().await.is_empty(), "one final word");
}

#[actix::test]
async fn a_panic_in_the_job_becomes_a_failure_with_its_text() {
    for at_once in [false, true] {
        let jobs = ScriptedRunner::new();
        if at_once {
            jobs.step("3").panics_at_once("boom 7");
        } else {
            jobs.step("3").panics("boom 7");
        }
        let mut stage = stage(jobs, false);
        stage.hear_success(0);
        stage.hear_success(1);
        let JobReport::Failed(failure) = stage.graph.next().await.report else { panic!("it has failed") };
        assert_eq!(failure.kind, FailureKind::StoppedUnexpectedly);
        assert!(failure.message.contains("boom 7"), "{failure}");
        assert_eq!(stage.successor.next().await.outcome, EdgeOutcome::Failed);
    }
}

#[actix::test]
async fn a_node_without_a_graph_still_tells_its_successors() {
    let mut stage = stage(ScriptedRunner::new(), false);
    drop(std::mem::replace(&mut stage.graph, probe()));
    quiet().await;
    stage.hear_success(0);
    stage.hear_success(1);
    assert!(matches!(stage.successor.next().await.outcome, EdgeOutcome::Succeeded(_)));
}
