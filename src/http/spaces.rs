//! How the two id spaces are called in routes and answers.

use crate::playbook::Space;

/// The spaces that the API has the same routes for.
pub(super) const SPACES: [Space; 2] = [Space::Analysis, Space::Ingestion];

/// Last part of the path of a space's runs.
pub(super) fn collection(space: Space) -> &'static str {
    match space {
        Space::Analysis => "analyses",
        Space::Ingestion => "ingestions",
    }
}

/// The member of answers that carries a run's id.
pub(super) fn id_member(space: Space) -> &'static str {
    match space {
        Space::Analysis => "analysis-id",
        Space::Ingestion => "ingestion-id",
    }
}

/// Where the newest run of an id can be looked at.
pub(super) fn status_url(space: Space, id: &str) -> String {
    format!("/api/v1/{}/{id}", collection(space))
}
