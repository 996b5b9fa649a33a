//! `GET /api/v1/events`: what happens in all runs that the caller reaches, page by page or live.
//!
//! The ids are those of the runs' own events. Whoever is far behind is told that events were passed over: what has become of
//! the runs meanwhile is in their lists.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::events::{LARGEST_PAGE, PAGE};
use super::live::{self, FAR_BEHIND, Feed, piece};
use super::lookup::read_query;
use crate::http::spaces::id_member;
use crate::http::{ApiError, Caller, Door};
use crate::store::{JournalError, NewsEntry, Record};

#[derive(Debug, Deserialize)]
struct Query {
    after: Option<u64>,
    limit: Option<usize>,
}

/// The events of all runs, or those that happen from now on if that is what the client accepts.
pub(super) async fn events(
    request: HttpRequest,
    caller: Caller,
    door: web::Data<Door>,
) -> Result<HttpResponse, ApiError> {
    let query: Query = read_query(&request)?;
    let tenants = caller.tenant_names();
    if live::is_wanted(&request) {
        let after = live::last_event(&request, query.after)?;
        return Ok(live::answer(door.clone(), AllFeed { door, tenants, after }));
    }
    let (after, limit) = (query.after.unwrap_or(0), query.limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE));
    // one more tells whether there is another page
    let page = web::block(move || door.history.news(after, tenants.as_deref(), limit + 1));
    let page = page.await.map_err(|_| ApiError::draining())?;
    let mut page = page.map_err(|error| ApiError::unreadable(&error))?;
    let is_full = page.len() > limit;
    page.truncate(limit);
    let next = page.last().filter(|_| is_full).map(|last| last.entry.seq);
    let items: Vec<Value> = page.iter().map(render).collect();
    Ok(HttpResponse::Ok().json(json!({"items": items, "next-after": next})))
}

/// An event without what belongs to its job: the run's own events have all of it.
fn render(news: &NewsEntry) -> Value {
    let NewsEntry { space, id, number, tenant, entry } = news;
    let event = serde_json::to_value(&entry.record).unwrap_or_default();
    let outcome = match &entry.record {
        Record::AnalysisFinished { outcome, .. } => Some(outcome.as_str()),
        _ => None,
    };
    json!({
        "id": entry.seq,
        "at": entry.at,
        "event": event["event"],
        id_member(*space): id,
        "run": number,
        "tenant": tenant,
        "index": event["job"],
        "attempt": event["attempt"],
        "outcome": outcome,
    })
}

/// The events of all runs for one client.
struct AllFeed {
    door: web::Data<Door>,
    tenants: Option<Vec<String>>,
    /// The last event that the client has; none for one that wants what happens from now on.
    after: Option<u64>,
}

impl Feed for AllFeed {
    async fn news(&mut self) -> Option<String> {
        let (door, tenants, after) = (self.door.clone(), self.tenants.clone(), self.after);
        let (upto, text) = web::block(move || news(&door, tenants.as_deref(), after)).await.ok()?.ok()?;
        self.after = Some(upto);
        Some(text)
    }

    fn is_over(&self) -> bool {
        false
    }
}

/// What there is behind an event, and the last one of it.
fn news(door: &Door, tenants: Option<&[String]>, after: Option<u64>) -> Result<(u64, String), JournalError> {
    // read first: what is written meanwhile comes with the next look
    let newest = door.history.newest_entry()?;
    let Some(after) = after else { return Ok((newest, String::new())) };
    let entries = door.history.news(after, tenants, FAR_BEHIND + 1)?;
    if entries.len() > FAR_BEHIND {
        let passed_over = json!({"id": newest, "event": "passed-over", "after": after});
        return Ok((newest, piece(&passed_over)));
    }
    let upto = entries.last().map_or(newest.max(after), |last| last.entry.seq.max(newest));
    Ok((upto, entries.iter().map(|entry| piece(&render(entry))).collect()))
}
