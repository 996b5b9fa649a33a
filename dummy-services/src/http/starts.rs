//! Starting a job: the answer to a POST, and the work behind it.

use std::{sync::Arc, time::Duration};

use actix_web::rt;
use serde_json::Value;

use super::{
    answer::{Answer, Reply},
    question::Question,
};
use crate::{
    Fault, Kind,
    state::State,
    work::{self, Work},
};

/// Accepts a job, or says why not.
pub(super) fn start(kind: Kind, question: &Question, state: &Arc<State>, client: &awc::Client) -> Reply {
    let Some(request) = question.json.clone() else { return Answer::bad("Invalid JSON").now() };
    let Some(id) = work::text_of(&request["job-id"]) else { return Answer::bad("Invalid JSON").now() };
    let behaviour = state.behaviour(kind, Some(&id));
    let delay = behaviour.answer_delay_ms;
    let fault = behaviour.fault.clone();
    if fault == Some(Fault::Http500OnStart) {
        return Answer::Text(500, "Internal Server Error".to_owned()).after(delay);
    }
    let latency = Duration::from_millis(behaviour.latency_ms);
    // Function and AutoML keep no account of ids: a repeated start is a new job.
    let again = matches!(kind, Kind::Function | Kind::Automl);
    let Some(ticket) = state.accept(kind, &id, behaviour, again) else {
        return Answer::bad("Job ID already exists").after(delay);
    };
    match fault {
        Some(Fault::BlackHole) => return Answer::Never.now(),
        Some(Fault::NeverFinishes) => {}
        // The outcome of these is the fault itself, so there is nothing to work for.
        Some(Fault::Error { .. } | Fault::NotJson | Fault::NoStatus | Fault::CutOnProgress) => {
            finish_after(latency, Arc::clone(state), kind, id, ticket);
        }
        _ => work_after(latency, Arc::clone(state), client.clone(), kind, id, ticket, request),
    }
    match fault {
        Some(Fault::CutOnStart) => Answer::Cut.after(delay),
        _ => submitted(kind).after(delay),
    }
}

fn submitted(kind: Kind) -> Answer {
    let word = match kind {
        Kind::Cleaning => "Cleaning",
        Kind::Join => "Join",
        Kind::Ingestion => "Ingestion",
        Kind::Visualization => "Visualization",
        Kind::Automl => "AutoML",
        Kind::Function => return Answer::Text(202, "Function job submitted".to_owned()),
        Kind::DataSink | Kind::Spark | Kind::Messages => return Answer::ok(""),
    };
    Answer::ok(format!("{word} job submitted"))
}

fn finish_after(latency: Duration, state: Arc<State>, kind: Kind, id: String, ticket: u64) {
    if latency.is_zero() {
        return state.finish(kind, &id, ticket, Ok(Value::Null));
    }
    rt::spawn(async move {
        rt::time::sleep(latency).await;
        state.finish(kind, &id, ticket, Ok(Value::Null));
    });
}

fn work_after(
    latency: Duration,
    state: Arc<State>,
    client: awc::Client,
    kind: Kind,
    id: String,
    ticket: u64,
    request: Value,
) {
    let work = Work { kind, id: id.clone(), request };
    let Some(store) = state.store() else {
        let outcome = Ok(work.result_without_data());
        if latency.is_zero() {
            return state.finish(kind, &id, ticket, outcome);
        }
        rt::spawn(async move {
            rt::time::sleep(latency).await;
            state.finish(kind, &id, ticket, outcome);
        });
        return;
    };
    rt::spawn(async move {
        // Working and waiting go side by side: the latency is the least time, not an addition.
        let (outcome, ()) = futures::join!(work.run(&store, &client), rt::time::sleep(latency));
        if let Err(why) = &outcome {
            log::warn!("{kind} job {id} failed: {why}");
        }
        state.finish(kind, &id, ticket, outcome);
    });
}
