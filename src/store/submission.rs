//! What the journal keeps of a submission.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::writer::wall_clock;
use super::{Record, SentJobId, Submission};
use crate::playbook::job::Service;
use crate::playbook::{JobKind, Playbook, Space};

/// The member that is never stored.
const TOKEN: &str = "diastema-token";

impl Submission {
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
            follows: None,
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

fn sent_ids(playbook: &Playbook) -> Vec<SentJobId> {
    let mut ids = Vec::new();
    for (job, spec) in playbook.jobs.iter().enumerate() {
        let automl = matches!(&spec.kind, JobKind::Ml { args, .. } if args.automl).then_some(Service::Automl);
        for service in spec.kind.service().into_iter().chain(automl) {
            let has_wire_id = service.has_wire_ids();
            ids.push(SentJobId { job, service: service.as_str(), key: spec.id.key().to_owned(), has_wire_id });
        }
    }
    ids
}
