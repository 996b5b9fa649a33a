//! Stores that are away, come back, refuse, or were there before us; names that only real stores can object to.

use std::time::{Duration, Instant};

use dummy_services::Script;
use mongodb::bson::{Bson, doc};
use serde_json::{Value, json};

use super::{PATIENCE, Stack, Stores};
use crate::peers::{CLOSED_PORT, Folder, Mongo, free_port, wait_for};

fn playbook(tenant: &str, analysis: &str, jobs: Value) -> Value {
    json!({"analysis-id": analysis, "database-id": tenant, "jobs": jobs, "metadata": {"n": 1}})
}

fn cleaning(tenant: &str, analysis: &str, id: &str) -> Value {
    let jobs = json!([
        {"step": 1, "id": format!("{id}-d"), "title": "dataset", "label": "d", "from": 0, "next": [2]},
        {"step": 2, "id": id, "title": "cleaning", "from": 1, "next": [3]},
        {"step": 3, "id": format!("{id}-s"), "title": "data-sink", "from": 2, "next": [0]},
    ]);
    playbook(tenant, analysis, jobs)
}

#[test]
fn records_are_written_in_order_when_the_database_comes_back() {
    let (folder, port) = (Folder::new("mongo-restart"), free_port());
    let mongo = Mongo::start(folder.path(), port);
    mongo.deploy("Back-1", "back");
    drop(mongo);
    let stack = Stack::answering(Stores::Real, Script::default(), &[("MONGO_PORT", &port.to_string())]);
    stack.orchestrator.submit(&cleaning("back", "Back-1", "back-1"));
    let run = wait_for("the jobs end without the database", PATIENCE, || {
        let run = stack.orchestrator.run("analyses", "Back-1");
        (run["state"] == "succeeded").then_some(run)
    });
    assert_eq!(run["settled"], false, "{run:#}");
    assert!(stack.dummies.notices().is_empty(), "a record goes before its notice: {:?}", stack.dummies.notices());
    wait_for("it is seen that the database does not answer", PATIENCE, || {
        let ready = stack.orchestrator.server.get("/ready");
        assert_eq!(ready.status, 200, "work is accepted all the same: {}", ready.text);
        ready.json()["away"]["records"].is_u64().then_some(())
    });
    let mongo = Mongo::start(folder.path(), port);
    stack.orchestrator.settled("analyses", "Back-1", PATIENCE);
    assert_eq!(stack.orchestrator.server.get("/ready").json()["away"], json!({}));
    let documents = mongo.find("back", "analysis_back-1", doc! {});
    assert_eq!(documents.len(), 2, "{documents:?}");
    assert_eq!(documents[0].get_str("directory-kind").ok(), Some("cleaned-data"));
    assert_eq!(mongo.pipeline("Back-1").get_str("status").ok(), Some("completed"));
    assert_eq!(stack.dummies.notices().len(), 3, "{:?}", stack.dummies.notices());
}

#[test]
fn a_job_that_needs_a_store_fails_when_that_stays_away() {
    let limits = [("STORE_WAIT_SECONDS", "1"), ("DELIVERY_WAIT_SECONDS", "1"), ("MINIO_PORT", CLOSED_PORT)];
    let stack = Stack::answering(Stores::Real, Script::default(), &limits);
    let since = Instant::now();
    stack.orchestrator.submit(&cleaning("away", "Away-1", "away-1"));
    let run = stack.orchestrator.settled("analyses", "Away-1", PATIENCE);
    assert_eq!((&run["state"], &run["cause"]["failure"]["kind"]), (&json!("failed"), &json!("store")), "{run:#}");
    let expected = [
        "error: The cleaning job could not use the store for the analysis with ID: Away-1",
        "error: Analysis with the given ID terminated with error: away-1",
    ];
    assert_eq!(stack.dummies.notices(), expected);
    assert!(since.elapsed() < Duration::from_secs(25), "{:?}", since.elapsed());
    assert!(stack.dummies.ledger().iter().all(|entry| entry.service == "POST /messages"));
}

#[test]
fn parameters_that_spark_cannot_read_fail_the_job() {
    let limits = [("STORE_WAIT_SECONDS", "1"), ("DELIVERY_WAIT_SECONDS", "1"), ("MONGO_PORT", CLOSED_PORT)];
    let stack = Stack::answering(Stores::Real, Script::default(), &limits);
    let jobs = json!([
        {"step": 1, "id": "p-1", "title": "dataset", "label": "d", "from": 0, "next": [2]},
        {"step": 2, "id": "p-2", "title": "regression", "column": "y", "params": {"maxIter": 1}, "from": 1, "next": [0]},
    ]);
    stack.orchestrator.submit(&playbook("params", "Params-1", jobs));
    let run = stack.orchestrator.settled("analyses", "Params-1", PATIENCE);
    assert_eq!((&run["state"], &run["cause"]["failure"]["kind"]), (&json!("failed"), &json!("store")), "{run:#}");
    assert!(stack.dummies.ledger().iter().all(|entry| entry.service != "SPARK"));
}

#[test]
fn an_analysis_without_an_entry_of_the_web_application_completes() {
    let stack = Stack::answering(Stores::Real, Script::default(), &[]);
    stack.orchestrator.submit(&cleaning("no-entry", "No-Entry", "no-entry"));
    let run = stack.orchestrator.settled("analyses", "No-Entry", PATIENCE);
    assert_eq!(run["state"], "succeeded");
    let mongo = Mongo::shared();
    assert_eq!(mongo.find("no-entry", "analysis_no-entry", doc! {}).len(), 2);
    assert!(mongo.find("UIDB", "pipelines", doc! {"analysisid": "No-Entry"}).is_empty(), "nothing is made there");
    let last = stack.dummies.notices().pop();
    assert_eq!(last.as_deref(), Some("update: Analysis completed with ID: no-entry"));
    assert!(stack.orchestrator.said().contains("has no entry for No-Entry"));
}

#[test]
fn an_entry_that_is_saved_late_is_waited_for() {
    let stack = Stack::answering(Stores::Real, Script::default(), &[]);
    let mongo = Mongo::shared();
    stack.orchestrator.submit(&cleaning("late", "Late-1", "late-1"));
    wait_for("the metadata is written", PATIENCE, || {
        (mongo.find("late", "analysis_late-1", doc! {}).len() == 2).then_some(())
    });
    mongo.deploy("Late-1", "late");
    stack.orchestrator.settled("analyses", "Late-1", PATIENCE);
    let entry = mongo.pipeline("Late-1");
    assert_eq!(entry.get_str("status").ok(), Some("completed"));
    assert!(entry.get_document("performance").is_ok_and(|map| map.contains_key("analysis-exec-speed")), "{entry:?}");
}

/// The web application may leave anything where the speed belongs; other members of a map there stay.
#[test]
fn the_speed_is_written_whatever_stands_in_its_place() {
    let stack = Stack::answering(Stores::Real, Script::default(), &[]);
    let mongo = Mongo::shared();
    let places = [Bson::Null, "fast".into(), 5.into(), doc! {"theirs": 1}.into()];
    for (number, place) in places.iter().enumerate() {
        let analysis = format!("Speed-{number}");
        let entry = doc! {"analysisid": &analysis, "databaseid": "speed", "jobs": [], "performance": place};
        mongo.insert("UIDB", "pipelines", entry);
        stack.orchestrator.submit(&cleaning("speed", &analysis, &format!("speed-{number}")));
    }
    for (number, place) in places.iter().enumerate() {
        let analysis = format!("Speed-{number}");
        let run = stack.orchestrator.settled("analyses", &analysis, PATIENCE);
        assert_eq!(run["state"], "succeeded", "{run:#}");
        let entry = mongo.pipeline(&analysis);
        let map = entry.get_document("performance").unwrap_or_else(|error| panic!("{error}: {place}, {entry}"));
        assert!(map.contains_key("analysis-exec-speed"), "{place}, {entry}");
        assert_eq!(map.contains_key("theirs"), number == 3, "{entry}");
        let last = format!("update: Analysis completed with ID: speed-{number}");
        assert!(stack.dummies.notices().contains(&last), "{place}");
    }
    assert!(!stack.orchestrator.said().contains("not delivered"), "{}", stack.orchestrator.said());
}

#[test]
fn a_document_that_the_database_will_never_take_is_given_up_at_once() {
    let stack = Stack::answering(Stores::Real, Script::default(), &[]);
    let mongo = Mongo::shared();
    mongo.deploy("Unique-1", "unique");
    mongo.insert("unique", "analysis_unique-1", doc! {"directory-kind": "cleaned-data", "whose": "somebody else's"});
    mongo.make_unique("unique", "analysis_unique-1", "directory-kind");
    stack.orchestrator.submit(&cleaning("unique", "Unique-1", "unique-1"));
    let run = stack.orchestrator.settled("analyses", "Unique-1", Duration::from_secs(15));
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let said = stack.orchestrator.said();
    let refusals: Vec<&str> = said.lines().filter(|line| line.contains("not delivered")).collect();
    assert!(refusals.len() == 1 && refusals[0].contains("WARN") && refusals[0].contains("Unique-1"), "{said}");
    let documents = mongo.find("unique", "analysis_unique-1", doc! {});
    assert_eq!(documents.len(), 2, "theirs and the metadata: {documents:?}");
    assert_eq!(mongo.pipeline("Unique-1").get_str("status").ok(), Some("completed"));
    let expected = [
        "update: Cleaning executed for the analysis with ID: Unique-1",
        "update: Data Sink Executed for the analysis with ID: Unique-1",
        "update: Analysis completed with ID: unique-1",
    ];
    assert_eq!(stack.dummies.notices(), expected);
}

#[test]
fn a_failed_analysis_is_marked_and_its_earlier_results_stay() {
    let stack = Stack::answering(Stores::Real, Script::default(), &[]);
    let mongo = Mongo::shared();
    mongo.deploy("Marked-1", "marked");
    let jobs = json!([
        {"step": 1, "id": "m-1", "title": "dataset", "label": "d", "from": 0, "next": [2]},
        {"step": 2, "id": "m-2", "title": "cleaning", "from": 1, "next": [3]},
        {"step": 3, "id": "m-3", "title": "function", "function": {}, "from": [2], "next": [0]},
    ]);
    let fault = Some(dummy_services::Fault::Error { message: Some("no".to_owned()) });
    let broken = dummy_services::Behaviour { fault, ..Default::default() };
    stack.dummies.set_script(Script { jobs: [("m-3".to_owned(), broken)].into(), ..Script::default() });
    let run = stack.play(&playbook("marked", "Marked-1", jobs));
    assert_eq!(run["state"], "failed");
    assert_eq!(mongo.pipeline("Marked-1").get_str("status").ok(), Some("error"));
    let documents = mongo.find("marked", "analysis_marked-1", doc! {});
    assert_eq!(documents.len(), 1, "no metadata: {documents:?}");
}

#[test]
fn buckets_that_are_there_already_are_used() {
    for stores in [Stores::Real, Stores::Embedded] {
        let stack = Stack::answering(stores, Script::default(), &[]);
        stack.objects.make_bucket("owned");
        stack.objects.put("owned", "datasets/d/data.csv", b"a\n1\n");
        let jobs: Vec<Value> = (1..=6)
            .map(|step| json!({"step": step, "id": format!("own-{step}"), "title": "function", "function": {}, "from": 0, "next": [0]}))
            .collect();
        let analysis = format!("Owned-{stores:?}");
        Mongo::shared().deploy(&analysis, "owned");
        let run = stack.play(&playbook("owned", &analysis, json!(jobs)));
        assert_eq!(run["state"], "succeeded", "{run:#}");
        let prefix = format!("analysis-{}/", analysis.to_lowercase());
        let expected: Vec<String> = (1..=6).map(|step| format!("{prefix}function-{step}/")).collect();
        assert_eq!(stack.objects.keys("owned", &prefix), expected);
    }
}

/// Labels are what people type: spaces and letters of any script stand in object keys and come back from listings.
#[test]
fn labels_with_spaces_and_greek_letters_name_objects() {
    for stores in [Stores::Real, Stores::Embedded] {
        let stack = Stack::start(stores, Script::default(), &[]);
        let tenant = if stores == Stores::Real { "labels" } else { "labels-embedded" };
        let url = format!("http://{}/samples/visits.csv", stack.dummies.http());
        let label = "Open Data + 1/Επισκέψεις & more";
        let id = format!("In-{tenant}");
        let ingestion = json!({
            "ingestion-id": id, "database-id": tenant, "user": "Ann Ng", "dataset-label": label,
            "ingestion_json": {"method": "GET", "url": url, "separator": ","},
        });
        Mongo::shared().insert("UIDB", "datasets", doc! {"organization": tenant, "user": "Ann Ng", "label": label});
        assert_eq!(stack.orchestrator.post("/ingestion", &ingestion).status, 202);
        let run = stack.orchestrator.settled("ingestions", &id, PATIENCE);
        assert_eq!(run["state"], "succeeded", "{run:#}");
        let directory = "datasets/open data + 1/επισκέψεις & more/";
        let listed = stack.objects.keys(tenant, directory);
        assert_eq!(listed, [directory.to_owned(), format!("{directory}data.csv")]);
        let jobs = json!([
            {"step": 1, "id": format!("{tenant}-1"), "title": "dataset", "label": label, "from": 0, "next": [2]},
            {"step": 2, "id": format!("{tenant}-2"), "title": "cleaning", "max-shrink": 1, "from": 1, "next": [3]},
            {"step": 3, "id": format!("{tenant}-3"), "title": "classification", "column": "risk", "from": 2, "next": [4]},
            {"step": 4, "id": format!("{tenant}-4"), "title": "visualization", "label": "Πρώτη εικόνα", "from": 3, "next": [0]},
        ]);
        let analysis = format!("An-{tenant}");
        Mongo::shared().deploy(&analysis, tenant);
        let run = stack.play(&playbook(tenant, &analysis, jobs));
        assert_eq!(run["state"], "succeeded", "{run:#}");
    }
}
