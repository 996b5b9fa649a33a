//! The services behind circuit breakers, one for each: while a circuit is open its service is not called, and the caller
//! hears at once what it would hear of a service that is away. Whoever is patient with that goes on being patient.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use actix::clock::{Instant, sleep};
use futures::FutureExt;
use futures::future::{LocalBoxFuture, ready};
use serde_json::Value;

use super::answers::{self, ProgressAnswer};
use super::breaker::{Admission, Breaker, Outcome};
use crate::playbook::job::Service;
use crate::ports::{Answer, CallError, JobServices, SparkConnection, SparkSubmitter};

/// Between two looks at whether a probe has come back.
const LOOK: Duration = Duration::from_millis(50);

/// The circuits, by service. Clones share them.
#[derive(Clone)]
pub(super) struct Circuits {
    breakers: Rc<RefCell<HashMap<Service, Breaker>>>,
    patience: Duration,
    connects_within: Duration,
}

/// A call that was let through. Dropped before its end was heard, its end is unknown.
struct Pass {
    circuits: Circuits,
    service: Service,
    epoch: u64,
    heard: Cell<bool>,
}

impl Circuits {
    /// Closed ones. `patience` is how long starts are repeated, `connects_within` the limit of making a connection.
    pub(super) fn new(patience: Duration, connects_within: Duration) -> Self {
        Self { breakers: Rc::default(), patience, connects_within }
    }

    /// To be called before the last of several tries: a circuit must not be the reason why a service that is up again is
    /// not found. Waits for a probe that is on its way, no longer than a connection may take.
    pub(super) async fn hurry(&self, service: Service) {
        while self.with(service, |breaker| breaker.is_probing(Instant::now())) {
            sleep(LOOK).await;
        }
        self.with(service, |breaker| breaker.hurry(Instant::now()));
    }

    /// Whether calls of a service are held back.
    pub(super) fn is_open(&self, service: Service) -> bool {
        self.with(service, |breaker| breaker.is_open())
    }

    fn admit(&self, service: Service) -> Result<Pass, CallError> {
        let admission = self.with(service, |breaker| breaker.admit(Instant::now()));
        match admission {
            Admission::Pass(epoch) => Ok(Pass { circuits: self.clone(), service, epoch, heard: Cell::new(false) }),
            Admission::Refused { left } => {
                let why = format!("the circuit is open, the next try is in {} ms", left.as_millis());
                Err(CallError::NotConnected { to: format!("the {} service", service.as_str()), why })
            }
        }
    }

    fn with<T>(&self, service: Service, act: impl FnOnce(&mut Breaker) -> T) -> T {
        let mut breakers = self.breakers.borrow_mut();
        let closed = || Breaker::new(self.patience, self.connects_within);
        act(breakers.entry(service).or_insert_with(closed))
    }

    fn guarded<T: 'static>(
        &self,
        service: Service,
        call: impl FnOnce() -> LocalBoxFuture<'static, Result<T, CallError>>,
        judge: fn(&Result<T, CallError>) -> Outcome,
    ) -> LocalBoxFuture<'static, Result<T, CallError>> {
        match self.admit(service) {
            Ok(pass) => call().inspect(move |result| pass.hear(judge(result))).boxed_local(),
            Err(refused) => ready(Err(refused)).boxed_local(),
        }
    }
}

impl Pass {
    fn hear(&self, outcome: Outcome) {
        if !self.heard.replace(true) {
            let hear = |breaker: &mut Breaker| breaker.hear(self.epoch, outcome, Instant::now(), fastrand::f64());
            self.circuits.with(self.service, hear);
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.hear(Outcome::Unknown);
    }
}

/// What a start says about the service: 5xx is a word about itself.
fn judge_start(result: &Result<Answer, CallError>) -> Outcome {
    match result {
        Ok(answer) if answer.status >= 500 => Outcome::Down,
        Err(CallError::NotConnected { .. }) => Outcome::Down,
        Ok(_) | Err(CallError::NoAnswer { .. } | CallError::Unusable { .. }) => Outcome::Reached,
    }
}

/// The same for a question: an answer that says how the job is getting on is one, whatever its status.
fn judge_question(result: &Result<Answer, CallError>) -> Outcome {
    match result {
        Ok(answer) if answer.status >= 500 => match answers::progress(answer) {
            ProgressAnswer::NoVerdict(_) | ProgressAnswer::Unusable(_) => Outcome::Down,
            ProgressAnswer::Running
            | ProgressAnswer::Done(_)
            | ProgressAnswer::Failed(_)
            | ProgressAnswer::UnknownId => Outcome::Reached,
        },
        other => judge_start(other),
    }
}

/// The same where only the connection counts: not every service knows what a `DELETE` is.
fn judge_connection<T>(result: &Result<T, CallError>) -> Outcome {
    match result {
        Err(CallError::NotConnected { .. }) => Outcome::Down,
        Ok(_) | Err(CallError::NoAnswer { .. } | CallError::Unusable { .. }) => Outcome::Reached,
    }
}

/// The HTTP services behind their circuits.
pub(super) struct GuardedServices {
    pub(super) inner: Box<dyn JobServices>,
    pub(super) circuits: Circuits,
}

impl JobServices for GuardedServices {
    fn post(
        &self,
        service: Service,
        path: &str,
        body: &Value,
        callback: Option<&str>,
    ) -> LocalBoxFuture<'static, Result<Answer, CallError>> {
        self.circuits.guarded(service, || self.inner.post(service, path, body, callback), judge_start)
    }

    fn get(&self, service: Service, path: &str) -> LocalBoxFuture<'static, Result<Answer, CallError>> {
        self.circuits.guarded(service, || self.inner.get(service, path), judge_question)
    }

    fn delete(&self, service: Service, path: &str) -> LocalBoxFuture<'static, Result<Answer, CallError>> {
        self.circuits.guarded(service, || self.inner.delete(service, path), judge_connection)
    }
}

/// The Spark component behind its circuit.
pub(super) struct GuardedSpark {
    pub(super) inner: Box<dyn SparkSubmitter>,
    pub(super) circuits: Circuits,
}

impl SparkSubmitter for GuardedSpark {
    /// Only the connection counts: a reply comes when Spark has finished, hours later.
    fn connect(&self) -> LocalBoxFuture<'static, Result<Box<dyn SparkConnection>, CallError>> {
        self.circuits.guarded(Service::Spark, || self.inner.connect(), judge_connection)
    }
}
