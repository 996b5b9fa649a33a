//! What a scripted job does when it is its turn.

use std::time::Duration;

use tokio::sync::watch;

use super::runner::ScriptedRunner;
use crate::ports::{FailureKind, JobFailure};

/// A door in a job's way: the job waits until the test opens it. Clones are the same door.
#[derive(Debug, Clone)]
pub struct Latch {
    open: watch::Sender<bool>,
}

impl Default for Latch {
    fn default() -> Self {
        Self::new()
    }
}

impl Latch {
    /// A closed door.
    pub fn new() -> Self {
        Self { open: watch::channel(false).0 }
    }

    /// Lets everybody through, now and later.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    pub(super) async fn pass(&self) {
        // the sender lives in `self`
        drop(self.open.subscribe().wait_for(|open| *open).await);
    }
}

/// How a scripted job ends.
#[derive(Debug, Clone, Default)]
pub(super) enum Ending {
    #[default]
    Success,
    Failure(JobFailure),
    Panic(String),
    PanicAtOnce(String),
    Never,
}

/// A whole script: wait for a door, take some time, end.
#[derive(Debug, Clone, Default)]
pub(super) struct Script {
    pub(super) latch: Option<Latch>,
    pub(super) takes: Duration,
    pub(super) ending: Ending,
}

/// Writes the script of one step, or of every step that has none of its own.
pub struct Scripting<'a> {
    pub(super) runner: &'a ScriptedRunner,
    /// `None`: every step.
    pub(super) step: Option<String>,
}

impl Scripting<'_> {
    fn edit(&self, change: impl FnOnce(&mut Script)) -> &Self {
        self.runner.edit_script(self.step.as_deref(), change);
        self
    }

    /// The job takes this long, whatever its end.
    pub fn takes(&self, time: Duration) -> &Self {
        self.edit(|script| script.takes = time)
    }

    /// The job succeeds after this time.
    pub fn succeeds_after(&self, time: Duration) -> &Self {
        self.edit(|script| (script.takes, script.ending) = (time, Ending::Success))
    }

    /// The job fails.
    pub fn fails_with(&self, kind: FailureKind, text: &str) -> &Self {
        self.edit(|script| script.ending = Ending::Failure(JobFailure::new(kind, text)))
    }

    /// The job's future panics.
    pub fn panics(&self, text: &str) -> &Self {
        self.edit(|script| script.ending = Ending::Panic(text.to_owned()))
    }

    /// The runner panics before there is a future.
    pub fn panics_at_once(&self, text: &str) -> &Self {
        self.edit(|script| script.ending = Ending::PanicAtOnce(text.to_owned()))
    }

    /// The job never ends.
    pub fn never_returns(&self) -> &Self {
        self.edit(|script| script.ending = Ending::Never)
    }

    /// The job waits until the test opens the door.
    pub fn waits_for(&self, latch: &Latch) -> &Self {
        self.edit(|script| script.latch = Some(latch.clone()))
    }
}
