//! The verbs that recipes share: make the output place, start at a service, follow it to its end.

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::clock::{Instant, sleep};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::answers::{self, ProgressAnswer, StartAnswer};
use super::attach::{self, Attach};
use super::function_slots::FunctionSlots;
use super::pace::{Backoff, poll_delay};
use super::{JobPorts, JobSettings, paths};
use crate::chaos::{self, Bug, Point};
use crate::graph::inputs::JobOutput;
use crate::metrics;
use crate::playbook::Job;
use crate::playbook::job::Service;
use crate::ports::{
    Answer, CallError, FailureKind, JobCall, JobFailure, JobSuccess, KnownStart, StartIntent, StoreError,
    SuccessDetails,
};

/// Unusable answers in a row until a job has failed (decision 18).
const UNUSABLE_ANSWERS: u32 = 3;

/// What may not stand in a query or a path as it is; ids of the platform have nothing of it.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One attempt with everything it may use.
pub(super) struct Attempt {
    pub(super) call: JobCall,
    pub(super) ports: Rc<JobPorts>,
    pub(super) settings: Rc<JobSettings>,
    pub(super) functions: FunctionSlots,
}

/// A job that was started at a service.
pub(super) struct Started {
    service: Service,
    wire_id: String,
    /// False when the reply to the start was lost: the service may or may not have the job.
    acknowledged: bool,
}

impl Started {
    /// The id that the service has the job by.
    pub(super) fn wire_id(&self) -> &str {
        &self.wire_id
    }
}

impl Attempt {
    /// The job itself.
    pub(super) fn job(&self) -> &Job {
        self.call.run.job(self.call.job)
    }

    /// How long the attempt may take.
    pub(super) fn limit(&self) -> Duration {
        self.job().timeout.unwrap_or(self.settings.job_timeout)
    }

    /// The input of a job that takes one.
    pub(super) fn one_input(&self) -> Result<Arc<JobOutput>, JobFailure> {
        match self.call.inputs.as_slice() {
            [input, ..] => Ok(Arc::clone(input)),
            [] => Err(missing_input(1, 0)),
        }
    }

    /// Key of the job's output directory and the path that services get.
    pub(super) fn output(&self) -> (String, String) {
        let directory = paths::output_directory(&self.call.run, self.job()).unwrap_or_default();
        let path = paths::path_of(&self.call.run.playbook.tenant, &directory);
        (directory, path)
    }

    /// Makes a directory in the tenant's bucket, and the bucket if need be.
    pub(super) async fn make_directory(&self, directory: &str) -> Result<(), JobFailure> {
        let tenant = self.call.run.playbook.tenant.as_str();
        self.patiently(|| self.ports.objects.make_directory(tenant, directory)).await
    }

    /// Repeats a store operation while the store is away, for a limited time.
    pub(super) async fn patiently<T, F>(&self, operation: impl Fn() -> F) -> Result<T, JobFailure>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let since = Instant::now();
        let mut backoff = Backoff::default();
        loop {
            match operation().await {
                Err(StoreError::Unavailable { .. }) if since.elapsed() < self.settings.store_wait => {
                    backoff.pause().await
                }
                result => return result.map_err(|error| JobFailure::new(FailureKind::Store, error.to_string())),
            }
        }
    }

    /// Writes the intent down, makes the output directory if there is one, then starts the job. An id that the service
    /// knows from somebody else is not adopted: the job gets one of its own.
    pub(super) async fn start(
        &self,
        service: Service,
        path: &str,
        directory: Option<&str>,
        body: impl Fn(&str) -> Value,
    ) -> Result<Started, JobFailure> {
        if let Some(known) = self.known_start(service) {
            return self.attach(known, path, directory, body).await;
        }
        let wire_id = paths::wire_id(&self.call.run, self.call.job, self.call.attempt, service);
        self.intend(service, &wire_id).await?;
        if let Some(directory) = directory {
            self.make_directory(directory).await?;
        }
        match self.post(service, path, &body(&wire_id)).await? {
            Some(StartAnswer::KnownId) => self.start_under_own_id(service, path, body).await,
            answer => self.started(service, wire_id, answer),
        }
    }

    /// The last start that an earlier life of the process intended at a service.
    pub(super) fn known_start(&self, service: Service) -> Option<&KnownStart> {
        attach::known_start(&self.call.known, service)
    }

    /// Goes on with a start of an earlier life of the process, by service class (decision 12): what may have happened is
    /// asked about before anything is sent again.
    async fn attach(
        &self,
        known: &KnownStart,
        path: &str,
        directory: Option<&str>,
        body: impl Fn(&str) -> Value,
    ) -> Result<Started, JobFailure> {
        let (service, wire_id, acknowledged) = (known.service, known.wire_id.clone(), known.acknowledged);
        if let Some(directory) = directory.filter(|_| !acknowledged) {
            self.make_directory(directory).await?;
        }
        match attach::attach(known) {
            Attach::Follow => Ok(Started { service, wire_id, acknowledged }),
            Attach::StartAgain => self.start_again(service, path, body).await,
            Attach::AskOnce => {
                let question = progress_question(path, &wire_id);
                let answer = self.ports.services.get(service, &question).await.map(|answer| answers::progress(&answer));
                match answer {
                    Ok(ProgressAnswer::Running | ProgressAnswer::Done(_) | ProgressAnswer::Failed(_)) => {
                        Ok(Started { service, wire_id, acknowledged: true })
                    }
                    Ok(ProgressAnswer::UnknownId | ProgressAnswer::NoVerdict(_) | ProgressAnswer::Unusable(_))
                    | Err(_) => self.start_again(service, path, body).await,
                }
            }
        }
    }

    /// Nobody can say what became of the first start: the second one is counted and visible.
    async fn start_again(
        &self,
        service: Service,
        path: &str,
        body: impl Fn(&str) -> Value,
    ) -> Result<Started, JobFailure> {
        let text =
            format!("{} may have got this job twice: nobody knows what became of the first start", service.as_str());
        self.call.log.warn("start-ambiguous", text);
        metrics::starts_ambiguous(service);
        self.start_under_own_id(service, path, body).await
    }

    async fn start_under_own_id(
        &self,
        service: Service,
        path: &str,
        body: impl Fn(&str) -> Value,
    ) -> Result<Started, JobFailure> {
        let earlier = self.call.known.iter().filter(|known| known.service == service).count();
        let own_id = paths::suffixed_wire_id(&self.call.run, self.call.job, self.call.attempt, earlier);
        self.intend(service, &own_id).await?;
        let answer = self.post(service, path, &body(&own_id)).await?;
        self.started(service, own_id, answer)
    }

    fn started(&self, service: Service, wire_id: String, answer: Option<StartAnswer>) -> Result<Started, JobFailure> {
        match answer {
            Some(StartAnswer::Started) => {
                self.call.log.acknowledged(service);
                Ok(Started { service, wire_id, acknowledged: true })
            }
            Some(StartAnswer::Refused(text)) => Err(JobFailure::new(FailureKind::ServiceError, text)),
            Some(StartAnswer::KnownId) => {
                let text = format!("the service has another job with the id {wire_id}");
                Err(JobFailure::new(FailureKind::ServiceError, text))
            }
            // only services that answer questions about unknown ids can be asked what became of the start
            None if service == Service::Function => {
                let text =
                    "the connection broke after the start was sent; the function service cannot be asked about it";
                Err(JobFailure::new(FailureKind::OutcomeUnknown, text))
            }
            None => Ok(Started { service, wire_id, acknowledged: false }),
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
        self.call.log.intend(StartIntent { service, wire_id: wire_id.to_owned(), details }).await?;
        chaos::at(Point::K3);
        Ok(())
    }

    /// Posts once the service can be reached; `None` when the answer was lost.
    pub(super) async fn post(
        &self,
        service: Service,
        path: &str,
        body: &Value,
    ) -> Result<Option<StartAnswer>, JobFailure> {
        match self.once_connected(|| self.ports.services.post(service, path, body)).await {
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
    pub(super) async fn once_connected<T, F>(&self, call: impl Fn() -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let since = Instant::now();
        let mut backoff = Backoff::default();
        loop {
            match call().await {
                Err(CallError::NotConnected { .. }) if since.elapsed() < self.settings.start_retry => {
                    backoff.pause().await
                }
                result => return result,
            }
        }
    }

    /// Asks until the service says how the job ended: at once, then less and less often.
    pub(super) async fn follow(
        &self,
        mut started: Started,
        path: &str,
        body: impl Fn(&str) -> Value,
    ) -> Result<Value, JobFailure> {
        let question = progress_question(path, &started.wire_id);
        let since = Instant::now();
        let mut last_answer = since;
        let mut unknown_since = None;
        let mut unusable = 0;
        loop {
            let answer = match self.ports.services.get(started.service, &question).await {
                Ok(answer) => answers::progress(&answer),
                Err(CallError::Unusable { why, .. }) => ProgressAnswer::Unusable(why),
                Err(error) => ProgressAnswer::NoVerdict(error.to_string()),
            };
            match answer {
                ProgressAnswer::Running => (unusable, last_answer) = (0, Instant::now()),
                ProgressAnswer::Done(value) => return Ok(value),
                ProgressAnswer::Failed(text) => return Err(JobFailure::new(FailureKind::ServiceError, text)),
                ProgressAnswer::UnknownId if started.acknowledged => {
                    let text = "Job ID doesn't exist: the service has lost the job";
                    return Err(JobFailure::new(FailureKind::ServiceError, text));
                }
                // counted from the first such answer: the service may have been away before
                ProgressAnswer::UnknownId
                    if unknown_since.get_or_insert_with(Instant::now).elapsed() >= self.settings.start_retry =>
                {
                    let text = "the service answers no start and does not know the job";
                    return Err(JobFailure::new(FailureKind::OutcomeUnknown, text));
                }
                ProgressAnswer::UnknownId => {
                    // the start never arrived: the same intent may be sent again
                    let answer = self.post(started.service, path, &body(&started.wire_id)).await?;
                    let again = match answer {
                        Some(StartAnswer::KnownId) => Some(StartAnswer::Started),
                        other => other,
                    };
                    started = self.started(started.service, started.wire_id, again)?;
                }
                ProgressAnswer::Unusable(text) => {
                    unusable += 1;
                    if unusable == UNUSABLE_ANSWERS {
                        return Err(JobFailure::new(FailureKind::BadAnswer, text));
                    }
                }
                ProgressAnswer::NoVerdict(text) => {
                    unusable = 0;
                    if last_answer.elapsed() >= self.settings.no_answer {
                        let text = format!("no usable answer for {} s: {text}", self.settings.no_answer.as_secs());
                        return Err(JobFailure::new(FailureKind::Unreachable, text));
                    }
                }
            }
            chaos::at(Point::K6);
            sleep(poll_delay(since.elapsed(), self.settings.poll_interval)).await;
        }
    }

    /// Asks a question that may be repeated, until there is an answer or nobody has answered for too long.
    pub(super) async fn ask(&self, service: Service, question: &str) -> Result<Answer, JobFailure> {
        let since = Instant::now();
        let mut backoff = Backoff::default();
        loop {
            let answer = self.ports.services.get(service, question).await;
            let waits = since.elapsed() < self.settings.no_answer;
            match answer {
                // the service's own outage is no answer
                Ok(answer) if !waits || !answers::is_no_verdict(&answer) => return Ok(answer),
                Err(CallError::Unusable { why, .. }) => return Err(JobFailure::new(FailureKind::BadAnswer, why)),
                Err(error) if !waits => return Err(unreachable(&error)),
                Ok(_) | Err(_) => backoff.pause().await,
            }
        }
    }

    /// The result of a job whose output is its own.
    pub(super) fn own_output(&self, path: String) -> JobSuccess {
        let output = Arc::new(JobOutput { producer: self.call.job, path });
        JobSuccess { output, details: SuccessDetails::default() }
    }
}

/// The question how a job is getting on.
pub(super) fn progress_question(path: &str, wire_id: &str) -> String {
    format!("{path}/progress?id={}", encode(wire_id))
}

/// An id as a part of a query or a path.
pub(super) fn encode(id: &str) -> String {
    utf8_percent_encode(id, ENCODED).to_string()
}

/// A kind needs more inputs than there are.
pub(super) fn missing_input(needed: usize, there: usize) -> JobFailure {
    JobFailure::new(FailureKind::MissingInput, format!("{there} of {needed} inputs are there"))
}

/// The service cannot be reached.
pub(super) fn unreachable(error: &CallError) -> JobFailure {
    JobFailure::new(FailureKind::Unreachable, error.to_string())
}

/// Ends an attempt that takes longer than it may.
pub(super) async fn within<T>(
    limit: Duration,
    attempt: impl Future<Output = Result<T, JobFailure>>,
) -> Result<T, JobFailure> {
    let limit = if chaos::seeded(Bug::NoTimeLimit) { Duration::MAX } else { limit };
    actix::clock::timeout(limit, attempt).await.unwrap_or_else(|_| {
        let text = format!("the job did not finish within {} s", limit.as_secs_f64());
        Err(JobFailure::new(FailureKind::TimedOut, text))
    })
}
