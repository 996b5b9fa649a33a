//! What becomes known of a request on its way, for the audit trail: everybody who was let in to change something leaves
//! one event, whatever the answer, and also when the client has gone before there was one.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::rc::Rc;

use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, web};

use super::Door;
use super::auth::Caller;
use super::body::Received;
use super::error::ApiError;
use crate::audit::{ACCEPTED, Event, REFUSED, UNANSWERED};
use crate::playbook::text::{shortened, text_of};
use crate::store::RunSummary;

/// Where handlers note what a request is about. Without meaning where nothing is changed.
#[derive(Debug, Clone, Default)]
pub(super) struct Trail(Rc<RefCell<Event>>);

impl Trail {
    /// The caller was let in.
    pub(super) fn caller(&self, caller: &Caller) {
        let mut event = self.0.borrow_mut();
        caller.name().clone_into(&mut event.token);
        event.address = caller.address();
    }

    /// What is done, where the route does not say it.
    pub(super) fn verb(&self, verb: &str) {
        verb.clone_into(&mut self.0.borrow_mut().verb);
    }

    /// What a document says it is, before anything of it was judged.
    pub(super) fn document(&self, received: &Received, id_member: &str) {
        let text = |member: &str| received.document.get(member).and_then(text_of).map(|text| shortened(&text));
        let mut event = self.0.borrow_mut();
        (event.tenant, event.id) = (text("database-id"), text(id_member));
        event.sha256 = Some(hex::encode(received.digest));
    }

    /// The id in a path.
    pub(super) fn id(&self, id: &str) {
        self.0.borrow_mut().id = Some(shortened(id));
    }

    /// The run that is meant, once the caller is known to reach it.
    pub(super) fn run(&self, run: &RunSummary) {
        let mut event = self.0.borrow_mut();
        (event.tenant, event.id, event.run) = (Some(run.tenant.clone()), Some(run.id.clone()), Some(run.number));
    }

    /// The run that was made.
    pub(super) fn number(&self, number: u32) {
        self.0.borrow_mut().run = Some(number);
    }
}

impl FromRequest for Trail {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}

impl Trail {
    /// The trail of a request.
    pub(super) fn of(request: &HttpRequest) -> Self {
        request.extensions().get::<Self>().cloned().unwrap_or_default()
    }
}

/// Writes the event of one request when that is over.
pub(super) struct Recording {
    trail: Trail,
    door: web::Data<Door>,
    is_written: bool,
}

impl Recording {
    /// Begins the trail of a request that may change something.
    pub(super) fn begin(request: &ServiceRequest, door: &web::Data<Door>, path: &str) -> Self {
        let event =
            Event { verb: verb_of(path).to_owned(), route: format!("{} {path}", request.method()), ..Event::default() };
        let trail = Trail(Rc::new(RefCell::new(event)));
        request.extensions_mut().insert(trail.clone());
        Self { trail, door: door.clone(), is_written: false }
    }

    /// The answer, a refusal before the handler included.
    pub(super) fn end<B>(mut self, outcome: &Result<ServiceResponse<B>, Error>) {
        let (status, error) = match outcome {
            Ok(response) => (response.status(), response.response().error()),
            Err(error) => (error.as_response_error().status_code(), Some(error)),
        };
        let refusal = error.and_then(|error| error.as_error::<ApiError>());
        {
            let mut event = self.trail.0.borrow_mut();
            event.status = Some(status.as_u16());
            event.code = refusal.and_then(|refusal| refusal.problems.first()).map(|problem| problem.code.to_owned());
            event.decision = if status.is_success() { ACCEPTED } else { REFUSED };
        }
        self.write();
    }

    /// Strangers leave nothing: they could fill the disk.
    fn write(&mut self) {
        self.is_written = true;
        let event = self.trail.0.borrow();
        if !event.token.is_empty() {
            self.door.audit.record(&event);
        }
    }
}

/// The client has gone; what was asked may have been done all the same.
impl Drop for Recording {
    fn drop(&mut self) {
        if !self.is_written {
            self.trail.0.borrow_mut().decision = UNANSWERED;
            self.write();
        }
    }
}

/// The last word of a path if it is one of its own, else what a document is sent for.
fn verb_of(path: &str) -> &str {
    let last = path.rsplit('/').next().unwrap_or_default();
    match last {
        "analysis" | "ingestion" | "analyses" | "ingestions" => "submit",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_the_last_words_of_paths() {
        for (path, verb) in [
            ("/analysis", "submit"),
            ("/api/v1/ingestions", "submit"),
            ("/api/v1/analyses/{id}/cancel", "cancel"),
            ("/api/v1/validate", "validate"),
        ] {
            assert_eq!(verb_of(path), verb);
        }
    }
}
