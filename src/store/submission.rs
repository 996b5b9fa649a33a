//! What the journal keeps of a submission.

use std::collections::BTreeSet;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::writer::wall_clock;
use super::{Record, SentJobId, Submission};
use crate::playbook::job::Service;
use crate::playbook::{Job, JobKind, Playbook, Space};

/// The member that is never stored.
const TOKEN: &str = "diastema-token";

/// A document without its token.
struct Kept<'a>(&'a Map<String, Value>);

impl Serialize for Kept<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().filter(|(name, _)| *name != TOKEN))
    }
}

impl Submission {
    /// SHA-256 of a document without its token: of the very text that the journal keeps of it.
    pub fn digest_of_document(document: &Map<String, Value>) -> [u8; 32] {
        let mut hasher = Sha256::new();
        // a hasher takes everything, and every value has a text
        drop(serde_json::to_writer(&mut hasher, &Kept(document)));
        hasher.finalize().into()
    }

    /// A submission of a checked playbook and the document it came from; the token is left out.
    pub fn new(playbook: &Playbook, document: &Map<String, Value>) -> Self {
        let mut kept = document.clone();
        kept.shift_remove(TOKEN);
        let digest = digest(playbook.space, &kept);
        Self {
            tenant: playbook.tenant.as_str().to_owned(),
            space: playbook.space,
            id_key: playbook.id.key().to_owned(),
            id_text: playbook.id.text().to_owned(),
            digest,
            document: Value::Object(kept).to_string(),
            job_ids: sent_ids(playbook),
            at: wall_clock(),
            idempotency_key: None,
            request: digest,
            has_room: true,
            rerun: None,
        }
    }

    /// The submission of a run that repeats an earlier one; `first` is its first record, `asked` the client's words for
    /// what is repeated and from where.
    pub fn again(playbook: &Playbook, document: &Map<String, Value>, first: Record, asked: &str) -> Self {
        let request = Sha256::digest(asked).into();
        Self { rerun: Some(first), request, ..Self::new(playbook, document) }
    }
}

/// Two submissions are the same when what is to be done is the same: a double click differs in `metadata` and times only.
fn digest(space: Space, document: &Map<String, Value>) -> [u8; 32] {
    let members: &[&str] = match space {
        Space::Analysis => &["database-id", "jobs", "options"],
        Space::Ingestion => &["database-id", "user", "dataset-label", "ingestion_json"],
    };
    let mut hasher = Sha256::new();
    for member in members {
        let text = document.get(*member).map(Value::to_string).unwrap_or_default();
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text);
    }
    hasher.finalize().into()
}

/// Under this name, in the place of a service's, ids are kept whose charts are looked for.
const CHARTS: &str = "charts";

fn sent_ids(playbook: &Playbook) -> Vec<SentJobId> {
    let mut ids = Vec::new();
    let shown = shown_jobs(playbook);
    for (job, spec) in playbook.jobs.iter().enumerate() {
        if shown.contains(&job) && spec.kind.service().is_none() {
            ids.push(SentJobId { job, service: CHARTS, key: spec.id.key().to_owned(), has_wire_id: false });
        }
        let automl = matches!(&spec.kind, JobKind::Ml { args, .. } if args.automl).then_some(Service::Automl);
        for service in spec.kind.service().into_iter().chain(automl) {
            let has_wire_id = service.has_wire_ids();
            ids.push(SentJobId { job, service: service.as_str(), key: spec.id.key().to_owned(), has_wire_id });
        }
    }
    ids
}

/// Jobs whose charts a visualization may collect. All tenants' charts are in one bucket, by job id: an id that is not the
/// tenant's own would show it the charts of another one, also where no service ever gets that id.
fn shown_jobs(playbook: &Playbook) -> BTreeSet<usize> {
    let inputs = |job: &Job| job.inputs.clone();
    let visualizations = playbook.jobs.iter().filter(|job| matches!(job.kind, JobKind::Visualization { .. }));
    let mut open: Vec<usize> = visualizations.flat_map(inputs).collect();
    let mut shown = BTreeSet::new();
    while let Some(job) = open.pop() {
        // these two hand on what they got
        let hands_on = matches!(playbook.jobs[job].kind, JobKind::Visualization { .. } | JobKind::DataSink);
        if shown.insert(job) && hands_on {
            open.extend(inputs(&playbook.jobs[job]));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::graph::build::build;
    use crate::playbook::check::CheckSettings;

    #[test]
    fn ids_whose_charts_are_looked_for_are_bound_although_no_service_gets_them() {
        let document = json!({
            "analysis-id": "a", "database-id": "metis",
            "jobs": [
                {"step": 1, "id": "shown", "title": "dataset", "label": "d", "from": 0, "next": [2, 5]},
                {"step": 2, "id": "sink", "title": "data-sink", "from": 1, "next": [3]},
                {"step": 3, "id": "chart", "title": "visualization", "label": "c", "from": 2, "next": [0]},
                {"step": 4, "id": "unseen", "title": "dataset", "label": "d", "from": 0, "next": [6]},
                {"step": 5, "id": "cleaned", "title": "cleaning", "from": 1, "next": [0]},
                {"step": 6, "id": "cleaned-too", "title": "cleaning", "from": 4, "next": [0]},
            ],
        });
        let plan = build(document.as_object().unwrap(), &CheckSettings::default());
        let playbook = plan.unwrap_or_else(|refusal| panic!("{:?}", refusal.problems)).playbook;
        let bound: Vec<(&str, String)> = sent_ids(&playbook).into_iter().map(|id| (id.service, id.key)).collect();
        let expected =
            [("charts", "shown"), ("data-sink", "sink"), ("cleaning", "cleaned"), ("cleaning", "cleaned-too")];
        assert_eq!(bound, expected.map(|(service, key)| (service, key.to_owned())));
    }

    #[test]
    fn the_digest_is_that_of_the_text_without_the_token() {
        let document = json!({"a": [1, 2.5, "é\n"], "diastema-token": "t", "b": {"diastema-token": "inner"}});
        let mut kept = document.clone();
        kept.as_object_mut().unwrap().shift_remove(TOKEN);
        let digest = Submission::digest_of_document(document.as_object().unwrap());
        assert_eq!(digest, <[u8; 32]>::from(Sha256::digest(kept.to_string())));
    }
}
