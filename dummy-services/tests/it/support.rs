//! A client for the tests, and short ways to start services.

use std::time::Duration;

use awc::http::Method;
use dummy_services::{Behaviour, Dummies, Fault, Kind, Options, Script, start};
use serde_json::Value;

/// What came back.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("the answer is JSON")
    }
}

pub(crate) fn with_script(script: Script) -> Dummies {
    start(Options { script, ..Options::default() }).expect("free ports exist")
}

pub(crate) fn with_behaviour(kind: Kind, behaviour: Behaviour) -> Dummies {
    with_script(Script { kinds: [(kind, behaviour)].into(), ..Script::default() })
}

pub(crate) fn with_fault(kind: Kind, fault: Fault) -> Dummies {
    with_behaviour(kind, Behaviour { fault: Some(fault), ..Behaviour::default() })
}

/// Asks; `None` if the connection was cut or no answer came in time.
pub(crate) async fn ask(dummies: &Dummies, method: Method, path: &str, body: &str) -> Option<Answer> {
    let client = awc::Client::builder().disable_redirects().timeout(Duration::from_millis(700)).finish();
    let request = client.request(method, format!("http://{}{path}", dummies.http()));
    let mut response =
        request.insert_header(("content-type", "application/json")).send_body(body.to_owned()).await.ok()?;
    let text = response.body().await.ok()?;
    Some(Answer { status: response.status().as_u16(), text: String::from_utf8_lossy(&text).into_owned() })
}

pub(crate) async fn get(dummies: &Dummies, path: &str) -> Option<Answer> {
    ask(dummies, Method::GET, path, "").await
}

pub(crate) async fn post(dummies: &Dummies, path: &str, body: &str) -> Option<Answer> {
    ask(dummies, Method::POST, path, body).await
}

#[track_caller]
pub(crate) fn is(answer: Option<Answer>, status: u16, text: &str) {
    assert_eq!(answer, Some(Answer { status, text: text.to_owned() }));
}
