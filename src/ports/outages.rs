//! Which neighbours do not answer: for people who look, nothing is decided by it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Since when a neighbour has not answered, as far as the calls to it say. Clones share it, over threads too.
#[derive(Debug, Clone, Default)]
pub struct Outage(Arc<AtomicI64>);

/// The value of a neighbour that has answered last, or was never called.
const ANSWERS: i64 = 0;

impl Outage {
    /// A call was not answered. The first one is when it began.
    pub fn goes_on(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_millis() as i64);
        if self.since().is_none() {
            self.0.store(now, Ordering::Relaxed);
        }
    }

    /// A call was answered, whatever the answer.
    pub fn is_over(&self) {
        self.0.store(ANSWERS, Ordering::Relaxed);
    }

    /// When it began, by the wall clock. *Unit*: milliseconds since the epoch.
    pub fn since(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|since| *since != ANSWERS)
    }
}

/// The neighbours that accepted work waits for and accepting it does not.
#[derive(Debug, Clone, Default)]
pub struct Outages {
    /// The database of the platform's documents.
    pub records: Outage,
    /// The object store.
    pub objects: Outage,
    /// The web application.
    pub web_application: Outage,
}

impl Outages {
    /// Those that do not answer, with the moment since when.
    pub fn going_on(&self) -> impl Iterator<Item = (&'static str, i64)> {
        let all = [
            ("records", self.records.since()),
            ("objects", self.objects.since()),
            ("web-application", self.web_application.since()),
        ];
        all.into_iter().filter_map(|(neighbour, since)| Some((neighbour, since?)))
    }
}
