//! `GET /api/v1/analyses/{id}/events`: the history of a run, page by page or live.
//!
//! Live is a stream of server-sent events whose ids are places in the journal: whoever comes back with `Last-Event-ID` gets what
//! has happened since, without a gap or a repeat. One that has fallen far behind gets a snapshot in the place of what it missed.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::live::{self, FAR_BEHIND, Feed, piece};
use super::lookup::{find, must_be_there, read_query};
use super::projection::RunProjection;
use crate::graph::Plan;
use crate::http::{ApiError, Caller, Door};
use crate::playbook::Space;
use crate::store::Entry;

/// Events on a page unless asked otherwise, and at most.
pub(super) const PAGE: usize = 500;
pub(super) const LARGEST_PAGE: usize = 5_000;

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
    let (history, door_of_page) = (door.clone(), door.clone());
    let (space, key) = (**space, run.run_id);
    let plan = web::block(move || history.playbooks.get(history.history.as_ref(), space, key));
    let plan = plan.await.map_err(|_| ApiError::draining())??;
    if live::is_wanted(&request) {
        let after = live::last_event(&request, query.after)?;
        let feed = RunFeed { door: door.clone(), plan, key, after, projection: None };
        return Ok(live::answer(door, feed));
    }
    let limit = query.limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
    let page = web::block(move || {
        let page = page(&door_of_page, &plan, key, query.after.unwrap_or(0), limit)?;
        must_be_there(&door_of_page, &caller, space, &run).map(|()| page)
    });
    Ok(HttpResponse::Ok().json(page.await.map_err(|_| ApiError::draining())??))
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

/// The events of one run for one client.
struct RunFeed {
    door: web::Data<Door>,
    plan: Arc<Plan>,
    key: i64,
    /// The last event that the client has; none for one that wants the present.
    after: Option<u64>,
    /// What the client knows, once the stream has begun.
    projection: Option<RunProjection>,
}

impl Feed for RunFeed {
    async fn news(&mut self) -> Option<String> {
        match self.projection.take() {
            None => self.begin().await,
            Some(projection) => self.go_on(projection).await,
        }
    }

    fn is_over(&self) -> bool {
        self.projection.as_ref().is_some_and(RunProjection::is_over)
    }
}

impl RunFeed {
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
