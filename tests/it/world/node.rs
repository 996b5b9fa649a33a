//! The shell of `NodeState`: `src/engine/node_actor.rs` line by line.

use std::sync::Arc;

use orchestrator::engine::CountedAs;
use orchestrator::engine::admission::Request;
use orchestrator::engine::decisions::{has_node, left_before, left_by, node_of, said_to, starts_of};
use orchestrator::engine::messages::{JobReport, Ticket};
use orchestrator::graph::JobIndex;
use orchestrator::graph::inputs::InputBuffer;
use orchestrator::graph::node::{AttemptEnd, End, NodeState, Stage, Step};
use orchestrator::playbook::TenantId;
use orchestrator::ports::{FailureKind, JobFailure, KnownStart};
use orchestrator::store::Record;

use super::World;
use super::attempt::{self, Attempt, Doing, failure_of, success_of};
use super::post::Message;

/// A living `NodeActor`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Node {
    pub(super) state: NodeState,
    pub(super) attempt: Option<Attempt>,
    /// Starts of earlier attempts that a service may be at work on.
    pub(super) left: Vec<KnownStart>,
    /// Whether the timer of a wait is set.
    pub(super) waits: bool,
    /// While a service is being told that it may stop: whether it may be at work all the same.
    pub(super) letting_go: Option<bool>,
    holds_ticket: bool,
    counted_as: CountedAs,
}

impl Node {
    /// One more record is on the disk.
    pub(super) fn on_commit(&mut self) {
        if let Some(Attempt { doing: Doing::Preparing(pending) | Doing::Sending { intent: pending, .. }, .. }) =
            &mut self.attempt
        {
            pending.step();
        }
    }
}

impl World {
    pub(super) fn node(&mut self, job: JobIndex) -> &mut Node {
        self.run.actors[job].as_mut().expect("the actor is alive")
    }

    /// `Wiring::spawn`, `NodeActor::new` and `NodeActor::started`.
    pub(super) fn spawn(&mut self, job: JobIndex) {
        let setting = Arc::clone(&self.setting);
        let before = Arc::clone(&self.run.before);
        let mut inputs = InputBuffer::new(setting.jobs[job].when, setting.graph.incoming(job));
        if !before.ended.is_empty() {
            for (edge, outcome) in said_to(job, &setting.graph, &before) {
                if inputs.accept(edge, outcome).is_err() {
                    self.finds("I7: the journal tells of an edge twice");
                }
            }
        }
        let mut state = node_of(job, inputs, setting.jobs[job].attempts, &before);
        let waits = before.jobs.get(job).is_some_and(|known| known.retry_at.is_some());
        let step = state.on_started(self.run.paused, waits);
        let waits = waits && state.stage() == Stage::BackingOff;
        let left = before.jobs.get(job).map_or_else(Vec::new, |known| left_before(known, state.attempt()));
        let (attempt, letting_go, counted_as) = (None, None, CountedAs::default());
        self.run.actors[job] = Some(Node { state, attempt, left, waits, letting_go, holds_ticket: false, counted_as });
        self.act(job, step, None);
    }

    /// `NodeActor::act_on`.
    fn act(&mut self, job: JobIndex, step: Step, report: Option<JobReport>) {
        match step {
            Step::Nothing => {}
            Step::AskForSlot => self.ask_for_slot(job),
            Step::Run => self.begin_attempt(job),
            Step::BackOff => self.back_off(job, report),
            Step::LetGo => self.let_go(job),
            Step::Conclude(end) => self.conclude(job, end, report),
        }
        self.settle(job);
    }

    fn settle(&mut self, job: JobIndex) {
        let Some(node) = &mut self.run.actors[job] else { return };
        node.counted_as = self.run.traffic.recount(node.counted_as, &node.state);
        if node.holds_ticket && !node.state.needs_slot() {
            node.holds_ticket = false;
            self.run.post.send(Message::Released { job, by_graph: false });
        }
        if node.state.stage() == Stage::Ended {
            self.run.actors[job] = None;
            self.run.post.burn(job);
        }
    }

    fn ask_for_slot(&mut self, job: JobIndex) {
        if self.service(job).is_some() && self.run.gate.is_some() {
            self.node(job).holds_ticket = true;
            self.run.post.send(Message::Wanted(job));
        } else {
            let paused = self.run.paused;
            let step = self.node(job).state.on_slot(paused);
            self.act(job, step, None);
        }
    }

    pub(super) fn attempt_ended(&mut self, job: JobIndex, number: u32, result: attempt::Result) {
        let node = self.node(job);
        if let (Some(attempt), Err(kind)) = (node.attempt.take(), result) {
            node.left.extend(left_by(attempt.starts, kind));
        }
        self.hear_end(job, number, attempt::end_of(result), result.err().map(failure_of));
    }

    pub(super) fn hear_end(&mut self, job: JobIndex, number: u32, end: AttemptEnd, failure: Option<JobFailure>) {
        let report = match failure {
            None => JobReport::Succeeded(Arc::new(success_of(job))),
            Some(failure) => JobReport::Failed(failure),
        };
        let step = self.node(job).state.on_attempt_ended(number, end);
        self.act(job, step, Some(report));
    }

    fn back_off(&mut self, job: JobIndex, report: Option<JobReport>) {
        let Some(JobReport::Failed(failure)) = report else { return };
        let attempt = self.node(job).state.attempt() - 1;
        self.write(Record::JobRetrying { job, attempt, failure, wait_ms: 1 });
        self.node(job).waits = true;
    }

    pub(super) fn wait_is_over(&mut self, job: JobIndex) {
        let paused = self.run.paused;
        let node = self.node(job);
        node.waits = false;
        let step = node.state.on_wait_over(paused);
        self.act(job, step, None);
    }

    fn let_go(&mut self, job: JobIndex) {
        let before = Arc::clone(&self.run.before);
        let node = self.node(job);
        let present = match node.attempt.take() {
            Some(attempt) => attempt.starts,
            None => {
                let number = node.state.attempt();
                before.jobs.get(job).map_or_else(Vec::new, |known| starts_of(known, number))
            }
        };
        let left = std::mem::take(&mut node.left);
        node.letting_go = Some(!left.is_empty() || !present.is_empty());
    }

    pub(super) fn is_let_go(&mut self, job: JobIndex) {
        let node = self.node(job);
        let may_still_run = node.letting_go.take().unwrap_or(false);
        let step = node.state.on_let_go();
        self.act(job, step, Some(JobReport::Cancelled { may_still_run }));
    }

    /// `NodeActor::conclude`.
    fn conclude(&mut self, job: JobIndex, end: End, report: Option<JobReport>) {
        let report = JobReport::of(end, report);
        let (attempt, missing) = {
            let state = &self.node(job).state;
            (state.attempt(), state.inputs().tally().missing())
        };
        if let Some(record) = report.record(job, attempt, self.setting.on_failure) {
            self.write(record);
        }
        let outcome = report.outcome();
        self.run.traffic.writes_off(missing);
        let setting = Arc::clone(&self.setting);
        for (edge, to) in setting.graph.outgoing(job) {
            if has_node(to, &self.run.before) {
                self.run.traffic.sends();
                self.send_to_node(to, Message::Input { from: Some(job), to, edge, outcome: outcome.clone() });
            }
        }
        self.run.traffic.sends();
        self.run.post.send(Message::Finished { job, end: report.end() });
    }

    /// `NodeActor::stopped` while unwinding.
    pub(super) fn dies(&mut self, job: JobIndex) {
        if let Step::Conclude(end) = self.node(job).state.on_died() {
            self.conclude(job, end, None);
            self.settle(job);
        }
    }

    /// What is sent to an actor that has ended is lost by design.
    pub(super) fn send_to_node(&mut self, job: JobIndex, message: Message) {
        if self.run.actors[job].is_some() {
            self.run.post.send(message);
        }
    }

    /// A message arrives at a node.
    pub(super) fn node_hears(&mut self, job: JobIndex, message: Message) {
        let paused = self.run.paused;
        let state = &mut self.node(job).state;
        let step = match message {
            Message::Input { edge, outcome, .. } => {
                let step = state.on_input(edge, outcome, paused);
                self.run.traffic.receives();
                self.check_tally(job);
                step.unwrap_or(Step::Nothing)
            }
            Message::Granted(_) => state.on_slot(paused),
            Message::Resume(_) => state.on_resumed(),
            Message::Stop(_) => state.on_stop(),
            Message::Nudge(_) if state.stage() == Stage::AtGate => return self.ask_for_slot(job),
            Message::Nudge(_) if state.stage() == Stage::Held && !paused => state.on_resumed(),
            Message::Again { attempt, end, .. } => {
                let failure = (end != AttemptEnd::Succeeded).then(|| failure_of(FailureKind::ServiceError));
                return self.hear_end(job, attempt, end, failure);
            }
            _ => Step::Nothing,
        };
        self.act(job, step, None);
    }

    /// A message arrives at the gate: `AnalysisSupervisor`.
    pub(super) fn gate_hears(&mut self, message: &Message) {
        let ticket_of = |job: JobIndex| Ticket { run_id: 1, job: job as u32 };
        let Some(gate) = &mut self.run.gate else { return };
        let granted = match *message {
            Message::Wanted(job) => {
                let request = Request {
                    ticket: ticket_of(job),
                    tenant: TenantId::parse("metis").expect("a legal tenant"),
                    service: self.setting.jobs[job].service.expect("only who calls somebody asks"),
                    max_parallel: self.setting.max_parallel,
                    priority: 5,
                    since: actix::clock::Instant::now(),
                };
                if gate.ask(request) {
                    vec![ticket_of(job)]
                } else {
                    self.run.in_line.insert(job);
                    Vec::new()
                }
            }
            Message::Released { job, .. } => {
                self.run.in_line.remove(&job);
                let granted = gate.release(ticket_of(job));
                granted.into_iter().filter(|ticket| self.run.in_line.remove(&(ticket.job as usize))).collect()
            }
            _ => Vec::new(),
        };
        for ticket in granted {
            let job = ticket.job as usize;
            self.send_to_node(job, Message::Granted(job));
        }
    }
}
