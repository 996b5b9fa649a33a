//! An attempt's line to the journal: the engine's side of [`AttemptLog`].

use std::rc::Rc;

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use super::node_actor::NodeContext;
use crate::chaos::{self, Bug};
use crate::graph::JobIndex;
use crate::playbook::job::Service;
use crate::ports::{AttemptLog, FailureKind, JobFailure, StartIntent};
use crate::store::Record;

/// Writes the intents of one attempt.
pub(super) struct JournalLog {
    context: Rc<NodeContext>,
    job: JobIndex,
    attempt: u32,
}

impl JournalLog {
    pub(super) fn new(context: Rc<NodeContext>, job: JobIndex, attempt: u32) -> Self {
        Self { context, job, attempt }
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
}

impl AttemptLog for JournalLog {
    fn prepare(&self) -> LocalBoxFuture<'static, Result<(), JobFailure>> {
        self.durably(Record::JobPreparing { job: self.job, attempt: self.attempt })
    }

    fn intend(&self, intent: StartIntent) -> LocalBoxFuture<'static, Result<(), JobFailure>> {
        if chaos::seeded(Bug::NoIntent) {
            return futures::future::ready(Ok(())).boxed_local();
        }
        let record = Record::JobStarting {
            job: self.job,
            attempt: self.attempt,
            service: intent.service.as_str().to_owned(),
            wire_id: intent.wire_id,
            details: intent.details,
        };
        self.durably(record)
    }

    fn acknowledged(&self, service: Service) {
        let record =
            Record::JobStartAcknowledged { job: self.job, attempt: self.attempt, service: service.as_str().to_owned() };
        drop(self.context.journal.append(self.context.run.run_id, record));
    }

    fn warn(&self, code: &'static str, text: String) {
        let record = Record::Warning { job: Some(self.job), code: code.to_owned(), text };
        drop(self.context.journal.append(self.context.run.run_id, record));
    }
}
