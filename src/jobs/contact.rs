//! When a service that is asked about a running job counts as out of contact. That fails nothing: the job may be at work
//! all the same, and the service is asked on until the job's patience with silence is over.

use std::time::Duration;

use actix::clock::Instant;

use crate::ports::AttemptLog;

/// Silence until contact counts as lost: longer than a restart of a service takes, much shorter than patience lasts.
const LOST_AFTER: Duration = Duration::from_secs(10);

/// What is known of one service while a job runs there.
pub(super) struct Contact {
    last_answer: Instant,
    lost_after: Duration,
    lost: bool,
}

impl Contact {
    /// From now on. `patience` is how long silence is borne, `lost` whether contact had been lost before.
    pub(super) fn new(patience: Duration, lost: bool) -> Self {
        Self { last_answer: Instant::now(), lost_after: LOST_AFTER.min(patience / 2), lost }
    }

    /// There was an answer that says something.
    pub(super) fn heard(&mut self, log: &dyn AttemptLog) {
        self.last_answer = Instant::now();
        if std::mem::take(&mut self.lost) {
            log.regained_contact();
        }
    }

    /// How long there has been no answer.
    pub(super) fn silence(&self) -> Duration {
        self.last_answer.elapsed()
    }

    /// There was none.
    pub(super) fn silent(&mut self, log: &dyn AttemptLog, why: &str) {
        let silence = self.silence();
        if silence >= self.lost_after && !self.lost {
            self.lost = true;
            log.lost_contact(format!("no usable answer for {} s: {why}", silence.as_secs()));
        }
    }
}
