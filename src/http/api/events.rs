//! `GET /api/v1/analyses/{id}/events`: the history of a run, page by page or live.
//!
//! Live is a stream of server-sent events whose ids are places in the journal: whoever comes back with `Last-Event-ID` gets what
//! has happened since, without a gap or a repeat. Each client reads the journal at its own speed, nothing is kept for it, and the
//! engine does not know that anybody looks. One that has fallen far behind gets a snapshot in the place of what it missed.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header;
use actix_web::rt::time::{Instant, sleep};
use actix_web::{Error, HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures::{Stream, stream};
use serde::Deserialize;
use serde_json::{Value, json};

use super::lookup::{find, must_be_there, read_query};
use super::projection::RunProjection;
use crate::graph::Plan;
use crate::http::{ApiError, Caller, Door};
use crate::playbook::{Problem, Space};
use crate::store::Entry;

/// Events on a page unless asked otherwise, and at most.
const PAGE: usize = 500;
const LARGEST_PAGE: usize = 5_000;

/// Between two looks at the journal: a fifth of what a change may take to be seen.
const LOOK: Duration = Duration::from_millis(20);

/// A stream on which nothing happens says so, for whoever stands in between.
const BREATH: Duration = Duration::from_secs(15);

/// Events that a client may be behind before it gets a snapshot instead.
const FAR_BEHIND: usize = 1_000;

#[derive(Debug, Deserialize)]
pub(super) struct Query {
    run: Option<u32>,
    after: Option<u64>,
    limit: Option<usize>,
}

/// The history of a run, or its events as they happen if that is what the client accepts.
pub(super) async fn events(
    request: HttpRequest,
    caller: Caller,
    id: web::Path<String>,
    door: web::Data<Door>,
    space: web::Data<Space>,
) -> Result<HttpResponse, ApiError> {
    let query: Query = read_query(&request)?;
    let run = find(&door, &caller, **space, &id, query.run).await?;
    let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (history, door_of_page) = (door.clone(), door.clone());
    let (space, key) = (**space, run.run_id);
    let plan = web::block(move || history.playbooks.get(history.history.as_ref(), space, key));
    let plan = plan.await.map_err(|_| ApiError::draining())??;
    if accepts.contains("text/event-stream") {
        let after = match request.headers().get("Last-Event-ID") {
            Some(id) => Some(read_id(id.to_str().ok())?),
            None => query.after,
        };
        let watch = Watch { door, plan, key, after, projection: None, ended: false, quiet_since: Instant::now() };
        let mut answer = HttpResponse::Ok();
        answer.content_type("text/event-stream").insert_header(("X-Accel-Buffering", "no"));
        return Ok(answer.streaming(watch.stream()));
    }
    let limit = query.limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
    let page = web::block(move || {
        let page = page(&door_of_page, &plan, key, query.after.unwrap_or(0), limit)?;
        must_be_there(&door_of_page, &caller, space, &run).map(|()| page)
    });
    Ok(HttpResponse::Ok().json(page.await.map_err(|_| ApiError::draining())??))
}

fn read_id(id: Option<&str>) -> Result<u64, ApiError> {
    id.and_then(|id| id.trim().parse().ok()).ok_or_else(|| {
        let problem = Problem::new("bad-query", "", "the last event id is not one of ours");
        ApiError::bad_request(problem.hint("use the `id` of the last event that has arrived, or leave it out"))
    })
}

fn page(door: &Door, plan: &Plan, key: i64, after: u64, limit: usize) -> Result<Value, ApiError> {
    let entries = entries(door, key)?;
    let mut projection = RunProjection::new(plan);
    let told: Vec<(u64, Value)> = entries.iter().map(|entry| (entry.seq, projection.apply(plan, entry))).collect();
    let mut items = told.into_iter().filter(|(seq, _)| *seq > after).peekable();
    let page: Vec<(u64, Value)> = items.by_ref().take(limit).collect();
    let next = items.peek().and(page.last()).map(|(seq, _)| *seq);
    let items: Vec<Value> = page.into_iter().map(|(_, event)| event).collect();
    Ok(json!({"items": items, "next-after": next}))
}

fn entries(door: &Door, key: i64) -> Result<Vec<Entry>, ApiError> {
    door.history.entries(key).map_err(|error| ApiError::unreadable(&error))
}

/// One client's stream.
struct Watch {
    door: web::Data<Door>,
    plan: Arc<Plan>,
    key: i64,
    /// The last event that the client has; none for one that wants the present.
    after: Option<u64>,
    /// What the client knows, once the stream has begun.
    projection: Option<RunProjection>,
    ended: bool,
    quiet_since: Instant,
}

impl Watch {
    fn stream(self) -> impl Stream<Item = Result<Bytes, Error>> {
        // the next piece is made when the last one has gone: a slow client costs a connection and nothing else
        stream::unfold(self, |mut watch| async move {
            let piece = watch.next().await?;
            Some((Ok(Bytes::from(piece)), watch))
        })
    }

    async fn next(&mut self) -> Option<String> {
        loop {
            if self.ended {
                return None;
            }
            let text = match self.projection.take() {
                None => self.begin().await?,
                Some(projection) => self.go_on(projection).await?,
            };
            if self.projection.as_ref().is_some_and(RunProjection::is_over) {
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

    /// Everything so far: the events that the client lacks, or a snapshot.
    async fn begin(&mut self) -> Option<String> {
        let (door, plan, key, after) = (self.door.clone(), Arc::clone(&self.plan), self.key, self.after);
        let begun = web::block(move || {
            let entries = entries(&door, key).ok()?;
            let mut projection = RunProjection::new(&plan);
            let told: Vec<(u64, Value)> =
                entries.iter().map(|entry| (entry.seq, projection.apply(&plan, entry))).collect();
            let lacking = after.map(|after| told.into_iter().filter(|(seq, _)| *seq > after).collect::<Vec<_>>());
            let text = match lacking.filter(|lacking| lacking.len() <= FAR_BEHIND) {
                Some(lacking) => lacking.iter().map(|(_, event)| piece(event)).collect(),
                None => piece(&projection.snapshot(&plan)),
            };
            Some((projection, text))
        });
        let (projection, text) = begun.await.ok()??;
        self.projection = Some(projection);
        Some(text)
    }

    /// What has happened since.
    async fn go_on(&mut self, mut projection: RunProjection) -> Option<String> {
        let (door, plan, key) = (self.door.clone(), Arc::clone(&self.plan), self.key);
        let news = web::block(move || {
            let entries = door.history.entries_after(key, projection.upto()).ok()?;
            let told: Vec<Value> = entries.iter().map(|entry| projection.apply(&plan, entry)).collect();
            let text = if told.len() > FAR_BEHIND {
                piece(&projection.snapshot(&plan))
            } else {
                told.iter().map(piece).collect()
            };
            Some((projection, text))
        });
        let (projection, text) = news.await.ok()??;
        self.projection = Some(projection);
        Some(text)
    }
}

/// An event as it is sent. JSON has no line breaks in it.
fn piece(event: &Value) -> String {
    let name = event["event"].as_str().unwrap_or_default();
    format!("id: {}\nevent: {name}\ndata: {event}\n\n", event["id"])
}
