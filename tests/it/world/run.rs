//! The shell of `GraphProgress`: `src/engine/graph_actor.rs`, `steering.rs` and `healing.rs` line by line.

use std::collections::{BTreeSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use orchestrator::engine::Traffic;
use orchestrator::engine::admission::Admission;
use orchestrator::engine::decisions::{begun_before, end_of, ends_as, has_node, said_to, starts_until};
use orchestrator::engine::messages::Verb;
use orchestrator::graph::JobIndex;
use orchestrator::graph::liveness::{Looks, Vitals};
use orchestrator::graph::node::Stage;
use orchestrator::graph::progress::{GraphAction, GraphProgress, JobEnd, JobState};
use orchestrator::ports::FailureKind;
use orchestrator::store::record::{Cause, RunOutcome};
use orchestrator::store::{JobPhase, Record, RunProgress};

use super::attempt::failure_of;
use super::book::Pending;
use super::node::Node;
use super::post::{Message, Post};
use super::{Life, Setting, World};

/// What the journal answers to a graph that wants to go on from it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ReadBack {
    pending: Pending,
    /// What was on the disk when it was the question's turn.
    pub(super) read: Option<Arc<RunProgress>>,
    /// Jobs whose final word the graph has not heard.
    pub(super) silent: BTreeSet<JobIndex>,
}

/// A living `GraphActor` with its nodes and what is on its way between them.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) before: Arc<RunProgress>,
    pub(super) progress: GraphProgress,
    /// Whether the graph holds the address of the job's node.
    nodes: Vec<bool>,
    pub(super) actors: Vec<Option<Node>>,
    pub(super) paused: bool,
    pub(super) traffic: Traffic,
    looks: Looks,
    pub(super) healing: Option<ReadBack>,
    /// Jobs without a node whose services are being told that they may stop.
    pub(super) unseen: Vec<JobIndex>,
    pub(super) first_cause: Option<(Option<JobIndex>, FailureKind)>,
    stops_as: RunOutcome,
    /// Whether nodes are still to be spawned.
    wiring: bool,
    finished: bool,
    pub(super) post: Post,
    pub(super) gate: Option<Admission>,
    pub(super) in_line: BTreeSet<JobIndex>,
}

impl Run {
    /// `GraphActor::new`.
    pub(super) fn new(setting: &Setting, before: Arc<RunProgress>) -> Self {
        let jobs = setting.jobs.len();
        Self {
            before,
            progress: GraphProgress::new(jobs, setting.on_failure),
            nodes: vec![false; jobs],
            actors: vec![None; jobs],
            paused: false,
            traffic: Traffic::default(),
            looks: Looks::default(),
            healing: None,
            unseen: Vec::new(),
            first_cause: None,
            stops_as: RunOutcome::Stopped,
            wiring: false,
            finished: false,
            post: Post::default(),
            gate: setting.slots.clone().map(Admission::new),
            in_line: BTreeSet::new(),
        }
    }

    /// One more record is on the disk.
    pub(super) fn on_commit(&mut self, durable: &Arc<RunProgress>) {
        for node in self.actors.iter_mut().flatten() {
            node.on_commit();
        }
        if let Some(read_back) = &mut self.healing {
            read_back.pending.step();
            if read_back.pending.is_on_disk() {
                read_back.read.get_or_insert_with(|| Arc::clone(durable));
            }
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        self.finished
    }

    pub(super) fn vitals(&self) -> Vitals {
        self.traffic.vitals(self.paused, self.progress.open())
    }

    pub(super) fn is_open(&self, job: JobIndex) -> bool {
        self.progress.state(job).is_some_and(|state| !state.is_terminal())
    }

    /// Whether a look changes anything, apart from time.
    pub(super) fn a_look_helps(&self) -> bool {
        let now = self.vitals();
        let mut looks = self.looks.clone();
        let diagnosis = looks.look(now);
        let remembers = looks.relative_to(now) != self.looks.relative_to(now);
        let nudges = now.at_gate > 0 || now.waits_for_resume();
        let repeats = (0..self.actors.len()).any(|job| self.has_missed_its_stop(job));
        !self.finished && !self.wiring && (remembers || nudges || repeats || diagnosis.is_some())
    }

    /// Whether a node has not heard that it is to stop. One that has does nothing at the second order.
    fn has_missed_its_stop(&self, job: JobIndex) -> bool {
        let hears = |node: &Node| !matches!(node.state.stage(), Stage::Stopping | Stage::Ended);
        self.progress.state(job) == Some(JobState::Stopping)
            && self.nodes[job]
            && self.actors[job].as_ref().is_some_and(hears)
    }
}

impl World {
    /// `GraphActor::started`.
    pub(super) fn start_life(&mut self, before: Arc<RunProgress>) {
        self.run = Run::new(&self.setting, before);
        self.life = Life::Living;
        let before = Arc::clone(&self.run.before);
        if let Some((outcome, cause)) = &before.stopping {
            self.run.stops_as = *outcome;
            self.run.first_cause = Some((None, cause.failure.kind));
            self.run.progress.was_stopped();
        }
        let mut left_over = Vec::new();
        for &job in &before.ended {
            left_over.extend(self.hear_from_journal(job, &before));
        }
        if before.finished.is_some() {
            return self.leave();
        }
        self.run.paused = before.paused_since.is_some();
        self.run.wiring = !self.deadline_passed;
        self.act_on(left_over);
        self.go_on_stopping(&before);
        self.arm_deadline();
        if std::mem::take(&mut self.run.wiring) {
            let setting = Arc::clone(&self.setting);
            for &job in setting.graph.topological().iter().rev() {
                if has_node(job, &before) {
                    self.run.nodes[job] = true;
                    self.spawn(job);
                }
            }
        }
    }

    fn hear_from_journal(&mut self, job: JobIndex, known: &RunProgress) -> Vec<GraphAction> {
        let known = &known.jobs[job];
        let end = end_of(known.phase);
        let actions = self.run.progress.on_job_finished(job, end);
        if let (None, Some(failure), JobEnd::Failed) = (&known.success, &known.failure, end) {
            self.run.first_cause.get_or_insert((Some(job), failure.kind));
        }
        actions
    }

    fn act_on(&mut self, actions: Vec<GraphAction>) {
        let mut to_do = VecDeque::from(actions);
        while let Some(action) = to_do.pop_front() {
            match action {
                GraphAction::StopJob(job) if self.run.nodes[job] => self.send_to_node(job, Message::Stop(job)),
                GraphAction::StopJob(job) => {
                    self.run.wiring = false;
                    if begun_before(job, &self.run.before).is_some() {
                        self.run.traffic.begins_to_tell();
                        self.run.unseen.push(job);
                    } else {
                        to_do.extend(self.run.progress.on_job_finished(job, JobEnd::Skipped));
                    }
                }
                GraphAction::FinishAnalysis(outcome) => self.finish(ends_as(outcome, self.run.stops_as)),
            }
        }
    }

    fn finish(&mut self, outcome: RunOutcome) {
        self.run.finished = true;
        self.check_the_end(outcome);
        let cause = self
            .run
            .first_cause
            .map(|(job, kind)| Cause { step: job.map(|job| job.to_string()), failure: failure_of(kind) });
        self.write(Record::AnalysisFinished { outcome, cause, elapsed_ms: 0 });
        self.check_the_fold();
        self.leave();
    }

    /// The actors are gone, and whatever is on its way to them.
    fn leave(&mut self) {
        self.life = Life::Over;
        self.asked.clear();
        self.run.finished = true;
    }

    /// `GraphActor::stop`.
    fn stop(&mut self, outcome: RunOutcome, kind: FailureKind) {
        if self.run.progress.open() == 0 || self.run.progress.is_stopped_from_outside() {
            return;
        }
        self.write(Record::Stopping { outcome, cause: Cause { step: None, failure: failure_of(kind) } });
        self.run.stops_as = outcome;
        self.run.first_cause.get_or_insert((None, kind));
        let actions = self.run.progress.stop();
        self.act_on(actions);
    }

    /// What an earlier life had begun to stop, or was asked to.
    fn go_on_stopping(&mut self, before: &RunProgress) {
        if before.stopping.is_some() {
            let actions = self.run.progress.stop();
            self.act_on(actions);
        } else if before.cancel_asked {
            self.steer(Verb::Cancel);
        }
    }

    /// `Handler<SteerRun>`.
    pub(super) fn steer(&mut self, verb: Verb) {
        match verb {
            _ if self.run.finished => {}
            Verb::Pause => self.pause(true),
            Verb::Resume => self.pause(false),
            Verb::Cancel => self.stop(RunOutcome::Cancelled, FailureKind::Cancelled),
        }
    }

    fn pause(&mut self, paused: bool) {
        if std::mem::replace(&mut self.run.paused, paused) == paused || paused {
            return;
        }
        for job in 0..self.jobs() {
            if self.run.nodes[job] {
                self.send_to_node(job, Message::Resume(job));
            }
        }
        self.arm_deadline();
    }

    pub(super) fn arm_deadline(&mut self) {
        if self.deadline_passed && !self.run.paused && !self.run.finished {
            self.stop(RunOutcome::Stopped, FailureKind::TimedOut);
        }
    }

    /// A service has been told about a job that has no node in this life: `let_go_unseen`.
    pub(super) fn is_let_go_unseen(&mut self, at: usize) {
        let job = self.run.unseen.remove(at);
        self.run.traffic.has_told();
        let known = &self.run.before.jobs[job];
        let (attempt, may_still_run) = (known.attempt, !starts_until(known, known.attempt).is_empty());
        self.write(Record::JobCancelled { job, attempt, may_still_run });
        let actions = self.run.progress.on_job_finished(job, JobEnd::Cancelled);
        self.act_on(actions);
    }

    /// `Handler<JobFinished>`.
    pub(super) fn graph_hears(&mut self, job: JobIndex, end: JobEnd) {
        self.run.traffic.receives();
        self.run.nodes[job] = false;
        let is_news = self.run.is_open(job);
        let actions = self.run.progress.on_job_finished(job, end);
        if is_news && end == JobEnd::Failed {
            self.run.first_cause.get_or_insert((Some(job), FailureKind::ServiceError));
        }
        self.act_on(actions);
    }

    /// `GraphActor::look_after`.
    pub(super) fn look_after(&mut self) {
        let now = self.run.vitals();
        let diagnosis = self.run.looks.look(now);
        self.run.post.grows_old();
        let nudges = now.at_gate > 0 || now.waits_for_resume();
        for job in 0..self.jobs() {
            if nudges && self.run.nodes[job] {
                self.send_to_node(job, Message::Nudge(job));
            }
            if self.run.has_missed_its_stop(job) {
                self.send_to_node(job, Message::Stop(job));
            }
        }
        if now.busy == 0 {
            for job in (0..self.jobs()).filter(|job| !self.run.is_open(*job)).collect::<Vec<_>>() {
                self.free_slot(job);
            }
        }
        if diagnosis.is_some() {
            let silent = |job: &JobIndex| self.run.nodes[*job] && self.run.actors[*job].is_none();
            let silent = (0..self.jobs()).filter(silent).collect();
            let read = self.book.tail.is_empty().then(|| Arc::clone(&self.book.durable));
            self.run.healing = Some(ReadBack { pending: self.book.after_everything(), read, silent });
        }
    }

    fn give_up(&mut self) {
        self.finds("I8: a run is given up although its journal says how it goes on");
        self.stop(RunOutcome::Failed, FailureKind::Stuck);
    }

    /// `GraphActor::go_on_from`.
    pub(super) fn go_on_from(&mut self, known: &RunProgress, silent: &BTreeSet<JobIndex>) {
        let Vitals { sent, received, .. } = self.run.vitals();
        self.run.traffic.gives_up_what_is_on_its_way();
        for &job in &known.ended {
            self.free_slot(job);
            if self.run.is_open(job) {
                self.run.nodes[job] = false;
                let actions = self.hear_from_journal(job, known);
                self.act_on(actions);
            }
        }
        for &job in silent {
            if self.run.is_open(job) {
                self.run.nodes[job] = false;
                let actions = self.run.progress.on_job_finished(job, JobEnd::Skipped);
                self.act_on(actions);
            }
        }
        if self.run.finished {
            return;
        }
        let now = Vitals { sent, received, ..self.run.vitals() };
        if !self.run.looks.heals(now, known.ended.len()) {
            return self.give_up();
        }
        for job in 0..self.jobs() {
            if self.run.is_open(job) {
                self.remind(job, known);
            }
        }
    }

    fn remind(&mut self, job: JobIndex, known: &RunProgress) {
        if !self.run.nodes[job] || self.run.actors[job].is_none() {
            return;
        }
        if !self.run.paused {
            self.send_to_node(job, Message::Resume(job));
        }
        if self.run.progress.state(job) == Some(JobState::Stopping) {
            self.send_to_node(job, Message::Stop(job));
        }
        let setting = Arc::clone(&self.setting);
        for (edge, outcome) in said_to(job, &setting.graph, known) {
            self.run.traffic.sends();
            self.send_to_node(job, Message::Input { from: None, to: job, edge, outcome });
        }
    }

    fn free_slot(&mut self, job: JobIndex) {
        if self.run.gate.is_some() {
            self.run.post.send(Message::Released { job, by_graph: true });
        }
    }

    /// Whether the fold and the graph agree about every job, now that the end is written.
    fn check_the_fold(&mut self) {
        for job in 0..self.jobs() {
            let phase = self.book.written.jobs[job].phase;
            let state = self.run.progress.state(job);
            let agrees = matches!(
                (phase, state),
                (JobPhase::Succeeded, Some(JobState::Succeeded))
                    | (JobPhase::Failed, Some(JobState::Failed))
                    | (JobPhase::Skipped, Some(JobState::Skipped))
                    | (JobPhase::Cancelled, Some(JobState::Cancelled))
            );
            if !agrees {
                self.finds("I10: the fold of the journal says something else about a job than its run");
            }
        }
    }
}

impl Hash for Run {
    /// Of the counts only their differences decide anything.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let now = self.vitals();
        (&self.before, &self.progress, &self.nodes, &self.actors, self.paused).hash(state);
        now.sent.wrapping_sub(now.received).hash(state);
        self.looks.relative_to(now).hash(state);
        (&self.healing, &self.unseen, self.first_cause, self.stops_as).hash(state);
        (self.finished, &self.post, &self.in_line).hash(state);
    }
}
