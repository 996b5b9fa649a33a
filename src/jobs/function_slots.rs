//! Slots of the function service: held as long as the service is at work, even after its job was let go.
//!
//! The service mixes the inputs of functions that run at once (fact F11), and the platform's cannot be told to stop: a job
//! that was cancelled or ran out of time leaves its slot to a caretaker, which asks until the service is done. Where a
//! service can be told, its word that it has stopped frees the slot at once.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use actix::clock::{Instant, sleep};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::answers::{self, ProgressAnswer};
use super::pace::poll_delay;
use super::paths::progress_question;
use super::{JobPorts, JobSettings};
use crate::chaos::{self, Bug};
use crate::playbook::job::Service;
use crate::ports::{FailureKind, JobFailure};

/// Jobs whose service said that it has stopped them, as many as are remembered.
const REMEMBERED: usize = 1_000;

/// The slots and their caretaker.
#[derive(Clone)]
pub(super) struct FunctionSlots {
    free: Arc<Semaphore>,
    caretaker: UnboundedSender<Abandoned>,
    stopped: Rc<Stopped>,
}

/// Wire ids of jobs that their service has stopped; whoever waits is told of new ones.
#[derive(Default)]
struct Stopped {
    wire_ids: RefCell<VecDeque<String>>,
    news: Notify,
}

/// A slot whose job is gone.
struct Abandoned {
    permit: OwnedSemaphorePermit,
    /// The id that was sent.
    wire_id: String,
    /// Whether it can be asked about; an id that the service may not know wedges it.
    is_known: bool,
}

/// A slot in use. Dropped while the service may be at work, it goes to the caretaker.
pub(super) struct FunctionSlot {
    permit: Option<OwnedSemaphorePermit>,
    caretaker: UnboundedSender<Abandoned>,
    /// The id that was sent, once one may have been.
    sent: RefCell<Option<String>>,
    is_known: bool,
}

impl FunctionSlots {
    /// As many slots as are configured; has to be made on the thread of the engine.
    pub(super) fn new(ports: &Rc<JobPorts>, settings: &Rc<JobSettings>) -> Self {
        let (caretaker, mut abandoned) = unbounded_channel::<Abandoned>();
        let stopped = Rc::new(Stopped::default());
        let care = Care { ports: Rc::clone(ports), settings: Rc::clone(settings), stopped: Rc::clone(&stopped) };
        let care = Rc::new(care);
        actix::spawn(async move {
            while let Some(slot) = abandoned.recv().await {
                let care = Rc::clone(&care);
                actix::spawn(async move { care.takes(slot).await });
            }
        });
        let more = if chaos::seeded(Bug::TwoFunctionsAtOnce) { 1 } else { 0 };
        Self { free: Arc::new(Semaphore::new(settings.function_concurrency + more)), caretaker, stopped }
    }

    /// Waits for a slot.
    pub(super) async fn take(&self) -> Result<FunctionSlot, JobFailure> {
        let permit = Arc::clone(&self.free).acquire_owned().await;
        let permit = permit.map_err(|_| JobFailure::new(FailureKind::Cancelled, "the function slots are closed"))?;
        Ok(FunctionSlot {
            permit: Some(permit),
            caretaker: self.caretaker.clone(),
            sent: RefCell::new(None),
            is_known: false,
        })
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
        self.sent.replace(Some(wire_id.to_owned()));
    }

    /// The service has the job by this id.
    pub(super) fn known_as(&mut self, wire_id: &str) {
        self.may_be_at_work(wire_id);
        self.is_known = true;
    }

    /// The service is done, or never began.
    pub(super) fn give_back(self) {
        self.sent.replace(None);
    }
}

impl Drop for FunctionSlot {
    fn drop(&mut self) {
        if let (Some(wire_id), Some(permit)) = (self.sent.take(), self.permit.take()) {
            // without a caretaker the thread is ending, and the slot with it
            drop(self.caretaker.send(Abandoned { permit, wire_id, is_known: self.is_known }));
        }
    }
}

/// Who looks after slots whose jobs are gone.
struct Care {
    ports: Rc<JobPorts>,
    settings: Rc<JobSettings>,
    stopped: Rc<Stopped>,
}

impl Care {
    /// Holds the slot until the service is done with the job, has stopped it, or for the configured time.
    async fn takes(&self, slot: Abandoned) {
        let since = Instant::now();
        while since.elapsed() < self.settings.function_linger && !self.has_stopped(&slot.wire_id) {
            if slot.is_known && !self.is_at_work(&slot.wire_id).await {
                break;
            }
            let news = self.stopped.news.notified();
            if self.has_stopped(&slot.wire_id) {
                break;
            }
            let delay = sleep(poll_delay(since.elapsed(), self.settings.poll_interval));
            tokio::select! {
                () = news => {}
                () = delay => {}
            }
        }
        drop(slot.permit);
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
