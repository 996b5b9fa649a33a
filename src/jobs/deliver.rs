//! Tells the outside one thing, patiently: stores that are away are waited for, the web application is best effort.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use actix::clock::Instant;

use super::evidence::Evidence;
use super::pace::Backoff;
use super::{JobPorts, JobSettings};
use crate::chaos::{self, Point};
use crate::playbook::{BucketName, ObjectKey, Space};
use crate::ports::{Applied, Delivery, DeliveryResult, Notice, RecordChange, RunSpec, StoreError};

/// The web application does not await its own saves: its entry may come this much later than the playbook (decision 22).
const ENTRY_GRACE: Duration = Duration::from_secs(10);

/// Everything that deliveries need.
pub(super) struct Deliverer {
    pub(super) ports: Rc<JobPorts>,
    pub(super) settings: Rc<JobSettings>,
    pub(super) evidence: Evidence,
    pub(super) web_application: Rc<Absence>,
}

impl Deliverer {
    /// Delivers one record or notice of a run.
    pub(super) async fn deliver(&self, run: &RunSpec, number: u32, delivery: &Delivery) -> DeliveryResult {
        match delivery {
            Delivery::Record(change) => self.record(run, change).await,
            Delivery::Notice(notice) => {
                let event_id = event_id(run, number);
                announce(&self.ports, &self.settings, &self.web_application, notice, &event_id).await
            }
        }
    }

    async fn record(&self, run: &RunSpec, change: &RecordChange) -> DeliveryResult {
        let since = Instant::now();
        let mut backoff = Backoff::default();
        loop {
            let applied = match change {
                RecordChange::DeleteObject { key } => self.delete(run, key).await,
                RecordChange::Register
                | RecordChange::Document { .. }
                | RecordChange::Pipeline(_)
                | RecordChange::DatasetFeatures { .. } => self.ports.records.apply(run, change).await,
            };
            match applied {
                Ok(Applied::Done) => return DeliveryResult::Delivered,
                Ok(Applied::NoSuchEntry) if run.accepted.elapsed() >= ENTRY_GRACE => {
                    return DeliveryResult::GivenUp(format!(
                        "the web application has no entry for {}",
                        run.playbook.id
                    ));
                }
                Err(error @ StoreError::Refused { .. }) => return DeliveryResult::GivenUp(error.to_string()),
                Err(error) if since.elapsed() >= self.settings.delivery_wait => {
                    return DeliveryResult::GivenUp(error.to_string());
                }
                Ok(Applied::NoSuchEntry) | Err(StoreError::Unavailable { .. }) => backoff.pause().await,
            }
        }
    }

    /// What a later run has left there by now is none of this one's.
    async fn delete(&self, run: &RunSpec, key: &ObjectKey) -> Result<Applied, StoreError> {
        chaos::at(Point::K15d);
        let bucket = BucketName::of(&run.playbook.tenant);
        let delete = || self.ports.objects.delete(&bucket, key);
        match self.evidence.delete_of(run, key, delete).await {
            Some(deleted) => deleted?,
            None => log::info!("{}: {key} is a later run's and stays", run.log_prefix()),
        }
        self.evidence.is_gone(run, key);
        Ok(Applied::Done)
    }
}

/// What a notice is known by, however often it is sent. *Shape*: `<analysis>/<run>/<number>`, with `ingestion/` before it for
/// an ingestion, which may have the id of an analysis.
fn event_id(run: &RunSpec, number: u32) -> String {
    let space = match run.playbook.space {
        Space::Analysis => "",
        Space::Ingestion => "ingestion/",
    };
    format!("{space}{}/{}/{number}", run.playbook.id.text(), run.number)
}

/// Since when the web application has answered nothing: one patience for all notices of all runs, not one each.
#[derive(Default)]
pub(super) struct Absence(Cell<Option<Instant>>);

impl Absence {
    fn ends(&self) {
        self.0.set(None);
    }

    fn lasts(&self) -> Duration {
        let since = self.0.get().unwrap_or_else(Instant::now);
        self.0.set(Some(since));
        since.elapsed()
    }
}

/// Repeats a notice until it is taken. One that alone is never taken must not hold back what follows it for ever.
async fn announce(
    ports: &JobPorts,
    settings: &JobSettings,
    absence: &Absence,
    notice: &Notice,
    event_id: &str,
) -> DeliveryResult {
    let since = Instant::now();
    let mut backoff = Backoff::default();
    loop {
        match ports.announcements.announce(notice, event_id).await {
            Ok(()) => {
                absence.ends();
                return DeliveryResult::Delivered;
            }
            Err(error) if absence.lasts().max(since.elapsed()) >= settings.notice_wait => {
                return DeliveryResult::GivenUp(error.to_string());
            }
            Err(_) => backoff.pause().await,
        }
    }
}

/// Announces a refusal once, in order; nobody waits for it. An id may be refused many times: its refusals are numbered from
/// anywhere, so that none is taken for a repetition of another one.
pub(super) async fn announce_refusal(ports: &JobPorts, analysis: &str, notices: &[Notice]) {
    for (number, notice) in (fastrand::u32(1..u32::MAX / 2)..).zip(notices) {
        let event_id = format!("{analysis}/0/{number}");
        if let Err(error) = ports.announcements.announce(notice, &event_id).await {
            log::warn!("analysis={analysis}: the refusal could not be announced: {error}");
            return;
        }
    }
}
