//! The web application: notices, form encoded.

use awc::http::Method;
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use url::form_urlencoded;

use super::address::Address;
use super::http_client::{CallLimits, HttpClient, Request};
use crate::ports::{Announcements, CallError, Notice};

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
        async move { client.call(&to, request).await.map(|_| ()) }.boxed_local()
    }
}
