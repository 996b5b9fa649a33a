//! The shapes of the platform's own sample analyses, which the original could not finish: with AutoML, without, and with
//! the member missing.

use mongodb::bson::{Bson, doc};
use serde_json::Value;

use super::{Stack, Stores, playbook, with_automl};
use crate::peers::Mongo;

/// Sample, data sets, tenant.
const SHAPES: [(&str, &[&str], &str); 3] = [
    ("join.json", &["Patients", "Visits"], "sample-join"),
    ("visualization.json", &["visits"], "sample-charts"),
    ("function.json", &["patients", "visits", "people"], "sample-function"),
];

const AUTOML: [(&str, Option<bool>); 3] = [("missing", None), ("false", Some(false)), ("true", Some(true))];

#[track_caller]
fn every_job_succeeded(run: &Value) {
    assert_eq!(run["state"], "succeeded", "{run:#}");
    for job in run["jobs"].as_array().into_iter().flatten() {
        assert_eq!(job["state"], "succeeded", "{job:#}");
    }
}

fn notices_of(stack: &Stack, analysis: &str) -> Vec<String> {
    let suffix = format!(": {analysis}");
    stack.dummies.notices().into_iter().filter(|text| text.ends_with(&suffix)).collect()
}

#[test]
fn the_samples_complete_on_real_stores() {
    let stack = Stack::start(Stores::Real, Default::default(), &[]);
    let mongo = Mongo::shared();
    for (at, (file, datasets, tenant)) in (1..).zip(SHAPES) {
        datasets.iter().for_each(|label| {
            let entry = doc! {"organization": tenant, "user": "demo", "label": *label, "ingestationId": "x"};
            mongo.insert("UIDB", "datasets", entry);
            stack.ingest(tenant, label);
        });
        for (variant, (name, automl)) in (1..).zip(AUTOML) {
            let analysis = format!("Sample-{at}-{name}");
            mongo.deploy(&analysis, tenant);
            let playbook = with_automl(playbook(file, tenant, &analysis, 1000 * at + 100 * variant), automl);
            let run = stack.play(&playbook);
            every_job_succeeded(&run);
            assert_eq!(run["warnings"].as_array().map(Vec::len), Some(0), "{run:#}");
            is_recorded(mongo, tenant, &analysis, &playbook);
            let done = format!("update: Analysis completed with ID: {}", analysis.to_lowercase());
            assert_eq!(notices_of(&stack, &analysis.to_lowercase()), [done]);
        }
        for label in datasets {
            let entry = mongo.find("UIDB", "datasets", doc! {"organization": tenant, "label": *label});
            assert!(entry[0].get_array("features").is_ok_and(|features| features.len() > 3), "{entry:?}");
        }
    }
}

/// The web application's entry and the documents of a successful analysis.
#[track_caller]
fn is_recorded(mongo: &Mongo, tenant: &str, analysis: &str, playbook: &Value) {
    let entry = mongo.pipeline(analysis);
    assert_eq!(entry.get_str("status").ok(), Some("completed"));
    let speed = entry.get_document("performance").ok().and_then(|performance| performance.get("analysis-exec-speed"));
    assert!(matches!(speed, Some(Bson::Int32(millis)) if *millis > 0), "{entry:?}");
    let jobs = playbook["jobs"].as_array().expect("jobs");
    let charts = jobs.iter().filter(|job| job["title"] == "visualization");
    let charts: Vec<&str> = charts.filter_map(|job| job["label"].as_str()).collect();
    for label in &charts {
        let paths = entry.get_document("visualization").expect("charts").get_array(label).expect("of this label");
        assert!(!paths.is_empty(), "{entry:?}");
    }
    let recorded = jobs.iter().filter(|job| !matches!(job["title"].as_str(), Some("dataset" | "data-sink"))).count();
    let documents = mongo.find(tenant, &format!("analysis_{}", analysis.to_lowercase()), doc! {});
    assert_eq!(documents.len(), recorded + 1, "{documents:?}");
    assert_eq!(documents.last().and_then(|last| last.get_str("kind").ok()), Some("metadata"));
}

#[test]
fn the_samples_complete_on_embedded_stores() {
    let stack = Stack::start(Stores::Embedded, Default::default(), &[]);
    for (at, (file, datasets, tenant)) in (1..).zip(SHAPES) {
        datasets.iter().for_each(|label| stack.ingest(tenant, label));
        for (variant, (name, automl)) in (1..).zip(AUTOML) {
            let analysis = format!("Sample-{at}-{name}");
            let playbook = with_automl(playbook(file, tenant, &analysis, 1000 * at + 100 * variant), automl);
            every_job_succeeded(&stack.play(&playbook));
            let done = format!("update: Analysis completed with ID: {}", analysis.to_lowercase());
            assert_eq!(notices_of(&stack, &analysis.to_lowercase()), [done]);
        }
    }
}
