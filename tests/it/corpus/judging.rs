//! Compares what came back with what the corpus says.

use orchestrator::playbook::text::is_hidden;
use serde_json::Value;

use super::data::{Case, Started};
use super::sending::Shot;
use crate::peers::{Answer, KEY, wait_for};
use crate::stack::{PATIENCE, Stack};

/// Longest piece of a sent value that may come back.
const LONGEST_ECHO: usize = 64;

/// What is wrong with the answers, if anything.
pub(super) fn judge(shot: &Shot<'_>, answers: &[Answer], stack: &Stack) -> Result<(), String> {
    let case = shot.case;
    if case.hang_up {
        return unknown(shot, stack);
    }
    let expected = case.pipelined.max(case.at_once.len()).max(case.times).max(1);
    if answers.len() != expected {
        return Err(format!("{} answers of {expected} (or the connection is not closed)", answers.len()));
    }
    if !case.statuses.is_empty() {
        let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        if statuses != case.statuses {
            return Err(format!("{statuses:?}, not {:?}", case.statuses));
        }
        if case.one_run && answers[0].json()["run"] != answers[1].json()["run"] {
            return Err("two runs".to_owned());
        }
        let refused = answers.iter().filter(|answer| answer.status >= 400);
        return refused.into_iter().try_for_each(|answer| one(shot, answer));
    }
    for answer in answers {
        if !case.status.contains(&answer.status) {
            return Err(format!("{} {:?}", answer.status, cut(&answer.text)));
        }
        one(shot, answer)?;
    }
    afterwards(shot, stack)
}

/// One answer by itself; its status is right.
fn one(shot: &Shot<'_>, answer: &Answer) -> Result<(), String> {
    let case = shot.case;
    let told = || format!("{} {:?}", answer.status, cut(&answer.text));
    if let Some(text) = &case.text
        && answer.text != *text
    {
        return Err(told());
    }
    if case.plain {
        let safe = answer.header("content-type") == "text/plain; charset=utf-8"
            && answer.header("x-content-type-options") == "nosniff";
        return if safe { Ok(()) } else { Err(format!("{} is no plain text", told())) };
    }
    if case.retry_after && answer.header("retry-after").parse::<u32>().is_err() {
        return Err("no Retry-After".to_owned());
    }
    if let Some(allow) = &case.allow
        && answer.header("allow") != allow
    {
        return Err(format!("Allow: {:?}", answer.header("allow")));
    }
    if answer.status >= 400 && case.error.is_none() && case.has.is_none() {
        // refused before there was a request
        return Ok(());
    }
    let body: Value = serde_json::from_str(&answer.text).map_err(|error| format!("{error}: {}", told()))?;
    if answer.status >= 400 {
        refusal(case, answer, &body)?
    } else {
        acceptance(case, &body)?
    }
    inert(case, shot, answer, &body)
}

fn refusal(case: &Case, answer: &Answer, body: &Value) -> Result<(), String> {
    for (header, value) in
        [("content-type", "application/json"), ("x-content-type-options", "nosniff"), ("cache-control", "no-store")]
    {
        if answer.header(header) != value {
            return Err(format!("{header}: {:?}", answer.header(header)));
        }
    }
    let members = [("error", &case.error), ("at", &case.at), ("reason", &case.reason), ("hint", &case.hint)];
    for (member, expected) in members {
        if expected.as_ref().is_some_and(|expected| body[member] != *expected.as_str()) {
            return Err(format!("{member} is {} of {}", body[member], cut(&answer.text)));
        }
    }
    if !case.says.as_ref().is_none_or(|part| body["reason"].as_str().is_some_and(|reason| reason.contains(part))) {
        return Err(format!("the reason is {}", body["reason"]));
    }
    if body["reason"].as_str().is_none_or(str::is_empty) || !body["at"].is_string() {
        return Err(format!("no reason or no place: {}", cut(&answer.text)));
    }
    if answer.status == 401 && body.get("problems").is_some() {
        return Err("strangers learn about the document".to_owned());
    }
    let problems = body["problems"].as_array().cloned().unwrap_or_else(|| vec![body.clone()]);
    if problems.len() > 20 {
        return Err(format!("{} problems", problems.len()));
    }
    let same = |problem: &Value, members: &serde_json::Map<String, Value>| {
        members.iter().all(|(member, value)| problem[member] == *value)
    };
    match &case.has {
        Some(members) if !problems.iter().any(|problem| same(problem, members)) => {
            Err(format!("none is {members:?}: {}", cut(&answer.text)))
        }
        _ => Ok(()),
    }
}

fn acceptance(case: &Case, body: &Value) -> Result<(), String> {
    if let Some(run) = case.run
        && body["run"] != run
    {
        return Err(format!("run {}", body["run"]));
    }
    let Some(expected) = &case.warnings else { return Ok(()) };
    let warnings = body["warnings"].as_array().cloned().unwrap_or_default();
    let codes: Vec<&str> = warnings.iter().filter_map(|warning| warning["error"].as_str()).collect();
    if codes == *expected { Ok(()) } else { Err(format!("warnings {codes:?}")) }
}

/// Nothing that was sent comes back as it was: no control characters, nothing long.
fn inert(case: &Case, shot: &Shot<'_>, answer: &Answer, body: &Value) -> Result<(), String> {
    if answer.text.contains(|letter: char| letter.is_control()) {
        return Err(format!("control characters: {:?}", cut(&answer.text)));
    }
    let problems = body["problems"].as_array().into_iter().flatten().chain([body]);
    for text in problems.flat_map(|problem| [&problem["reason"], &problem["hint"]]).filter_map(Value::as_str) {
        if text.contains(is_hidden) {
            return Err(format!("hidden characters: {text:?}"));
        }
    }
    let mut sent = vec![shot.names.each.clone()];
    sent.extend(case.set.values().cloned());
    let long = sent.iter().filter_map(Value::as_str).filter(|text| text.chars().count() > LONGEST_ECHO);
    for text in long {
        let piece: String = text.chars().take(LONGEST_ECHO + 1).collect();
        if answer.text.contains(&piece) {
            return Err(format!("{piece:?} is repeated"));
        }
    }
    let repeated = answer.text.split(|letter: char| !letter.is_alphanumeric()).any(|word| word.len() > 300);
    if repeated { Err(format!("a long word: {:?}", cut(&answer.text))) } else { Ok(()) }
}

/// What must be true once it is answered.
fn afterwards(shot: &Shot<'_>, stack: &Stack) -> Result<(), String> {
    let (case, api) = (shot.case, &stack.orchestrator);
    let collection = if shot.path.contains("ngestion") { "ingestions" } else { "analyses" };
    let id = || {
        let document: Value = serde_json::from_slice(&shot.names.body(case, &shot.path)).expect("a document");
        let id = document.get("analysis-id").or(document.get("ingestion-id")).and_then(Value::as_str);
        id.expect("it has an id").to_owned()
    };
    if let Some(state) = &case.ends {
        let patience = 5 * PATIENCE;
        let end = wait_for(&format!("{} ends", id()), patience, || {
            let run = api.run(collection, &id());
            (!["running", "queued"].contains(&run["state"].as_str().unwrap_or_default())).then_some(run)
        });
        if end["state"] != *state.as_str() {
            return Err(format!("it ends {}: {}", end["state"], end["cause"]));
        }
    }
    if let Some(tenant) = &case.tenant
        && api.run(collection, &id())["tenant"] != *tenant.as_str()
    {
        return Err(format!("it belongs to {}", api.run(collection, &id())["tenant"]));
    }
    if let Some(secret) = case.hidden.as_ref().map(|text| shot.names.fill(text))
        && api.run(collection, &id()).to_string().contains(&secret)
    {
        return Err(format!("the API shows {secret}"));
    }
    if let Some(text) = case.not_logged.as_ref().map(|text| shot.names.fill(text))
        && api.said().contains(&text)
    {
        return Err(format!("the log has {text}"));
    }
    case.started.as_ref().map_or(Ok(()), |expected| started(shot, expected, stack))
}

/// Waits until the service has got the job, and looks at its inputs.
fn started(shot: &Shot<'_>, expected: &Started, stack: &Stack) -> Result<(), String> {
    let job = expected.job.as_deref().unwrap_or("c-{n}-3");
    let job = shot.names.fill(job).to_lowercase();
    let body = wait_for(&format!("{job} is started"), PATIENCE, || {
        let mut ledger = stack.dummies.ledger().into_iter();
        ledger.find(|entry| entry.service == expected.service && entry.body["job-id"] == job).map(|entry| entry.body)
    });
    let input = expected.input.as_ref().map(|input| shot.names.fill(input));
    if input.is_some_and(|input| body["minio-input"] != *input)
        || expected.inputs.is_some_and(|inputs| body["inputs"].as_array().map(Vec::len) != Some(inputs))
    {
        return Err(format!("the service gets {body}"));
    }
    Ok(())
}

fn unknown(shot: &Shot<'_>, stack: &Stack) -> Result<(), String> {
    let path = shot.names.fill(shot.case.unknown.as_deref().expect("a path"));
    let answer = stack.orchestrator.server.get_with(&path, KEY);
    if answer.status == 404 { Ok(()) } else { Err(format!("{path}: {}", answer.status)) }
}

fn cut(text: &str) -> String {
    text.chars().take(400).collect()
}
