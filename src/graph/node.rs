//! One job from the first message of an edge to its final word: when it starts, is tried again, waits, stops.
//!
//! Pure: the actor tells it what happened and does what the answered [`Step`] says.

use super::EdgeId;
use super::inputs::{EdgeOutcome, InputBuffer, InputError};
use super::rules::Verdict;
use crate::chaos::{self, Bug};

/// Where a job stands. Only the last one is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Not every edge that matters has spoken.
    Waiting,
    /// It could start, but its run is paused.
    Held,
    /// Ready, asked for a slot.
    AtGate,
    /// An attempt is under way.
    Running,
    /// An attempt has failed, the next one begins after a wait.
    BackingOff,
    /// Told to stop after its first attempt had begun; services that may be at work on it are being told.
    Stopping,
    /// The final word has been said.
    Ended,
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// With a result.
    Succeeded,
    /// With a cause.
    Failed,
    /// Never started.
    Skipped,
    /// Stopped after its first attempt had begun.
    Cancelled,
}

/// What the actor has to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Nothing.
    Nothing,
    /// Ask for a slot; one that is not needed is granted at once.
    AskForSlot,
    /// Run the present attempt.
    Run,
    /// Write down that the present attempt has failed, then wait; the attempt counter is at the next one already.
    BackOff,
    /// Drop the attempt that is under way, if one is, and tell the services that may be at work on the job.
    LetGo,
    /// Say the final word, and stop.
    Conclude(End),
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptEnd {
    /// With a result.
    Succeeded,
    /// With a failure.
    Failed {
        /// Whether another attempt may end better.
        worth_a_retry: bool,
    },
}

/// Something without which a job does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unmet {
    /// Edges that have not spoken.
    Inputs,
    /// The end of a pause.
    Resume,
    /// A slot.
    Slot,
    /// The end of the wait before the next attempt.
    Wait,
}

/// The state of one job's node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeState {
    inputs: InputBuffer,
    stage: Stage,
    /// The attempt that is under way or comes next, from 1.
    attempt: u32,
    /// How many there may be.
    attempts: u32,
    /// Whether an attempt has begun, in this life of the process or an earlier one.
    begun: bool,
    /// Whether a service may be at work for the present attempt since an earlier life: a pause does not hold it back.
    at_work: bool,
}

impl NodeState {
    /// A job that has not begun any attempt.
    pub fn new(inputs: InputBuffer, attempts: u32) -> Self {
        Self { inputs, stage: Stage::Waiting, attempt: 1, attempts, begun: false, at_work: false }
    }

    /// The same after earlier lives of the process have come to this attempt.
    #[must_use]
    pub fn resumed_at(mut self, attempt: u32) -> Self {
        self.attempt = attempt.max(1);
        self.begun = attempt > 0;
        self
    }

    /// The same when the present attempt had intended a start by then: what runs goes on, whether the run is paused or not.
    #[must_use]
    pub fn found_at_work(mut self, at_work: bool) -> Self {
        self.at_work = at_work;
        self
    }

    /// The actor exists. `waits` when an earlier life of the process had begun to wait before the present attempt.
    pub fn on_started(&mut self, paused: bool, waits: bool) -> Step {
        match self.inputs.verdict() {
            Verdict::Start if waits => {
                self.stage = Stage::BackingOff;
                Step::Nothing
            }
            verdict => self.judge(verdict, paused),
        }
    }

    /// A predecessor speaks along an edge.
    ///
    /// *Errors*: an edge that does not lead here or has spoken already; nothing changes then.
    pub fn on_input(&mut self, edge: EdgeId, outcome: EdgeOutcome, paused: bool) -> Result<Step, InputError> {
        let verdict = self.inputs.accept(edge, outcome)?;
        Ok(if self.stage == Stage::Waiting { self.judge(verdict, paused) } else { Step::Nothing })
    }

    /// A slot is there. One that comes too late, twice or while the run is paused is given back by whoever holds it.
    pub fn on_slot(&mut self, paused: bool) -> Step {
        if self.stage != Stage::AtGate {
            return Step::Nothing;
        }
        if paused && !self.at_work {
            self.stage = Stage::Held;
            return Step::Nothing;
        }
        self.stage = Stage::Running;
        self.begun = true;
        self.at_work = false;
        Step::Run
    }

    /// An attempt has ended. The end of an older attempt, or of one that was let go, changes nothing.
    pub fn on_attempt_ended(&mut self, attempt: u32, end: AttemptEnd) -> Step {
        let stale = attempt != self.attempt && !chaos::seeded(Bug::AcceptOldAttempt);
        if self.stage != Stage::Running && !(chaos::seeded(Bug::AcceptOldAttempt) && self.stage == Stage::BackingOff) {
            return Step::Nothing;
        }
        match end {
            _ if stale => Step::Nothing,
            AttemptEnd::Succeeded => self.conclude(End::Succeeded),
            AttemptEnd::Failed { worth_a_retry: true } if self.attempt < self.attempts => {
                self.stage = Stage::BackingOff;
                self.attempt += 1;
                Step::BackOff
            }
            AttemptEnd::Failed { .. } => self.conclude(End::Failed),
        }
    }

    /// The wait before the present attempt is over.
    pub fn on_wait_over(&mut self, paused: bool) -> Step {
        if self.stage == Stage::BackingOff { self.pass_the_gate(paused) } else { Step::Nothing }
    }

    /// The run is not paused any more.
    pub fn on_resumed(&mut self) -> Step {
        if self.stage == Stage::Held { self.pass_the_gate(false) } else { Step::Nothing }
    }

    /// The job is not wanted any more.
    pub fn on_stop(&mut self) -> Step {
        match self.stage {
            Stage::Waiting | Stage::Held | Stage::AtGate if !self.begun => self.conclude(End::Skipped),
            // an attempt of an earlier life of the process may be at work, or one before the present attempt
            Stage::Waiting | Stage::Held | Stage::AtGate | Stage::Running | Stage::BackingOff => {
                self.stage = Stage::Stopping;
                Step::LetGo
            }
            Stage::Stopping | Stage::Ended => Step::Nothing,
        }
    }

    /// The services have been told that the job is not wanted any more, or cannot be told.
    pub fn on_let_go(&mut self) -> Step {
        if self.stage == Stage::Stopping { self.conclude(End::Cancelled) } else { Step::Nothing }
    }

    /// The actor dies: whatever happens, the final word is said once.
    pub fn on_died(&mut self) -> Step {
        if self.stage == Stage::Ended { Step::Nothing } else { self.conclude(End::Failed) }
    }

    /// Where the job stands.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// The attempt that is under way or comes next, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// What the job has heard.
    pub fn inputs(&self) -> &InputBuffer {
        &self.inputs
    }

    /// Everything that keeps the job from going on now. Nothing for one that is under way, is being stopped or has ended.
    pub fn unmet(&self, paused: bool) -> impl Iterator<Item = Unmet> {
        let of_stage = match self.stage {
            Stage::Waiting => Some(Unmet::Inputs),
            Stage::AtGate => Some(Unmet::Slot),
            Stage::BackingOff => Some(Unmet::Wait),
            Stage::Held | Stage::Running | Stage::Stopping | Stage::Ended => None,
        };
        let pause_counts = matches!(self.stage, Stage::Held) || (of_stage.is_some() && paused && !self.at_work);
        of_stage.into_iter().chain(pause_counts.then_some(Unmet::Resume))
    }

    /// Whether a slot is in use or asked for.
    pub fn needs_slot(&self) -> bool {
        matches!(self.stage, Stage::AtGate | Stage::Running | Stage::Stopping)
    }

    /// Whether something will happen to the job without any message of its graph: an attempt, a wait or a service that is
    /// being told.
    pub fn is_busy(&self) -> bool {
        matches!(self.stage, Stage::Running | Stage::BackingOff | Stage::Stopping)
    }

    fn judge(&mut self, verdict: Verdict, paused: bool) -> Step {
        match verdict {
            Verdict::Wait => Step::Nothing,
            Verdict::Start => self.pass_the_gate(paused),
            Verdict::Skip => self.conclude(End::Skipped),
        }
    }

    fn pass_the_gate(&mut self, paused: bool) -> Step {
        if paused && !self.at_work {
            self.stage = Stage::Held;
            Step::Nothing
        } else {
            self.stage = Stage::AtGate;
            Step::AskForSlot
        }
    }

    fn conclude(&mut self, end: End) -> Step {
        self.stage = Stage::Ended;
        Step::Conclude(end)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::graph::inputs::JobOutput;
    use crate::playbook::When;

    fn node(edges: u32, attempts: u32) -> NodeState {
        let incoming = (0..edges).map(|edge| (EdgeId(edge), edge as usize));
        NodeState::new(InputBuffer::new(When::AllSuccess, incoming), attempts)
    }

    fn success() -> EdgeOutcome {
        EdgeOutcome::Succeeded(Arc::new(JobOutput { producer: 0, path: "t/x".to_owned() }))
    }

    fn running(attempts: u32) -> NodeState {
        let mut node = node(0, attempts);
        assert_eq!(node.on_started(false, false), Step::AskForSlot);
        assert_eq!(node.on_slot(false), Step::Run);
        node
    }

    const WORTH_IT: AttemptEnd = AttemptEnd::Failed { worth_a_retry: true };

    #[test]
    fn a_job_starts_when_its_last_edge_has_spoken() {
        let mut node = node(2, 1);
        assert_eq!(node.on_started(false, false), Step::Nothing);
        assert_eq!(node.on_input(EdgeId(1), success(), false), Ok(Step::Nothing));
        assert_eq!(node.on_input(EdgeId(1), success(), false), Err(InputError::RepeatedEdge(EdgeId(1))));
        assert_eq!(node.on_input(EdgeId(0), success(), false), Ok(Step::AskForSlot));
        assert_eq!(node.on_slot(false), Step::Run);
        assert_eq!(node.on_slot(false), Step::Nothing, "a second slot starts nothing");
        assert_eq!(node.on_attempt_ended(1, AttemptEnd::Succeeded), Step::Conclude(End::Succeeded));
        assert_eq!(node.on_attempt_ended(1, WORTH_IT), Step::Nothing);
    }

    #[test]
    fn a_failed_attempt_is_followed_by_the_next_until_there_are_no_more() {
        let mut node = running(2);
        assert_eq!(node.on_attempt_ended(1, WORTH_IT), Step::BackOff);
        assert_eq!((node.attempt(), node.needs_slot()), (2, false));
        assert_eq!(node.on_attempt_ended(1, AttemptEnd::Succeeded), Step::Nothing, "the first attempt is over");
        assert_eq!(node.on_wait_over(false), Step::AskForSlot);
        assert_eq!(node.on_slot(false), Step::Run);
        assert_eq!(node.on_attempt_ended(1, AttemptEnd::Succeeded), Step::Nothing, "the first attempt is over");
        assert_eq!(node.on_attempt_ended(2, WORTH_IT), Step::Conclude(End::Failed));
    }

    #[test]
    fn a_failure_that_no_attempt_can_mend_is_final() {
        let end = AttemptEnd::Failed { worth_a_retry: false };
        assert_eq!(running(9).on_attempt_ended(1, end), Step::Conclude(End::Failed));
    }

    #[test]
    fn a_paused_run_starts_nothing_and_goes_on_where_it_was() {
        let mut node = node(0, 2);
        assert_eq!(node.on_started(true, false), Step::Nothing);
        assert_eq!(node.on_resumed(), Step::AskForSlot);
        assert_eq!(node.on_slot(true), Step::Nothing, "paused while it stood in line");
        assert!(!node.needs_slot());
        assert_eq!(node.on_resumed(), Step::AskForSlot);
        assert_eq!(node.on_slot(false), Step::Run);
        assert_eq!(node.on_attempt_ended(1, WORTH_IT), Step::BackOff);
        assert_eq!(node.on_wait_over(true), Step::Nothing);
        assert_eq!(node.stage(), Stage::Held);
    }

    #[test]
    fn a_stop_ends_what_has_begun_as_cancelled_and_the_rest_as_skipped() {
        assert_eq!(node(1, 1).on_stop(), Step::Conclude(End::Skipped));
        let mut node = running(2);
        assert_eq!(node.on_stop(), Step::LetGo);
        assert_eq!(node.on_attempt_ended(1, AttemptEnd::Succeeded), Step::Nothing, "it was let go");
        assert_eq!(node.on_stop(), Step::Nothing);
        assert_eq!(node.on_let_go(), Step::Conclude(End::Cancelled));
        let mut waiting = running(2);
        waiting.on_attempt_ended(1, WORTH_IT);
        assert_eq!(waiting.on_stop(), Step::LetGo, "its first attempt may be at work");
        assert_eq!(waiting.on_wait_over(false), Step::Nothing);
        assert_eq!(waiting.on_let_go(), Step::Conclude(End::Cancelled));
    }

    #[test]
    fn a_stop_reaches_what_an_earlier_life_of_the_process_has_begun() {
        let mut node = node(0, 1).resumed_at(1);
        assert_eq!(node.on_started(false, false), Step::AskForSlot);
        assert_eq!(node.on_stop(), Step::LetGo);
        assert_eq!(node.on_slot(false), Step::Nothing);
        assert_eq!(node.on_let_go(), Step::Conclude(End::Cancelled));
    }

    #[test]
    fn a_resumed_job_goes_on_with_its_attempt_and_its_wait() {
        let mut node = node(0, 3).resumed_at(2);
        assert_eq!(node.on_started(false, true), Step::Nothing);
        assert_eq!(node.stage(), Stage::BackingOff);
        assert_eq!(node.on_wait_over(false), Step::AskForSlot);
        assert_eq!(node.on_slot(false), Step::Run);
        assert_eq!(node.on_attempt_ended(2, WORTH_IT), Step::BackOff);
        assert_eq!(node.attempt(), 3);
    }

    #[test]
    fn a_pause_holds_back_what_would_begin_and_not_what_was_found_at_work() {
        let mut node = node(0, 2).resumed_at(1).found_at_work(true);
        assert_eq!(node.on_started(true, false), Step::AskForSlot);
        assert_eq!(node.on_slot(true), Step::Run);
        assert_eq!(node.on_attempt_ended(1, WORTH_IT), Step::BackOff);
        assert_eq!(node.on_wait_over(true), Step::Nothing);
        assert_eq!(node.stage(), Stage::Held);
    }

    #[test]
    fn who_dies_says_one_last_word() {
        let mut node = running(1);
        assert_eq!(node.on_died(), Step::Conclude(End::Failed));
        assert_eq!(node.on_died(), Step::Nothing);
    }
}
