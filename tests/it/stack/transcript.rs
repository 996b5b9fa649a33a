//! One analysis with every title, end to end: what arrives at the services' sockets, in MongoDB and in S3, type for type.

use mongodb::bson::{Bson, Document, doc};
use serde_json::{Value, json};

use super::{Stack, Stores, playbook, read};
use crate::peers::{KEY, Mongo, Objects};
use crate::recipes::matches_golden;

const TENANT: &str = "transcript";
const ANALYSIS: &str = "Transcript-0Af";

#[test]
fn a_chain_of_every_title_arrives_as_the_contract_says() {
    let stack = Stack::start(Stores::Real, Default::default(), &[]);
    let mongo = Mongo::shared();
    mongo.insert("UIDB", "datasets", doc! {"organization": TENANT, "user": "demo", "label": "Visits"});
    stack.ingest(TENANT, "Visits");
    let entry = doc! {
        "analysisid": ANALYSIS, "databaseid": TENANT, "status": "pending",
        "visualization": {"kept": ["a"]}, "performance": {"1763800000065": 12},
    };
    mongo.insert("UIDB", "pipelines", entry);
    let mut chain = playbook("chain-of-every-title.json", TENANT, ANALYSIS, 0);
    let sample = read("playbooks/chain-of-every-title.json");
    chain["jobs"] = sample["jobs"].clone();
    let run = stack.play(&chain);
    assert_eq!(run["state"], "succeeded", "{run:#}");

    assert!(!stack.orchestrator.said().contains(KEY), "no token is logged");

    let mut transcript = requests(&stack);
    transcript.push_str("# objects\n");
    for (bucket, prefix) in [(TENANT, ""), ("diastemaviz", "17638000000")] {
        for key in stack.objects.keys(bucket, prefix) {
            transcript.push_str(&object(&stack.objects, bucket, &key));
        }
    }
    transcript.push_str("# records\n");
    for (database, collection, filter) in [
        (TENANT, "analysis_transcript-0af", doc! {}),
        ("UIDB", "pipelines", doc! {"analysisid": ANALYSIS}),
        ("UIDB", "datasets", doc! {"organization": TENANT}),
        ("Diastema", "datatoolkit", doc! {"job-id": {"$in": ["1763800000065", "1763800000067", "1763800000069"]}}),
    ] {
        for document in mongo.find(database, collection, filter) {
            transcript.push_str(&format!("{database}.{collection} {}\n", typed(document)));
        }
    }
    transcript.push_str("# notices\n");
    for entry in stack.dummies.ledger().into_iter().filter(|entry| entry.service == "POST /messages") {
        let (id, form) = (&entry.headers["idempotency-key"], entry.body.as_str().unwrap_or_default().to_owned());
        assert_eq!(entry.headers["content-type"], "application/x-www-form-urlencoded");
        transcript.push_str(&format!("{id} {form}\n"));
    }
    matches_golden("stack-chain-of-every-title", &without_ports(&transcript, &stack));
}

/// What the services got, questions about a running job once.
fn requests(stack: &Stack) -> String {
    let mut lines: Vec<String> = vec!["# requests".to_owned()];
    for entry in stack.dummies.ledger() {
        let told = ["POST", "308", "GET", "SPARK"].iter().any(|word| entry.service.starts_with(word));
        assert!(told, "{entry:?}");
        if entry.service == "POST /messages" || entry.service.contains("/samples") {
            continue;
        }
        if entry.service.starts_with("POST") {
            assert_eq!(entry.headers["content-type"], "application/json", "{entry:?}");
        }
        let line = format!("{} {}", entry.service, entry.body);
        if lines.last() != Some(&line) {
            lines.push(line);
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Directories are empty; the content of the others is the services' own.
fn object(objects: &Objects, bucket: &str, key: &str) -> String {
    if !key.ends_with('/') {
        return format!("{bucket}/{key}\n");
    }
    let (size, content_type) = objects.head(bucket, key);
    format!("{bucket}/{key} {size} bytes, {content_type}\n")
}

/// A document with the type of every number, without its id and without the measured time.
fn typed(mut document: Document) -> Value {
    assert!(document.remove("_id").is_some_and(|id| matches!(id, Bson::ObjectId(_))));
    if let Ok(performance) = document.get_document_mut("performance") {
        let speed = performance.get_i32("analysis-exec-speed").expect("whole milliseconds, 32 bits");
        assert!((1..60_000).contains(&speed), "{speed}");
        performance.insert("analysis-exec-speed", 1);
    }
    with_types(&Bson::Document(document))
}

/// JSON in which every number says its type.
fn with_types(value: &Bson) -> Value {
    match value {
        Bson::Int32(number) => json!({"int32": number}),
        Bson::Int64(number) => json!({"int64": number}),
        Bson::Double(number) => json!({"double": number}),
        Bson::String(text) => json!(text),
        Bson::Boolean(truth) => json!(truth),
        Bson::Null => Value::Null,
        Bson::Array(items) => items.iter().map(with_types).collect(),
        Bson::Document(document) => {
            Value::Object(document.iter().map(|(key, value)| (key.clone(), with_types(value))).collect())
        }
        other => panic!("no such type belongs here: {other:?}"),
    }
}

fn without_ports(transcript: &str, stack: &Stack) -> String {
    let ports = [
        (stack.dummies.http().port(), "HTTP-PORT"),
        (stack.objects.port, "MINIO-PORT"),
        (Mongo::shared().port(), "MONGO-PORT"),
    ];
    ports.iter().fold(transcript.to_owned(), |text, (port, name)| {
        text.replace(&format!("\"{port}\""), &format!("\"{name}\"")).replace(&format!(":{port}/"), &format!(":{name}/"))
    })
}
