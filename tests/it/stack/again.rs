//! The same analysis once more: a new run that does its work anew, although the services remember ids for ever.

use std::collections::BTreeMap;

use mongodb::bson::doc;
use serde_json::Value;

use super::{Stack, Stores, playbook};
use crate::peers::Mongo;

const TENANT: &str = "again";
const ANALYSIS: &str = "Again-1";

/// The ids under which each service was asked to start something, in order.
fn started(stack: &Stack) -> BTreeMap<String, Vec<String>> {
    let mut ids: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in stack.dummies.ledger() {
        let id = match (&entry.body["job-id"], &entry.body["message"]["data"]) {
            (Value::String(id), _) | (_, Value::String(id)) => id.clone(),
            (Value::Number(id), _) => id.to_string(),
            _ => continue,
        };
        if entry.service.starts_with("POST") || entry.service == "SPARK" {
            ids.entry(entry.service).or_default().push(id);
        }
    }
    ids
}

#[test]
fn a_second_run_has_ids_and_documents_of_its_own() {
    let stack = Stack::start(Stores::Real, Default::default(), &[]);
    let mongo = Mongo::shared();
    mongo.insert("UIDB", "datasets", doc! {"organization": TENANT, "user": "demo", "label": "visits"});
    mongo.deploy(ANALYSIS, TENANT);
    stack.ingest(TENANT, "visits");
    let automl = playbook("automl.json", TENANT, ANALYSIS, 7_000);
    for number in 1..=2 {
        let run = stack.play(&automl);
        assert_eq!((&run["state"], run["run"].as_i64()), (&"succeeded".into(), Some(number)), "{run:#}");
    }
    let started = started(&stack);
    let sorted = |service: &str| {
        let mut ids = started[service].clone();
        ids.sort_unstable();
        ids
    };
    let cleanings = &started["POST /data-cleaning"];
    assert_eq!(cleanings[0], "7001");
    assert!(is_of(&cleanings[1], "7001"), "{cleanings:?}");
    for (pair, id) in sorted("POST /automl").chunks(2).zip(["7002", "7004", "7006"]) {
        assert_eq!(pair[0], id);
        assert!(is_of(&pair[1], id), "{pair:?}");
    }
    assert_eq!(sorted("SPARK"), ["7002", "7002", "7004", "7004", "7006", "7006"], "Spark jobs keep the plain id");
    let documents = mongo.find(TENANT, "analysis_again-1", doc! {});
    assert_eq!(documents.len(), 2 * 8, "seven jobs and the metadata, twice");
    let parameters = mongo.find("Diastema", "datatoolkit", doc! {"job-id": {"$in": ["7002", "7004", "7006"]}});
    assert_eq!(parameters.len(), 3, "readers take the first: there is only one");
}

/// *Shape*: the id, a hyphen, 8 hex digits.
fn is_of(sent: &str, id: &str) -> bool {
    sent.strip_prefix(id)
        .and_then(|rest| rest.strip_prefix('-'))
        .is_some_and(|digest| digest.len() == 8 && digest.chars().all(|c| c.is_ascii_hexdigit()))
}
