//! `POST /ingestion`: a document becomes a playbook with one job.
//!
//! *Source*: contract sections 2 and 6, `decisions` 8 and 10, `orchestrator/ingestion.py`.

use serde_json::{Map, Value};

use super::check::{read_id, read_tenant};
use super::job::{IngestionArgs, RawJob};
use super::rules::{Fault, dataset_label, free_text};
use super::text::{quoted, shown};
use super::wire::Reader;
use super::{AnalysisId, DatasetLabel, Job, JobId, JobKind, Options, Playbook, Problem, Space, Step, TenantId, When};

pub use super::check::Draft;
pub use super::findings::{Findings, Refusal};
pub use super::settings::CheckSettings;

const ID: &str = "ingestion-id";
/// With an underscore, other than every other member.
const REQUEST: &str = "ingestion_json";
/// Members of the request that become headers or parts of an address, by the names that clients use.
const PAIRS: [&str; 3] = ["query_params", "params", "headers"];
/// Most entries of each of [`PAIRS`].
const MOST_PAIRS: usize = 1_000;
const METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];
/// Longest separator, in characters.
const LONGEST_SEPARATOR: usize = 8;

/// Whether the document only asks what the data look like: `testing` equals true, as in the original.
///
/// # Errors
/// `type` when the member is neither true, false, 1, 0 nor null.
pub fn is_test_call(document: &Map<String, Value>) -> Result<bool, Problem> {
    match document.get("testing") {
        None | Some(Value::Null | Value::Bool(false)) => Ok(false),
        Some(Value::Bool(true)) => Ok(true),
        Some(value) if value.as_f64() == Some(1.0) => Ok(true),
        Some(value) if value.as_f64() == Some(0.0) => Ok(false),
        Some(other) => {
            Err(Problem::new("type", "/testing", format!("`testing` must be true or false, not {}", shown(other))))
        }
    }
}

/// Checks a document that asks for an ingestion in the background.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn check_ingestion(document: &Map<String, Value>, settings: &CheckSettings) -> Result<Draft, Refusal> {
    let mut findings = Findings::default();
    let mut top = Reader { object: document, at: String::new(), settings, findings: &mut findings };
    top.has_few_fields();
    let (tenant, id) = (read_tenant(&mut top), read_id(&mut top, ID));
    let (user, label) = (top.text("user", free_text), top.text("dataset-label", dataset_label));
    let request = read_request(&mut top);

    let playbook = match (&tenant, &id) {
        (Some(tenant), Some(id)) if findings.is_clean() => playbook(document, tenant, id, user, label, request),
        _ => None,
    };
    let (problems, warnings) = findings.sorted(document);
    match playbook {
        Some(playbook) => Ok(Draft { playbook, warnings }),
        None => Err(Refusal { problems, warnings, analysis_id: id.map(|id| id.text().to_owned()), tenant }),
    }
}

/// Checks a test call, which uses nothing but `ingestion_json`; `database-id` is checked when it is there.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn check_test_call(document: &Map<String, Value>, settings: &CheckSettings) -> Result<Value, Refusal> {
    let mut findings = Findings::default();
    let mut top = Reader { object: document, at: String::new(), settings, findings: &mut findings };
    top.has_few_fields();
    let tenant = top.get("database-id").and_then(|_| read_tenant(&mut top));
    let request = read_request(&mut top);
    let (problems, warnings) = findings.sorted(document);
    match request {
        Some(request) if problems.is_empty() => Ok(request),
        _ => Err(Refusal { problems, warnings, analysis_id: None, tenant }),
    }
}

fn playbook(
    document: &Map<String, Value>,
    tenant: &TenantId,
    id: &AnalysisId,
    user: Option<String>,
    label: Option<String>,
    request: Option<Value>,
) -> Option<Playbook> {
    let args = IngestionArgs { user: user?, label: DatasetLabel::parse(&label?).ok()?, request: request? };
    let job = Job {
        step: Step { text: "1".to_owned(), key: "1".to_owned() },
        id: JobId {
            text: id.text.clone(),
            key: id.key.clone(),
            is_number: document.get(ID).is_some_and(Value::is_number),
        },
        kind: JobKind::Ingestion(Box::new(args)),
        inputs: Vec::new(),
        next: Vec::new(),
        timeout: None,
        retry: None,
        when: When::AllSuccess,
        // Nothing of an ingestion is stored as `job-json`, and the document carries the token.
        raw: RawJob::default(),
    };
    Some(Playbook {
        tenant: tenant.clone(),
        database_id: document.get("database-id")?.as_str()?.to_owned(),
        id: id.clone(),
        space: Space::Ingestion,
        jobs: vec![job],
        metadata: Value::Null,
        options: Options::default(),
    })
}

/// Reads `ingestion_json`: looked at, forwarded as it is.
fn read_request(top: &mut Reader<'_, '_>) -> Option<Value> {
    let Some(request) = top.get(REQUEST) else {
        top.problem("type", REQUEST, format!("`{REQUEST}` is missing"));
        return None;
    };
    let Value::Object(object) = request else {
        top.wrong_type(REQUEST, "an object", request);
        return None;
    };
    let fits = top.fits(REQUEST, request);
    let mut inner = Reader { object, at: top.pointer(REQUEST), settings: top.settings, findings: &mut *top.findings };
    inner.has_few_fields();
    check_member(&mut inner, "url", true, "bad-url", |text, rules| rules.ingestion_urls.check(text).map(|_| ()));
    check_member(&mut inner, "method", false, "method", |text, _| method(text));
    check_member(&mut inner, "separator", false, "separator", |text, _| separator(text));
    for member in PAIRS {
        check_pairs(&mut inner, member);
    }
    fits.then(|| request.clone())
}

fn check_member(
    request: &mut Reader<'_, '_>,
    member: &str,
    required: bool,
    code: &'static str,
    rule: fn(&str, &CheckSettings) -> Result<(), Fault>,
) {
    match request.get(member) {
        Some(Value::String(text)) => {
            let verdict = rule(text, request.settings);
            request.noted(member, verdict);
        }
        None | Some(Value::Null) if !required => {}
        None => request.problem(code, member, format!("`{member}` is missing")),
        Some(other) => request.problem(code, member, format!("`{member}` must be a text, not {}", shown(other))),
    }
}

fn method(text: &str) -> Result<(), Fault> {
    if METHODS.iter().any(|known| known.eq_ignore_ascii_case(text)) {
        return Ok(());
    }
    Err(Fault::new("method", format!("must be one of {}, not {}", METHODS.join(", "), quoted(text))))
}

/// A separator of more than one character is a regular expression to the service: only harmless ones pass.
fn separator(text: &str) -> Result<(), Fault> {
    let refused = |why: &str| Err(Fault::new("separator", format!("{why}: {}", quoted(text))));
    let count = text.chars().take(LONGEST_SEPARATOR + 1).count();
    if !(1..=LONGEST_SEPARATOR).contains(&count) {
        return refused("must have 1 to 8 characters");
    }
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return refused("may not contain control characters other than tab");
    }
    if count > 1 && !matches!(text, "\\t" | "\\s" | "\\s+") && text.contains(|c| r".^$*+?()[]{}\|".contains(c)) {
        return refused("may not be a regular expression other than \\t, \\s, \\s+");
    }
    Ok(())
}

/// Headers and query parameters: not many, and none that could end its line.
fn check_pairs(request: &mut Reader<'_, '_>, member: &str) {
    let breaks = |text: &str| text.contains(['\r', '\n', '\0']);
    let unsafe_value = |value: &Value| value.as_str().is_some_and(breaks);
    let (count, broken) = match request.get(member) {
        Some(Value::Object(pairs)) => {
            (pairs.len(), pairs.iter().any(|(key, value)| breaks(key) || unsafe_value(value)))
        }
        Some(Value::Array(list)) => {
            let inside = |value: &Value| {
                value.as_object().is_some_and(|pair| pair.iter().any(|(key, value)| breaks(key) || unsafe_value(value)))
            };
            (list.len(), list.iter().any(|value| inside(value) || unsafe_value(value)))
        }
        _ => return,
    };
    if count > MOST_PAIRS {
        request.problem("limit", member, format!("`{member}` has {count} entries, allowed are {MOST_PAIRS}"));
    }
    if broken {
        request.problem("limit", member, format!("an entry of `{member}` contains a line break or a NUL character"));
    }
}

#[cfg(test)]
#[path = "ingestion_tests.rs"]
mod tests;
