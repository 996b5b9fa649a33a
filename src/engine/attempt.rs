//! An attempt's line to the journal: the engine's side of [`AttemptLog`].

use std::cell::RefCell;
use std::rc::Rc;

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use super::node_actor::NodeContext;
use crate::chaos::{self, Bug};
use crate::graph::JobIndex;
use crate::playbook::job::Service;
use crate::ports::{AttemptLog, FailureKind, JobFailure, KnownStart, StartIntent};
use crate::store::Record;

/// Writes the intents of one attempt, and remembers them for the case that it has to be stopped.
pub(super) struct JournalLog {
    context: Rc<NodeContext>,
    job: JobIndex,
    attempt: u32,
    starts: RefCell<Vec<KnownStart>>,
}

impl JournalLog {
    /// `known` are the starts that earlier lives of the process intended for the attempt.
    pub(super) fn new(context: Rc<NodeContext>, job: JobIndex, attempt: u32, known: Vec<KnownStart>) -> Self {
        Self { context, job, attempt, starts: RefCell::new(known) }
    }

    /// Every start that was intended for the attempt, in order.
    pub(super) fn starts(&self) -> Vec<KnownStart> {
        self.starts.borrow().clone()
    }

    fn durably(&self, record: Record) -> LocalBoxFuture<'static, Result<(), JobFailure>> {
        let receipt = self.context.journal.append(self.context.run.run_id, record);
        receipt
            .map(|durable| match durable {
                Ok(_) => Ok(()),
                Err(error) => Err(JobFailure::new(FailureKind::NotDurable, error.to_string())),
            })
            .boxed_local()
    }

    fn write(&self, record: Record) {
        drop(self.context.journal.append(self.context.run.run_id, record));
    }
}

impl AttemptLog for JournalLog {
    fn prepare(&self) -> LocalBoxFuture<'static, Result<(), JobFailure>> {
        self.durably(Record::JobPreparing { job: self.job, attempt: self.attempt })
    }

    fn intend(&self, intent: StartIntent) -> LocalBoxFuture<'static, Result<(), JobFailure>> {
        if chaos::seeded(Bug::NoIntent) {
            return futures::future::ready(Ok(())).boxed_local();
        }
        let StartIntent { service, wire_id, details } = intent;
        self.starts.borrow_mut().push(KnownStart {
            attempt: self.attempt,
            service,
            wire_id: wire_id.clone(),
            acknowledged: false,
            details: details.clone(),
        });
        let service = service.as_str().to_owned();
        self.durably(Record::JobStarting { job: self.job, attempt: self.attempt, service, wire_id, details })
    }

    fn acknowledged(&self, service: Service) {
        if let Some(start) = self.starts.borrow_mut().iter_mut().rev().find(|start| start.service == service) {
            start.acknowledged = true;
        }
        let service = service.as_str().to_owned();
        self.write(Record::JobStartAcknowledged { job: self.job, attempt: self.attempt, service });
    }

    fn lost_contact(&self, why: String) {
        self.write(Record::JobLostContact { job: self.job, attempt: self.attempt, why });
    }

    fn regained_contact(&self) {
        self.write(Record::JobContactRegained { job: self.job, attempt: self.attempt });
    }

    fn warn(&self, code: &'static str, text: String) {
        self.write(Record::Warning { job: Some(self.job), code: code.to_owned(), text });
    }
}
