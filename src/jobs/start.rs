//! Starts a job at a service, or goes on with a start of an earlier life of the process: intent first, and nothing is sent
//! twice without asking.

use std::future::Future;
use std::time::Duration;

use actix::clock::{Instant, sleep, timeout};
use serde_json::Value;

use super::answers::{self, ProgressAnswer, StartAnswer};
use super::attach::{self, Attach};
use super::callbacks::Awaited;
use super::pace::Backoff;
use super::paths::{self, progress_question};
use super::recipe::{Attempt, unreachable};
use crate::chaos::{self, Point};
use crate::metrics;
use crate::playbook::ObjectKey;
use crate::playbook::job::Service;
use crate::ports::{CallError, FailureKind, JobCall, JobFailure, KnownStart, StartIntent, SuccessDetails};

/// A job that was started at a service.
pub(super) struct Started {
    pub(super) service: Service,
    pub(super) wire_id: String,
    /// False when the reply to the start was lost: the service may or may not have the job.
    pub(super) acknowledged: bool,
    /// Where the service may say by itself how the job ended, while somebody follows it.
    pub(super) callback: Option<Awaited>,
}

impl Started {
    /// The id that the service has the job by.
    pub(super) fn wire_id(&self) -> &str {
        &self.wire_id
    }
}

impl Attempt {
    /// Writes the intent down, makes the output directory if there is one, then starts the job. An id that the service
    /// knows from somebody else is not adopted: the job gets one of its own.
    pub(super) async fn start(
        &self,
        service: Service,
        directory: Option<&ObjectKey>,
        body: impl Fn(&str) -> Value,
    ) -> Result<Started, JobFailure> {
        let callback = self.expect_callback();
        if let Some(known) = self.known_start(service) {
            return self.attach(known, directory, callback, body).await;
        }
        let wire_id = paths::wire_id(&self.call.run, self.call.job, self.call.attempt, service);
        self.intend(service, &wire_id).await?;
        if let Some(directory) = directory {
            self.make_directory(directory).await?;
        }
        match self.post(service, &body(&wire_id), callback.as_ref()).await? {
            Some(StartAnswer::KnownId) => self.start_under_own_id(service, Some(&wire_id), callback, body).await,
            answer => self.started(service, wire_id, answer, callback),
        }
    }

    /// The last start that an earlier life of the process intended at a service.
    pub(super) fn known_start(&self, service: Service) -> Option<&KnownStart> {
        attach::known_start(&self.call.known, service)
    }

    /// From now on until the job is followed no more, the service may say by itself how it ended.
    fn expect_callback(&self) -> Option<Awaited> {
        let JobCall { run, job, attempt, callback, .. } = &self.call;
        self.callbacks.as_ref()?.expect(run, *job, *attempt, callback.clone())
    }

    /// Goes on with a start of an earlier life of the process, by service class (decision 12): what may have happened is
    /// asked about before anything is sent again.
    async fn attach(
        &self,
        known: &KnownStart,
        directory: Option<&ObjectKey>,
        callback: Option<Awaited>,
        body: impl Fn(&str) -> Value,
    ) -> Result<Started, JobFailure> {
        let (service, wire_id) = (known.service, known.wire_id.clone());
        // a service that has said how the job ended has got it
        let acknowledged = known.acknowledged || self.call.callback.is_some();
        if let Some(directory) = directory.filter(|_| !acknowledged) {
            self.make_directory(directory).await?;
        }
        let how = if acknowledged { Attach::Follow } else { attach::attach(known) };
        match how {
            Attach::Follow => Ok(Started { service, wire_id, acknowledged, callback }),
            Attach::StartAgain if self.outlasts(known, callback.as_ref()).await => {
                Ok(Started { service, wire_id, acknowledged: true, callback })
            }
            Attach::StartAgain => self.start_again(service, callback, body).await,
            Attach::AskOnce => {
                let question = progress_question(service, &wire_id);
                let answer = self.ports.services.get(service, &question).await.map(|answer| answers::progress(&answer));
                match answer {
                    Ok(ProgressAnswer::Running | ProgressAnswer::Done(_) | ProgressAnswer::Failed(_)) => {
                        Ok(Started { service, wire_id, acknowledged: true, callback })
                    }
                    Ok(ProgressAnswer::UnknownId | ProgressAnswer::NoVerdict(_) | ProgressAnswer::Unusable(_))
                    | Err(_) => self.start_again(service, callback, body).await,
                }
            }
        }
    }

    /// Waits until a service that cannot be asked must be done with a start that it may have got; true if it says by itself
    /// meanwhile that it has got it. A second function beside the first would mix their inputs (fact F11).
    async fn outlasts(&self, known: &KnownStart, callback: Option<&Awaited>) -> bool {
        let starts = self.call.known.iter().filter(|start| start.service == known.service).count();
        // since when it may be at work is known of the only start of an attempt
        let since = if starts == 1 { self.call.spent } else { Duration::ZERO };
        let left = self.settings.function_linger.saturating_sub(since);
        match callback {
            Some(callback) => timeout(left, callback.verdict()).await.is_ok(),
            None => {
                sleep(left).await;
                false
            }
        }
    }

    /// Nobody can say what became of the first start: the second one is counted and visible.
    async fn start_again(
        &self,
        service: Service,
        callback: Option<Awaited>,
        body: impl Fn(&str) -> Value,
    ) -> Result<Started, JobFailure> {
        self.ends_if_over()?;
        let text =
            format!("{} may have got this job twice: nobody knows what became of the first start", service.as_str());
        self.call.log.warn("start-ambiguous", text);
        metrics::starts_ambiguous(service);
        self.start_under_own_id(service, None, callback, body).await
    }

    /// `refused` is an id that the service knows from another job.
    async fn start_under_own_id(
        &self,
        service: Service,
        refused: Option<&str>,
        callback: Option<Awaited>,
        body: impl Fn(&str) -> Value,
    ) -> Result<Started, JobFailure> {
        let JobCall { run, job, attempt, known, .. } = &self.call;
        let earlier = known.iter().filter(|known| known.service == service).count();
        let mut own_id = paths::suffixed_wire_id(run, *job, *attempt, earlier);
        if refused == Some(own_id.as_str()) {
            own_id = paths::suffixed_wire_id(run, *job, *attempt, earlier + 1);
        }
        self.intend(service, &own_id).await?;
        let answer = self.post(service, &body(&own_id), callback.as_ref()).await?;
        self.started(service, own_id, answer, callback)
    }

    /// What the answer to a start means; `None` when it was lost.
    pub(super) fn started(
        &self,
        service: Service,
        wire_id: String,
        answer: Option<StartAnswer>,
        callback: Option<Awaited>,
    ) -> Result<Started, JobFailure> {
        let has_called_back = callback.as_ref().is_some_and(Awaited::has_come);
        match answer {
            Some(StartAnswer::Started) => {
                self.call.log.acknowledged(service);
                Ok(Started { service, wire_id, acknowledged: true, callback })
            }
            Some(StartAnswer::Refused(text)) => Err(JobFailure::new(FailureKind::Refused, text)),
            Some(StartAnswer::Failed(text)) => Err(JobFailure::new(FailureKind::ServiceError, text)),
            Some(StartAnswer::KnownId) => {
                let text = format!("the service has another job with the id {wire_id}");
                Err(JobFailure::new(FailureKind::ServiceError, text))
            }
            None if has_called_back => Ok(Started { service, wire_id, acknowledged: true, callback }),
            // only services that answer questions about unknown ids can be asked what became of the start
            None if service == Service::Function => {
                let text =
                    "the connection broke after the start was sent; the function service cannot be asked about it";
                Err(JobFailure::new(FailureKind::OutcomeUnknown, text))
            }
            None => Ok(Started { service, wire_id, acknowledged: false, callback }),
        }
    }

    /// Nothing may be sent before this has resolved.
    pub(super) async fn intend(&self, service: Service, wire_id: &str) -> Result<(), JobFailure> {
        self.intend_with(service, wire_id, SuccessDetails::default()).await
    }

    /// The same, with what is known by now.
    pub(super) async fn intend_with(
        &self,
        service: Service,
        wire_id: &str,
        details: SuccessDetails,
    ) -> Result<(), JobFailure> {
        self.ends_if_over()?;
        self.call.log.intend(StartIntent { service, wire_id: wire_id.to_owned(), details }).await?;
        chaos::at(Point::K3);
        Ok(())
    }

    /// Posts once the service can be reached; `None` when the answer was lost.
    pub(super) async fn post(
        &self,
        service: Service,
        body: &Value,
        callback: Option<&Awaited>,
    ) -> Result<Option<StartAnswer>, JobFailure> {
        self.ends_if_over()?;
        let (path, callback) = (paths::endpoint(service), callback.map(Awaited::address));
        let call = || self.ports.services.post(service, path, body, callback.as_deref());
        match self.once_connected(service, call).await {
            Ok(answer) => {
                chaos::at(Point::K5);
                Ok(Some(answers::start(&answer)))
            }
            Err(error @ CallError::NotConnected { .. }) => Err(unreachable(&error)),
            Err(error @ CallError::NoAnswer { .. }) => {
                self.call.log.warn("start-answer-lost", error.to_string());
                Ok(None)
            }
            Err(error @ CallError::Unusable { .. }) => Err(JobFailure::new(FailureKind::BadAnswer, error.to_string())),
        }
    }

    /// Repeats a call while nobody listens, for a limited time: it cannot have arrived, so that is safe.
    pub(super) async fn once_connected<T, F>(&self, service: Service, call: impl Fn() -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let since = Instant::now();
        let mut backoff = Backoff::default();
        loop {
            let is_the_last = since.elapsed() >= self.settings.start_retry;
            if is_the_last {
                self.circuits.hurry(service).await;
            }
            match call().await {
                Err(CallError::NotConnected { .. }) if !is_the_last => backoff.pause().await,
                result => return result,
            }
        }
    }
}
