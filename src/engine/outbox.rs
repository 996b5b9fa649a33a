//! Records and notices on their way out: two lanes per run, each in order and behind the same lane of the run before
//! (`lane_order.rs`), neither holding up a job.
//!
//! Deliveries of a lane are numbered in the order of the milestones, which is the order of the journal: after a restart the
//! same milestones give the same numbers, and what had left does not leave again.
//!
//! A delivery waits for the commit of what it follows from. A notice waits for the records of its own milestone, records
//! never wait for notices.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{LocalBoxFuture, Shared};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};

use super::lane_order::{Turn, Turns};
use super::panics::text_of;
use super::places::Place;
use crate::chaos::{self, Point};
use crate::metrics::InOutbox;
use crate::ports::{Delivery, DeliveryResult, JobRunner, Milestone, RunSpec};
use crate::store::fold::Delivered;
use crate::store::record::Lane;
use crate::store::{Journal, Receipt, Record, RunProgress};

/// Resolves to whether the milestone is durable.
type Committed = Shared<LocalBoxFuture<'static, bool>>;

/// One delivery in its lane. Boxed there: a channel makes room for 32 of them at once, and most runs have few.
struct Item {
    number: u32,
    delivery: Delivery,
    committed: Committed,
    /// Number of the record that has to be out before.
    after_record: u32,
    _counted: InOutbox,
}

/// The sending end of a run's two lanes. Dropping it without [`Outbox::close`] ends the lanes and settles nothing: the process
/// is stopping, and the run goes on after the next start.
pub(super) struct Outbox {
    run: Rc<RunSpec>,
    runner: Rc<dyn JobRunner>,
    records: UnboundedSender<Box<Item>>,
    notices: UnboundedSender<Box<Item>>,
    record_count: u32,
    notice_count: u32,
    /// How far an earlier life of the run had come.
    before: Delivered,
    place: Place,
    /// The place is given back when everything is told.
    over: oneshot::Sender<Place>,
}

impl Outbox {
    /// Starts the lanes; the run is settled when both have run empty after its end. `before` is what the journal knows of the
    /// run: where a part of that is lost, nobody knows any more which delivery had which number. Everything that is known is
    /// told once more then, under numbers that are new.
    pub(super) fn open(lanes: Lanes, before: &RunProgress, turns: Turns, place: Place) -> Self {
        let counted = before.unreadable.as_ref().map_or_else(Delivered::default, |_| before.delivered);
        let before = before.delivered;
        let (records, record_queue) = unbounded_channel();
        let (notices, notice_queue) = unbounded_channel();
        let (record_done, records_done) = watch::channel(before.records);
        let (run, runner) = (Rc::clone(&lanes.run), Rc::clone(&lanes.runner));
        let (over, run_is_over) = oneshot::channel::<Place>();
        actix::spawn(async move {
            futures::join!(
                lanes.run_empty(Lane::Records, turns.records, record_queue, Some(record_done), None),
                lanes.run_empty(Lane::Notices, turns.notices, notice_queue, None, Some(records_done)),
            );
            if let Ok(place) = run_is_over.await {
                drop(lanes.journal.append(lanes.run.run_id, Record::Settled));
                drop(place);
            }
        });
        let (record_count, notice_count) = (counted.records, counted.notices);
        Self { run, runner, records, notices, record_count, notice_count, before, place, over }
    }

    /// The run is over: when the lanes are empty, nothing is left to be done for it.
    pub(super) fn close(self) {
        self.place.is_over();
        if self.over.send(self.place).is_err() {
            log::debug!("run={}: the lanes have ended with their thread", self.run.run_id);
        }
    }

    /// Queues what the outside is to be told after a milestone, once `receipt` says that it is durable. A runner that
    /// panics while it decides costs this milestone its records and notices, not the analysis its graph.
    pub(super) fn follow(&mut self, milestone: &Milestone, receipt: Option<Receipt<u64>>) {
        let decided = catch_unwind(AssertUnwindSafe(|| self.runner.follow_ups(&self.run, milestone)));
        let deliveries = decided.unwrap_or_else(|panic| {
            self.log_loss(&text_of(panic.as_ref()));
            Vec::new()
        });
        if deliveries.is_empty() {
            return;
        }
        let committed = committed(receipt).boxed_local().shared();
        for delivery in deliveries {
            let (lane, queue, number, done, after_record) = match &delivery {
                Delivery::Record(_) => {
                    self.record_count += 1;
                    (Lane::Records, &self.records, self.record_count, self.before.records, 0)
                }
                Delivery::Notice(_) => {
                    self.notice_count += 1;
                    (Lane::Notices, &self.notices, self.notice_count, self.before.notices, self.record_count)
                }
            };
            if number <= done {
                continue;
            }
            // the lanes live as long as this sender, so a closed lane means that the thread is shutting down
            let _counted = InOutbox::new(lane.into());
            let item = Item { number, delivery, committed: committed.clone(), after_record, _counted };
            drop(queue.send(Box::new(item)));
        }
    }

    fn log_loss(&self, why: &str) {
        let playbook = &self.run.playbook;
        log::error!("tenant={} {}={}: nothing is told: {why}", playbook.tenant, playbook.space.as_str(), playbook.id);
    }
}

async fn committed(receipt: Option<Receipt<u64>>) -> bool {
    match receipt {
        Some(receipt) => receipt.await.is_ok(),
        None => true,
    }
}

/// The receiving end.
pub(super) struct Lanes {
    pub(super) run: Rc<RunSpec>,
    pub(super) runner: Rc<dyn JobRunner>,
    pub(super) journal: Arc<dyn Journal>,
}

impl Lanes {
    async fn run_empty(
        &self,
        lane: Lane,
        mut turn: Turn,
        mut queue: UnboundedReceiver<Box<Item>>,
        done: Option<watch::Sender<u32>>,
        mut records: Option<watch::Receiver<u32>>,
    ) {
        while let Some(item) = queue.recv().await {
            let Item { number, delivery, committed, after_record, _counted } = *item;
            turn.comes().await;
            if committed.await {
                if let Some(records) = &mut records {
                    // an error means that the records lane has ended, hence has delivered everything
                    drop(records.wait_for(|done| *done >= after_record).await);
                }
                chaos::at(Point::K8);
                let given_up = self.deliver(number, delivery).await;
                chaos::at(if lane == Lane::Records { Point::K9 } else { Point::K10 });
                drop(self.journal.append(self.run.run_id, Record::Delivered { lane, number, given_up }));
            }
            if let Some(done) = &done {
                done.send_replace(number);
            }
        }
        // one that had nothing to tell must not let the next one pass those before it
        turn.comes().await;
    }

    /// Answers why the delivery was given up, if it was.
    async fn deliver(&self, number: u32, delivery: Delivery) -> Option<String> {
        let (run, runner) = (Rc::clone(&self.run), Rc::clone(&self.runner));
        let attempt = AssertUnwindSafe(async move { runner.deliver(run, number, delivery).await }).catch_unwind();
        let why = match attempt.await {
            Ok(DeliveryResult::Delivered) => return None,
            Ok(DeliveryResult::GivenUp(why)) => why,
            Err(panic) => text_of(panic.as_ref()),
        };
        log::warn!(
            "tenant={} {}={}: not delivered: {why}",
            self.run.playbook.tenant,
            self.run.playbook.space.as_str(),
            self.run.playbook.id
        );
        Some(why)
    }
}
