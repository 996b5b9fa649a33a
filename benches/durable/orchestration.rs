//! The engine on the journal of the program, with jobs that cost nothing; and the journal alone.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{LocalBoxFuture, join_all, ready};
use orchestrator::engine::{EngineHandle, EngineLimits};
use orchestrator::graph::inputs::JobOutput;
use orchestrator::ports::{
    Delivery, DeliveryResult, JobCall, JobFailure, JobRunner, JobSuccess, Milestone, Notice, RunSpec, StoreError,
    SuccessDetails,
};
use orchestrator::store::{History, Journal, Record, SqliteHistory, SqliteJournal};
use orchestrator::testing::{Shape, Sketch};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// Every job succeeds at once; says when an analysis is over.
struct Instantly {
    over: UnboundedSender<bool>,
}

impl JobRunner for Instantly {
    fn run(&self, call: JobCall) -> LocalBoxFuture<'static, Result<JobSuccess, JobFailure>> {
        let output = Arc::new(JobOutput { producer: call.job, path: String::new() });
        ready(Ok(JobSuccess { output, details: SuccessDetails::default() })).boxed_local()
    }

    fn follow_ups(&self, _: &RunSpec, milestone: &Milestone) -> Vec<Delivery> {
        if let Milestone::Finished { succeeded, .. } = milestone {
            self.over.send(*succeeded).ok();
        }
        Vec::new()
    }

    fn deliver(&self, _: Rc<RunSpec>, _: u32, _: Delivery) -> LocalBoxFuture<'static, DeliveryResult> {
        ready(DeliveryResult::Delivered).boxed_local()
    }

    fn announce_refusal(&self, _: String, _: Vec<Notice>) -> LocalBoxFuture<'static, ()> {
        ready(()).boxed_local()
    }
}

/// Submits all analyses at once; the time until the last one is over.
pub(super) async fn ours(file: &Path, analyses: usize, jobs: usize) -> Duration {
    let journal = Arc::new(SqliteJournal::open(file).unwrap());
    let (tell, mut over) = unbounded_channel();
    let make = move || Ok::<Rc<dyn JobRunner>, StoreError>(Rc::new(Instantly { over: tell }));
    let limits = EngineLimits { slots: None, ..EngineLimits::default() };
    let engine = EngineHandle::start(limits, journal, make).unwrap();
    let plans: Vec<_> = (0..analyses)
        .map(|number| {
            let sketch: Sketch = Shape::Random.sketch(jobs, number as u64).id(&format!("a{number}"));
            let plan = sketch.plan();
            let submission = sketch.submission(&plan);
            (plan, submission)
        })
        .collect();
    let since = Instant::now();
    let accepted = plans.into_iter().map(|(plan, submission)| engine.submit(plan, submission));
    for accepted in join_all(accepted).await {
        assert!(accepted.unwrap().is_new);
    }
    for _ in 0..analyses {
        assert!(over.recv().await.unwrap(), "an analysis failed");
    }
    since.elapsed()
}

/// Everything that was written for them.
pub(super) fn records(file: &Path, analyses: usize) -> Vec<(i64, Record)> {
    let history = SqliteHistory::open(file);
    let of = |run: i64| history.entries(run).unwrap().into_iter().map(move |entry| (run, entry.record));
    (1..=analyses as i64).flat_map(of).collect()
}

/// The same records in a journal of their own, all handed in at once.
pub(super) async fn floor(file: &Path, records: &[(i64, Record)]) -> Duration {
    let journal = SqliteJournal::open(file).unwrap();
    let since = Instant::now();
    let receipts: Vec<_> = records.iter().map(|(run, record)| journal.append(*run, record.clone())).collect();
    for receipt in receipts {
        receipt.await.unwrap();
    }
    since.elapsed()
}
