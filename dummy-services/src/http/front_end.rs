//! The front end's `/messages`, and the data sink: single requests without a job to ask about.

use actix_web::web::Query;

use super::{
    answer::{Answer, Reply},
    question::Question,
};
use crate::{Behaviour, Fault, Kind, state::State};

/// `POST /messages`, form encoded: remembers the text.
pub(super) fn message(question: &Question, state: &State) -> Reply {
    let behaviour = state.behaviour(Kind::Messages, None);
    if let Some(failed) = refusal(&behaviour) {
        return failed;
    }
    // A form has the syntax of a query.
    let fields: Vec<(String, String)> = Query::from_query(&question.text).map(Query::into_inner).unwrap_or_default();
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let kind = field("message").unwrap_or_default();
    let Some(text) = field(kind) else { return Answer::bad("Invalid message").after(behaviour.answer_delay_ms) };
    state.notice(format!("{kind}: {text}"));
    accepted(&behaviour, "Message received")
}

/// `POST /data-sink`: the real one wants these two members.
pub(super) fn sink(question: &Question, state: &State) -> Reply {
    let member = |name: &str| question.json.as_ref().and_then(|body| body.get(name));
    let id = member("message").and_then(|message| message["data"].as_str());
    let behaviour = state.behaviour(Kind::DataSink, id);
    if let Some(failed) = refusal(&behaviour) {
        return failed;
    }
    if member("key").is_none() || member("message").is_none() {
        return Answer::bad("Invalid JSON").after(behaviour.answer_delay_ms);
    }
    accepted(&behaviour, "Message sent")
}

fn refusal(behaviour: &Behaviour) -> Option<Reply> {
    match behaviour.fault {
        Some(Fault::Http500OnStart) => {
            Some(Answer::Text(500, "Internal Server Error".to_owned()).after(behaviour.answer_delay_ms))
        }
        Some(Fault::BlackHole) => Some(Answer::Never.now()),
        _ => None,
    }
}

fn accepted(behaviour: &Behaviour, text: &str) -> Reply {
    let answer = if behaviour.fault == Some(Fault::CutOnStart) { Answer::Cut } else { Answer::ok(text) };
    answer.after(behaviour.answer_delay_ms.saturating_add(behaviour.latency_ms))
}
