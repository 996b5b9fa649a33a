//! `GET /api/v1/analyses/{id}`: one run with the state of every job, folded from the journal.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::list::summary;
use super::lookup::{Content, Known, look_off_the_workers, read_run};
use super::projection::counts;
use crate::graph::Plan;
use crate::http::{ApiError, Caller, Door};
use crate::playbook::Space;
use crate::store::fold::RunWarning;
use crate::store::{JobProgress, RunProgress, RunSummary};

/// Shows a run, the newest of the id unless `?run=` names another.
pub(super) async fn run(
    request: HttpRequest,
    caller: Caller,
    id: web::Path<String>,
    door: web::Data<Door>,
    space: web::Data<Space>,
) -> Result<HttpResponse, ApiError> {
    look_off_the_workers(&request, move |number| view(&door, &caller, **space, &id, number)).await
}

fn view(door: &Door, caller: &Caller, space: Space, id: &str, number: Option<u32>) -> Result<Value, ApiError> {
    let Known { run, content } = read_run(door, caller, space, id, number)?;
    match content {
        Ok(Content { plan, progress, .. }) => Ok(render(space, &run, &plan, &progress)),
        Err(_) if run.finished_at.is_some() => Ok(render_end(space, &run)),
        Err(error) => Err(error),
    }
}

/// A run that is over and whose playbook cannot be read: who waits for its end has to see it.
fn render_end(space: Space, run: &RunSummary) -> Value {
    let mut view = summary(space, run);
    view["cause"] = json!(run.cause.as_ref().map(|message| json!({"failure": {"message": message}})));
    view["jobs"] = json!([]);
    view["warnings"] =
        json!([{"error": "playbook-unreadable", "reason": "what this run had to do cannot be read back"}]);
    view
}

fn render(space: Space, run: &RunSummary, plan: &Plan, progress: &RunProgress) -> Value {
    let mut view = summary(space, run);
    let jobs: Vec<Value> = (0..progress.jobs.len()).map(|job| render_job(plan, job, &progress.jobs[job])).collect();
    view["elapsed-ms"] = json!(progress.finished.as_ref().map(|end| end.elapsed_ms));
    view["cause"] = json!(progress.finished.as_ref().and_then(|end| end.cause.clone()));
    view["rerun-of"] = json!(progress.rerun_of);
    view["counts"] = Value::Object(counts(progress));
    view["jobs"] = Value::Array(jobs);
    view["warnings"] = render_warnings(plan, progress);
    view
}

pub(super) fn render_job(plan: &Plan, index: usize, progress: &JobProgress) -> Value {
    let job = &plan.playbook.jobs[index];
    let inputs: Vec<&str> = job.inputs.iter().map(|input| plan.playbook.jobs[*input].step.text()).collect();
    json!({
        "step": job.step.text(),
        "id": job.id.as_json(),
        "title": job.kind.title(),
        "state": progress.phase,
        "attempt": progress.attempt,
        "inputs": inputs,
        "output": progress.success.as_ref().map(|success| success.output.path.clone()),
        "charts": progress.success.as_ref().map(|success| success.details.charts.clone()).filter(|charts| !charts.is_empty()),
        "failure": progress.failure,
        "reused": progress.reused,
        "may-still-run": progress.may_still_run,
        "started-at": progress.started_at,
        "finished-at": progress.finished_at,
    })
}

/// Oddities of the document first, then those of the run.
fn render_warnings(plan: &Plan, progress: &RunProgress) -> Value {
    let accepted = plan.warnings.iter().map(|warning| json!(warning));
    let later = progress.warnings.iter().map(|RunWarning { job, code, text }| {
        let step = job.and_then(|job| plan.playbook.jobs.get(job)).map(|job| job.step.text());
        json!({"error": code, "reason": text, "step": step})
    });
    accepted.chain(later).collect()
}
