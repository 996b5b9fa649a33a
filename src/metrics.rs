//! What is counted: one function per event, called where it happens, and the text that Prometheus reads.
//!
//! The counts belong to the process, not to an engine; they begin at zero with it. Every label has a short list of values
//! (services, outcomes, lanes), never an id or a tenant, and every series is there from the start.
//!
//! To count something new: a field of `Metrics`, its line in `Metrics::register`, a function.

use std::fmt;
use std::sync::{LazyLock, OnceLock};

use prometheus_client::encoding::{EncodeLabelSet, prometheus_text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::playbook::job::Service;

/// How an analysis or ingestion ended, as far as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every job ended well.
    Succeeded,
    /// A job failed.
    Failed,
    /// Somebody has cancelled it.
    Cancelled,
    /// Stopped from outside.
    Stopped,
}

/// A lane of the outboxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutboxLane {
    /// Documents and objects.
    Records,
    /// Notices to the web application.
    Notices,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Outcome::Succeeded => "succeeded",
            Outcome::Failed => "failed",
            Outcome::Cancelled => "cancelled",
            Outcome::Stopped => "stopped",
        }
    }
}

impl OutboxLane {
    fn as_str(self) -> &'static str {
        match self {
            OutboxLane::Records => "records",
            OutboxLane::Notices => "notices",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfService {
    service: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfOutcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfLane {
    lane: &'static str,
}

#[derive(Default)]
struct Metrics {
    analyses_accepted: Counter,
    analyses: Family<OfOutcome, Counter>,
    analyses_open: Gauge,
    analyses_untold: Gauge,
    starts_ambiguous: Family<OfService, Counter>,
    outcomes_unknown: Family<OfService, Counter>,
    retries: Family<OfService, Counter>,
    late_results_dropped: Counter,
    ignored_messages: Counter,
    stuck_healed: Counter,
    quarantined: Counter,
    unreadable: Counter,
    runs_forgotten: Counter,
    refusals_not_announced: Counter,
    outbox_depth: Family<OfLane, Gauge>,
    journal_healthy: Gauge,
    journal_bytes: Gauge,
    draining: Gauge,
    allocated_bytes: Gauge,
}

impl Metrics {
    /// The registry and the functions below share the counters. Names of counters get `_total` in the text.
    fn register(&self) -> Registry {
        let mut all = Registry::default();
        let accepted = "Analyses and ingestions accepted as new runs";
        all.register("analyses_accepted", accepted, self.analyses_accepted.clone());
        let ended = "Analyses and ingestions that have ended, by how they ended";
        all.register("analyses", ended, self.analyses.clone());
        let open = "Analyses and ingestions that are accepted, or about to be, and have not ended";
        all.register("analyses_open", open, self.analyses_open.clone());
        let untold = "Analyses and ingestions that have ended and of which not every record and notice has left";
        all.register("analyses_untold", untold, self.analyses_untold.clone());
        let ambiguous = "Jobs that a service may have got twice, because nobody knows what became of the first start";
        all.register("starts_ambiguous", ambiguous, self.starts_ambiguous.clone());
        let unknown = "Jobs after which the analysis went on although nobody knows whether the service has done them";
        all.register("outcomes_unknown", unknown, self.outcomes_unknown.clone());
        let retries = "Further attempts at jobs that had failed";
        all.register("retries", retries, self.retries.clone());
        let late = "Results that came after their attempt was over";
        all.register("late_results_dropped", late, self.late_results_dropped.clone());
        let ignored = "Messages between actors that said what was counted before";
        all.register("ignored_messages", ignored, self.ignored_messages.clone());
        let healed = "Runs that had nothing in flight and were put right from the journal";
        all.register("stuck_healed", healed, self.stuck_healed.clone());
        let quarantined = "Runs that were failed because the process died of them again and again";
        all.register("quarantined", quarantined, self.quarantined.clone());
        let unreadable = "Runs that were failed because what the journal had of them could not be read back";
        all.register("unreadable", unreadable, self.unreadable.clone());
        let forgotten = "Finished runs that were removed from the journal";
        all.register("runs_forgotten", forgotten, self.runs_forgotten.clone());
        let refusals =
            "Refused submissions that the web application was not told of, because too many were refused at once";
        all.register("refusals_not_announced", refusals, self.refusals_not_announced.clone());
        let depth = "Records and notices that have not left";
        all.register("outbox_depth", depth, self.outbox_depth.clone());
        let healthy = "1 when the last thing that was to be written could be written, else 0";
        all.register("journal_healthy", healthy, self.journal_healthy.clone());
        let bytes = "Bytes that the journal takes on the disk, embedded records included";
        all.register("journal_bytes", bytes, self.journal_bytes.clone());
        let draining = "1 when the process is about to stop and takes no work, else 0";
        all.register("draining", draining, self.draining.clone());
        if ALLOCATED.get().is_some() {
            let allocated = "Bytes that are allocated and not given back (debug builds only)";
            all.register("allocated_bytes", allocated, self.allocated_bytes.clone());
        }
        all
    }

    /// A series that is not there cannot be told from one that is lost.
    fn make_every_series(&self) {
        for outcome in [Outcome::Succeeded, Outcome::Failed, Outcome::Cancelled, Outcome::Stopped] {
            drop(self.analyses.get_or_create(&OfOutcome { outcome: outcome.as_str() }));
        }
        for lane in [OutboxLane::Records, OutboxLane::Notices] {
            drop(self.outbox_depth.get_or_create(&OfLane { lane: lane.as_str() }));
        }
        for service in Service::ALL.map(Service::as_str) {
            drop(self.starts_ambiguous.get_or_create(&OfService { service }));
            drop(self.outcomes_unknown.get_or_create(&OfService { service }));
            drop(self.retries.get_or_create(&OfService { service }));
        }
    }
}

static ALLOCATED: OnceLock<fn() -> usize> = OnceLock::new();

static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let metrics = Metrics::default();
    metrics.make_every_series();
    metrics
});

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| METRICS.register());

/// The program has an allocator that counts: `allocated` tells how many bytes are in use. Called once, before anything is read.
pub fn allocations_are_counted_by(allocated: fn() -> usize) {
    ALLOCATED.get_or_init(|| allocated);
}

/// A new run was accepted, durably.
pub fn analysis_accepted() {
    METRICS.analyses_accepted.inc();
}

/// A run has ended.
pub fn analysis_ended(outcome: Outcome) {
    METRICS.analyses.get_or_create(&OfOutcome { outcome: outcome.as_str() }).inc();
}

/// So many runs are accepted, or about to be, and have not ended.
pub fn analyses_open(count: usize) {
    METRICS.analyses_open.set(i64::try_from(count).unwrap_or(i64::MAX));
}

/// So many runs have ended and have something left to tell.
pub fn analyses_untold(count: usize) {
    METRICS.analyses_untold.set(i64::try_from(count).unwrap_or(i64::MAX));
}

/// A service gets a job again although nobody knows what became of the first start.
pub fn starts_ambiguous(service: Service) {
    METRICS.starts_ambiguous.get_or_create(&OfService { service: service.as_str() }).inc();
}

/// The analysis goes on although nobody knows whether the service has done the job.
pub fn outcome_unknown(service: Service) {
    METRICS.outcomes_unknown.get_or_create(&OfService { service: service.as_str() }).inc();
}

/// A job has failed at a service and is tried again.
pub fn retried(service: Service) {
    METRICS.retries.get_or_create(&OfService { service: service.as_str() }).inc();
}

/// A result came after its attempt was over.
pub fn late_result_dropped() {
    METRICS.late_results_dropped.inc();
}

/// A message between actors says what was counted before, and changes nothing.
pub fn message_ignored() {
    METRICS.ignored_messages.inc();
}

/// A run had nothing in flight and was put right from the journal.
pub fn stuck_healed() {
    METRICS.stuck_healed.inc();
}

/// A run was failed because the process died of it again and again.
pub fn quarantined() {
    METRICS.quarantined.inc();
}

/// A run was failed because the journal could not be read back.
pub fn unreadable() {
    METRICS.unreadable.inc();
}

/// So many finished runs were removed from the journal.
pub fn runs_forgotten(count: usize) {
    METRICS.runs_forgotten.inc_by(count as u64);
}

/// A submission was refused while too many refusals were being announced.
pub fn refusal_not_announced() {
    METRICS.refusals_not_announced.inc();
}

/// The process is about to stop and takes no work.
pub fn draining() {
    METRICS.draining.set(1);
}

/// A record or notice that has not left; counted as long as the value lives.
#[derive(Debug)]
pub struct InOutbox(OutboxLane);

impl InOutbox {
    /// Counts one more.
    pub fn new(lane: OutboxLane) -> Self {
        METRICS.outbox_depth.get_or_create(&OfLane { lane: lane.as_str() }).inc();
        Self(lane)
    }
}

impl Drop for InOutbox {
    fn drop(&mut self) {
        METRICS.outbox_depth.get_or_create(&OfLane { lane: self.0.as_str() }).dec();
    }
}

/// Content type of [`text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything that is counted, in Prometheus' text format.
///
/// *Errors*: none that a text in memory can have.
pub fn text(journal_is_healthy: bool, journal_bytes: u64) -> Result<String, fmt::Error> {
    METRICS.journal_healthy.set(journal_is_healthy.into());
    METRICS.journal_bytes.set(i64::try_from(journal_bytes).unwrap_or(i64::MAX));
    if let Some(allocated) = ALLOCATED.get() {
        METRICS.allocated_bytes.set(i64::try_from(allocated()).unwrap_or(i64::MAX));
    }
    let mut text = String::new();
    prometheus_text::encode(&mut text, &REGISTRY)?;
    Ok(text)
}
