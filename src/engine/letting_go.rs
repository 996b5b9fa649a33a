//! Tells services that nobody waits for them any more.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use futures::FutureExt;

use crate::graph::JobIndex;
use crate::ports::{CancelledAttempt, JobRunner, KnownStart, RunSpec};

/// Whether every service that may be at work on these starts has stopped for certain; one that makes the runner panic has
/// not.
pub(super) fn tell(runner: Rc<dyn JobRunner>, cancelled: CancelledAttempt) -> impl Future<Output = bool> {
    let told = AssertUnwindSafe(async move { runner.cancel(cancelled).await }).catch_unwind();
    told.map(|stopped| stopped.unwrap_or(false))
}

/// An attempt has failed and its job goes on without it: whoever may be at work on its starts is told. Best effort, within
/// the runner's own time limit: neither the next attempt waits for that nor the end of the job, and whoever was told counts as
/// at work all the same.
pub(super) fn give_up(runner: &Rc<dyn JobRunner>, run: &Rc<RunSpec>, job: JobIndex, starts: &[KnownStart]) {
    if let Some(last) = starts.last() {
        // what it has left is an earlier attempt's: its slots are seen to
        let attempt = last.attempt + 1;
        let cancelled = CancelledAttempt { run: Rc::clone(run), job, attempt, starts: starts.to_vec() };
        actix::spawn(tell(Rc::clone(runner), cancelled).map(drop));
    }
}
