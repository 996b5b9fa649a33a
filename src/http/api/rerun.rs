//! `POST /api/v1/analyses/{id}/rerun`: a new run that takes over what has succeeded.

use std::collections::BTreeSet;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use super::lookup::{find, must_be_there};
use super::verbs::run_url;
use crate::engine::messages::SubmitError;
use crate::graph::Plan;
use crate::graph::rerun::{RerunFrom, reusable};
use crate::http::spaces::id_member;
use crate::http::{ApiError, Door};
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

/// Runs a finished run again.
pub(super) async fn rerun(
    request: HttpRequest,
    id: web::Path<String>,
    door: web::Data<Door>,
    space: web::Data<Space>,
) -> Result<HttpResponse, ApiError> {
    door.key.judge_header(&request)?;
    let bad_query = |reason: String| ApiError::bad_request(Problem::new("bad-query", "", reason));
    let query = web::Query::<Query>::from_query(request.query_string())
        .map_err(|error| bad_query(error.to_string()).hint("give run=N, from=failed, from=all or from-step=STEP"))?
        .into_inner();
    if query.from.is_some() && query.from_step.is_some() {
        return Err(bad_query("`from` and `from-step` exclude each other".to_owned()));
    }
    let space = **space;
    let run = find(&door, space, &id, query.run).await?;
    if run.finished_at.is_none() {
        return Err(still_running(run.number));
    }
    if door.draining.has_begun() {
        return Err(ApiError::draining());
    }
    let (shared, of) = (door.clone(), run.clone());
    let prepare = move || {
        let prepared = prepare(&shared, space, &of, &query);
        must_be_there(&shared, space, &of)?;
        prepared
    };
    let (plan, submission, reused) = web::block(prepare).await.map_err(|_| ApiError::draining())??;
    let accepted = door.engine.submit(plan, submission).await.map_err(|error| match error {
        SubmitError::IdInUse => still_running(run.number),
        other => ApiError::from(other),
    })?;
    let status_url = run_url(space, &run.id, accepted.number);
    Ok(HttpResponse::Accepted().insert_header((header::LOCATION, status_url.clone())).json(json!({
        id_member(space): run.id,
        "run": accepted.number,
        "rerun-of": run.number,
        "reused": reused,
        "state": if accepted.queued { "queued" } else { "running" },
        "status-url": status_url,
        "warnings": accepted.warnings,
    })))
}

fn still_running(number: u32) -> ApiError {
    let reason = format!("run {number} or a later one of the same id is not over");
    ApiError::new(StatusCode::CONFLICT, "still-running", reason).hint("wait until it has ended, or cancel it")
}

/// The plan of the new run, what the journal keeps of it, and the steps that it takes over.
fn prepare(
    door: &Door,
    space: Space,
    run: &RunSummary,
    query: &Query,
) -> Result<(Plan, Submission, Vec<String>), ApiError> {
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
    let steps = reused.iter().map(|job| plan.playbook.jobs[*job].step.text().to_owned()).collect();
    let record = Record::Rerun { of: run.number, reused: results(&progress, &reused) };
    let submission = Submission::again(&plan.playbook, &document, record);
    Ok((plan, submission, steps))
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
