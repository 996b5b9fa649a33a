//! What services say about a job that was given secrets: nothing is written down, told or logged before they are blotted out.
//! Services repeat in errors what they were sent.

use std::rc::Rc;

use futures::future::LocalBoxFuture;

use crate::playbook::job::Service;
use crate::playbook::{Blot, Job, JobKind};
use crate::ports::{AttemptLog, CallbackVerdict, JobFailure, StartIntent};

/// What must not be repeated of a job.
pub(super) fn secrets_of(job: &Job) -> Option<Blot> {
    match &job.kind {
        JobKind::Ingestion(args) => Some(args.request.blot()),
        _ => None,
    }
}

/// A failure without them.
pub(super) fn discreet(failure: JobFailure, secrets: Option<&Blot>) -> JobFailure {
    match secrets {
        Some(secrets) => JobFailure { message: secrets.out_of(failure.message), ..failure },
        None => failure,
    }
}

/// What a service has said by itself, without them.
pub(super) fn discreet_verdict(verdict: CallbackVerdict, secrets: Option<&Blot>) -> CallbackVerdict {
    match (verdict, secrets) {
        (CallbackVerdict::Error { message }, Some(secrets)) => {
            CallbackVerdict::Error { message: secrets.out_of(message) }
        }
        (verdict, _) => verdict,
    }
}

/// An attempt's line to the journal that passes on no secret.
pub(super) struct DiscreetLog {
    pub(super) inner: Rc<dyn AttemptLog>,
    pub(super) secrets: Blot,
}

impl AttemptLog for DiscreetLog {
    fn intend(&self, intent: StartIntent) -> LocalBoxFuture<'static, Result<(), JobFailure>> {
        self.inner.intend(intent)
    }

    fn prepare(&self) -> LocalBoxFuture<'static, Result<(), JobFailure>> {
        self.inner.prepare()
    }

    fn acknowledged(&self, service: Service) {
        self.inner.acknowledged(service);
    }

    fn lost_contact(&self, why: String) {
        self.inner.lost_contact(self.secrets.out_of(why));
    }

    fn regained_contact(&self) {
        self.inner.regained_contact();
    }

    fn warn(&self, code: &'static str, text: String) {
        self.inner.warn(code, self.secrets.out_of(text));
    }
}
