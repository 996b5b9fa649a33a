//! One job object read member by member, before it is compared with the other jobs.

use std::time::Duration;

use serde_json::{Map, Value};

use super::arguments::{optional_members, read_kind, read_title};
use super::blob::check_storable;
use super::job::RawJob;
use super::options::{read_retry, read_timeout, read_when};
use super::wire::{Reader, Reference};
use super::{Job, JobId, JobKind, OnFailure, Retry, Step, When};

/// Members of a job with number rules of their own.
const OWN_NUMBERS: [&str; 2] = ["id", "step"];

/// What could be read of one job; `None` where a problem was noted.
#[derive(Debug, Default)]
pub(super) struct JobDraft<'a> {
    /// What `from` and `next` of others would call it, also when it is no legal step: one fault, one problem.
    pub(super) name: Option<String>,
    pub(super) step: Option<Step>,
    pub(super) id: Option<JobId>,
    pub(super) title: Option<&'static str>,
    pub(super) kind: Option<JobKind>,
    timeout: Option<Duration>,
    retry: Option<Box<Retry>>,
    when: When,
    raw: Option<&'a Map<String, Value>>,
}

impl JobDraft<'_> {
    /// The job, when everything it needs could be read.
    pub(super) fn finish(self, inputs: &[usize], next: &[usize]) -> Option<Job> {
        Some(Job {
            step: self.step?,
            id: self.id?,
            kind: self.kind?,
            inputs: inputs.to_vec(),
            next: next.to_vec(),
            timeout: self.timeout,
            retry: self.retry,
            when: self.when,
            raw: RawJob::new(self.raw?.clone()),
        })
    }
}

/// Reads one job and goes on after each problem.
pub(super) fn read_job<'d>(job: &mut Reader<'d, '_>, on_failure: OnFailure) -> JobDraft<'d> {
    if !job.has_few_fields() {
        return JobDraft::default();
    }
    let title = read_title(job);
    let draft = JobDraft {
        name: job.get("step").and_then(Reference::read).and_then(Reference::step),
        step: required(job, "step", Step::from_json),
        id: required(job, "id", JobId::from_json),
        title,
        kind: title.and_then(|title| read_kind(title, job)),
        timeout: read_timeout(job),
        retry: read_retry(job),
        when: read_when(job, on_failure),
        raw: Some(job.object),
    };
    job.warn_of_misspelt(title.map_or(&[], optional_members));
    check_storable(job.object, &job.at, &OWN_NUMBERS, job.findings);
    draft
}

fn required<T>(
    job: &mut Reader<'_, '_>,
    member: &str,
    read: fn(&Value) -> Result<T, super::rules::Fault>,
) -> Option<T> {
    match job.get(member) {
        Some(value) => job.noted(member, read(value)),
        None => {
            job.missing(member, "");
            None
        }
    }
}
