//! Starting a job: the answer to a POST, and the work behind it.

use std::{sync::Arc, time::Duration};

use actix_web::rt;
use serde_json::Value;

use super::{
    answer::{Answer, Reply},
    callback::Callback,
    question::Question,
};
use crate::{
    Fault, Kind,
    jobs::Outcome,
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
    let calls_back = behaviour.calls_back;
    let callback = question.headers.get("diastema-callback").cloned();
    // Function and AutoML keep no account of ids: a repeated start is a new job.
    let again = matches!(kind, Kind::Function | Kind::Automl);
    let Some(ticket) = state.accept(kind, &id, behaviour, again) else {
        return Answer::bad("Job ID already exists").after(delay);
    };
    let callback = callback.filter(|_| calls_back).map(|address| Callback { client: client.clone(), address });
    let job = Accepted { state: Arc::clone(state), kind, id, ticket, callback };
    match &fault {
        Some(Fault::BlackHole) => return Answer::Never.now(),
        Some(Fault::NeverFinishes) => {}
        Some(Fault::Error { message }) => job.ends_after(latency, Ok(Value::Null), Err(message.clone())),
        // The outcome of these is the fault itself, so there is nothing to work for.
        Some(Fault::NotJson | Fault::NoStatus | Fault::CutOnProgress) => {
            job.ends_after(latency, Ok(Value::Null), Ok(()));
        }
        _ => job.works_for(latency, client.clone(), request),
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

/// A job that a service has accepted.
struct Accepted {
    state: Arc<State>,
    kind: Kind,
    id: String,
    ticket: u64,
    callback: Option<Callback>,
}

impl Accepted {
    /// Ends the job after a while, without work. `said` is what the service says by itself: an error with or without text.
    fn ends_after(self, latency: Duration, outcome: Outcome, said: Result<(), Option<String>>) {
        if latency.is_zero() {
            return self.end(outcome, said);
        }
        rt::spawn(async move {
            rt::time::sleep(latency).await;
            self.end(outcome, said);
        });
    }

    fn works_for(self, latency: Duration, client: awc::Client, request: Value) {
        let work = Work { kind: self.kind, id: self.id.clone(), request };
        let Some(store) = self.state.store() else {
            return self.ends_after(latency, Ok(work.result_without_data()), Ok(()));
        };
        rt::spawn(async move {
            // Working and waiting go side by side: the latency is the least time, not an addition.
            let (outcome, ()) = futures::join!(work.run(&store, &client), rt::time::sleep(latency));
            if let Err(why) = &outcome {
                log::warn!("{} job {} failed: {why}", self.kind, self.id);
            }
            let said = outcome.as_ref().map(|_| ()).map_err(|why| Some(why.clone()));
            self.end(outcome, said);
        });
    }

    fn end(self, outcome: Outcome, said: Result<(), Option<String>>) {
        let is_its_end = self.state.finish(self.kind, &self.id, self.ticket, outcome);
        if let Some(callback) = self.callback.filter(|_| is_its_end) {
            rt::spawn(callback.call(said));
        }
    }
}
