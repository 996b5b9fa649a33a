//! `POST /api/v1/analyses/{id}/rerun`: a new run that takes over what has succeeded.

use std::collections::BTreeSet;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use super::lookup::{bad_query, find, must_be_there};
use super::verbs::run_url;
use crate::engine::messages::SubmitError;
use crate::graph::Plan;
use crate::graph::rerun::{RerunFrom, reusable};
use crate::http::spaces::id_member;
use crate::http::submission::idempotency_key;
use crate::http::trail::Trail;
use crate::http::{ApiError, Caller, Door};
use crate::playbook::text::{did_you_mean, quoted};
use crate::playbook::{Problem, Space};
use crate::store::record::ReusedJob;
use crate::store::recovery::read_document;
use crate::store::rerun::overwritten;
use crate::store::{JobPhase, Record, RunProgress, RunSummary, Submission};

/// What may be asked for: `?run=` names the run to be repeated (the newest otherwise), `?from=failed` (the default) or
/// `?from=all` where to begin, `?from-step=` a step instead.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Query {
    run: Option<u32>,
    from: Option<From>,
    from_step: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum From {
    Failed,
    All,
}

impl Query {
    /// What is asked for, in words that are the same for the same request.
    fn asked(&self) -> String {
        let run = self.run.map_or_else(|| "the newest run".to_owned(), |number| format!("run {number}"));
        let from = match (&self.from_step, self.from) {
            (Some(step), _) => format!("step {}", step.to_lowercase()),
            (None, Some(From::All)) => "the start".to_owned(),
            (None, Some(From::Failed) | None) => "what failed".to_owned(),
        };
        format!("{run} again from {from}")
    }
}

/// Runs a finished run again. Under an `Idempotency-Key` that has asked for the same before, it is the run of then.
pub(super) async fn rerun(
    request: HttpRequest,
    caller: Caller,
    trail: Trail,
    id: web::Path<String>,
    door: web::Data<Door>,
    space: web::Data<Space>,
) -> Result<HttpResponse, ApiError> {
    trail.id(&id);
    let key = idempotency_key(&request)?;
    let query = web::Query::<Query>::from_query(request.query_string())
        .map_err(|error| bad_query(&error.to_string()).hint("give run=N, from=failed, from=all or from-step=STEP"))?
        .into_inner();
    if query.from.is_some() && query.from_step.is_some() {
        return Err(bad_query("`from` and `from-step` exclude each other"));
    }
    let space = **space;
    let run = find(&door, &caller, space, &id, query.run).await?;
    trail.run(&run);
    // under a key it may be the very run that was asked for before: the journal decides
    if run.finished_at.is_none() && key.is_none() {
        return Err(still_running(run.number));
    }
    if door.draining.has_begun() {
        return Err(ApiError::draining());
    }
    let (shared, by, of) = (door.clone(), caller.clone(), run.clone());
    let prepare = move || {
        let prepared = prepare(&shared, space, &of, &query);
        must_be_there(&shared, &by, space, &of)?;
        prepared
    };
    let (plan, submission, repeats) = web::block(prepare).await.map_err(|_| ApiError::draining())??;
    let submission = Submission { idempotency_key: key, ..submission };
    let accepted = door.engine.submit(plan, submission).await.map_err(|error| match error {
        SubmitError::IdInUse => still_running(run.number),
        other => ApiError::from(other),
    })?;
    trail.number(accepted.number);
    let repeats = match accepted.is_new {
        true => repeats,
        false => said_before(&door, &caller, space, &run.id, accepted.number).await?,
    };
    let status_url = run_url(space, &run.id, accepted.number);
    Ok(HttpResponse::Accepted().insert_header((header::LOCATION, status_url.clone())).json(json!({
        id_member(space): run.id,
        "run": accepted.number,
        "rerun-of": repeats.of,
        "reused": repeats.steps,
        "state": accepted.state(),
        "status-url": status_url,
        "warnings": accepted.warnings,
    })))
}

fn still_running(number: u32) -> ApiError {
    let reason = format!("run {number} or a later one of the same id is not over");
    ApiError::new(StatusCode::CONFLICT, "still-running", reason).hint("wait until it has ended, or cancel it")
}

/// What a rerun takes over.
struct Repeats {
    /// Number of the run that it repeats.
    of: u32,
    /// Texts of the steps that it does not do again.
    steps: Vec<String>,
}

impl Repeats {
    fn new(plan: &Plan, of: u32, jobs: impl IntoIterator<Item = usize>) -> Self {
        Self { of, steps: jobs.into_iter().map(|job| plan.playbook.jobs[job].step.text().to_owned()).collect() }
    }
}

/// What a run takes over that was accepted before under the same key.
async fn said_before(
    door: &web::Data<Door>,
    caller: &Caller,
    space: Space,
    id: &str,
    number: u32,
) -> Result<Repeats, ApiError> {
    let run = find(door, caller, space, id, Some(number)).await?;
    let shared = door.clone();
    let read = move || {
        let plan = shared.playbooks.get(shared.history.as_ref(), space, run.run_id)?;
        let entries = shared.history.entries(run.run_id).map_err(|error| ApiError::unreadable(&error))?;
        match entries.into_iter().next().map(|first| first.record) {
            Some(Record::Rerun { of, reused }) => Ok(Repeats::new(&plan, of, reused.iter().map(|result| result.job))),
            _ => Err(ApiError::not_found(space.as_str())),
        }
    };
    web::block(read).await.map_err(|_| ApiError::draining())?
}

/// The plan of the new run, what the journal keeps of it, and what it takes over.
fn prepare(
    door: &Door,
    space: Space,
    run: &RunSummary,
    query: &Query,
) -> Result<(Plan, Submission, Repeats), ApiError> {
    let unreadable = |error| ApiError::unreadable(&error);
    let (plan, document) = read_document(door.history.as_ref(), space, run.run_id).map_err(unreadable)?;
    let entries = door.history.entries(run.run_id).map_err(unreadable)?;
    let progress = RunProgress::fold(plan.graph.len(), &entries).map_err(unreadable)?;
    let from = match (&query.from_step, query.from) {
        (Some(step), _) => RerunFrom::Job(find_step(&plan, step)?),
        (None, Some(From::All)) => RerunFrom::All,
        (None, Some(From::Failed) | None) => RerunFrom::Failed,
    };
    let overwritten = overwritten(door.history.as_ref(), space, run, &plan).map_err(unreadable)?;
    let has_result = |job: usize| progress.jobs[job].phase == JobPhase::Succeeded && !overwritten.contains(&job);
    let reused = reusable(&plan.graph, has_result, from);
    let repeats = Repeats::new(&plan, run.number, reused.iter().copied());
    let record = Record::Rerun { of: run.number, reused: results(&progress, &reused) };
    let submission = Submission::again(&plan.playbook, &document, record, &query.asked());
    Ok((plan, submission, repeats))
}

fn results(progress: &RunProgress, reused: &BTreeSet<usize>) -> Vec<ReusedJob> {
    let result = |job: &usize| {
        let success = progress.jobs[*job].success.as_ref()?;
        let (producer, path) = (success.output.producer, success.output.path.clone());
        Some(ReusedJob { job: *job, producer, path, details: success.details.clone() })
    };
    reused.iter().filter_map(result).collect()
}

fn find_step(plan: &Plan, wanted: &str) -> Result<usize, ApiError> {
    let key = wanted.to_lowercase();
    plan.playbook.jobs.iter().position(|job| job.step.key() == key).ok_or_else(|| {
        let hint = did_you_mean(wanted, plan.playbook.jobs.iter().map(|job| job.step.text()));
        let problem = Problem::new("unknown-step", "", format!("there is no step {}", quoted(wanted)));
        ApiError::unprocessable(vec![problem]).hint(&hint)
    })
}
