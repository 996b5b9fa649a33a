//! Who wants what: pairs of analyses of two tenants with the same ids and labels.

use mongodb::bson::{Document, doc};
use serde_json::{Value, json};

use crate::checker::client;
use crate::world::World;

/// The tenants, as they are submitted; bucket and database are their names in lower case.
pub(crate) const TENANTS: [&str; 4] = ["Metis", "metis-2", "harokopio", "Icco"];

/// What two submissions have in common, beside steps and labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Common {
    /// The id of the analysis, in another case.
    AnalysisId,
    /// The ids of all jobs.
    JobIds,
    /// Both.
    Everything,
    /// Neither: both are accepted.
    Labels,
}

/// Two tenants who come at the same moment.
#[derive(Debug)]
pub(crate) struct Contest {
    pub(crate) common: Common,
    pub(crate) sides: [Submission; 2],
}

/// One analysis.
#[derive(Clone, Debug)]
pub(crate) struct Submission {
    pub(crate) tenant: &'static str,
    /// The id as submitted.
    pub(crate) id: String,
    /// Begins the ids of its jobs.
    jobs: String,
}

/// Steps, which are the same for everybody.
const STEPS: usize = 5;

impl Submission {
    /// Bucket and database.
    pub(crate) fn owner(&self) -> String {
        self.tenant.to_lowercase()
    }

    pub(crate) fn key(&self) -> String {
        self.id.to_lowercase()
    }

    /// The ids of its jobs, in the order of the steps.
    pub(crate) fn job_ids(&self) -> Vec<String> {
        (1..=STEPS).map(|step| format!("{}{step}", self.jobs)).collect()
    }

    /// The playbook. Everything that ends up anywhere says whose it is.
    pub(crate) fn document(&self, token: &str) -> Value {
        let [set, clean, learn, chart, sink] = self.job_ids().try_into().unwrap_or_default();
        let owner = self.owner();
        json!({
            "diastema-token": token, "analysis-id": self.id, "database-id": self.tenant,
            "metadata": {"x-owner": owner},
            "jobs": [
                {"step": 1, "id": set, "title": "dataset", "label": "Patients", "from": 0, "next": [2], "x-owner": owner},
                {"step": 2, "id": clean, "title": "cleaning", "max-shrink": 0.5, "from": 1, "next": [3], "x-owner": owner},
                {"step": 3, "id": learn, "title": "classification", "algorithm": "logistic regression", "column": "risk",
                 "automl": false, "params": {"x-owner": owner}, "from": 2, "next": [4, 5], "x-owner": owner},
                {"step": 4, "id": chart, "title": "visualization", "label": "Chart", "from": 3, "next": [0], "x-owner": owner},
                {"step": 5, "id": sink, "title": "data-sink", "from": 3, "next": [0], "x-owner": owner},
            ],
        })
    }
}

/// So many analyses, in pairs.
pub(crate) fn contests(analyses: usize, prefix: &str) -> Vec<Contest> {
    (0..analyses.div_ceil(2)).map(|number| contest(number, prefix)).collect()
}

fn contest(number: usize, prefix: &str) -> Contest {
    let one = number % TENANTS.len();
    let other = (one + 1 + (number / TENANTS.len()) % (TENANTS.len() - 1)) % TENANTS.len();
    let common = [Common::AnalysisId, Common::JobIds, Common::Everything, Common::Labels][(number / 12) % 4];
    let side = |tenant: usize, is_second: bool| {
        let own = if is_second { "b" } else { "a" };
        let id = match (common, is_second) {
            (Common::AnalysisId | Common::Everything, false) => format!("Same{prefix}{number:05}x"),
            (Common::AnalysisId | Common::Everything, true) => format!("sAME{prefix}{number:05}X"),
            (Common::JobIds | Common::Labels, _) => format!("Own{prefix}{number:05}{own}"),
        };
        let jobs = match common {
            Common::JobIds | Common::Everything => format!("7{prefix}{number:06}"),
            Common::AnalysisId | Common::Labels => format!("J{prefix}{number:06}{own}"),
        };
        Submission { tenant: TENANTS[tenant], id, jobs }
    };
    Contest { common, sides: [side(one, false), side(other, true)] }
}

/// The key of the analysis whose last notice this is.
pub(crate) fn ended(notice: &str) -> Option<String> {
    let decoded = notice.replace('+', " ").replace("%3A", ":");
    let marks = ["Analysis completed with ID: ", "Analysis with the given ID terminated with error: "];
    marks.iter().find_map(|mark| decoded.split_once(mark)).map(|(_, key)| key.to_owned())
}

/// What the web application saves before it submits: an entry for each id, of whoever asks.
pub(crate) async fn deploy(world: &World, contests: &[Contest]) -> Result<(), String> {
    let pipelines = client(world)?.database("UIDB").collection::<Document>("pipelines");
    let entries: Vec<Document> = contests
        .iter()
        .flat_map(|contest| &contest.sides)
        .map(|side| doc! {"analysisid": &side.id, "databaseid": side.tenant, "name": "harness"})
        .collect();
    for some in entries.chunks(500) {
        pipelines.insert_many(some.to_vec()).await.map_err(|error| error.to_string())?;
    }
    let index = mongodb::IndexModel::builder().keys(doc! {"analysisid": 1}).build();
    pipelines.create_index(index).await.map(drop).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_two_tenants_meet_over_everything() {
        let contests = contests(200, "7");
        let pairs: BTreeSet<_> = contests.iter().map(|c| (c.common, c.sides[0].tenant, c.sides[1].tenant)).collect();
        assert_eq!(pairs.len(), 4 * 12);
        assert!(contests.iter().all(|contest| contest.sides[0].tenant != contest.sides[1].tenant));
        for Contest { common, sides: [one, other] } in &contests {
            let same_id = matches!(common, Common::AnalysisId | Common::Everything);
            assert_eq!((one.key() == other.key(), one.id == other.id), (same_id, false));
            let same_jobs = matches!(common, Common::JobIds | Common::Everything);
            assert_eq!(one.job_ids() == other.job_ids(), same_jobs);
        }
    }

    #[test]
    fn last_notices_are_known() {
        let form = "message=update&update=Analysis+completed+with+ID%3A+same7x";
        assert_eq!(ended(form).as_deref(), Some("same7x"));
        assert_eq!(ended("message=update&update=Join+executed+for+the+analysis+with+ID%3A+x"), None);
    }
}
