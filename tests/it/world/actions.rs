//! Everything that can happen next, and its happening.

use orchestrator::engine::messages::Verb;
use orchestrator::graph::JobIndex;
use orchestrator::store::Record;

use super::attempt::{Doing, Fate};
use super::outside::Working;
use super::post::Message;
use super::{Faults, Life, World};

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// The client submits the run.
    Submit,
    /// The acceptance is durable, the run begins.
    Begin,
    /// So many records that wait reach the disk.
    Commit(usize),
    /// An attempt goes a step on.
    Work(JobIndex, Fate),
    /// The last step of an attempt; its end is heard twice.
    EndsTwice(JobIndex),
    /// An attempt reaches its time limit.
    TimesOut(JobIndex),
    /// The wait before an attempt is over.
    WaitIsOver(JobIndex),
    /// A service has been told that it may stop.
    LetGo(JobIndex),
    /// The same for a job without a node.
    LetGoUnseen(usize),
    /// A message arrives.
    Deliver(usize),
    /// A message is lost.
    Drop(usize),
    /// A message comes twice.
    Double(usize),
    /// A service ends a job, well or badly.
    ServiceEnds(usize, bool),
    /// A start arrives that nobody waits for any more.
    StrayArrives(usize),
    /// The graph looks whether its run can go on.
    Look,
    /// The graph has read the journal back.
    GoOn,
    /// Somebody asks for something.
    Ask(Verb),
    /// What was asked is durable and reaches the run.
    Steer(usize),
    /// The deadline of the run passes.
    DeadlinePasses,
    /// The actor of a node dies.
    Dies(JobIndex),
    /// The process dies when so many of the records that wait are on the disk.
    Crash(usize),
}

impl Action {
    /// Whether it is something that should not happen, or that somebody decides: without it the run has to end, too.
    pub(super) fn is_fault(self) -> bool {
        match self {
            Action::Work(_, fate) => fate != Fate::Answered,
            Action::EndsTwice(_)
            | Action::TimesOut(_)
            | Action::Drop(_)
            | Action::Double(_)
            | Action::Ask(Verb::Pause | Verb::Cancel)
            | Action::DeadlinePasses
            | Action::Dies(_)
            | Action::Crash(_) => true,
            _ => false,
        }
    }
}

impl World {
    /// Everything that can happen now.
    pub(super) fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        match self.life {
            Life::Unknown => actions.push(Action::Submit),
            Life::Accepting(pending) if pending.is_acknowledged() => actions.push(Action::Begin),
            Life::Accepting(_) | Life::Over => {}
            Life::Living => self.actions_of_the_run(&mut actions),
        }
        self.actions_around(&mut actions);
        actions
    }

    fn actions_around(&self, actions: &mut Vec<Action>) {
        let waiting = self.book.tail.len();
        let fewest = if self.setting.fine { 1 } else { waiting.max(1) };
        actions.extend((fewest..=waiting).map(Action::Commit));
        if self.life != Life::Unknown && self.faults.crashes > 0 && !self.is_over() {
            actions.extend((0..=waiting).map(Action::Crash));
        }
        for (at, started) in self.outside.started.iter().enumerate() {
            if started.working == Working::AtWork {
                actions.push(Action::ServiceEnds(at, true));
                if self.setting.may_fail {
                    actions.push(Action::ServiceEnds(at, false));
                }
            }
        }
        actions.extend((0..self.outside.strays.len()).map(Action::StrayArrives));
    }

    fn actions_of_the_run(&self, actions: &mut Vec<Action>) {
        for job in 0..self.jobs() {
            self.actions_of_job(job, actions);
        }
        self.actions_of_the_post(actions);
        let Faults { cancels, pauses, deadlines, .. } = self.faults;
        let everything_has_arrived =
            if self.setting.fine { !self.run.post.has_old() } else { self.run.post.len() == 0 };
        if everything_has_arrived && self.run.a_look_helps() {
            actions.push(Action::Look);
        }
        let is_read = self.run.healing.as_ref().is_some_and(|read_back| read_back.read.is_some());
        if everything_has_arrived && is_read {
            actions.push(Action::GoOn);
        }
        actions.extend((0..self.run.unseen.len()).map(Action::LetGoUnseen));
        let asks_resume = self.asked.iter().any(|(verb, _)| *verb == Verb::Resume);
        let is_paused = self.book.written.paused_since.is_some();
        if is_paused && !asks_resume {
            actions.push(Action::Ask(Verb::Resume));
        }
        if pauses > 0 && !is_paused {
            actions.push(Action::Ask(Verb::Pause));
        }
        if cancels > 0 {
            actions.push(Action::Ask(Verb::Cancel));
        }
        let durable = |at: &usize| self.asked[*at].1.is_acknowledged();
        actions.extend((0..self.asked.len()).filter(durable).map(Action::Steer));
        if deadlines > 0 && !self.run.paused {
            actions.push(Action::DeadlinePasses);
        }
    }

    fn actions_of_job(&self, job: JobIndex, actions: &mut Vec<Action>) {
        let Some(node) = &self.run.actors[job] else { return };
        let Faults { lost_replies, time_limits, duplicates, panics, .. } = self.faults;
        if node.waits {
            actions.push(Action::WaitIsOver(job));
        }
        if node.letting_go.is_some() {
            actions.push(Action::LetGo(job));
        }
        if panics > 0 {
            actions.push(Action::Dies(job));
        }
        let Some(attempt) = &node.attempt else { return };
        if self.can_work(job, &attempt.doing) {
            actions.push(Action::Work(job, Fate::Answered));
            match &attempt.doing {
                Doing::Sending { .. } if lost_replies > 0 => {
                    actions.extend([Fate::AnswerLost, Fate::Lost, Fate::Late].map(|fate| Action::Work(job, fate)));
                }
                Doing::Following { wire, .. } if duplicates > 0 && self.outside.progress(*wire).is_some() => {
                    actions.push(Action::EndsTwice(job));
                }
                _ => {}
            }
        }
        if time_limits > 0 && matches!(attempt.doing, Doing::Following { .. } | Doing::AwaitingEvidence) {
            actions.push(Action::TimesOut(job));
        }
    }

    fn actions_of_the_post(&self, actions: &mut Vec<Action>) {
        let post = &self.run.post;
        for at in 0..post.len() {
            let message = post.message(at);
            if post.is_next(at) {
                actions.push(Action::Deliver(at));
            }
            let may_suffer = message.is_word_of_an_end() || !self.setting.only_words_get_lost;
            if may_suffer && self.faults.drops > 0 {
                actions.push(Action::Drop(at));
            }
            if may_suffer && self.faults.duplicates > 0 {
                actions.push(Action::Double(at));
            }
        }
    }

    /// Lets it happen.
    pub(super) fn apply(&mut self, action: Action) {
        match action {
            Action::Submit => self.submit(),
            Action::Begin => self.begin(),
            Action::Commit(records) => self.commit(records),
            Action::Work(job, fate) => {
                self.faults.lost_replies -= u8::from(fate != Fate::Answered);
                self.work(job, fate, false);
            }
            Action::EndsTwice(job) => {
                self.faults.duplicates -= 1;
                self.work(job, Fate::Answered, true);
            }
            Action::TimesOut(job) => {
                self.faults.time_limits -= 1;
                let number = self.attempt(job).number;
                self.attempt_ended(job, number, Err(orchestrator::ports::FailureKind::TimedOut));
            }
            Action::WaitIsOver(job) => self.wait_is_over(job),
            Action::LetGo(job) => self.is_let_go(job),
            Action::LetGoUnseen(at) => self.is_let_go_unseen(at),
            Action::Deliver(at) => self.deliver(at),
            Action::Drop(at) => {
                self.faults.drops -= 1;
                self.run.post.take(at);
            }
            Action::Double(at) => {
                self.faults.duplicates -= 1;
                let message = self.run.post.message(at).clone();
                if message.is_word_of_an_end() {
                    // no mailbox doubles anything: it was sent twice
                    self.run.traffic.sends();
                }
                self.run.post.send(message);
            }
            Action::ServiceEnds(at, well) => {
                let job = self.outside.started[at].wire.job;
                let service = self.service(job).expect("who was sent something is a service");
                self.outside.ends(at, well, service);
            }
            Action::StrayArrives(at) => self.stray_arrives(at),
            Action::Look => self.look_after(),
            Action::GoOn => {
                let read_back = self.run.healing.take().expect("the journal is being read");
                let known = read_back.read.expect("it has been read");
                self.go_on_from(&known, &read_back.silent);
            }
            Action::Ask(verb) => self.ask_for(verb),
            Action::Steer(at) => {
                let (verb, _) = self.asked.remove(at);
                if verb != Verb::Cancel {
                    // older ones come to nothing
                    let mut asked_before = at;
                    self.asked.retain(|(verb, _)| {
                        let is_older = asked_before > 0;
                        asked_before = asked_before.saturating_sub(1);
                        !is_older || *verb == Verb::Cancel
                    });
                }
                self.steer(verb);
            }
            Action::DeadlinePasses => {
                self.faults.deadlines -= 1;
                self.deadline_passed = true;
                self.arm_deadline();
            }
            Action::Dies(job) => {
                self.faults.panics -= 1;
                self.dies(job);
            }
            Action::Crash(kept) => {
                self.faults.crashes -= 1;
                self.crash(kept);
            }
        }
    }

    fn deliver(&mut self, at: usize) {
        let message = self.run.post.take(at);
        match message {
            Message::Finished { job, end } => self.graph_hears(job, end),
            Message::Wanted(_) | Message::Released { .. } => self.gate_hears(&message),
            Message::Input { to: job, .. }
            | Message::Stop(job)
            | Message::Resume(job)
            | Message::Nudge(job)
            | Message::Granted(job)
            | Message::Again { job, .. } => self.node_hears(job, message),
        }
    }

    fn stray_arrives(&mut self, at: usize) {
        let wire = self.outside.strays.remove(at);
        let service = self.service(wire.job).expect("who was sent something is a service");
        self.outside.arrives(service, wire);
        self.check_starts(wire.job, wire.attempt);
    }

    /// `SteerAnalysis`: what was asked is durable before anything follows from it.
    fn ask_for(&mut self, verb: Verb) {
        let record = match verb {
            Verb::Pause => {
                self.faults.pauses -= 1;
                Record::PauseAsked
            }
            Verb::Resume => Record::ResumeAsked,
            Verb::Cancel => {
                self.faults.cancels -= 1;
                Record::CancelAsked
            }
        };
        let pending = self.book.append(record);
        self.asked.push((verb, pending));
    }
}
