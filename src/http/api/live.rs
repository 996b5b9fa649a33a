//! Streams of server-sent events. Each client reads the journal at its own speed, nothing is kept for it, and the engine does
//! not know that anybody looks.

use std::time::Duration;

use actix_web::http::header;
use actix_web::rt::time::{Instant, sleep};
use actix_web::{Error, HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures::{Stream, stream};
use serde_json::Value;

use crate::http::{ApiError, Door};
use crate::playbook::Problem;

/// Between two looks at the journal: a fifth of what a change may take to be seen.
const LOOK: Duration = Duration::from_millis(20);

/// A stream on which nothing happens says so, for whoever stands in between.
const BREATH: Duration = Duration::from_secs(15);

/// Events that a client may be behind before it is told the state of things instead.
pub(super) const FAR_BEHIND: usize = 1_000;

/// Where the events of a stream come from.
pub(super) trait Feed: 'static {
    /// What has happened since the last call, as it is sent; `None` when the stream cannot go on.
    async fn news(&mut self) -> Option<String>;

    /// Whether nothing more comes.
    fn is_over(&self) -> bool;
}

/// Whether a client wants events as they happen.
pub(super) fn is_wanted(request: &HttpRequest) -> bool {
    let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accepts.is_some_and(|accepts| accepts.contains("text/event-stream"))
}

/// The last event that a client has: it says so in a header when it comes back, or in the query.
pub(super) fn last_event(request: &HttpRequest, after: Option<u64>) -> Result<Option<u64>, ApiError> {
    let Some(id) = request.headers().get("Last-Event-ID") else { return Ok(after) };
    let id = id.to_str().ok().and_then(|id| id.trim().parse().ok());
    id.map(Some).ok_or_else(|| {
        let problem = Problem::new("bad-query", "", "the last event id is not one of ours");
        ApiError::bad_request(problem.hint("use the `id` of the last event that has arrived, or leave it out"))
    })
}

/// An event as it is sent. JSON has no line breaks in it.
pub(super) fn piece(event: &Value) -> String {
    let name = event["event"].as_str().unwrap_or_default();
    format!("id: {}\nevent: {name}\ndata: {event}\n\n", event["id"])
}

/// Answers with the stream of a feed.
pub(super) fn answer<F: Feed>(door: web::Data<Door>, feed: F) -> HttpResponse {
    let live = Live { door, feed, ended: false, quiet_since: Instant::now() };
    let mut answer = HttpResponse::Ok();
    answer.content_type("text/event-stream").insert_header(("X-Accel-Buffering", "no"));
    answer.streaming(live.stream())
}

/// One client's stream.
struct Live<F> {
    door: web::Data<Door>,
    feed: F,
    ended: bool,
    quiet_since: Instant,
}

impl<F: Feed> Live<F> {
    fn stream(self) -> impl Stream<Item = Result<Bytes, Error>> {
        // the next piece is made when the last one has gone: a slow client costs a connection and nothing else
        stream::unfold(self, |mut live| async move {
            let piece = live.next().await?;
            Some((Ok(Bytes::from(piece)), live))
        })
    }

    async fn next(&mut self) -> Option<String> {
        loop {
            if self.ended {
                return None;
            }
            let text = self.feed.news().await?;
            if self.feed.is_over() {
                self.ended = true;
                return Some(format!("{text}event: end\ndata: {{}}\n\n"));
            }
            if !text.is_empty() {
                self.quiet_since = Instant::now();
                return Some(text);
            }
            if self.quiet_since.elapsed() >= BREATH {
                self.quiet_since = Instant::now();
                return Some(": nothing new\n\n".to_owned());
            }
            if self.door.draining.has_begun() {
                return None;
            }
            sleep(LOOK).await;
        }
    }
}
