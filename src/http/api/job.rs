//! `GET /api/v1/analyses/{id}/jobs/{step}`: one job with its attempts and where its time went, from the journal.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::{Value, json};

use super::lookup::{Content, Known, job_at, look_off_the_workers, read_run};
use super::run::render_job;
use crate::graph::{JobIndex, Plan};
use crate::http::{ApiError, Caller, Door};
use crate::playbook::Space;
use crate::store::{Entry, Millis, Record};

/// One attempt. *Unit* of all times: milliseconds since the epoch.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Attempt {
    number: u32,
    service: Option<String>,
    /// The id that was sent.
    wire_id: Option<String>,
    preparing_at: Option<Millis>,
    starting_at: Option<Millis>,
    acknowledged_at: Option<Millis>,
    ended_at: Option<Millis>,
    /// `succeeded`, `failed` or `cancelled`, once it has ended.
    outcome: Option<&'static str>,
    failure: Option<Value>,
}

/// Where the time went, in milliseconds; what has not been reached is absent.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Timing {
    /// From the acceptance until every input had arrived.
    waiting_ms: Option<Millis>,
    /// From there until its first attempt began.
    gated_ms: Option<Millis>,
    /// From there until the service of the last attempt had answered its start.
    starting_ms: Option<Millis>,
    /// From there to the end.
    running_ms: Option<Millis>,
}

/// Shows a job of a run, the newest of the id unless `?run=` names another.
pub(super) async fn job(
    request: HttpRequest,
    caller: Caller,
    path: web::Path<(String, String)>,
    door: web::Data<Door>,
    space: web::Data<Space>,
) -> Result<HttpResponse, ApiError> {
    let (id, step) = path.into_inner();
    look_off_the_workers(&request, move |number| show(&door, &caller, **space, (&id, number), &step)).await
}

fn show(
    door: &Door,
    caller: &Caller,
    space: Space,
    (id, number): (&str, Option<u32>),
    step: &str,
) -> Result<Value, ApiError> {
    let Known { run, content } = read_run(door, caller, space, id, number)?;
    let Content { plan, entries, progress } = content?;
    let index = job_at(&plan, step)?;
    let attempts = attempts(index, &entries);
    let timing = timing(&plan, index, &entries, &attempts);
    let mut shown = render_job(&plan, index, &progress.jobs[index]);
    shown["run"] = json!(run.number);
    shown["attempts"] = json!(attempts);
    shown["timing"] = json!(timing);
    Ok(shown)
}

fn attempts(index: JobIndex, entries: &[Entry]) -> Vec<Attempt> {
    let mut attempts: Vec<Attempt> = Vec::new();
    for Entry { at, record, .. } in entries {
        let (job, number, outcome) = match record {
            Record::JobPreparing { job, attempt }
            | Record::JobStarting { job, attempt, .. }
            | Record::JobStartAcknowledged { job, attempt, .. } => (*job, *attempt, None),
            Record::JobSucceeded { job, attempt, .. } => (*job, *attempt, Some("succeeded")),
            Record::JobFailed { job, attempt, .. } | Record::JobRetrying { job, attempt, .. } => {
                (*job, *attempt, Some("failed"))
            }
            Record::JobCancelled { job, attempt, .. } => (*job, *attempt, Some("cancelled")),
            _ => continue,
        };
        if job != index {
            continue;
        }
        if attempts.last().is_none_or(|last| last.number != number) {
            attempts.push(Attempt { number, ..Attempt::default() });
        }
        if let Some(attempt) = attempts.last_mut() {
            attempt.take(*at, record, outcome);
        }
    }
    attempts
}

impl Attempt {
    fn take(&mut self, at: Millis, record: &Record, outcome: Option<&'static str>) {
        match record {
            Record::JobPreparing { .. } => self.preparing_at = Some(at),
            Record::JobStarting { service, wire_id, .. } => {
                self.starting_at = Some(at);
                self.service = Some(service.clone());
                self.wire_id = Some(wire_id.clone());
            }
            Record::JobStartAcknowledged { .. } => self.acknowledged_at = Some(at),
            Record::JobFailed { failure, .. } | Record::JobRetrying { failure, .. } => {
                self.failure = Some(json!(failure));
            }
            _ => {}
        }
        if outcome.is_some() {
            self.ended_at = Some(at);
            self.outcome = outcome;
        }
    }
}

fn timing(plan: &Plan, index: JobIndex, entries: &[Entry], attempts: &[Attempt]) -> Timing {
    let accepted = entries.first().map(|entry| entry.at);
    let inputs = plan.graph.incoming(index).map(|(_, from)| ended(from, entries));
    // all of them, or it still waits
    let ready = inputs.fold(accepted, |latest, end| Some(latest?.max(end?)));
    let first = attempts.first().and_then(|attempt| attempt.preparing_at.or(attempt.starting_at));
    let last = attempts.last();
    let answered = last.and_then(|attempt| attempt.acknowledged_at);
    let end = last.and_then(|attempt| attempt.ended_at);
    let between = |from: Option<Millis>, to: Option<Millis>| Some((to? - from?).max(0));
    Timing {
        waiting_ms: between(accepted, ready),
        gated_ms: between(ready, first),
        starting_ms: between(first, answered),
        running_ms: between(answered, end),
    }
}

/// When a job has said its final word.
fn ended(index: JobIndex, entries: &[Entry]) -> Option<Millis> {
    let is_end = |record: &Record| match record {
        Record::JobSucceeded { job, .. }
        | Record::JobFailed { job, .. }
        | Record::JobSkipped { job }
        | Record::JobCancelled { job, .. } => *job == index,
        Record::Rerun { reused, .. } => reused.iter().any(|reused| reused.job == index),
        _ => false,
    };
    entries.iter().find(|entry| is_end(&entry.record)).map(|entry| entry.at)
}
