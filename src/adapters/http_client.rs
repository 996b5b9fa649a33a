//! One HTTP call with the limits that every outgoing call has: connect, first byte, whole answer, size, redirects.

use std::time::Duration;

use awc::error::{ConnectError, PayloadError, SendRequestError};
use awc::http::{Method, StatusCode, header};
use awc::{Client, Connector};
use url::Url;

use super::address::Address;
use crate::ports::{Answer, CallError};

/// Most bytes of an answer.
const LARGEST_ANSWER: usize = 4 * 1024 * 1024;

/// How long an idle connection is kept for the next call.
const IDLE_CONNECTIONS: Duration = Duration::from_secs(15);

/// Redirects followed for one call (decision 28).
const MOST_REDIRECTS: u32 = 3;

/// Time limits of outgoing calls (decision 18).
#[derive(Debug, Clone)]
pub struct CallLimits {
    /// Until the connection stands.
    pub connect: Duration,
    /// Until the head of one answer is there.
    pub first_byte: Duration,
    /// Until one answer is there in full, with all redirects.
    pub answer: Duration,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), first_byte: Duration::from_secs(30), answer: Duration::from_secs(30) }
    }
}

/// A client with its limits; belongs to the thread that made it. Clones share its connections.
#[derive(Clone)]
pub struct HttpClient {
    client: Client,
    answer: Duration,
}

/// One request, ready to be repeated at another path of the same server.
pub struct Request {
    /// `GET`, `POST` or `DELETE`.
    pub method: Method,
    /// Full address.
    pub url: String,
    /// Headers beside the client's own.
    pub headers: Vec<(&'static str, String)>,
    /// Content type and body.
    pub body: Option<(&'static str, String)>,
}

impl HttpClient {
    /// A client whose connections are kept open and reused.
    pub fn new(limits: &CallLimits) -> Self {
        Self::keeping(limits, IDLE_CONNECTIONS)
    }

    /// A client that makes a new connection for every call.
    pub fn unpooled(limits: &CallLimits) -> Self {
        Self::keeping(limits, Duration::ZERO)
    }

    fn keeping(limits: &CallLimits, keep_idle: Duration) -> Self {
        let connector = Connector::new().timeout(limits.connect).limit(0).conn_keep_alive(keep_idle);
        let client = Client::builder()
            .connector(connector)
            .timeout(limits.first_byte)
            .disable_redirects()
            .no_default_headers()
            .add_default_header((header::USER_AGENT, "diastema-orchestrator"))
            .finish();
        Self { client, answer: limits.answer }
    }

    /// Sends a request, follows redirects 307 and 308 to the same server with method, headers and body, reads the answer
    /// in full. The limit of an answer holds for all of it: awc's own ends with the head.
    pub async fn call(&self, to: &Address, request: Request) -> Result<Answer, CallError> {
        let exchange = self.exchange(to, request);
        actix::clock::timeout(self.answer, exchange).await.unwrap_or_else(|_| {
            let why = format!("the answer was not there in full after {} s", self.answer.as_secs_f64());
            Err(CallError::NoAnswer { to: to.to_string(), why })
        })
    }

    async fn exchange(&self, to: &Address, request: Request) -> Result<Answer, CallError> {
        let mut url = request.url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let mut pending = self.client.request(request.method.clone(), &url);
            for (name, value) in &request.headers {
                pending = pending.insert_header((*name, value.as_str()));
            }
            let sent = match &request.body {
                Some((content_type, body)) => {
                    pending.insert_header((header::CONTENT_TYPE, *content_type)).send_body(body.clone())
                }
                None => pending.send(),
            };
            let mut response = sent.await.map_err(|error| no_answer(to, &error))?;
            let body = response.body().limit(LARGEST_ANSWER).await.map_err(|error| broken_answer(to, &error))?;
            if is_cut_short(response.headers(), body.len()) {
                let why = "the connection was closed in the middle of the answer".to_owned();
                return Err(CallError::NoAnswer { to: to.to_string(), why });
            }
            let redirect = matches!(response.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
            if !redirect {
                return Ok(Answer {
                    status: response.status().as_u16(),
                    body: String::from_utf8_lossy(&body).into_owned(),
                });
            }
            let location = response.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
            url = redirected(&url, location).ok_or_else(|| unusable(to, "a redirect to somewhere else"))?;
        }
        Err(unusable(to, "too many redirects"))
    }
}

/// Whether an answer ended before its announced end: awc takes what has come by then for all of it.
fn is_cut_short(headers: &header::HeaderMap, read: usize) -> bool {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let as_it_came = !headers.contains_key(header::CONTENT_ENCODING);
    as_it_came && announced.is_some_and(|announced| read < announced)
}

/// The address that a redirect names, if it is on the same server.
fn redirected(from: &str, location: Option<&str>) -> Option<String> {
    let from = Url::parse(from).ok()?;
    let to = from.join(location?).ok()?;
    let same = from.scheme() == to.scheme()
        && from.host_str() == to.host_str()
        && from.port_or_known_default() == to.port_or_known_default();
    same.then(|| to.to_string())
}

fn no_answer(to: &Address, error: &SendRequestError) -> CallError {
    let (to, why) = (to.to_string(), error.to_string());
    match error {
        // awc's word for a connection that was closed after the request had gone out
        SendRequestError::Connect(ConnectError::Disconnected) => CallError::NoAnswer { to, why },
        SendRequestError::Connect(_) => CallError::NotConnected { to, why },
        SendRequestError::Url(_) => CallError::Unusable { to, why },
        _ => CallError::NoAnswer { to, why },
    }
}

fn broken_answer(to: &Address, error: &PayloadError) -> CallError {
    match error {
        PayloadError::Overflow => unusable(to, "the answer is too large"),
        other => CallError::NoAnswer { to: to.to_string(), why: other.to_string() },
    }
}

fn unusable(to: &Address, why: &str) -> CallError {
    CallError::Unusable { to: to.to_string(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::redirected;

    #[test]
    fn redirects_stay_on_the_same_server() {
        let from = "http://localhost:5001/join";
        assert_eq!(redirected(from, Some("http://localhost:5001/join/")), Some("http://localhost:5001/join/".into()));
        assert_eq!(redirected(from, Some("/join/")), Some("http://localhost:5001/join/".into()));
        for elsewhere in ["http://localhost:5002/join/", "http://other:5001/", "https://localhost:5001/", "http://["] {
            assert_eq!(redirected(from, Some(elsewhere)), None, "{elsewhere}");
        }
        assert_eq!(redirected(from, None), None);
    }
}
