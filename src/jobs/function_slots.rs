//! Slots of the function service: held as long as the service is at work, even after its job was let go.
//!
//! The service mixes the inputs of functions that run at once (fact F11), and it cannot be told to stop: a job that was
//! cancelled or ran out of time leaves its slot to a caretaker, which asks until the service is done.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use actix::clock::{Instant, sleep};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answers::{self, ProgressAnswer};
use super::pace::poll_delay;
use super::recipe::progress_question;
use super::{JobPorts, JobSettings};
use crate::chaos::{self, Bug};
use crate::playbook::job::Service;
use crate::ports::{FailureKind, JobFailure};

/// Path of the function service's endpoint.
pub(super) const PATH: &str = "function";

/// The slots and their caretaker.
#[derive(Clone)]
pub(super) struct FunctionSlots {
    free: Arc<Semaphore>,
    caretaker: UnboundedSender<Abandoned>,
}

/// A slot whose job is gone.
struct Abandoned {
    permit: OwnedSemaphorePermit,
    /// The id to ask about; an id that the service may not know wedges it and is not asked about.
    wire_id: Option<String>,
}

/// A slot in use. Dropped while the service may be at work, it goes to the caretaker.
pub(super) struct FunctionSlot {
    permit: Option<OwnedSemaphorePermit>,
    caretaker: UnboundedSender<Abandoned>,
    wire_id: Option<String>,
    at_work: Cell<bool>,
}

impl FunctionSlots {
    /// As many slots as are configured; has to be made on the thread of the engine.
    pub(super) fn new(ports: &Rc<JobPorts>, settings: &Rc<JobSettings>) -> Self {
        let (caretaker, mut abandoned) = unbounded_channel::<Abandoned>();
        let (ports, settings_of_care) = (Rc::clone(ports), Rc::clone(settings));
        actix::spawn(async move {
            while let Some(slot) = abandoned.recv().await {
                actix::spawn(take_care(Rc::clone(&ports), Rc::clone(&settings_of_care), slot));
            }
        });
        let more = if chaos::seeded(Bug::TwoFunctionsAtOnce) { 1 } else { 0 };
        Self { free: Arc::new(Semaphore::new(settings.function_concurrency + more)), caretaker }
    }

    /// Waits for a slot.
    pub(super) async fn take(&self) -> Result<FunctionSlot, JobFailure> {
        let permit = Arc::clone(&self.free).acquire_owned().await;
        let permit = permit.map_err(|_| JobFailure::new(FailureKind::Cancelled, "the function slots are closed"))?;
        Ok(FunctionSlot {
            permit: Some(permit),
            caretaker: self.caretaker.clone(),
            wire_id: None,
            at_work: Cell::new(false),
        })
    }
}

impl FunctionSlot {
    /// A start is about to leave: from now on the service may be at work.
    pub(super) fn may_be_at_work(&self) {
        self.at_work.set(true);
    }

    /// The service has the job by this id.
    pub(super) fn known_as(&mut self, wire_id: &str) {
        self.at_work.set(true);
        self.wire_id = Some(wire_id.to_owned());
    }

    /// The service is done, or never began.
    pub(super) fn give_back(self) {
        self.at_work.set(false);
    }
}

impl Drop for FunctionSlot {
    fn drop(&mut self) {
        if let (true, Some(permit)) = (self.at_work.get(), self.permit.take()) {
            // without a caretaker the thread is ending, and the slot with it
            drop(self.caretaker.send(Abandoned { permit, wire_id: self.wire_id.take() }));
        }
    }
}

/// Holds the slot until the service is done with the job, or for the configured time.
async fn take_care(ports: Rc<JobPorts>, settings: Rc<JobSettings>, slot: Abandoned) {
    let since = Instant::now();
    while since.elapsed() < settings.function_linger {
        if let Some(wire_id) = &slot.wire_id {
            let answer = ports.services.get(Service::Function, &progress_question(PATH, wire_id)).await;
            let at_work = match answer.map(|answer| answers::progress(&answer)) {
                Ok(ProgressAnswer::Running | ProgressAnswer::NoVerdict(_) | ProgressAnswer::Unusable(_)) | Err(_) => {
                    true
                }
                Ok(ProgressAnswer::Done(_) | ProgressAnswer::Failed(_) | ProgressAnswer::UnknownId) => false,
            };
            if !at_work {
                break;
            }
        }
        sleep(poll_delay(since.elapsed(), settings.poll_interval)).await;
    }
    drop(slot.permit);
}
