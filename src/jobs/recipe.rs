//! What recipes share: the attempt with everything it may use, its time limit, and the stores. Starting at a service is in
//! `start.rs`, following a job there to its end in `follow.rs`.

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::clock::Instant;

use super::callbacks::Callbacks;
use super::evidence::Evidence;
use super::function_slots::FunctionSlots;
use super::guarded::Circuits;
use super::pace::Backoff;
use super::{JobPorts, JobSettings, paths};
use crate::chaos::{self, Bug};
use crate::graph::inputs::JobOutput;
use crate::playbook::{BucketName, Job, ObjectKey};
use crate::ports::{CallError, FailureKind, JobCall, JobFailure, JobSuccess, StoreError, SuccessDetails};

/// How long it may take to see whether an attempt whose time is up has ended well.
const LAST_LOOK: Duration = Duration::from_secs(5);

/// One attempt with everything it may use.
pub(super) struct Attempt {
    pub(super) call: JobCall,
    pub(super) ports: Rc<JobPorts>,
    pub(super) settings: Rc<JobSettings>,
    pub(super) functions: FunctionSlots,
    pub(super) circuits: Circuits,
    pub(super) evidence: Evidence,
    pub(super) callbacks: Option<Callbacks>,
    /// When this life of it began.
    pub(super) since: Instant,
}

impl Attempt {
    /// The job itself.
    pub(super) fn job(&self) -> &Job {
        self.call.run.job(self.call.job)
    }

    /// How long the attempt may take in all.
    fn limit(&self) -> Duration {
        self.job().timeout.unwrap_or(self.settings.job_timeout)
    }

    /// How much of that is left: earlier lives of the process have spent their part of it.
    pub(super) fn left(&self) -> Duration {
        if chaos::seeded(Bug::NoTimeLimit) {
            return Duration::MAX;
        }
        self.limit().saturating_sub(self.call.spent).saturating_sub(self.since.elapsed())
    }

    /// Fails when no time is left: nothing more is started then, and nothing asked a second time.
    pub(super) fn ends_if_over(&self) -> Result<(), JobFailure> {
        if self.left().is_zero() { Err(self.timed_out()) } else { Ok(()) }
    }

    /// How much of what is left is kept for seeing whether an attempt has ended well after all.
    pub(super) fn last_look(&self) -> Duration {
        LAST_LOOK.min(self.left() / 10)
    }

    pub(super) fn timed_out(&self) -> JobFailure {
        let text = format!("the job did not finish within {} s", self.limit().as_secs_f64());
        JobFailure::new(FailureKind::TimedOut, text)
    }

    /// The input of a job that takes one.
    pub(super) fn one_input(&self) -> Result<Arc<JobOutput>, JobFailure> {
        match self.call.inputs.as_slice() {
            [input, ..] => Ok(Arc::clone(input)),
            [] => Err(missing_input(1, 0)),
        }
    }

    /// The tenant's bucket.
    pub(super) fn bucket(&self) -> BucketName {
        BucketName::of(&self.call.run.playbook.tenant)
    }

    /// Key of the job's output directory and the path that services get. *Panics* for kinds that have none.
    pub(super) fn output(&self) -> (ObjectKey, String) {
        let directory = paths::output_directory(&self.call.run, self.job()).expect("this kind of job has an output");
        let path = paths::path_of(&self.bucket(), &directory);
        (directory, path)
    }

    /// Makes a directory in the tenant's bucket, and the bucket if need be.
    pub(super) async fn make_directory(&self, directory: &ObjectKey) -> Result<(), JobFailure> {
        let bucket = self.bucket();
        self.patiently(|| self.ports.objects.make_directory(&bucket, directory)).await
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

    /// The result of a job whose output is its own.
    pub(super) fn own_output(&self, path: String) -> JobSuccess {
        let output = Arc::new(JobOutput { producer: self.call.job, path });
        JobSuccess { output, details: SuccessDetails::default() }
    }
}

/// A kind needs more inputs than there are.
pub(super) fn missing_input(needed: usize, there: usize) -> JobFailure {
    JobFailure::new(FailureKind::MissingInput, format!("{there} of {needed} inputs are there"))
}

/// The service cannot be reached.
pub(super) fn unreachable(error: &CallError) -> JobFailure {
    JobFailure::new(FailureKind::Unreachable, error.to_string())
}

/// Runs an attempt, and ends it when it takes longer than it may. One that an earlier life of the process had begun gets
/// the time for one look, even if its own is over: what has ended well by then counts.
pub(super) async fn within<T, F>(attempt: Attempt, run: impl FnOnce(Attempt) -> F) -> Result<T, JobFailure>
where
    F: Future<Output = Result<T, JobFailure>>,
{
    let (left, too_late) = (attempt.left(), attempt.timed_out());
    let limit = if attempt.call.spent.is_zero() { left } else { left.max(LAST_LOOK) };
    actix::clock::timeout(limit, run(attempt)).await.unwrap_or(Err(too_late))
}
