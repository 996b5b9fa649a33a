//! `POST /api/v1/analyses/{id}/rerun`: a new run of the same document that takes over what an earlier one has done.
//!
//! The body says what is done again, at least; without one it is what did not succeed:
//! `{"from": "failed"}`, `{"from": "all"}` or `{"from": {"step": "3"}}`.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};

use super::asked::Asked;
use crate::engine::messages::SubmitError;
use crate::graph::Plan;
use crate::graph::build::{build, build_ingestion};
use crate::graph::rerun::RerunFrom;
use crate::http::body::{read_object_if_any, stopped};
use crate::http::{ApiError, Door, names};
use crate::playbook::text::{did_you_mean, quoted, shown};
use crate::playbook::{Problem, Space};
use crate::store::record::{ReusedJob, RunOutcome};
use crate::store::recovery::read_document;
use crate::store::rerun::first_record;
use crate::store::{Record, RunSummary, Submission};

/// What is to be done again, as the body says it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Again {
    Failed,
    All,
    Step(String),
}

/// A new run that is ready to be submitted.
struct Prepared {
    plan: Plan,
    submission: Submission,
    document: Map<String, Value>,
    of: u32,
    reused: Vec<String>,
}

/// Begins the new run; answers its number and the steps that are not done again.
pub(super) async fn rerun(
    request: HttpRequest,
    payload: web::Payload,
    id: web::Path<String>,
    door: web::Data<Door>,
    space: web::Data<Space>,
) -> Result<HttpResponse, ApiError> {
    door.key.judge_header(&request)?;
    let asked = Asked::read(&request, &id, **space)?;
    let from = match read_object_if_any(&request, payload, door.body_timeout).await? {
        Some(body) => read_from(&body)?,
        None => Again::Failed,
    };
    let (shared, wanted) = (door.clone(), asked.clone());
    let prepared = web::block(move || prepare(&shared, &wanted, &from)).await.map_err(|_| stopped())??;
    let Prepared { plan, submission, document, of, reused } = prepared;
    if asked.space == Space::Ingestion {
        names::judge(&door.checks.ingestion_urls, document.get("ingestion_json")).await?;
    }
    let id = plan.playbook.id.text().to_owned();
    let accepted = door.engine.submit(plan, submission).await.map_err(|refused| match refused {
        // whose the id is was settled long ago: somebody was quicker
        SubmitError::IdInUse => still_running("another run has begun meanwhile".to_owned()),
        refused => refused.into(),
    })?;
    let state = if accepted.queued { "queued" } else { "running" };
    let mut answer = asked.answer(&id, accepted.number, state);
    answer["rerun-of"] = json!(of);
    answer["reused"] = json!(reused);
    let location = answer["status-url"].as_str().unwrap_or_default().to_owned();
    Ok(HttpResponse::Accepted().insert_header((header::LOCATION, location)).json(answer))
}

/// Reads everything that is needed; blocks. What was accepted once is judged again: rules may have become stricter.
fn prepare(door: &Door, asked: &Asked, from: &Again) -> Result<Prepared, ApiError> {
    let unreadable = |error| ApiError::unreadable(&error);
    let history = door.history.as_ref();
    let newest = Asked { number: None, ..asked.clone() }.find(door)?;
    let run = if asked.number.is_some() { asked.find(door)? } else { newest.clone() };
    if newest.finished_at.is_none() {
        return Err(still_running(format!("run {} has not ended yet: it is {}", newest.number, newest.state)));
    }
    let document = read_document(history, run.run_id).map_err(unreadable)?;
    let plan = match asked.space {
        Space::Analysis => build(&document, &door.checks),
        Space::Ingestion => build_ingestion(&document, &door.checks),
    };
    let plan = plan.map_err(|refusal| ApiError::unprocessable(refusal.problems))?;
    let from = resolve(from, &run, &plan)?;
    let first = first_record(history, asked.space, &run, newest.number, &plan, from).map_err(unreadable)?;
    let reused = reused_steps(&plan, &first);
    let submission = Submission::new(&plan.playbook, &document).repeating(first, newest.number + 1);
    Ok(Prepared { plan, submission, document, of: run.number, reused })
}

fn reused_steps(plan: &Plan, first: &Record) -> Vec<String> {
    let Record::Rerun { reused, .. } = first else { return Vec::new() };
    let step = |ReusedJob { job, .. }: &ReusedJob| plan.playbook.jobs[*job].step.text().to_owned();
    reused.iter().map(step).collect()
}

/// What is to be done again, in terms of this run's jobs.
fn resolve(from: &Again, run: &RunSummary, plan: &Plan) -> Result<RerunFrom, ApiError> {
    match from {
        Again::Failed if run.state == RunOutcome::Succeeded.as_str() => {
            let reason = format!("run {} has succeeded: nothing of it is left to be done", run.number);
            let hint = r#"send {"from": "all"} or {"from": {"step": "..."}}"#;
            Err(ApiError::new(StatusCode::CONFLICT, "nothing-failed", reason).hint(hint))
        }
        Again::Failed => Ok(RerunFrom::Failed),
        Again::All => Ok(RerunFrom::All),
        Again::Step(wanted) => {
            let jobs = &plan.playbook.jobs;
            let key = wanted.to_lowercase();
            jobs.iter().position(|job| job.step.key() == key).map(RerunFrom::Job).ok_or_else(|| {
                let hint = did_you_mean(wanted, jobs.iter().map(|job| job.step.text()));
                let reason = format!("there is no step {}", quoted(wanted));
                ApiError::unprocessable(vec![Problem::new("unknown-step", "/from/step", reason).hint(hint)])
            })
        }
    }
}

fn read_from(body: &Map<String, Value>) -> Result<Again, ApiError> {
    only_member(body, "from", "")?;
    match body.get("from") {
        None => Ok(Again::Failed),
        Some(Value::String(word)) if word == "failed" => Ok(Again::Failed),
        Some(Value::String(word)) if word == "all" => Ok(Again::All),
        Some(Value::Object(step)) => {
            only_member(step, "step", "/from")?;
            match step.get("step") {
                Some(Value::String(text)) => Ok(Again::Step(text.clone())),
                Some(Value::Number(number)) => Ok(Again::Step(number.to_string())),
                other => Err(bad_from("/from/step", "`step` must be the step of a job", other)),
            }
        }
        other => Err(bad_from("/from", r#"`from` must be "failed", "all" or {"step": "..."}"#, other)),
    }
}

fn bad_from(at: &str, must: &str, found: Option<&Value>) -> ApiError {
    let found = found.map_or("absent".to_owned(), shown);
    let hint = r#"without a body, what did not succeed is done again; {"from": "all"} does everything again"#;
    ApiError::unprocessable(vec![Problem::new("bad-from", at, format!("{must}, not {found}")).hint(hint)])
}

fn only_member(object: &Map<String, Value>, member: &str, at: &str) -> Result<(), ApiError> {
    match object.keys().find(|name| *name != member) {
        Some(unknown) => {
            let reason = format!("there is no member {}", quoted(unknown));
            let hint = did_you_mean(unknown, [member]);
            Err(ApiError::unprocessable(vec![Problem::new("unknown-member", at, reason).hint(hint)]))
        }
        None => Ok(()),
    }
}

fn still_running(reason: String) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, "still-running", reason).hint("wait until it has ended, or cancel it")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: Value) -> Result<Again, String> {
        let body = body.as_object().expect("an object").clone();
        read_from(&body).map_err(|error| {
            let problem = &error.problems[0];
            format!("{} {}", problem.code, problem.at)
        })
    }

    #[test]
    fn the_three_ways_to_say_what_is_done_again() {
        assert_eq!(read(json!({})), Ok(Again::Failed));
        assert_eq!(read(json!({"from": "failed"})), Ok(Again::Failed));
        assert_eq!(read(json!({"from": "all"})), Ok(Again::All));
        for step in [json!(3), json!("3")] {
            assert_eq!(read(json!({"from": {"step": step}})), Ok(Again::Step("3".to_owned())));
        }
    }

    #[test]
    fn anything_else_is_refused_where_it_stands() {
        for wrong in [json!("everything"), json!("3"), json!(3), json!(null), json!(["all"])] {
            assert_eq!(read(json!({"from": wrong})), Err("bad-from /from".to_owned()));
        }
        for wrong in [json!({}), json!({"step": null}), json!({"step": [1]})] {
            assert_eq!(read(json!({"from": wrong})), Err("bad-from /from/step".to_owned()));
        }
        assert_eq!(read(json!({"form": "all"})), Err("unknown-member ".to_owned()));
        assert_eq!(read(json!({"from": {"step": 3, "to": 4}})), Err("unknown-member /from".to_owned()));
    }
}
