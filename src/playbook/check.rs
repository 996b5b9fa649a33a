//! From a JSON object to a [`Playbook`]: everything wrong at once, each with its place in the document.
//!
//! What concerns one member is in `arguments`, `links`, `options`; what concerns the graph as a whole is in
//! `graph/build.rs`, which goes on from [`Examined`] even when members are wrong. The token is not looked at here.

use serde_json::{Map, Value};

use super::blob::check_storable_value;
use super::draft::{JobDraft, read_job};
use super::links::{Links, resolve};
use super::options::read_options;
use super::relations::{check_relations, index_steps};
use super::text::{quoted, shown};
use super::wire::Reader;
use super::{AnalysisId, OnFailure, Playbook, Problem, Space, TenantId};

pub use super::findings::{Findings, Refusal};
pub use super::links::Entry;
pub use super::settings::{CheckSettings, Limits};

/// A checked document that has not been looked at as a graph.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The checked document.
    pub playbook: Playbook,
    /// What is odd about it, in document order.
    pub warnings: Vec<Problem>,
}

/// Checks the members of a playbook.
///
/// # Errors
/// Everything that is wrong with its members; the graph as a whole is judged by `graph::build`.
pub fn check(document: &Map<String, Value>, settings: &CheckSettings) -> Result<Draft, Refusal> {
    examine(document, settings).finish(document)
}

/// What is known about a document after its members were looked at, whether or not something is wrong with them.
#[derive(Debug)]
pub struct Examined {
    /// One entry per element of `jobs`.
    pub outlines: Vec<Outline>,
    /// What was found so far; the graph adds its own.
    pub findings: Findings,
    analysis_id: Option<AnalysisId>,
    tenant: Option<TenantId>,
    playbook: Option<Playbook>,
}

/// What the graph needs to know about one job.
#[derive(Debug)]
pub struct Outline {
    /// The lower-cased step, cut and escaped, for reasons.
    pub step: String,
    /// The title when it is known.
    pub title: Option<&'static str>,
    /// How the job begins.
    pub entry: Entry,
    /// What `from` names and exists, as positions, with repetitions.
    pub inputs: Vec<usize>,
    /// What `next` names and exists, as positions, with repetitions.
    pub next: Vec<usize>,
}

impl Examined {
    /// The verdict.
    ///
    /// # Errors
    /// Every problem found, in document order.
    pub fn finish(self, document: &Map<String, Value>) -> Result<Draft, Refusal> {
        let (problems, warnings) = self.findings.sorted(document);
        match self.playbook {
            Some(playbook) if problems.is_empty() => Ok(Draft { playbook, warnings }),
            _ => {
                debug_assert!(!problems.is_empty(), "a document without problems has a playbook");
                let analysis_id = self.analysis_id.map(|id| id.text().to_owned());
                Err(Refusal { problems, warnings, analysis_id, tenant: self.tenant })
            }
        }
    }
}

/// Looks at every member of a playbook and goes on after each problem.
pub fn examine(document: &Map<String, Value>, settings: &CheckSettings) -> Examined {
    let mut findings = Findings::default();
    let mut top = Reader { object: document, at: String::new(), settings, findings: &mut findings };
    top.has_few_fields();
    let (tenant, analysis_id) = (read_tenant(&mut top), read_id(&mut top, "analysis-id"));
    let options = read_options(&mut top);
    let metadata = read_metadata(&mut top);
    top.warn_of_misspelt(&["metadata", "options"]);
    let (drafts, links) = read_jobs(&mut top, options.on_failure);

    let index = index_steps(&drafts, &mut findings);
    let outlines: Vec<Outline> = resolve(&links, &index, &mut findings)
        .into_iter()
        .zip(&drafts)
        .map(|(links, draft)| Outline {
            step: draft.name.as_deref().map_or_else(|| "?".to_owned(), quoted),
            title: draft.title,
            entry: links.entry,
            inputs: links.inputs,
            next: links.next,
        })
        .collect();
    check_relations(&drafts, &links, &outlines, analysis_id.as_ref(), settings, &mut findings);

    let playbook = match (&tenant, &analysis_id) {
        (Some(tenant), Some(id)) if findings.is_clean() => assemble(drafts, &outlines).map(|jobs| Playbook {
            tenant: tenant.clone(),
            database_id: document.get("database-id").and_then(Value::as_str).unwrap_or_default().to_owned(),
            id: id.clone(),
            space: Space::Analysis,
            jobs,
            metadata,
            options,
        }),
        _ => None,
    };
    Examined { outlines, findings, analysis_id, tenant, playbook }
}

fn assemble(drafts: Vec<JobDraft<'_>>, outlines: &[Outline]) -> Option<Vec<super::Job>> {
    drafts.into_iter().zip(outlines).map(|(draft, outline)| draft.finish(&outline.inputs, &outline.next)).collect()
}

/// Reads `database-id`; shared with ingestions.
pub(super) fn read_tenant(top: &mut Reader<'_, '_>) -> Option<TenantId> {
    const MEMBER: &str = "database-id";
    match top.get(MEMBER) {
        Some(Value::String(text)) => top.noted(MEMBER, TenantId::parse(text)),
        Some(other) => {
            top.wrong_type(MEMBER, "a text", other);
            None
        }
        None => {
            top.absent("type", MEMBER, "name the organisation whose data this is");
            None
        }
    }
}

/// Reads `analysis-id` or `ingestion-id`.
pub(super) fn read_id(top: &mut Reader<'_, '_>, member: &str) -> Option<AnalysisId> {
    match top.get(member) {
        Some(value) => top.noted(member, AnalysisId::from_json(value)),
        None => {
            top.absent("bad-id", member, "");
            None
        }
    }
}

/// Reads `metadata`: any JSON that a document can hold.
fn read_metadata(top: &mut Reader<'_, '_>) -> Value {
    const MEMBER: &str = "metadata";
    let Some(metadata) = top.get(MEMBER) else { return Value::Null };
    if !top.fits(MEMBER, metadata) {
        return Value::Null;
    }
    check_storable_value(metadata, &top.pointer(MEMBER), top.findings);
    metadata.clone()
}

fn read_jobs<'d>(top: &mut Reader<'d, '_>, on_failure: OnFailure) -> (Vec<JobDraft<'d>>, Vec<Links>) {
    const MEMBER: &str = "jobs";
    let limit = top.settings.limits.jobs;
    let none = (Vec::new(), Vec::new());
    let jobs = match top.get(MEMBER) {
        Some(Value::Array(jobs)) => jobs,
        Some(other) => {
            top.wrong_type(MEMBER, "a list of jobs", other);
            return none;
        }
        None => {
            top.absent("type", MEMBER, "");
            return none;
        }
    };
    if jobs.is_empty() {
        top.problem("empty-graph", MEMBER, "`jobs` is empty: there is nothing to do".to_owned());
    } else if jobs.len() > limit {
        top.problem("too-many-jobs", MEMBER, format!("the playbook has {} jobs, allowed are {limit}", jobs.len()));
        return none;
    }
    let bearable = has_few_references(top, jobs);
    let read = |(position, value): (usize, &'d Value)| {
        let mut job = match value {
            Value::Object(object) => {
                let at = format!("/jobs/{position}");
                Reader { object, at, settings: top.settings, findings: &mut *top.findings }
            }
            other => {
                let reason = format!("a job must be an object, not {}", shown(other));
                top.findings.problem(Problem::new("type", format!("/jobs/{position}"), reason));
                return (JobDraft::default(), Links::unknown());
            }
        };
        let draft = read_job(&mut job, on_failure);
        (draft, if bearable { Links::read(&mut job) } else { Links::unknown() })
    };
    jobs.iter().enumerate().map(read).unzip()
}

/// Whether `from` and `next` name no more steps than there may be edges; looked at first, because millions cost memory.
fn has_few_references(top: &mut Reader<'_, '_>, jobs: &[Value]) -> bool {
    let limit = top.settings.limits.edges;
    let count = |member: &str| jobs.iter().filter_map(|job| job.get(member)?.as_array()).map(Vec::len).sum::<usize>();
    // A 0 in `next` is no edge but at most one of a list is sensible.
    let most = count("from").max(count("next").saturating_sub(jobs.len()));
    if most > limit {
        top.problem("too-many-edges", "jobs", format!("the jobs name {most} steps, allowed are {limit} edges"));
    }
    most <= limit
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
