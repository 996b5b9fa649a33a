//! What all services of one start share: the script, the jobs, the ledger and the notices, behind one lock that is
//! never held over an await. Everything a [`crate::Dummies`] handle can be asked is answered here.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;
use tokio::time::Instant;

use crate::{
    Behaviour, Fault, Kind, LedgerEntry, S3Options, Script,
    jobs::{Job, Outcome, Progress},
    ledger::Ledger,
    script::Key,
    store::Store,
};

/// The shared state of one start.
pub(crate) struct State {
    started: Instant,
    s3: Option<Arc<Store>>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    script: Script,
    faults_given: BTreeMap<Key, u32>,
    jobs: HashMap<(Kind, String), Job>,
    tickets: u64,
    in_flight: BTreeMap<Kind, InFlight>,
    ledger: Ledger,
    notices: Vec<String>,
    foreign_stores: HashMap<StoreKey, Arc<Store>>,
}

type StoreKey = (String, u16, String, String);

#[derive(Clone, Copy, Default)]
struct InFlight {
    now: usize,
    most: usize,
}

impl State {
    pub(crate) fn new(script: Script, s3: Option<S3Options>) -> Self {
        let inner = Inner { script, ..Inner::default() };
        Self { started: Instant::now(), s3: s3.map(|s3| Arc::new(Store::new(s3))), inner: Mutex::new(inner) }
    }

    // A panic elsewhere leaves counters and lists that are still worth reading, so a poisoned lock is used on.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store that the services were started with.
    pub(crate) fn store(&self) -> Option<Arc<Store>> {
        self.s3.clone()
    }

    /// The store that a Spark message names, kept for the next message: each store has connections of its own.
    pub(crate) fn foreign_store(&self, s3: S3Options) -> Arc<Store> {
        let key = (s3.host.clone(), s3.port, s3.user.clone(), s3.pass.clone());
        Arc::clone(self.inner().foreign_stores.entry(key).or_insert_with(|| Arc::new(Store::new(s3))))
    }

    pub(crate) fn set_script(&self, script: Script) {
        let mut inner = self.inner();
        inner.script = script;
        inner.faults_given.clear();
    }

    /// How the next job behaves. A fault that has no meaning for the kind, or was given often enough, is already taken
    /// out.
    pub(crate) fn behaviour(&self, kind: Kind, id: Option<&str>) -> Behaviour {
        let inner = &mut *self.inner();
        let (key, behaviour) = inner.script.entry(kind, id);
        let mut behaviour = behaviour.clone();
        behaviour.fault = behaviour.fault.filter(|fault| fault.applies_to(kind));
        if let (Some(_), Some(limit)) = (&behaviour.fault, behaviour.fault_first) {
            let given = inner.faults_given.entry(key).or_default();
            if *given >= limit {
                behaviour.fault = None;
            } else {
                *given += 1;
            }
        }
        behaviour
    }

    /// Whether a Spark connection is closed before its message is read: decided without a job id, which is in the
    /// message.
    pub(crate) fn half_frame(&self) -> bool {
        let scripted = self.inner().script.entry(Kind::Spark, None).1.fault == Some(Fault::HalfFrame);
        scripted && self.behaviour(Kind::Spark, None).fault.is_some()
    }

    /// Remembers a job; `None` if the id is taken and the service does not take it again.
    pub(crate) fn accept(&self, kind: Kind, id: &str, behaviour: Behaviour, again: bool) -> Option<u64> {
        let mut inner = self.inner();
        let key = (kind, id.to_owned());
        match inner.jobs.get(&key).map(|job| job.in_flight) {
            Some(_) if !again => return None,
            Some(true) => inner.leave(kind),
            Some(false) | None => {}
        }
        inner.tickets += 1;
        let ticket = inner.tickets;
        inner.jobs.insert(key, Job::new(ticket, behaviour));
        inner.enter(kind);
        Some(ticket)
    }

    /// Notes what came of a job's work, unless the id belongs to a newer job by now; answers whether the job's end is that.
    pub(crate) fn finish(&self, kind: Kind, id: &str, ticket: u64, outcome: Outcome) -> bool {
        let finished = self.inner().with_job(kind, id, |job| {
            let is_the_job = job.ticket == ticket && !job.is_cancelled();
            if is_the_job {
                job.finish(outcome);
            }
            is_the_job
        });
        finished.unwrap_or(false)
    }

    /// Ends a job that nobody wants any more; the delay of the answer, which never comes for a silent job. `None` if there
    /// is no such job.
    pub(crate) fn cancel(&self, kind: Kind, id: &str) -> Option<(u64, bool)> {
        self.inner().with_job(kind, id, |job| {
            if !job.is_silent() {
                job.cancel();
            }
            (job.answer_delay_ms(), !job.is_silent())
        })
    }

    /// Answers a question about a job, with the delay of the answer in milliseconds; `None` if there is no such job.
    pub(crate) fn progress(&self, kind: Kind, id: &str) -> Option<(u64, Progress)> {
        self.inner().with_job(kind, id, |job| (job.answer_delay_ms(), job.progress()))
    }

    /// The result of a job that is over and went well, with the delay of the answer; `None` if there is no such job.
    pub(crate) fn result(&self, kind: Kind, id: &str) -> Option<(u64, Option<Value>)> {
        self.inner().with_job(kind, id, |job| (job.answer_delay_ms(), job.result().cloned()))
    }

    /// Counts work that has no job to ask about as in flight, until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>, kind: Kind) -> InFlightGuard {
        self.inner().enter(kind);
        InFlightGuard { state: Arc::clone(self), kind }
    }

    pub(crate) fn most_in_flight(&self, kind: Kind) -> usize {
        self.inner().in_flight.get(&kind).copied().unwrap_or_default().most
    }

    pub(crate) fn record(&self, service: String, headers: BTreeMap<String, String>, body: Value) {
        let mut inner = self.inner();
        // Read under the lock, so that times never go back along the ledger.
        let at = self.started.elapsed();
        inner.ledger.append(at, service, headers, body);
    }

    pub(crate) fn ledger(&self) -> Vec<LedgerEntry> {
        self.inner().ledger.entries()
    }

    pub(crate) fn notice(&self, text: String) {
        self.inner().notices.push(text);
    }

    pub(crate) fn notices(&self) -> Vec<String> {
        self.inner().notices.clone()
    }
}

impl Inner {
    fn with_job<T>(&mut self, kind: Kind, id: &str, act: impl FnOnce(&mut Job) -> T) -> Option<T> {
        let job = self.jobs.get_mut(&(kind, id.to_owned()))?;
        let answer = act(job);
        if job.in_flight && job.is_over() {
            job.in_flight = false;
            self.leave(kind);
        }
        Some(answer)
    }

    fn enter(&mut self, kind: Kind) {
        let in_flight = self.in_flight.entry(kind).or_default();
        in_flight.now += 1;
        in_flight.most = in_flight.most.max(in_flight.now);
    }

    fn leave(&mut self, kind: Kind) {
        let in_flight = self.in_flight.entry(kind).or_default();
        in_flight.now = in_flight.now.saturating_sub(1);
    }
}

/// Counts as one in flight until it is dropped.
pub(crate) struct InFlightGuard {
    state: Arc<State>,
    kind: Kind,
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.state.inner().leave(self.kind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faulty(fault_first: Option<u32>) -> State {
        let behaviour = Behaviour { fault: Some(Fault::NotJson), fault_first, ..Behaviour::default() };
        State::new(Script { default: behaviour, ..Script::default() }, None)
    }

    #[test]
    fn only_the_first_jobs_are_faulty() {
        let state = faulty(Some(2));
        let faults = || state.behaviour(Kind::Join, Some("x")).fault.is_some();
        assert_eq!([faults(), faults(), faults()], [true, true, false]);
    }

    #[test]
    fn a_fault_without_meaning_is_neither_given_nor_counted() {
        let state = faulty(Some(1));
        assert_eq!(state.behaviour(Kind::Spark, None).fault, None);
        assert_eq!(state.behaviour(Kind::Join, None).fault, Some(Fault::NotJson));
    }

    #[test]
    fn a_job_is_in_flight_until_its_last_answer_is_due() {
        let state = State::new(Script::default(), None);
        let waits = Behaviour { progress_answers: 1, ..Behaviour::default() };
        for id in ["a", "b"] {
            let ticket = state.accept(Kind::Join, id, waits.clone(), false).unwrap();
            state.finish(Kind::Join, id, ticket, Ok(Value::Null));
            state.progress(Kind::Join, id).unwrap();
        }
        assert_eq!(state.most_in_flight(Kind::Join), 1);
        assert!(state.accept(Kind::Join, "a", waits, false).is_none());
    }

    #[test]
    fn late_work_of_a_replaced_job_is_ignored() {
        let state = State::new(Script::default(), None);
        let first = state.accept(Kind::Function, "a", Behaviour::default(), true).unwrap();
        state.accept(Kind::Function, "a", Behaviour::default(), true).unwrap();
        state.finish(Kind::Function, "a", first, Ok(Value::Null));
        assert_eq!(state.progress(Kind::Function, "a").unwrap().1, Progress::Running);
        assert_eq!(state.most_in_flight(Kind::Function), 1);
    }
}
