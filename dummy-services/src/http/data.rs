//! Questions about jobs, and the trial ingestion.

use std::{sync::Arc, time::Duration};

use actix_web::rt::time::sleep;
use serde_json::{Value, json};

use super::{
    answer::{Answer, Reply},
    question::Question,
};
use crate::{Fault, Kind, jobs::Progress, ops::ingest, state::State};

/// `GET /<name>/progress?id=`.
pub(super) fn progress(kind: Kind, question: &Question, state: &State) -> Reply {
    let Some((delay, progress)) = state.progress(kind, question.id()) else {
        // The real function service looks for an unknown id until it finds it.
        let never = kind == Kind::Function;
        return if never { Answer::Never.now() } else { error(Some("Job ID doesn't exist".to_owned())).now() };
    };
    let answer = match progress {
        Progress::Running => Answer::Json(200, json!({"status": "progress"})),
        Progress::Complete(result) => complete(kind, result),
        Progress::Failed(message) => error(message),
        Progress::NotJson => Answer::ok("<html><body>Bad Gateway</body></html>"),
        Progress::NoStatus => Answer::Json(200, json!({"progress": "unknown"})),
        Progress::Cut => Answer::Cut,
        Progress::Silence => Answer::Never,
    };
    answer.after(delay)
}

fn complete(kind: Kind, result: Value) -> Answer {
    let mut answer = json!({"status": "complete"});
    if kind == Kind::Automl {
        answer["results"] = result;
        // A constant, because the same job gives the same answer.
        answer["exec-speed"] = json!(1);
    }
    Answer::Json(200, answer)
}

fn error(message: Option<String>) -> Answer {
    let mut answer = json!({"status": "error"});
    if let Some(message) = message {
        answer["message"] = Value::from(message);
    }
    Answer::Json(400, answer)
}

/// `DELETE /<name>/<id>`: the job ends as an error `cancelled`. The platform's real services have nothing like it.
pub(super) fn cancel(kind: Kind, id: &str, state: &State) -> Reply {
    match state.cancel(kind, id) {
        Some((delay, true)) => Answer::Json(200, json!({"status": "cancelled"})).after(delay),
        Some((_, false)) => Answer::Never.now(),
        None => Answer::Json(404, json!({"status": "error", "message": "Job ID doesn't exist"})).now(),
    }
}

/// `GET /<name>/<id>`: the result as JSON, labelled as HTML like the real one; an empty body when there is none.
pub(super) fn result(kind: Kind, id: &str, state: &State) -> Reply {
    match state.result(kind, id) {
        Some((delay, Some(result))) => Answer::ok(result.to_string()).after(delay),
        Some((delay, None)) => Answer::ok("").after(delay),
        None => Answer::bad("Job ID doesn't exist").now(),
    }
}

/// `POST /data-ingesting/test`: the first rows of a data set, or why it cannot be read.
pub(super) async fn test(question: &Question, state: &Arc<State>, client: &awc::Client) -> Reply {
    let behaviour = state.behaviour(Kind::Ingestion, None);
    sleep(Duration::from_millis(behaviour.latency_ms)).await;
    let answer = match behaviour.fault {
        Some(Fault::Http500OnStart) => Answer::Text(500, "Internal Server Error".to_owned()),
        Some(Fault::CutOnStart) => Answer::Cut,
        Some(Fault::BlackHole | Fault::NeverFinishes) => Answer::Never,
        Some(Fault::Error { message }) => Answer::bad(message.unwrap_or_default()),
        _ => match &question.json {
            Some(ingestion) => trial(ingestion, client).await,
            None => Answer::bad("Invalid JSON"),
        },
    };
    answer.after(behaviour.answer_delay_ms)
}

async fn trial(ingestion: &Value, client: &awc::Client) -> Answer {
    match ingest::fetch(client, ingestion).await {
        Ok(table) => Answer::ok(Value::from(table.first_rows(10)).to_string()),
        Err(why) => Answer::bad(why.to_string()),
    }
}
