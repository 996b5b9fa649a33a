//! What must never happen (`reliability.md` calls them I1 to I20): looked for whenever something happens that could break it,
//! against rules that are written down here once more and simpler.

use orchestrator::graph::JobIndex;
use orchestrator::graph::inputs::JobOutput;
use orchestrator::playbook::job::Service;
use orchestrator::playbook::{OnFailure, When};
use orchestrator::ports::FailureKind;
use orchestrator::store::record::RunOutcome;
use orchestrator::store::{JobPhase, Record};

use super::World;
use super::attempt::OF_A_RETRY;
use super::outside::Wire;

impl World {
    /// Writes what a node or the graph says about a job or the run, after a look at whether it may be said.
    pub(super) fn write(&mut self, record: Record) {
        let said = match &record {
            Record::JobSucceeded { job, attempt, .. } => Some((*job, *attempt)),
            Record::JobFailed { job, attempt, .. } | Record::JobRetrying { job, attempt, .. } => Some((*job, *attempt)),
            Record::JobSkipped { job } | Record::JobCancelled { job, .. } => Some((*job, u32::MAX)),
            _ => None,
        };
        if self.book.written.finished.is_some() {
            self.finds("I6: something is said about a run that is over");
        }
        if let Some((job, attempt)) = said {
            self.check_word(job, attempt, &record);
        }
        self.book.append(record);
    }

    fn check_word(&mut self, job: JobIndex, attempt: u32, record: &Record) {
        let known = &self.book.written.jobs[job];
        if known.phase.is_terminal() {
            return self.finds("I6: a job ends twice");
        }
        if attempt < known.attempt {
            return self.finds("I20: an attempt speaks after a later one has begun");
        }
        let service = self.service(job);
        // asked of successes only: who was skipped or cancelled speaks for no attempt
        let did = || match service {
            None => true,
            // the evidence does not say which attempt has left it
            Some(Service::Spark) => (1..=attempt).any(|attempt| self.outside.did(job, attempt)),
            Some(_) => self.outside.did(job, attempt),
        };
        match record {
            Record::JobSucceeded { .. } if !did() => self.finds("I20: a job succeeds by an attempt that did not"),
            Record::JobRetrying { .. } | Record::JobFailed { .. }
                if service.is_some() && !self.has_begun(job, attempt) && !self.has_died(record) =>
            {
                self.finds("I20: an attempt fails that has not begun");
            }
            Record::JobCancelled { may_still_run: false, .. } if self.is_secretly_at_work(job) => {
                self.finds("I5: a job is said to have stopped that a service is at work on");
            }
            _ => {}
        }
    }

    /// Whether a service is at work on a job of which no start was said to be ambiguous.
    fn is_secretly_at_work(&self, job: JobIndex) -> bool {
        let mut warnings = self.book.written.warnings.iter();
        let at_work =
            (1..=self.book.written.jobs[job].attempt).any(|attempt| self.outside.is_attempt_at_work(job, attempt));
        at_work && !warnings.any(|warning| warning.job == Some(job) && warning.text != OF_A_RETRY)
    }

    fn has_died(&self, record: &Record) -> bool {
        matches!(record, Record::JobFailed { failure, .. } if failure.kind == FailureKind::StoppedUnexpectedly)
    }

    fn has_begun(&self, job: JobIndex, attempt: u32) -> bool {
        let known = &self.book.written.jobs[job];
        known.attempt == attempt && known.attempt_began.is_some()
    }

    /// An attempt begins.
    pub(super) fn check_start(&mut self, job: JobIndex, attempt: u32) {
        if self.run.is_finished() || self.book.written.finished.is_some() {
            self.finds("I6: a job starts in a run that is over");
        }
        if attempt < self.book.written.jobs[job].attempt {
            self.finds("I20: an attempt begins after a later one has");
        }
        if !self.rule_is_met(job) {
            self.finds("I6: a job starts whose rule is not met");
        }
        let stops = self.setting.on_failure == OnFailure::Stop;
        if stops && self.run.before.jobs.iter().any(|known| known.phase == JobPhase::Failed) {
            self.finds("I19: a job starts in a life that begins with a failure");
        }
        let setting = std::sync::Arc::clone(&self.setting);
        let inputs = self.node(job).state.inputs().inputs(&setting.jobs[job].inputs);
        let heard = |from: &&JobIndex| self.book.written.jobs[**from].phase == JobPhase::Succeeded;
        let expected = setting.jobs[job].inputs.iter().filter(heard).map(|from| super::attempt::success_of(*from));
        let expected: Vec<JobOutput> = expected.map(|success| success.output.as_ref().clone()).collect();
        let is_complete = matches!(self.setting.jobs[job].when, When::AllSuccess | When::AllDone | When::NoneFailed);
        if is_complete && !inputs.iter().map(AsRef::as_ref).eq(&expected) {
            self.finds("I7: a job starts with other inputs than its predecessors have made");
        }
    }

    /// The truth table of `when` over what the journal says of the predecessors.
    fn rule_is_met(&self, job: JobIndex) -> bool {
        let phase = |from: JobIndex| self.book.written.jobs[from].phase;
        let mut phases = self.setting.graph.incoming(job).map(|(_, from)| phase(from)).peekable();
        phases.peek().is_none()
            || match self.setting.jobs[job].when {
                When::AllSuccess => phases.all(|phase| phase == JobPhase::Succeeded),
                When::AllDone => phases.all(JobPhase::is_terminal),
                When::OneSuccess => phases.any(|phase| phase == JobPhase::Succeeded),
                When::OneFailed => phases.any(|phase| phase == JobPhase::Failed),
                When::NoneFailed => phases.all(|phase| phase.is_terminal() && phase != JobPhase::Failed),
            }
    }

    /// A node has counted a message.
    pub(super) fn check_tally(&mut self, job: JobIndex) {
        let tally = self.node(job).state.inputs().tally();
        let edges = self.setting.graph.incoming(job);
        let spoken = edges.filter(|(_, from)| self.book.written.jobs[*from].phase.is_terminal()).count();
        let counted = (tally.succeeded + tally.failed + tally.passed_over) as usize;
        // a skip under the stop policy is not written down
        if self.setting.on_failure == OnFailure::Continue && counted > spoken {
            self.finds("I7: more edges are counted than have spoken");
        }
        if counted > tally.edges as usize || tally.edges as usize != self.setting.graph.incoming(job).count() {
            self.finds("I7: an edge is counted twice");
        }
    }

    /// A start leaves the process.
    pub(super) fn check_sending(&mut self, wire: Wire) {
        let intents = &self.book.durable.jobs[wire.job].intents;
        if !intents.iter().any(|known| known.attempt == wire.attempt && known.wire_id == wire.text()) {
            self.finds("I4: a start is sent whose intent is not durable");
        }
    }

    /// A start has arrived at a service.
    pub(super) fn check_starts(&mut self, job: JobIndex, attempt: u32) {
        let about = self.book.durable.warnings.iter().filter(|warning| warning.job == Some(job));
        let (of_retries, ambiguous): (Vec<_>, Vec<_>) = about.partition(|warning| warning.text == OF_A_RETRY);
        let (is_warned, ambiguous) = (!of_retries.is_empty() || !ambiguous.is_empty(), ambiguous.len());
        if (1..attempt).any(|earlier| self.outside.is_attempt_at_work(job, earlier)) && !is_warned {
            self.finds("I5: an attempt begins beside an earlier one and that is not counted");
        }
        match (self.outside.starts(job, attempt), self.service(job)) {
            (0 | 1, _) => {}
            (starts, Some(Service::Function)) if starts <= 1 + ambiguous => {}
            (_, Some(Service::Function)) => self.finds("I5: a start may have happened twice and is not counted"),
            _ => self.finds("I4: an attempt is started twice at a service that can be asked"),
        }
    }

    /// The run is about to say its final word.
    pub(super) fn check_the_end(&mut self, outcome: RunOutcome) {
        if self.run.actors.iter().any(Option::is_some) {
            self.finds("I6: a run ends while a node of it is at work");
        }
        let known = &self.book.written;
        let some = |phase: JobPhase| known.jobs.iter().any(|job| job.phase == phase);
        let (failed, cancelled) = (some(JobPhase::Failed), some(JobPhase::Cancelled));
        let is_cause = |job: JobIndex| known.jobs[job].phase == JobPhase::Failed;
        let cause_is_a_failure = self.run.first_cause.and_then(|(job, _)| job).is_some_and(is_cause);
        match outcome {
            _ if known.stopping.as_ref().is_some_and(|(first, _)| *first != outcome) => {
                self.finds("I2: a run does not end as what it was stopped as first");
            }
            RunOutcome::Succeeded if failed || cancelled => {
                self.finds("I19: a run succeeds although a job of it has not");
            }
            RunOutcome::Failed if !cause_is_a_failure => self.finds("I19: a run fails without a job as its cause"),
            RunOutcome::Cancelled if !known.cancel_asked => self.finds("I2: a run is cancelled that nobody cancelled"),
            RunOutcome::Stopped if !self.deadline_passed => self.finds("I2: a run is stopped before its deadline"),
            _ => {}
        }
    }
}
