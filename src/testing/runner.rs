//! Jobs that do what the test says, and remember what was done.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::Duration;

use actix::clock::{Instant, sleep};
use futures::FutureExt;
use futures::future::{LocalBoxFuture, ready};

use super::script::{Ending, Script, Scripting};
use crate::graph::JobIndex;
use crate::graph::inputs::JobOutput;
use crate::playbook::Playbook;
use crate::playbook::job::Service;
use crate::ports::{
    CancelledAttempt, Delivery, DeliveryResult, JobCall, JobFailure, JobRunner, JobSuccess, Milestone, Notice,
    NoticeKind, PipelineChange, RecordChange, RunSpec, StartIntent, SuccessDetails,
};

/// A [`JobRunner`] whose jobs succeed at once unless their script says otherwise. Clones are the same runner.
///
/// Like the real recipes it writes an intent for every job that calls a service and waits for it before anything else.
#[derive(Clone, Default)]
pub struct ScriptedRunner {
    inner: Rc<Inner>,
}

#[derive(Default)]
struct Inner {
    scripts: RefCell<HashMap<String, Script>>,
    every: RefCell<Script>,
    began: Cell<Option<Instant>>,
    ran: RefCell<Vec<Ran>>,
    at_work: RefCell<HashMap<Option<Service>, (usize, usize)>>,
    playbooks: RefCell<Vec<Weak<Playbook>>>,
    milestones: RefCell<Vec<(Duration, String)>>,
    tells: Cell<bool>,
    delivery_takes: Cell<Duration>,
    delivery_panics: RefCell<Option<String>>,
    deliveries: RefCell<Vec<Told>>,
    stops: RefCell<Vec<(String, Vec<u32>)>>,
    services_stop: Cell<bool>,
}

/// One job that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Text of the analysis' id.
    pub analysis: String,
    /// Number of the run.
    pub run: u32,
    /// The job's step.
    pub step: String,
    /// Which attempt.
    pub attempt: u32,
    /// Steps of the jobs whose outputs it got, in order.
    pub inputs: Vec<String>,
    /// When it started, since the engine did.
    pub started: Duration,
    /// When it ended.
    pub ended: Option<Duration>,
    /// How it ended; `None` while it is at work.
    pub end: Option<RanEnd>,
}

/// How a started job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RanEnd {
    /// With a result.
    Succeeded,
    /// With a failure.
    Failed,
    /// Its future was dropped before its end: it was stopped, or panicked.
    Dropped,
}

/// One delivery that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Text of the analysis' id.
    pub analysis: String,
    /// Its number in its lane.
    pub number: u32,
    /// When it was made, since the engine started.
    pub at: Duration,
    /// What was told.
    pub delivery: Delivery,
}

impl ScriptedRunner {
    /// Every job succeeds at once, nobody is told anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes the script of a step, in whatever analysis.
    pub fn step(&self, step: &str) -> Scripting<'_> {
        Scripting { runner: self, step: Some(step.to_owned()) }
    }

    /// Writes the script of a step of one analysis only.
    pub fn step_of(&self, analysis: &str, step: &str) -> Scripting<'_> {
        self.step(&format!("{analysis}/{step}"))
    }

    /// Writes the script of every step that has none of its own.
    pub fn every(&self) -> Scripting<'_> {
        Scripting { runner: self, step: None }
    }

    /// From now on every milestone is followed by a record and a notice with its text.
    pub fn tells_milestones(&self) -> &Self {
        self.inner.tells.set(true);
        self
    }

    /// From now on nobody is told anything.
    pub fn tells_nothing(&self) -> &Self {
        self.inner.tells.set(false);
        self
    }

    /// Every delivery takes this long.
    pub fn deliveries_take(&self, time: Duration) -> &Self {
        self.inner.delivery_takes.set(time);
        self
    }

    /// Every delivery whose text contains this panics.
    pub fn delivery_panics(&self, part: &str) -> &Self {
        self.inner.delivery_panics.replace(Some(part.to_owned()));
        self
    }

    /// Every job that was started, in order.
    pub fn ran(&self) -> Vec<Ran> {
        self.inner.ran.borrow().clone()
    }

    /// The steps that were started, in order.
    pub fn steps(&self) -> Vec<String> {
        self.inner.ran.borrow().iter().map(|ran| ran.step.clone()).collect()
    }

    /// The one start of a step.
    ///
    /// # Panics
    /// When it was started never or more than once.
    pub fn only(&self, step: &str) -> Ran {
        let mut ran: Vec<Ran> = self.ran().into_iter().filter(|ran| ran.step == step).collect();
        assert_eq!(ran.len(), 1, "starts of step {step}");
        ran.remove(0)
    }

    /// Most jobs that were at work at the same moment.
    pub fn most_at_once(&self) -> usize {
        self.most(None)
    }

    /// Most jobs that were at work at the same moment for one service.
    pub fn most_at_once_at(&self, service: Service) -> usize {
        self.most(Some(service))
    }

    fn most(&self, service: Option<Service>) -> usize {
        self.inner.at_work.borrow().get(&service).map_or(0, |(_, most)| *most)
    }

    /// What was decided to be told after which moment, in order: `accepted`, `3 succeeded`, `3 failed`, `finished well`.
    pub fn milestones(&self) -> Vec<(Duration, String)> {
        self.inner.milestones.borrow().clone()
    }

    /// Deliveries that were made, in order.
    pub fn told(&self) -> Vec<Told> {
        self.inner.deliveries.borrow().clone()
    }

    /// Texts of the notices that were delivered, in order.
    pub fn notices(&self) -> Vec<String> {
        let text = |told: Told| match told.delivery {
            Delivery::Notice(notice) => Some(notice.text),
            Delivery::Record(_) => None,
        };
        self.told().into_iter().filter_map(text).collect()
    }

    /// From now on services stop for certain when they are told to; before, nobody knows.
    pub fn services_stop(&self) -> &Self {
        self.inner.services_stop.set(true);
        self
    }

    /// Whom services were told of that they are not wanted any more, in order: the step, and its attempts.
    pub fn stops(&self) -> Vec<(String, Vec<u32>)> {
        self.inner.stops.borrow().clone()
    }

    /// Runs that still have a living actor. Every actor of a run shares the run's playbook, and nobody else keeps it.
    pub fn living_runs(&self) -> Vec<String> {
        let playbooks = self.inner.playbooks.borrow();
        playbooks.iter().filter_map(Weak::upgrade).map(|playbook| playbook.id.text().to_owned()).collect()
    }

    pub(super) fn edit_script(&self, step: Option<&str>, change: impl FnOnce(&mut Script)) {
        match step {
            Some(step) => change(self.inner.scripts.borrow_mut().entry(step.to_owned()).or_default()),
            None => change(&mut self.inner.every.borrow_mut()),
        }
    }

    pub(super) fn begin(&self) {
        self.inner.began.set(Some(Instant::now()));
    }
}

impl Inner {
    fn now(&self) -> Duration {
        let now = Instant::now();
        let began = self.began.get().unwrap_or(now);
        self.began.set(Some(began));
        now.duration_since(began)
    }

    fn script(&self, run: &RunSpec, job: JobIndex) -> Script {
        let (analysis, step) = (run.playbook.id.text(), run.job(job).step.text());
        let scripts = self.scripts.borrow();
        let own = scripts.get(&format!("{analysis}/{step}")).or_else(|| scripts.get(step));
        own.cloned().unwrap_or_else(|| self.every.borrow().clone())
    }

    fn count(&self, service: Option<Service>, up: bool) {
        for key in [None, service].into_iter().take(1 + usize::from(service.is_some())) {
            let mut at_work = self.at_work.borrow_mut();
            let (now, most) = at_work.entry(key).or_default();
            *now = if up { *now + 1 } else { *now - 1 };
            *most = (*most).max(*now);
        }
    }
}

/// A job at work; being dropped early counts as an end.
struct AtWork {
    inner: Rc<Inner>,
    service: Option<Service>,
    place: usize,
}

impl AtWork {
    fn start(inner: Rc<Inner>, call: &JobCall) -> Self {
        let service = call.run.job(call.job).kind.service();
        let step = |job: JobIndex| call.run.job(job).step.text().to_owned();
        let ran = Ran {
            analysis: call.run.playbook.id.text().to_owned(),
            run: call.run.number,
            step: step(call.job),
            attempt: call.attempt,
            inputs: call.inputs.iter().map(|input| step(input.producer)).collect(),
            started: inner.now(),
            ended: None,
            end: None,
        };
        inner.count(service, true);
        let place = inner.ran.borrow().len();
        inner.ran.borrow_mut().push(ran);
        Self { inner, service, place }
    }

    fn end(&self, end: RanEnd) {
        self.inner.ran.borrow_mut()[self.place].end = Some(end);
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.inner.count(self.service, false);
        let now = self.inner.now();
        let ran = &mut self.inner.ran.borrow_mut()[self.place];
        ran.ended = Some(now);
        ran.end.get_or_insert(RanEnd::Dropped);
    }
}

async fn act(inner: Rc<Inner>, script: Script, call: JobCall) -> Result<JobSuccess, JobFailure> {
    let job = call.run.job(call.job);
    if let Some(service) = job.kind.service() {
        call.log
            .intend(StartIntent { service, wire_id: job.id.key().to_owned(), details: SuccessDetails::default() })
            .await?;
        call.log.acknowledged(service);
    }
    let at_work = AtWork::start(inner, &call);
    if let Some(latch) = &script.latch {
        latch.pass().await;
    }
    if !script.takes.is_zero() {
        sleep(script.takes).await;
    }
    match script.ending {
        Ending::Success => {
            at_work.end(RanEnd::Succeeded);
            let path = format!("{}/{}", call.run.playbook.tenant, job.step);
            let output = Arc::new(JobOutput { producer: call.job, path });
            Ok(JobSuccess { output, details: SuccessDetails::default() })
        }
        Ending::Failure(failure) => {
            at_work.end(RanEnd::Failed);
            Err(failure)
        }
        Ending::Panic(text) | Ending::PanicAtOnce(text) => panic!("{text}"),
        Ending::Never => std::future::pending().await,
    }
}

impl JobRunner for ScriptedRunner {
    fn run(&self, call: JobCall) -> LocalBoxFuture<'static, Result<JobSuccess, JobFailure>> {
        let script = self.inner.script(&call.run, call.job);
        if let Ending::PanicAtOnce(text) = &script.ending {
            panic!("{text}");
        }
        act(Rc::clone(&self.inner), script, call).boxed_local()
    }

    fn cancel(&self, attempt: CancelledAttempt) -> LocalBoxFuture<'static, bool> {
        let step = attempt.run.job(attempt.job).step.text().to_owned();
        let mut attempts: Vec<u32> = attempt.starts.iter().map(|start| start.attempt).collect();
        attempts.dedup();
        self.inner.stops.borrow_mut().push((step, attempts));
        ready(self.inner.services_stop.get()).boxed_local()
    }

    fn follow_ups(&self, run: &RunSpec, milestone: &Milestone) -> Vec<Delivery> {
        let step = |job: &JobIndex| run.job(*job).step.text();
        let text = match milestone {
            Milestone::Accepted => {
                self.inner.playbooks.borrow_mut().push(Arc::downgrade(&run.playbook));
                "accepted".to_owned()
            }
            Milestone::JobSucceeded { job, .. } => format!("{} succeeded", step(job)),
            Milestone::JobFailed { job, .. } => format!("{} failed", step(job)),
            Milestone::Finished { succeeded: true, .. } => "finished well".to_owned(),
            Milestone::Finished { succeeded: false, .. } => "finished badly".to_owned(),
        };
        self.inner.milestones.borrow_mut().push((self.inner.now(), text.clone()));
        if !self.inner.tells.get() {
            return Vec::new();
        }
        let record = RecordChange::Pipeline(PipelineChange::Visualization { label: text.clone(), paths: Vec::new() });
        vec![Delivery::Record(record), Delivery::Notice(Notice { kind: NoticeKind::Update, text })]
    }

    fn deliver(&self, run: Rc<RunSpec>, number: u32, delivery: Delivery) -> LocalBoxFuture<'static, DeliveryResult> {
        let inner = Rc::clone(&self.inner);
        async move {
            if !inner.delivery_takes.get().is_zero() {
                sleep(inner.delivery_takes.get()).await;
            }
            let panics = inner.delivery_panics.borrow().clone();
            if let Some(part) = panics.filter(|part| format!("{delivery:?}").contains(part)) {
                panic!("the delivery of `{part}` panicked");
            }
            let told = Told { analysis: run.playbook.id.text().to_owned(), number, at: inner.now(), delivery };
            inner.deliveries.borrow_mut().push(told);
            DeliveryResult::Delivered
        }
        .boxed_local()
    }

    fn announce_refusal(&self, analysis: String, notices: Vec<Notice>) -> LocalBoxFuture<'static, ()> {
        let inner = Rc::clone(&self.inner);
        async move {
            for (notice, number) in notices.into_iter().zip(1..) {
                let told =
                    Told { analysis: analysis.clone(), number, at: inner.now(), delivery: Delivery::Notice(notice) };
                inner.deliveries.borrow_mut().push(told);
            }
        }
        .boxed_local()
    }
}
