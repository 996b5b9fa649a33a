//! One attempt by itself, without an engine: what earlier lives of the process left behind is chosen by the test.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{LocalBoxFuture, ready};
use orchestrator::graph::build::{build, build_ingestion};
use orchestrator::graph::inputs::JobOutput;
use orchestrator::jobs::callbacks::Callbacks;
use orchestrator::jobs::{JobSettings, PlatformJobs};
use orchestrator::playbook::ingestion_url::{UrlPolicy, UrlRule};
use orchestrator::playbook::job::Service;
use orchestrator::playbook::settings::CheckSettings;
use orchestrator::ports::{
    AttemptLog, CancelledAttempt, JobCall, JobFailure, JobRunner, JobSuccess, KnownStart, RunSpec, StartIntent,
    SuccessDetails,
};
use serde_json::Value;

use super::ports::{Script, World};

/// The recipes over a scripted world, on a paused clock.
pub(super) struct Life {
    pub(super) world: World,
    pub(super) jobs: PlatformJobs,
    pub(super) log: Rc<Log>,
}

/// What the attempts of a life have written.
#[derive(Default)]
pub(super) struct Log {
    lines: RefCell<Vec<String>>,
}

impl Life {
    pub(super) fn new(script: Script) -> Self {
        Self::with(script, JobSettings::default(), None)
    }

    pub(super) fn with(script: Script, settings: JobSettings, callbacks: Option<Callbacks>) -> Self {
        orchestrator::testing::freeze_time();
        let world = World::new(script);
        let jobs = PlatformJobs::new(world.ports(), settings);
        let jobs = match callbacks {
            Some(callbacks) => jobs.with_callbacks(callbacks),
            None => jobs,
        };
        Self { world, jobs, log: Rc::default() }
    }

    /// The first attempt of a job, with an input for every predecessor.
    pub(super) fn call(&self, run: &Rc<RunSpec>, job: usize) -> JobCall {
        let output = |producer: &usize| Arc::new(JobOutput { producer: *producer, path: "metis/in".to_owned() });
        JobCall {
            run: Rc::clone(run),
            job,
            attempt: 1,
            inputs: run.job(job).inputs.iter().map(output).collect(),
            known: Vec::new(),
            spent: Duration::ZERO,
            callback: None,
            lost_contact: false,
            log: Rc::clone(&self.log) as _,
        }
    }

    pub(super) async fn run(&self, call: JobCall) -> Result<JobSuccess, JobFailure> {
        self.jobs.run(call).await
    }

    pub(super) async fn cancel(&self, run: &Rc<RunSpec>, job: usize, starts: Vec<KnownStart>) -> bool {
        self.jobs.cancel(CancelledAttempt { run: Rc::clone(run), job, attempt: 1, starts }).await
    }
}

/// Run 1 of a document.
pub(super) fn run_of(document: &Value) -> Rc<RunSpec> {
    let document = document.as_object().expect("an object");
    let ingestion_urls = UrlRule { policy: UrlPolicy::Any, ..UrlRule::default() };
    let settings = CheckSettings { ingestion_urls, ..CheckSettings::default() };
    let plan = match document.contains_key("ingestion-id") {
        true => build_ingestion(document, &settings),
        false => build(document, &settings),
    };
    let plan = plan.unwrap_or_else(|refusal| panic!("refused: {:?}", refusal.problems));
    Rc::new(RunSpec {
        run_id: 1,
        number: 1,
        playbook: plan.playbook.into(),
        accepted: actix::clock::Instant::now(),
        reused_ids: Default::default(),
    })
}

/// A start that an earlier life of the process intended for attempt 1.
pub(super) fn known(service: Service, wire_id: &str, acknowledged: bool) -> KnownStart {
    KnownStart { attempt: 1, service, wire_id: wire_id.to_owned(), acknowledged, details: SuccessDetails::default() }
}

impl Log {
    /// What was written, in order. *Shape*: a word, then what it is about.
    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.borrow().clone()
    }

    fn write(&self, line: String) {
        self.lines.borrow_mut().push(line);
    }
}

impl AttemptLog for Log {
    fn intend(&self, intent: StartIntent) -> LocalBoxFuture<'static, Result<(), JobFailure>> {
        self.write(format!("intend {} {}", intent.service.as_str(), intent.wire_id));
        ready(Ok(())).boxed_local()
    }

    fn prepare(&self) -> LocalBoxFuture<'static, Result<(), JobFailure>> {
        self.write("prepare".to_owned());
        ready(Ok(())).boxed_local()
    }

    fn acknowledged(&self, service: Service) {
        self.write(format!("acknowledged {}", service.as_str()));
    }

    fn lost_contact(&self, why: String) {
        self.write(format!("lost {why}"));
    }

    fn regained_contact(&self) {
        self.write("regained".to_owned());
    }

    fn warn(&self, code: &'static str, _: String) {
        self.write(format!("warn {code}"));
    }
}
