//! The web application: notices, form encoded.

use awc::http::Method;
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use url::form_urlencoded;

use super::address::Address;
use super::http_client::{CallLimits, HttpClient, Request};
use crate::ports::{Announcements, Answer, CallError, Notice};

/// `POST /messages` (contract section 7).
pub struct WebApplication {
    client: HttpClient,
    address: Address,
}

impl WebApplication {
    /// A client of the web application at this address.
    pub fn new(address: Address, limits: &CallLimits) -> Self {
        Self { client: HttpClient::new(limits), address }
    }
}

impl Announcements for WebApplication {
    fn announce(&self, notice: &Notice, event_id: &str) -> LocalBoxFuture<'static, Result<(), CallError>> {
        let kind = notice.kind.as_str();
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("message", kind)
            .append_pair(kind, &notice.text)
            .finish();
        let (client, to) = (self.client.clone(), self.address.clone());
        let request = Request {
            method: Method::POST,
            url: format!("http://{to}/messages"),
            headers: vec![("idempotency-key", event_id.to_owned())],
            body: Some(("application/x-www-form-urlencoded", form)),
        };
        async move { taken(client.call(&to, request).await?, &to) }.boxed_local()
    }
}

/// Whether the web application has got the notice: its own refusals count as that, as with the original, but a server or
/// gateway that says "not now" has not passed it on.
fn taken(answer: Answer, to: &Address) -> Result<(), CallError> {
    match answer.status {
        status @ (408 | 429 | 500..=599) => {
            Err(CallError::NoAnswer { to: to.to_string(), why: format!("it answered {status}") })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_taken_unless_the_answer_says_not_now() {
        let counts = |status| taken(Answer { status, body: String::new() }, &Address::new("web", 80)).is_ok();
        assert!([200, 204, 302, 400, 404].into_iter().all(counts));
        assert!(![408, 429, 500, 502, 503, 504].into_iter().any(counts));
    }
}
