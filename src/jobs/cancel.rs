//! Tells services that a job is not wanted any more. The platform's own have no way to be told; those that do are named in
//! the configuration.

use std::rc::Rc;
use std::time::Duration;

use actix::clock::{sleep, timeout};
use futures::future::join_all;

use super::answers::{self, ProgressAnswer};
use super::function_slots::FunctionSlots;
use super::pace::Backoff;
use super::{JobPorts, JobSettings, paths};
use crate::playbook::job::Service;
use crate::ports::{Answer, CancelledAttempt, KnownStart, LetGoStart};

/// A start whose answer never came may still be on its way when the service says that it does not know the job: it is asked
/// once more after this time.
const ON_ITS_WAY: Duration = Duration::from_secs(1);

/// Services that understand `DELETE <endpoint>/<wire id>`, of those that have an endpoint with jobs.
pub const CAN_BE_CANCELLABLE: [Service; 5] =
    [Service::Cleaning, Service::Join, Service::Function, Service::Automl, Service::Ingestion];

/// Tells every service that may be at work on a job; answers whether all of them have stopped for certain. Takes no longer
/// than the limit of a cancel.
pub(super) async fn cancel(
    ports: Rc<JobPorts>,
    settings: Rc<JobSettings>,
    functions: FunctionSlots,
    attempt: CancelledAttempt,
) -> bool {
    let (ports, settings, functions) = (&ports, &settings, &functions);
    // a job of an earlier life of the process may have no slot in this one; earlier attempts have left theirs to the caretaker
    let is_present = |start: &&KnownStart| start.service == Service::Function && start.attempt == attempt.attempt;
    let function = attempt.starts.iter().rev().find(is_present);
    if let Some(KnownStart { wire_id, acknowledged, .. }) = function {
        let (wire_id, let_go) = (wire_id.clone(), Duration::ZERO);
        functions.hold(LetGoStart { wire_id, acknowledged: *acknowledged, let_go });
    }
    let each = attempt.starts.iter().map(|start| async move {
        let can_be_told = settings.cancellable.contains(&start.service);
        let stopped = can_be_told && timeout(settings.cancel_timeout, stopped(ports, start)).await.unwrap_or(false);
        if stopped && start.service == Service::Function {
            functions.has_stopped(&start.wire_id);
        }
        stopped
    });
    join_all(each).await.into_iter().all(|stopped| stopped)
}

/// Repeats itself while nobody answers: to stop something twice harms nothing.
async fn stopped(ports: &JobPorts, start: &KnownStart) -> bool {
    let path = paths::job_at(start.service, &start.wire_id);
    let mut may_be_on_its_way = !start.acknowledged;
    let mut backoff = Backoff::default();
    loop {
        match ports.services.delete(start.service, &path).await {
            Ok(answer) if (200..300).contains(&answer.status) => return true,
            Ok(answer) if is_unknown(&answer) && may_be_on_its_way => {
                may_be_on_its_way = false;
                sleep(ON_ITS_WAY).await;
            }
            Ok(answer) if is_unknown(&answer) => return true,
            Ok(answer) if answer.status < 500 => return false,
            Ok(_) | Err(_) => backoff.pause().await,
        }
    }
}

fn is_unknown(answer: &Answer) -> bool {
    answer.status == 404 || answers::progress(answer) == ProgressAnswer::UnknownId
}
