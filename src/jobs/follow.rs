//! Follows a job that was started at a service to its end: asks, and listens to what the service says by itself. Whichever
//! comes first counts, and nothing after it.

use std::future::Future;

use actix::clock::{Instant, sleep};
use serde_json::Value;

use super::answers::{self, ProgressAnswer, StartAnswer};
use super::callbacks::Awaited;
use super::contact::Contact;
use super::pace::{Backoff, poll_delay};
use super::paths::progress_question;
use super::recipe::{Attempt, unreachable};
use super::start::Started;
use crate::chaos::{self, Point};
use crate::playbook::job::Service;
use crate::ports::{Answer, CallError, CallbackVerdict, FailureKind, JobFailure};

/// Unusable answers in a row until a job has failed (decision 18).
const UNUSABLE_ANSWERS: u32 = 3;

/// What a service's own word that a job is done means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnComplete {
    /// The job is done.
    Done,
    /// Its answer is there or will be soon: the service is asked at once.
    Look,
}

/// What came first.
enum First<T> {
    Asked(T),
    Said(CallbackVerdict),
}

/// Listens to the service while something else is waited for.
struct Ear<'a> {
    awaited: Option<&'a Awaited>,
    /// What was said once is not heard again.
    heard: bool,
}

impl Ear<'_> {
    async fn or<T>(&mut self, other: impl Future<Output = T>) -> First<T> {
        let awaited = self.awaited.filter(|_| !self.heard);
        let said = async {
            match awaited {
                Some(awaited) => awaited.verdict().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            verdict = said => {
                self.heard = true;
                First::Said(verdict)
            }
            asked = other => First::Asked(asked),
        }
    }
}

impl Attempt {
    /// Resolves when the service has said how the job ended, asked or by itself: to its last answer, or to null where its
    /// word was enough. Looks at once, then less and less often.
    pub(super) async fn follow(
        &self,
        mut started: Started,
        on_complete: OnComplete,
        body: impl Fn(&str) -> Value,
    ) -> Result<Value, JobFailure> {
        let awaited = started.callback.take();
        let mut ear = Ear { awaited: awaited.as_ref(), heard: false };
        let service = started.service;
        let question = progress_question(service, &started.wire_id);
        let since = Instant::now();
        let mut paced_from = since;
        let mut contact = Contact::new(self.settings.no_answer, self.call.lost_contact);
        let mut unusable = 0;
        loop {
            let is_the_last = contact.silence() >= self.settings.no_answer;
            let answer = match ear.or(self.look(service, &question, is_the_last)).await {
                First::Asked(answer) => answer,
                First::Said(verdict) => match said(verdict, on_complete)? {
                    Some(end) => return Ok(end),
                    None => {
                        paced_from = Instant::now();
                        continue;
                    }
                },
            };
            if !matches!(answer, ProgressAnswer::NoVerdict(_) | ProgressAnswer::Unusable(_)) {
                contact.heard(self.call.log.as_ref());
            }
            match answer {
                ProgressAnswer::Running => unusable = 0,
                ProgressAnswer::Done(value) => return Ok(value),
                ProgressAnswer::Failed(text) => return Err(JobFailure::new(FailureKind::ServiceError, text)),
                ProgressAnswer::UnknownId if started.acknowledged => {
                    let text = "Job ID doesn't exist: the service has lost the job";
                    return Err(JobFailure::new(FailureKind::ServiceError, text));
                }
                ProgressAnswer::UnknownId if since.elapsed() >= self.settings.start_retry => {
                    let text = "the service answers no start and does not know the job";
                    return Err(JobFailure::new(FailureKind::OutcomeUnknown, text));
                }
                ProgressAnswer::UnknownId => started = self.start_once_more(started, awaited.as_ref(), &body).await?,
                ProgressAnswer::Unusable(text) => {
                    unusable += 1;
                    if unusable == UNUSABLE_ANSWERS {
                        return Err(JobFailure::new(FailureKind::BadAnswer, text));
                    }
                }
                ProgressAnswer::NoVerdict(text) => {
                    unusable = 0;
                    contact.silent(self.call.log.as_ref(), &text);
                    if is_the_last || self.has_waited_for(service, &contact) {
                        let text = format!("no usable answer for {} s: {text}", self.settings.no_answer.as_secs());
                        return Err(JobFailure::new(FailureKind::Unreachable, text));
                    }
                }
            }
            self.ends_if_over()?;
            chaos::at(Point::K6);
            let delay = poll_delay(paced_from.elapsed(), self.settings.poll_interval).min(self.left());
            if let First::Said(verdict) = ear.or(sleep(delay)).await {
                if let Some(end) = said(verdict, on_complete)? {
                    return Ok(end);
                }
                paced_from = Instant::now();
            }
        }
    }

    /// One look at a job.
    async fn look(&self, service: Service, question: &str, is_the_last: bool) -> ProgressAnswer {
        if is_the_last {
            self.circuits.hurry(service).await;
        }
        match self.ports.services.get(service, question).await {
            Ok(answer) => answers::progress(&answer),
            Err(CallError::Unusable { why, .. }) => ProgressAnswer::Unusable(why),
            Err(error) => ProgressAnswer::NoVerdict(error.to_string()),
        }
    }

    /// Whether patience with silence is over, and the silence is the service's own and not a circuit's.
    fn has_waited_for(&self, service: Service, contact: &Contact) -> bool {
        contact.silence() >= self.settings.no_answer && !self.circuits.is_open(service)
    }

    /// The start never arrived: the same intent may be sent again.
    async fn start_once_more(
        &self,
        started: Started,
        awaited: Option<&Awaited>,
        body: impl Fn(&str) -> Value,
    ) -> Result<Started, JobFailure> {
        let again = match self.post(started.service, &body(&started.wire_id), awaited).await? {
            Some(StartAnswer::KnownId) => Some(StartAnswer::Started),
            other => other,
        };
        self.started(started.service, started.wire_id, again, None)
    }

    /// Asks a question that may be repeated, until there is an answer or nobody has answered for too long.
    pub(super) async fn ask(&self, service: Service, question: &str) -> Result<Answer, JobFailure> {
        let mut contact = Contact::new(self.settings.no_answer, false);
        let mut backoff = Backoff::default();
        loop {
            let is_the_last = contact.silence() >= self.settings.no_answer;
            if is_the_last {
                self.circuits.hurry(service).await;
            }
            match self.ports.services.get(service, question).await {
                Ok(answer) => {
                    contact.heard(self.call.log.as_ref());
                    return Ok(answer);
                }
                Err(CallError::Unusable { why, .. }) => return Err(JobFailure::new(FailureKind::BadAnswer, why)),
                Err(error) => {
                    contact.silent(self.call.log.as_ref(), &error.to_string());
                    if is_the_last || self.has_waited_for(service, &contact) {
                        return Err(unreachable(&error));
                    }
                    self.ends_if_over()?;
                    backoff.pause().await;
                }
            }
        }
    }
}

/// What the service's own word means: the end, a failure, or that it is to be asked at once.
fn said(verdict: CallbackVerdict, on_complete: OnComplete) -> Result<Option<Value>, JobFailure> {
    match (verdict, on_complete) {
        (CallbackVerdict::Error { message }, _) => Err(JobFailure::new(FailureKind::ServiceError, message)),
        (CallbackVerdict::Complete, OnComplete::Done) => Ok(Some(Value::Null)),
        (CallbackVerdict::Complete, OnComplete::Look) => Ok(None),
    }
}
