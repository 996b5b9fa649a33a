//! What a service answers, as data; and the two answers that HTTP has no word for, a cut connection and none at all.

use std::{io, time::Duration};

use actix_web::{HttpResponse, http::StatusCode, http::header, rt::time::sleep, web::Bytes};
use futures::{future, stream};
use serde_json::Value;

/// One answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// JSON with a status.
    Json(u16, Value),
    /// A text with a status, as `text/html` like the real services.
    Text(u16, String),
    /// 308 to an address.
    Redirect(String),
    /// A CSV file.
    Csv(&'static str),
    /// The connection is cut before a byte is sent.
    Cut,
    /// Nothing, for ever.
    Never,
}

impl Answer {
    /// 200 with a text.
    pub(crate) fn ok(text: impl Into<String>) -> Self {
        Answer::Text(200, text.into())
    }

    /// 400 with a text.
    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Answer::Text(400, text.into())
    }

    /// The answer without delay.
    pub(crate) fn now(self) -> Reply {
        Reply { delay_ms: 0, answer: self }
    }

    /// The answer after a delay in milliseconds.
    pub(crate) fn after(self, delay_ms: u64) -> Reply {
        Reply { delay_ms, answer: self }
    }
}

/// An answer and how long it is held back.
#[derive(Debug)]
pub(crate) struct Reply {
    delay_ms: u64,
    answer: Answer,
}

impl Reply {
    /// Waits, then answers.
    pub(crate) async fn send(self) -> HttpResponse {
        if self.delay_ms > 0 {
            sleep(Duration::from_millis(self.delay_ms)).await;
        }
        match self.answer {
            Answer::Json(status, value) => response(status, "application/json", value.to_string()),
            Answer::Text(status, text) => response(status, "text/html; charset=utf-8", text),
            Answer::Csv(text) => response(200, "text/csv; charset=utf-8", text.to_owned()),
            Answer::Redirect(location) => {
                HttpResponse::PermanentRedirect().insert_header((header::LOCATION, location)).finish()
            }
            Answer::Cut => cut(),
            Answer::Never => future::pending().await,
        }
    }
}

fn response(status: u16, content_type: &str, body: String) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(status).content_type(content_type).body(body)
}

/// A body that fails at its first byte makes the server drop the connection with the head of the answer still unsent.
fn cut() -> HttpResponse {
    let broken = stream::once(future::ready(Err::<Bytes, _>(io::Error::from(io::ErrorKind::ConnectionReset))));
    HttpResponse::Ok().streaming(broken)
}
