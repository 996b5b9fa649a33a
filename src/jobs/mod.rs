//! What each kind of job does: one short recipe per family over the ports, chosen by one match.
//!
//! Recipes know neither actors nor networks. A failing job is a value; nothing here stops an analysis.

mod answers;
pub mod attach;
mod automl;
mod breaker;
pub mod callbacks;
mod cancel;
mod contact;
mod deliver;
mod discreet;
mod evidence;
mod follow;
mod follow_ups;
mod function_slots;
mod guarded;
mod ingestion;
pub mod notices;
mod pace;
pub mod paths;
pub mod readings;
mod recipe;
mod service;
mod spark;
mod start;
mod visualization;
mod watched;

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use crate::graph::inputs::JobOutput;
use crate::playbook::job::Service;
use crate::playbook::{DatasetLabel, JobKind, ObjectKey};
use crate::ports::{
    Announcements, CancelledAttempt, Delivery, DeliveryResult, JobCall, JobFailure, JobRunner, JobServices, JobSuccess,
    LetGoStart, Milestone, Notice, ObjectStore, Outages, Records, RunSpec, SparkSubmitter, SuccessDetails,
};
use callbacks::Callbacks;
pub use cancel::CAN_BE_CANCELLABLE;
use deliver::{Absence, Deliverer};
use discreet::{DiscreetLog, discreet, secrets_of};
use evidence::Evidence;
use function_slots::FunctionSlots;
use guarded::{Circuits, GuardedServices, GuardedSpark};
use recipe::Attempt;
use watched::Watched;

/// The world as recipes see it.
pub struct JobPorts {
    /// The HTTP job services.
    pub services: Box<dyn JobServices>,
    /// The Spark component.
    pub spark: Box<dyn SparkSubmitter>,
    /// The object store.
    pub objects: Box<dyn ObjectStore>,
    /// The documents.
    pub records: Box<dyn Records>,
    /// The web application.
    pub announcements: Box<dyn Announcements>,
    /// Where it is noted which of the last three do not answer.
    pub outages: Outages,
}

/// How patient recipes are (decision 18).
#[derive(Debug, Clone)]
pub struct JobSettings {
    /// Longest wait between two looks at a running job.
    pub poll_interval: Duration,
    /// Within this time the ports make a connection, or say that they cannot.
    pub connect: Duration,
    /// How long a start is repeated while nobody listens.
    pub start_retry: Duration,
    /// How long a running job may go without any usable answer.
    pub no_answer: Duration,
    /// How long one attempt may take.
    pub job_timeout: Duration,
    /// How long a job waits for a store that is away.
    pub store_wait: Duration,
    /// How long a record is offered to a store that is away.
    pub delivery_wait: Duration,
    /// How long the web application may be away until notices are given up after one try each.
    pub notice_wait: Duration,
    /// Functions at work at once.
    pub function_concurrency: usize,
    /// How long the slot of a function that was let go is held while the service may be at work.
    pub function_linger: Duration,
    /// Services that can be told that a job is not wanted any more, of [`CAN_BE_CANCELLABLE`].
    pub cancellable: BTreeSet<Service>,
    /// How long they may take to say that they have stopped.
    pub cancel_timeout: Duration,
}

impl Default for JobSettings {
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_secs(2),
            connect: Duration::from_secs(5),
            start_retry: Duration::from_secs(30),
            no_answer: Duration::from_secs(300),
            job_timeout: Duration::from_secs(86_400),
            store_wait: Duration::from_secs(600),
            delivery_wait: Duration::from_secs(86_400),
            notice_wait: Duration::from_secs(86_400),
            function_concurrency: 1,
            function_linger: Duration::from_secs(600),
            cancellable: BTreeSet::new(),
            cancel_timeout: Duration::from_secs(10),
        }
    }
}

/// The platform's jobs.
pub struct PlatformJobs {
    ports: Rc<JobPorts>,
    settings: Rc<JobSettings>,
    functions: FunctionSlots,
    circuits: Circuits,
    evidence: Evidence,
    web_application: Rc<Absence>,
    callbacks: Option<Callbacks>,
}

impl PlatformJobs {
    /// Jobs over these ports, which get circuit breakers; has to be made on the thread of the engine. Services are only
    /// asked.
    pub fn new(ports: JobPorts, settings: JobSettings) -> Self {
        let circuits = Circuits::new(settings.start_retry, settings.connect);
        let ports = JobPorts {
            services: Box::new(GuardedServices { inner: ports.services, circuits: circuits.clone() }),
            spark: Box::new(GuardedSpark { inner: ports.spark, circuits: circuits.clone() }),
            objects: Box::new(Watched { inner: ports.objects, outage: ports.outages.objects.clone() }),
            records: Box::new(Watched { inner: ports.records, outage: ports.outages.records.clone() }),
            announcements: Box::new(Watched {
                inner: ports.announcements,
                outage: ports.outages.web_application.clone(),
            }),
            outages: ports.outages,
        };
        let (ports, settings) = (Rc::new(ports), Rc::new(settings));
        let functions = FunctionSlots::new(&ports, &settings);
        Self {
            ports,
            settings,
            functions,
            circuits,
            evidence: Evidence::default(),
            web_application: Rc::default(),
            callbacks: None,
        }
    }

    /// The same after earlier lives of the process have let go of these functions: their service may be at work on them.
    #[must_use]
    pub fn holding(self, let_go: Vec<LetGoStart>) -> Self {
        let_go.into_iter().for_each(|start| self.functions.hold(start));
        self
    }

    /// The same, and HTTP services may say by themselves how their jobs ended.
    #[must_use]
    pub fn with_callbacks(self, callbacks: Callbacks) -> Self {
        Self { callbacks: Some(callbacks), ..self }
    }
}

impl JobRunner for PlatformJobs {
    fn run(&self, call: JobCall) -> LocalBoxFuture<'static, Result<JobSuccess, JobFailure>> {
        let attempt = Attempt {
            call,
            ports: Rc::clone(&self.ports),
            settings: Rc::clone(&self.settings),
            functions: self.functions.clone(),
            circuits: self.circuits.clone(),
            evidence: self.evidence.clone(),
            callbacks: self.callbacks.clone(),
            since: actix::clock::Instant::now(),
        };
        recipe::within(attempt, run).boxed_local()
    }

    fn cancel(&self, attempt: CancelledAttempt) -> LocalBoxFuture<'static, bool> {
        let (ports, settings) = (Rc::clone(&self.ports), Rc::clone(&self.settings));
        cancel::cancel(ports, settings, self.functions.clone(), attempt).boxed_local()
    }

    fn awaits_runs(&self) {
        self.evidence.knows_all_claims(false);
    }

    fn goes_on(&self, run: &RunSpec) {
        self.evidence.is_expected_by(run);
    }

    fn knows_all_runs(&self) {
        self.evidence.knows_all_claims(true);
    }

    fn functions_at_once(&self, most: usize) {
        self.functions.set_most(most);
    }

    fn follow_ups(&self, run: &RunSpec, milestone: &Milestone) -> Vec<Delivery> {
        follow_ups::follow_ups(run, milestone)
    }

    fn deliver(&self, run: Rc<RunSpec>, number: u32, delivery: Delivery) -> LocalBoxFuture<'static, DeliveryResult> {
        let deliverer = Deliverer {
            ports: Rc::clone(&self.ports),
            settings: Rc::clone(&self.settings),
            evidence: self.evidence.clone(),
            web_application: Rc::clone(&self.web_application),
        };
        async move { deliverer.deliver(&run, number, &delivery).await }.boxed_local()
    }

    fn announce_refusal(&self, analysis: String, notices: Vec<Notice>) -> LocalBoxFuture<'static, ()> {
        let ports = Rc::clone(&self.ports);
        async move { deliver::announce_refusal(&ports, &analysis, &notices).await }.boxed_local()
    }
}

/// One line per family.
async fn run(mut attempt: Attempt) -> Result<JobSuccess, JobFailure> {
    let run = Rc::clone(&attempt.call.run);
    let prefix = format!("tenant={} {}={}", run.playbook.tenant, run.playbook.space.as_str(), run.playbook.id);
    let job = run.job(attempt.call.job);
    let secrets = secrets_of(job);
    if let Some(secrets) = secrets.clone() {
        attempt.call.log = Rc::new(DiscreetLog { inner: Rc::clone(&attempt.call.log), secrets });
    }
    let since = actix::clock::Instant::now();
    let result = match &job.kind {
        JobKind::Dataset { label } => Ok(dataset(&attempt, label)),
        JobKind::Cleaning { max_shrink } => service::cleaning(&attempt, max_shrink.as_ref()).await,
        JobKind::DataJoin { column, join_type } => service::data_join(&attempt, column, join_type).await,
        JobKind::Function { function } => service::function(&attempt, function).await,
        JobKind::Ml { task, args } => spark::run(&attempt, *task, args).await,
        JobKind::Visualization { .. } => visualization::run(&attempt).await,
        JobKind::DataSink => service::data_sink(&attempt).await,
        JobKind::Ingestion(args) => ingestion::run(&attempt, args).await,
    };
    let result = result.map_err(|failure| discreet(failure, secrets.as_ref()));
    let millis = since.elapsed().as_millis();
    match &result {
        Ok(_) => log::info!("{prefix} job={}/{}: succeeded after {millis} ms", job.step, job.kind.title()),
        Err(failure) => {
            log::warn!("{prefix} job={}/{}: failed after {millis} ms: {failure}", job.step, job.kind.title())
        }
    }
    result
}

/// A data set is where its label says; nobody is called.
fn dataset(attempt: &Attempt, label: &DatasetLabel) -> JobSuccess {
    let path = paths::path_of(&attempt.bucket(), &ObjectKey::dataset(label));
    JobSuccess { output: Arc::new(JobOutput { producer: attempt.call.job, path }), details: SuccessDetails::default() }
}
