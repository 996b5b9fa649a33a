//! Slots of the function service: held as long as the service is at work, even after its job was let go.
//!
//! The service mixes the inputs of functions that run at once (fact F11), and the platform's cannot be told to stop: a job
//! that was cancelled or ran out of time leaves its slot to a caretaker, which asks until the service is done. Where a
//! service can be told, its word that it has stopped frees the slot at once.
//!
//! Tenants need no turns here: the gate lets as many functions through as there are slots, in turns, so that nobody finds
//! more than so many others in line.

use std::cell::{Cell, RefCell};
use std::collections::{HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::clock::{Instant, sleep, timeout};
use futures::FutureExt;
use futures::future::{LocalBoxFuture, ready};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::answers::{self, ProgressAnswer};
use super::pace::poll_delay;
use super::paths::progress_question;
use super::{JobPorts, JobSettings};
use crate::chaos::{self, Bug};
use crate::playbook::job::Service;
use crate::ports::{FailureKind, JobFailure, KnownStart, LetGoStart};

/// Jobs whose service said that it has stopped them, as many as are remembered.
const REMEMBERED: usize = 1_000;

/// The slots and their caretaker. Slots are handed out in the order in which they were asked for: what is held for functions
/// of earlier lives of the process comes before everything that asks later.
#[derive(Clone)]
pub(super) struct FunctionSlots {
    free: Arc<Semaphore>,
    /// How many there are, free or not.
    most: Rc<Cell<usize>>,
    caretaker: UnboundedSender<Abandoned>,
    stopped: Rc<Stopped>,
    /// Wire ids that a job of this life of the process or the caretaker has in hand.
    in_hand: Rc<RefCell<HashSet<String>>>,
}

/// Wire ids of jobs that their service has stopped; whoever waits is told of new ones.
#[derive(Default)]
struct Stopped {
    wire_ids: RefCell<VecDeque<String>>,
    news: Notify,
}

/// A slot whose job is gone.
struct Abandoned {
    /// Resolves when the slot is there; it stands in line for it since its job was let go of.
    permit: LocalBoxFuture<'static, Option<OwnedSemaphorePermit>>,
    /// The id that was sent, whether it can be asked about (an id that the service may not know wedges it), and how long ago
    /// its job was let go of.
    start: LetGoStart,
}

/// A slot in use. Dropped while the service may be at work, it goes to the caretaker.
pub(super) struct FunctionSlot {
    permit: Option<OwnedSemaphorePermit>,
    slots: FunctionSlots,
    /// The id that was sent, once one may have been.
    sent: RefCell<Option<String>>,
    is_known: bool,
}

impl FunctionSlots {
    /// As many slots as are configured; has to be made on the thread of the engine.
    pub(super) fn new(ports: &Rc<JobPorts>, settings: &Rc<JobSettings>) -> Self {
        let (caretaker, mut abandoned) = unbounded_channel::<Abandoned>();
        let stopped = Rc::new(Stopped::default());
        let in_hand = Rc::new(RefCell::default());
        let more = if chaos::seeded(Bug::TwoFunctionsAtOnce) { 1 } else { 0 };
        let most = settings.function_concurrency + more;
        let free = Arc::new(Semaphore::new(most));
        let care = Rc::new(Care {
            ports: Rc::clone(ports),
            settings: Rc::clone(settings),
            stopped: Rc::clone(&stopped),
            in_hand: Rc::clone(&in_hand),
        });
        actix::spawn(async move {
            while let Some(slot) = abandoned.recv().await {
                let care = Rc::clone(&care);
                actix::spawn(async move { care.takes(slot).await });
            }
        });
        Self { free, most: Rc::new(Cell::new(most)), caretaker, stopped, in_hand }
    }

    /// So many slots from now on. Slots too many stand in line for themselves: who is there goes on, who comes waits.
    pub(super) fn set_most(&self, most: usize) {
        let most = most.min(Semaphore::MAX_PERMITS);
        let before = self.most.replace(most);
        self.free.add_permits(most.saturating_sub(before));
        let too_many = u32::try_from(before.saturating_sub(most)).unwrap_or(u32::MAX);
        if too_many > 0 {
            let gone = Arc::clone(&self.free).acquire_many_owned(too_many);
            actix::spawn(async move { gone.await.map(OwnedSemaphorePermit::forget).ok() });
        }
    }

    /// Waits for a slot. `known` is a start of an earlier life of the process that the job goes on with: the service may be at
    /// work on it from the beginning.
    pub(super) async fn take(&self, known: Option<&KnownStart>) -> Result<FunctionSlot, JobFailure> {
        let mut slot = FunctionSlot {
            permit: None,
            slots: self.clone(),
            sent: RefCell::new(None),
            is_known: known.is_some_and(|known| known.acknowledged),
        };
        if let Some(known) = known {
            slot.may_be_at_work(&known.wire_id);
        }
        let permit = Arc::clone(&self.free).acquire_owned().await;
        let closed = |_| JobFailure::new(FailureKind::Cancelled, "the function slots are closed");
        slot.permit = Some(permit.map_err(closed)?);
        Ok(slot)
    }

    /// Holds a slot for a function whose job is gone, unless that is seen to already.
    pub(super) fn hold(&self, start: LetGoStart) {
        if self.in_hand.borrow_mut().insert(start.wire_id.clone()) {
            self.leave(None, start);
        }
    }

    /// Leaves a function to the caretaker. A slot that is not there is stood in line for at once: whoever asks later comes
    /// after it.
    fn leave(&self, permit: Option<OwnedSemaphorePermit>, start: LetGoStart) {
        let permit = match permit {
            Some(permit) => ready(Some(permit)).boxed_local(),
            None => {
                let mut in_line = Arc::clone(&self.free).acquire_owned().map(Result::ok).boxed_local();
                match (&mut in_line).now_or_never() {
                    Some(permit) => ready(permit).boxed_local(),
                    None => in_line,
                }
            }
        };
        // without a caretaker the thread is ending, and the slot with it
        drop(self.caretaker.send(Abandoned { permit, start }));
    }

    /// The service has said that it does not work on this job any more.
    pub(super) fn has_stopped(&self, wire_id: &str) {
        let mut wire_ids = self.stopped.wire_ids.borrow_mut();
        if wire_ids.len() >= REMEMBERED {
            wire_ids.pop_front();
        }
        wire_ids.push_back(wire_id.to_owned());
        self.stopped.news.notify_waiters();
    }
}

impl FunctionSlot {
    /// A start is about to leave: from now on the service may be at work.
    pub(super) fn may_be_at_work(&self, wire_id: &str) {
        self.slots.in_hand.borrow_mut().insert(wire_id.to_owned());
        if let Some(before) = self.sent.replace(Some(wire_id.to_owned())).filter(|before| before != wire_id) {
            self.slots.in_hand.borrow_mut().remove(&before);
        }
    }

    /// The service has the job by this id.
    pub(super) fn known_as(&mut self, wire_id: &str) {
        self.may_be_at_work(wire_id);
        self.is_known = true;
    }

    /// The service is done, or never began.
    pub(super) fn give_back(self) {
        if let Some(sent) = self.sent.take() {
            self.slots.in_hand.borrow_mut().remove(&sent);
        }
    }
}

impl Drop for FunctionSlot {
    fn drop(&mut self) {
        if let Some(wire_id) = self.sent.take() {
            let start = LetGoStart { wire_id, acknowledged: self.is_known, let_go: Duration::ZERO };
            self.slots.leave(self.permit.take(), start);
        }
    }
}

/// Who looks after slots whose jobs are gone.
struct Care {
    ports: Rc<JobPorts>,
    settings: Rc<JobSettings>,
    stopped: Rc<Stopped>,
    in_hand: Rc<RefCell<HashSet<String>>>,
}

impl Care {
    /// Holds the slot until the service is done with the job, has stopped it, or for the configured time.
    async fn takes(&self, slot: Abandoned) {
        let Abandoned { permit, start } = slot;
        let limit = self.settings.function_linger.saturating_sub(start.let_go);
        // the time in line counts: the service works meanwhile
        let held = timeout(limit, async {
            let _held = permit.await;
            self.watches(&start).await;
        });
        if held.await.is_err() {
            log::info!("job={}: its slot at the function service is not held any longer", start.wire_id);
        }
        self.in_hand.borrow_mut().remove(&start.wire_id);
    }

    /// Resolves when the service is done with a job or has stopped it.
    async fn watches(&self, start: &LetGoStart) {
        let since = Instant::now();
        while !self.has_stopped(&start.wire_id) {
            if start.acknowledged && !self.is_at_work(&start.wire_id).await {
                break;
            }
            let news = self.stopped.news.notified();
            if self.has_stopped(&start.wire_id) {
                break;
            }
            let delay = sleep(poll_delay(since.elapsed(), self.settings.poll_interval));
            tokio::select! {
                () = news => {}
                () = delay => {}
            }
        }
    }

    fn has_stopped(&self, wire_id: &str) -> bool {
        self.stopped.wire_ids.borrow().iter().any(|stopped| stopped == wire_id)
    }

    async fn is_at_work(&self, wire_id: &str) -> bool {
        let question = progress_question(Service::Function, wire_id);
        let answer = self.ports.services.get(Service::Function, &question).await;
        match answer.map(|answer| answers::progress(&answer)) {
            Ok(ProgressAnswer::Running | ProgressAnswer::NoVerdict(_) | ProgressAnswer::Unusable(_)) | Err(_) => true,
            Ok(ProgressAnswer::Done(_) | ProgressAnswer::Failed(_) | ProgressAnswer::UnknownId) => false,
        }
    }
}
