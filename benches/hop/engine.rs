//! The engine as the program runs it: its own thread, the journal on disk, the platform's recipes over HTTP.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{LocalBoxFuture, ready};
use orchestrator::adapters::address::Address;
use orchestrator::adapters::http_client::CallLimits;
use orchestrator::adapters::services::{HttpServices, ServiceAddresses};
use orchestrator::engine::{EngineHandle, EngineLimits};
use orchestrator::jobs::{JobPorts, JobSettings, PlatformJobs};
use orchestrator::playbook::{BucketName, ObjectKey, TenantId};
use orchestrator::ports::{
    Announcements, Applied, CallError, Delivery, DeliveryResult, JobCall, JobFailure, JobRunner, JobSuccess, Milestone,
    Notice, ObjectStore, RecordChange, Records, RunSpec, SparkConnection, SparkJob, SparkSubmitter, StoreError,
};
use orchestrator::store::SqliteJournal;
use orchestrator::testing::Sketch;
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::service::Service;

/// Ports that do nothing, at once.
struct Nothing;

impl ObjectStore for Nothing {
    fn make_directory(&self, _: &BucketName, _: &ObjectKey) -> LocalBoxFuture<'static, Result<(), StoreError>> {
        ready(Ok(())).boxed_local()
    }

    fn delete(&self, _: &BucketName, _: &ObjectKey) -> LocalBoxFuture<'static, Result<(), StoreError>> {
        ready(Ok(())).boxed_local()
    }

    fn exists(&self, _: &BucketName, _: &ObjectKey) -> LocalBoxFuture<'static, Result<bool, StoreError>> {
        ready(Ok(true)).boxed_local()
    }

    fn list(&self, _: &BucketName, _: &ObjectKey) -> LocalBoxFuture<'static, Result<Vec<String>, StoreError>> {
        ready(Ok(Vec::new())).boxed_local()
    }
}

impl Records for Nothing {
    fn apply(&self, _: &RunSpec, _: &RecordChange) -> LocalBoxFuture<'static, Result<Applied, StoreError>> {
        ready(Ok(Applied::Done)).boxed_local()
    }

    fn put_parameters(&self, _: &TenantId, _: &Map<String, Value>) -> LocalBoxFuture<'static, Result<(), StoreError>> {
        ready(Ok(())).boxed_local()
    }
}

impl Announcements for Nothing {
    fn announce(&self, _: &Notice, _: &str) -> LocalBoxFuture<'static, Result<(), CallError>> {
        ready(Ok(())).boxed_local()
    }
}

impl SparkSubmitter for Nothing {
    fn connect(&self) -> LocalBoxFuture<'static, Result<Box<dyn SparkConnection>, CallError>> {
        let connection: Box<dyn SparkConnection> = Box::new(Nothing);
        ready(Ok(connection)).boxed_local()
    }
}

impl SparkConnection for Nothing {
    fn submit(self: Box<Self>, _: &SparkJob) -> LocalBoxFuture<'static, Result<String, CallError>> {
        ready(Ok(String::new())).boxed_local()
    }
}

/// The platform's jobs; says when an analysis is over.
struct Watched {
    jobs: PlatformJobs,
    over: UnboundedSender<bool>,
}

impl JobRunner for Watched {
    fn run(&self, call: JobCall) -> LocalBoxFuture<'static, Result<JobSuccess, JobFailure>> {
        self.jobs.run(call)
    }

    fn follow_ups(&self, run: &RunSpec, milestone: &Milestone) -> Vec<Delivery> {
        if let Milestone::Finished { succeeded, .. } = milestone {
            self.over.send(*succeeded).ok();
        }
        self.jobs.follow_ups(run, milestone)
    }

    fn deliver(&self, run: Rc<RunSpec>, number: u32, delivery: Delivery) -> LocalBoxFuture<'static, DeliveryResult> {
        self.jobs.deliver(run, number, delivery)
    }

    fn announce_refusal(&self, analysis: String, notices: Vec<Notice>) -> LocalBoxFuture<'static, ()> {
        self.jobs.announce_refusal(analysis, notices)
    }
}

/// A running engine.
pub(super) struct Running {
    handle: EngineHandle,
    over: Mutex<UnboundedReceiver<bool>>,
}

impl Running {
    pub(super) fn start(file: &Path, service: &Service) -> Self {
        let journal = Arc::new(SqliteJournal::open(file).unwrap());
        let (tell, over) = unbounded_channel();
        let port = service.port;
        let make = move || {
            let address = Address::new("127.0.0.1", port);
            let addresses =
                ServiceAddresses { data: address.clone(), function: address.clone(), automl: address.clone() };
            let ports = JobPorts {
                services: Box::new(HttpServices::new(addresses, &CallLimits::default())),
                spark: Box::new(Nothing),
                objects: Box::new(Nothing),
                records: Box::new(Nothing),
                announcements: Box::new(Nothing),
            };
            let jobs = PlatformJobs::new(ports, JobSettings::default());
            let runner: Rc<dyn JobRunner> = Rc::new(Watched { jobs, over: tell });
            Ok::<_, StoreError>(runner)
        };
        let handle = EngineHandle::start(EngineLimits::default(), journal, make).unwrap();
        Self { handle, over: Mutex::new(over) }
    }

    /// Submits all at once; the time until the last one is over.
    pub(super) async fn run(&self, sketches: Vec<Sketch>) -> Duration {
        let plans: Vec<_> = sketches
            .iter()
            .map(|sketch| {
                let plan = sketch.plan();
                let submission = sketch.submission(&plan);
                (plan, submission)
            })
            .collect();
        let mut over = self.over.lock().await;
        let (since, count) = (Instant::now(), plans.len());
        let accepted = plans.into_iter().map(|(plan, submission)| self.handle.submit(plan, submission));
        for accepted in futures::future::join_all(accepted).await {
            assert!(accepted.unwrap().is_new);
        }
        for _ in 0..count {
            assert!(over.recv().await.unwrap(), "an analysis failed");
        }
        since.elapsed()
    }
}
