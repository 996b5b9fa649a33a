//! Asks the outside whether a playbook that can run would find what it needs: data sets, columns, services.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use actix_web::rt::time::timeout;
use futures::StreamExt;
use futures::stream;

use crate::graph::Plan;
use crate::graph::columns::unknown_columns;
use crate::playbook::job::Service;
use crate::playbook::places::{BucketName, DatasetLabel, ObjectKey};
use crate::playbook::text::{did_you_mean, quoted};
use crate::playbook::{JobKind, Problem, TenantId};
use crate::ports::{DatasetEntry, Datasets, ObjectStore, Presence};

/// Data sets of one playbook that are looked for; a playbook may name many thousands.
const MOST_DATASETS: usize = 200;

/// Questions that are open at the same time.
const AT_ONCE: usize = 8;

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whom a preflight asks. Made by each worker for itself: clients cannot move.
pub struct Outlook {
    /// What the web application knows.
    pub datasets: Box<dyn Datasets>,
    /// Where data are.
    pub objects: Box<dyn ObjectStore>,
    /// Who listens.
    pub presence: Box<dyn Presence>,
}

impl Outlook {
    /// Everything that a run would miss, in playbook order.
    pub(super) async fn look(&self, plan: &Plan) -> Vec<Problem> {
        let asking = async {
            let (datasets, services) = futures::join!(self.look_for_datasets(plan), self.look_for_services(plan));
            datasets.into_iter().chain(services).collect()
        };
        timeout(PATIENCE, asking).await.unwrap_or_else(|_| {
            let reason = format!("the outside did not answer within {} seconds", PATIENCE.as_secs());
            vec![Problem::new("no-answer", "", reason).hint("try again later")]
        })
    }

    async fn look_for_datasets(&self, plan: &Plan) -> Vec<Problem> {
        let playbook = &plan.playbook;
        let mut wanted: BTreeMap<String, (usize, &DatasetLabel)> = BTreeMap::new();
        for (index, job) in playbook.jobs.iter().enumerate() {
            if let JobKind::Dataset { label } = &job.kind {
                wanted.entry(label.as_str().to_lowercase()).or_insert((index, label));
            }
        }
        if wanted.is_empty() {
            return unknown_columns(plan, &HashMap::new());
        }
        let mut found = Vec::new();
        let entries = match self.datasets.of_organization(&playbook.database_id, &playbook.tenant).await {
            Ok(entries) => Some(entries),
            Err(error) => {
                log::warn!("preflight: {error}");
                found.push(away("the records of data sets cannot be read"));
                None
            }
        };
        if wanted.len() > MOST_DATASETS {
            let reason = format!("only {MOST_DATASETS} of {} data sets were looked for", wanted.len());
            found.push(Problem::new("not-looked-for", "/jobs", reason));
        }
        let looked: Vec<(&String, usize, Option<bool>)> = stream::iter(wanted.iter().take(MOST_DATASETS))
            .map(|(key, (index, label))| async move { (key, *index, self.has_objects(&playbook.tenant, label).await) })
            .buffered(AT_ONCE)
            .collect()
            .await;
        if looked.iter().any(|(_, _, there)| there.is_none()) {
            found.push(away("the object store cannot be read"));
        }
        let entries_or_none = entries.as_deref();
        let mut missing: Vec<(usize, Problem)> = looked
            .iter()
            .filter_map(|(label, index, there)| Some((*index, dataset(label, *index, *there, entries_or_none)?)))
            .collect();
        missing.sort_by_key(|(index, _)| *index);
        found.extend(missing.into_iter().map(|(_, problem)| problem));
        let known =
            entries.into_iter().flatten().filter_map(|entry| Some((entry.label.to_lowercase(), entry.columns?)));
        // a list of which no name can be read says nothing
        let known = known.filter(|(_, columns)| !columns.is_empty());
        found.extend(unknown_columns(plan, &known.collect()));
        found
    }

    /// Whether there is more than the empty directory that every ingestion begins with; `None` when nobody says.
    async fn has_objects(&self, tenant: &TenantId, label: &DatasetLabel) -> Option<bool> {
        let directory = ObjectKey::dataset(label);
        match self.objects.list(&BucketName::of(tenant), &directory).await {
            Ok(keys) => Some(keys.iter().any(|key| key != directory.as_str())),
            Err(error) => {
                log::warn!("preflight: {error}");
                None
            }
        }
    }

    async fn look_for_services(&self, plan: &Plan) -> Vec<Problem> {
        let mut needed: BTreeMap<Service, usize> = BTreeMap::new();
        for (index, job) in plan.playbook.jobs.iter().enumerate() {
            let automl = matches!(&job.kind, JobKind::Ml { args, .. } if args.automl).then_some(Service::Automl);
            for service in JobKind::service(&job.kind).into_iter().chain(automl) {
                needed.entry(service).or_insert(index);
            }
        }
        let asked: Vec<(Service, usize, bool)> = stream::iter(needed)
            .map(|(service, index)| async move { (service, index, self.presence.of_service(service).await.is_ok()) })
            .buffered(AT_ONCE)
            .collect()
            .await;
        let away: BTreeSet<(usize, Service)> =
            asked.into_iter().filter(|(_, _, there)| !there).map(|(service, index, _)| (index, service)).collect();
        away.into_iter()
            .map(|(index, service)| {
                let reason = format!("nobody listens where the service {} should", service.as_str());
                Problem::new("service-away", format!("/jobs/{index}"), reason)
                    .hint("a run waits for it for a while, then this job fails")
            })
            .collect()
    }
}

fn away(reason: &str) -> Problem {
    Problem::new("store-away", "", reason).hint("the server's log says why")
}

/// What is wrong with a data set, as far as records and objects say; neither has to.
fn dataset(label: &str, index: usize, there: Option<bool>, entries: Option<&[DatasetEntry]>) -> Option<Problem> {
    let at = format!("/jobs/{index}/label");
    let entry = entries.map(|entries| entries.iter().find(|entry| entry.label.to_lowercase() == label));
    let ingested = match (entry, there) {
        (_, Some(false)) => false,
        (Some(Some(entry)), _) => entry.columns.is_some(),
        _ => true,
    };
    if ingested {
        return None;
    }
    if matches!(entry, Some(Some(_))) {
        let reason = format!("the data set {} is not ingested (yet)", quoted(label));
        return Some(Problem::new("not-ingested", at, reason).hint("wait until its ingestion has succeeded"));
    }
    let near = did_you_mean(label, entries.unwrap_or_default().iter().map(|entry| entry.label.as_str()));
    let hint = if near.is_empty() { "ingest it first" } else { near.as_str() };
    Some(Problem::new("unknown-dataset", at, format!("there is no data set {}", quoted(label))).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_set_is_there_when_objects_are_and_no_record_says_otherwise() {
        let entry = |label: &str, ingested: bool| DatasetEntry {
            label: label.to_owned(),
            columns: ingested.then(|| vec!["a".to_owned()]),
        };
        let entries = [entry("People", true), entry("visits", false)];
        let code = |label, there, entries| dataset(label, 3, there, entries).map(|problem| problem.code);
        type Entries<'a> = Option<&'a [DatasetEntry]>;
        let table: [(&str, Option<bool>, Entries<'_>, Option<&str>); 9] = [
            ("people", Some(true), Some(&entries), None),
            ("people", Some(false), Some(&entries), Some("not-ingested")),
            ("people", None, Some(&entries), None),
            ("visits", Some(true), Some(&entries), Some("not-ingested")),
            ("other", Some(true), Some(&entries), None),
            ("other", Some(false), Some(&entries), Some("unknown-dataset")),
            ("other", None, Some(&entries), None),
            ("people", Some(false), None, Some("unknown-dataset")),
            ("people", None, None, None),
        ];
        for (label, there, entries, expected) in table {
            assert_eq!(code(label, there, entries), expected, "{label} {there:?} {}", entries.is_some());
        }
        let hint = dataset("peopel", 3, Some(false), Some(&entries)).map(|problem| problem.hint);
        assert_eq!(hint.as_deref(), Some(r#"did you mean "People"?"#));
    }
}
