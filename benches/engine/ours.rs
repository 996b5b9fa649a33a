//! The engine with jobs that cost nothing, a journal that keeps nothing and no gate.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use orchestrator::engine::{EngineHandle, EngineLimits};
use orchestrator::graph::inputs::JobOutput;
use orchestrator::playbook::Space;
use orchestrator::ports::{
    Delivery, DeliveryResult, JobCall, JobFailure, JobRunner, JobSuccess, Milestone, Notice, RunSpec, SuccessDetails,
};
use orchestrator::store::{Acceptance, Entry, Journal, Millis, Receipt, Record, Submission};
use orchestrator::testing::bare_plan;
use tokio::sync::oneshot;

use super::{Measured, resident};

/// Keeps nothing, says that everything is durable.
struct NoJournal;

impl Journal for NoJournal {
    fn accept(&self, _: Submission) -> Receipt<Acceptance> {
        Receipt::ready(Acceptance::New { run_id: 1, number: 1, reused_ids: BTreeSet::new() })
    }

    fn append(&self, _: i64, _: Record) -> Receipt<u64> {
        Receipt::ready(0)
    }

    fn read_back(&self, _: i64) -> Receipt<Vec<Entry>> {
        Receipt::ready(Vec::new())
    }

    fn tick(&self) -> Millis {
        0
    }
}

/// Every job succeeds at once.
struct Instantly {
    first: RefCell<Option<oneshot::Sender<u64>>>,
    finished: RefCell<Option<oneshot::Sender<()>>>,
}

impl JobRunner for Instantly {
    fn run(&self, call: JobCall) -> LocalBoxFuture<'static, Result<JobSuccess, JobFailure>> {
        if let Some(first) = self.first.take() {
            first.send(resident()).ok();
        }
        let output = Arc::new(JobOutput { producer: call.job, path: String::new() });
        futures::future::ready(Ok(JobSuccess { output, details: SuccessDetails::default() })).boxed_local()
    }

    fn follow_ups(&self, _: &RunSpec, milestone: &Milestone) -> Vec<Delivery> {
        let finished = matches!(milestone, Milestone::Finished { .. }).then(|| self.finished.take()).flatten();
        if let Some(finished) = finished {
            finished.send(()).ok();
        }
        Vec::new()
    }

    fn deliver(&self, _: Rc<RunSpec>, _: u32, _: Delivery) -> LocalBoxFuture<'static, DeliveryResult> {
        futures::future::ready(DeliveryResult::Delivered).boxed_local()
    }

    fn announce_refusal(&self, _: String, _: Vec<Notice>) -> LocalBoxFuture<'static, ()> {
        futures::future::ready(()).boxed_local()
    }
}

/// From the submission of a built plan to its last milestone.
pub(super) fn run(jobs: usize, edges: &[(usize, usize)]) -> Measured {
    let plan = bare_plan("a1", jobs, edges);
    let submission = Submission {
        tenant: "metis".to_owned(),
        space: Space::Analysis,
        id_key: "a1".to_owned(),
        id_text: "a1".to_owned(),
        digest: [0; 32],
        request: [0; 32],
        document: String::new(),
        job_ids: Vec::new(),
        at: 0,
        idempotency_key: None,
        has_room: true,
        rerun: None,
        follows: None,
    };
    actix::System::new().block_on(async move {
        let ((first, waiting), (finished, end)) = (oneshot::channel(), oneshot::channel());
        let runner = Instantly { first: RefCell::new(Some(first)), finished: RefCell::new(Some(finished)) };
        let limits = EngineLimits { slots: None, ..EngineLimits::default() };
        let engine = EngineHandle::start_here(limits, Arc::new(NoJournal), Rc::new(runner));
        actix::clock::sleep(Duration::from_millis(5)).await;
        let (before, since) = (resident(), Instant::now());
        engine.submit(plan, submission).await.unwrap();
        end.await.unwrap();
        let time = since.elapsed();
        Measured { time, bytes: waiting.await.unwrap().saturating_sub(before) }
    })
}
