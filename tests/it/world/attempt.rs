//! An attempt as `src/jobs/recipe.rs` and `spark.rs` go about it, one call of a service at a time.

use std::sync::Arc;

use orchestrator::chaos::{self, Bug};
use orchestrator::engine::decisions::starts_of;
use orchestrator::graph::JobIndex;
use orchestrator::graph::inputs::JobOutput;
use orchestrator::graph::node::AttemptEnd;
use orchestrator::jobs::attach::{self, Attach};
use orchestrator::playbook::job::Service;
use orchestrator::ports::{FailureKind, JobFailure, JobSuccess, KnownStart, SuccessDetails};
use orchestrator::store::Record;

use super::World;
use super::book::Pending;
use super::outside::{Wire, Working};
use super::post::Message;

/// What an attempt is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Doing {
    /// It needs nobody: a data set.
    Alone,
    /// A Spark job that waits until it is durable that it prepares its start.
    Preparing(Pending),
    /// About to send a start, as soon as its intent is durable.
    Sending { wire: Wire, intent: Pending, known_id: KnownId },
    /// Asking how it is getting on.
    Following { wire: Wire, acknowledged: bool },
    /// A Spark message of an earlier life may have arrived; only its evidence can tell.
    AwaitingEvidence,
}

/// What to make of the answer that the service has the id already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum KnownId {
    /// It is somebody else's: begin under an id of its own.
    OwnId,
    /// The own id is taken, too.
    Fail,
    /// It is this attempt's, which was sent before.
    Adopt,
}

/// An attempt that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Attempt {
    pub(super) number: u32,
    pub(super) doing: Doing,
    /// Starts of earlier lives.
    known: Vec<KnownStart>,
    /// All starts, for the case that it has to be stopped.
    pub(super) starts: Vec<KnownStart>,
}

/// What becomes of a start on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Answered,
    /// It arrives, its answer does not.
    AnswerLost,
    /// It does not arrive.
    Lost,
    /// It arrives at some other time, when nobody waits for an answer.
    Late,
}

/// Marks the warning that an attempt begins while an earlier one may be at work.
pub(super) const OF_A_RETRY: &str = "retry";

/// How an attempt ended.
pub(super) type Result = std::result::Result<(), FailureKind>;

impl World {
    pub(super) fn service(&self, job: JobIndex) -> Option<Service> {
        self.setting.jobs[job].service
    }

    /// `NodeActor::run_attempt`, and what a recipe does first.
    pub(super) fn begin_attempt(&mut self, job: JobIndex) {
        let number = self.node(job).state.attempt();
        self.check_start(job, number);
        let known = self.run.before.jobs.get(job).map_or_else(Vec::new, |known| starts_of(known, number));
        let has_begun =
            self.run.before.jobs.get(job).is_some_and(|known| known.attempt == number && known.attempt_began.is_some());
        if !has_begun && !self.node(job).left.is_empty() {
            let code = "start-ambiguous".to_owned();
            self.book.append(Record::Warning { job: Some(job), code, text: OF_A_RETRY.to_owned() });
        }
        let attempt = Attempt { number, doing: Doing::Alone, starts: known.clone(), known: known.clone() };
        self.node(job).attempt = Some(attempt);
        let Some(service) = self.service(job) else { return };
        let plain = Wire { job, attempt: number, nth: u32::from(number > 1 && service.has_wire_ids()) };
        let doing = match (attach::known_start(&known, service), service) {
            (Some(_), Service::Spark) => Doing::AwaitingEvidence,
            (None, Service::Spark) => Doing::Preparing(self.book.append(Record::JobPreparing { job, attempt: number })),
            (None, _) => return self.intend(plain, KnownId::OwnId),
            (Some(known), _) => match attach::attach(known) {
                Attach::StartAgain => {
                    let code = "start-ambiguous".to_owned();
                    self.book.append(Record::Warning { job: Some(job), code, text: String::new() });
                    return self.start_under_own_id(job);
                }
                Attach::Follow | Attach::AskOnce => {
                    Doing::Following { wire: Wire::of(known), acknowledged: known.acknowledged }
                }
            },
        };
        self.attempt(job).doing = doing;
    }

    fn start_under_own_id(&mut self, job: JobIndex) {
        let attempt = self.attempt(job);
        let wire = Wire { job, attempt: attempt.number, nth: 1 + attempt.known.len() as u32 };
        self.intend(wire, KnownId::Fail);
    }

    /// `JournalLog::intend`.
    fn intend(&mut self, wire: Wire, known_id: KnownId) {
        let Wire { job, attempt: number, .. } = wire;
        let service = self.service(job).expect("who sends something has a service");
        let intent = if chaos::seeded(Bug::NoIntent) {
            Pending::DURABLE
        } else {
            let (wire_id, details) = (wire.text(), SuccessDetails::default());
            let start = KnownStart { attempt: number, service, wire_id, acknowledged: false, details };
            let KnownStart { wire_id, details, .. } = start.clone();
            self.attempt(job).starts.push(start);
            let service = service.as_str().to_owned();
            self.book.append(Record::JobStarting { job, attempt: number, service, wire_id, details })
        };
        self.attempt(job).doing = Doing::Sending { wire, intent, known_id };
    }

    /// Whether the attempt can do something now.
    pub(super) fn can_work(&self, job: JobIndex, doing: &Doing) -> bool {
        match doing {
            Doing::Alone => true,
            Doing::Preparing(pending) | Doing::Sending { intent: pending, .. } => pending.is_acknowledged(),
            // to ask while it is at work changes nothing
            Doing::Following { wire, .. } => self.outside.progress(*wire) != Some(Working::AtWork),
            Doing::AwaitingEvidence => self.outside.has_evidence(job) || !self.outside.is_at_work(job),
        }
    }

    /// The attempt goes one step on; the end of it may be heard twice.
    pub(super) fn work(&mut self, job: JobIndex, fate: Fate, twice: bool) {
        let Attempt { number, doing, .. } = self.attempt(job).clone();
        let result = match doing {
            Doing::Alone => Some(Ok(())),
            Doing::Preparing(_) => {
                self.outside.delete_evidence(job);
                self.intend(Wire { job, attempt: number, nth: 0 }, KnownId::OwnId);
                None
            }
            Doing::Sending { wire, known_id, .. } => self.send(wire, known_id, fate),
            Doing::Following { wire, acknowledged } => self.ask(wire, acknowledged),
            Doing::AwaitingEvidence if self.outside.has_evidence(job) => Some(Ok(())),
            Doing::AwaitingEvidence => Some(Err(FailureKind::OutcomeUnknown)),
        };
        if let Some(result) = result {
            self.attempt_ended(job, number, result);
            if twice {
                self.send_to_node(job, Message::Again { job, attempt: number, end: end_of(result) });
            }
        }
    }

    fn send(&mut self, wire: Wire, known_id: KnownId, fate: Fate) -> Option<Result> {
        let Wire { job, .. } = wire;
        let service = self.service(job).expect("who sends something has a service");
        self.check_sending(wire);
        let is_new = match fate {
            Fate::Answered | Fate::AnswerLost => self.outside.arrives(service, wire),
            Fate::Lost => false,
            Fate::Late => {
                self.outside.gets_lost_for_now(wire);
                false
            }
        };
        self.check_starts(job, wire.attempt);
        match (fate, is_new, known_id) {
            // no answer
            (Fate::AnswerLost | Fate::Lost | Fate::Late, ..) => match service {
                Service::Function | Service::Spark => return Some(Err(FailureKind::OutcomeUnknown)),
                _ => self.attempt(job).doing = Doing::Following { wire, acknowledged: false },
            },
            // Spark answers when it has finished
            (Fate::Answered, ..) if service == Service::Spark => {
                self.attempt(job).doing = Doing::Following { wire, acknowledged: false };
            }
            (Fate::Answered, true, _) | (Fate::Answered, false, KnownId::Adopt) => {
                self.acknowledge(wire, service);
                self.attempt(job).doing = Doing::Following { wire, acknowledged: true };
            }
            (Fate::Answered, false, KnownId::OwnId) => self.start_under_own_id(job),
            (Fate::Answered, false, KnownId::Fail) => return Some(Err(FailureKind::ServiceError)),
        }
        None
    }

    /// `JournalLog::acknowledged`.
    fn acknowledge(&mut self, wire: Wire, service: Service) {
        let Wire { job, attempt, .. } = wire;
        if let Some(start) = self.attempt(job).starts.iter_mut().rev().find(|start| start.service == service) {
            start.acknowledged = true;
        }
        self.book.append(Record::JobStartAcknowledged { job, attempt, service: service.as_str().to_owned() });
    }

    fn ask(&mut self, wire: Wire, acknowledged: bool) -> Option<Result> {
        let Wire { job, .. } = wire;
        let service = self.service(job).expect("who asks has a service");
        match self.outside.progress(wire) {
            Some(Working::AtWork) => None,
            Some(Working::Done | Working::Failed) if service == Service::Spark => {
                self.acknowledge(wire, service);
                let has_left_evidence = self.outside.has_evidence(job);
                Some(if has_left_evidence { Ok(()) } else { Err(FailureKind::ServiceError) })
            }
            Some(Working::Done) => Some(Ok(())),
            Some(Working::Failed) => Some(Err(FailureKind::ServiceError)),
            None if acknowledged => Some(Err(FailureKind::ServiceError)),
            None => {
                let again = Doing::Sending { wire, intent: Pending::DURABLE, known_id: KnownId::Adopt };
                self.attempt(job).doing = again;
                None
            }
        }
    }

    pub(super) fn attempt(&mut self, job: JobIndex) -> &mut Attempt {
        self.node(job).attempt.as_mut().expect("an attempt is under way")
    }
}

/// What the node is told of it.
pub(super) fn end_of(result: Result) -> AttemptEnd {
    match result {
        Ok(()) => AttemptEnd::Succeeded,
        Err(kind) => AttemptEnd::Failed { worth_a_retry: kind.is_worth_a_retry() },
    }
}

/// What a job that succeeds hands on.
pub(super) fn success_of(job: JobIndex) -> JobSuccess {
    let output = Arc::new(JobOutput { producer: job, path: String::new() });
    JobSuccess { output, details: SuccessDetails::default() }
}

/// A cause without many words.
pub(super) fn failure_of(kind: FailureKind) -> JobFailure {
    JobFailure::new(kind, "")
}
