//! Whatever a playbook or AutoML says, what reaches the Spark component cannot say anything to a shell: the known component
//! puts the values of the message behind a command, with blanks between them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use orchestrator::adapters::address::Address;
use orchestrator::adapters::secret::Secret;
use orchestrator::adapters::spark::{SparkComponent, SparkSettings};
use orchestrator::graph::build::build;
use orchestrator::jobs::{JobPorts, JobSettings, PlatformJobs};
use orchestrator::playbook::settings::CheckSettings;
use orchestrator::playbook::{BucketName, ObjectKey};
use orchestrator::ports::{JobRunner, RunSpec};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::attempt::Life;
use super::ports::{Script, World, says};
use crate::peers::Folder;

/// Playbooks that are tried.
const CASES: usize = 1_500;

/// What a text may be made of: some of it means something to a shell.
const PIECES: [&str; 30] = [
    "target",
    "a b",
    ";touch canary;",
    "$(touch canary)",
    "`touch canary`",
    "|touch canary",
    "&&touch canary",
    ">canary",
    "\ntouch canary\n",
    "'",
    "\"",
    "\\",
    "*",
    "?",
    "[a-z]",
    "{canary,b}",
    "~",
    "#",
    "!",
    "--conf",
    "-",
    "..",
    "/",
    "%",
    "=",
    "Στήλη",
    "_1",
    "$HOME",
    "\u{a0}",
    "x",
];

/// Texts, many of which are accepted and many refused.
fn text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(PIECES.to_vec()).prop_map(str::to_owned);
    let mixed = prop::collection::vec(piece, 1..4).prop_map(|pieces| pieces.concat());
    prop_oneof![6 => "[a-zA-Zα-ω0-9_./:,@%+=-]{1,12}", 1 => mixed, 1 => "\\PC{1,8}"]
}

/// The same for ids, which have fewer letters.
fn id() -> impl Strategy<Value = String> {
    prop_oneof![9 => "[a-zA-Z0-9][a-zA-Z0-9._-]{0,11}", 1 => "[a-zA-Z0-9._-]{1,12}", 1 => text()]
}

/// What a playbook says where Spark can hear it.
fn document() -> impl Strategy<Value = (Value, String)> {
    let title = prop::sample::select(vec!["classification", "regression", "clustering"]);
    let (texts, ids) = ((text(), text(), text()), (id(), id(), id()));
    (title, any::<bool>(), texts, ids).prop_map(|(title, automl, (label, column, algorithm), (id, step, analysis))| {
        let automl_says = algorithm.clone();
        let document = json!({
            "diastema-token": "t", "analysis-id": analysis, "database-id": "metis", "metadata": null,
            "jobs": [
                {"step": "first", "id": 1, "title": "dataset", "label": label, "from": 0, "next": [step]},
                {"step": step, "id": id, "title": title, "algorithm": algorithm, "column": column, "automl": automl,
                 "params": {}, "from": "first", "next": [0]},
            ],
        });
        (document, automl_says)
    })
}

/// A component that takes messages and hands their values on.
async fn component() -> (u16, mpsc::UnboundedReceiver<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let (send, messages) = mpsc::unbounded_channel();
    actix::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut header = [0; 64];
            connection.read_exact(&mut header).await.expect("a header");
            let mut message = vec![0; String::from_utf8_lossy(&header).trim().parse().expect("a length")];
            connection.read_exact(&mut message).await.expect("a message");
            let message: Map<String, Value> = serde_json::from_slice(&message).expect("an object");
            let values = message.values().map(|value| value.as_str().expect("only texts").to_owned()).collect();
            send.send(values).expect("the test listens");
            connection.write_all(b"Msg received").await.expect("a reply");
        }
    });
    (port, messages)
}

/// Starts the Spark job of a checked playbook; what comes of it does not matter here.
async fn start(run: RunSpec, automl_says: &str, port: u16) {
    let results = json!({"status": "complete", "results": {"algorithm": automl_says, "maxDepth": 3}});
    let script = Script::default().answering("GET automl/progress", [says(200, &results.to_string())]);
    let world = World::new(script);
    let settings = SparkSettings {
        address: Address::new("127.0.0.1", port),
        connect: Duration::from_secs(5),
        minio: Address::new("minio", 9000),
        minio_user: "spark".to_owned(),
        minio_pass: Secret::new("spark-pass"),
        mongo: Address::new("mongo", 27017),
    };
    let ports = JobPorts { spark: Box::new(SparkComponent::new(settings)), ..world.ports() };
    let life = Life { world, jobs: PlatformJobs::new(ports, JobSettings::default()), log: Rc::default() };
    let run = Rc::new(run);
    let mut call = life.call(&run, 1);
    let orchestrator::playbook::JobKind::Dataset { label } = &run.job(0).kind else { panic!("a data set") };
    let path = orchestrator::jobs::paths::path_of(&BucketName::of(&run.playbook.tenant), &ObjectKey::dataset(label));
    call.inputs = vec![orchestrator::graph::inputs::JobOutput { producer: 0, path }.into()];
    // without evidence it has failed
    assert!(life.jobs.run(call).await.is_err());
}

/// What a shell makes of the values: the lines that a command prints which gets them as its arguments.
fn through_a_shell(values: &[String], folder: &Path) -> String {
    let command = format!("printf '%s\\n' {}", values.join(" "));
    let said = Command::new("/bin/sh").arg("-c").arg(command).current_dir(folder).output().expect("there is a shell");
    assert!(said.stderr.is_empty(), "{}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).expect("text")
}

#[actix::test]
async fn whatever_is_accepted_reaches_spark_unchanged_through_a_shell() {
    let (port, mut messages) = component().await;
    let folder = Folder::new("shell");
    // what patterns would find
    std::fs::write(folder.path().join("target"), "").expect("a file");
    let (mut runner, documents) = (TestRunner::deterministic(), document());
    let (mut accepted, mut algorithms) = (0, BTreeSet::new());
    for _ in 0..CASES {
        let (document, automl_says) = documents.new_tree(&mut runner).expect("a document").current();
        let Ok(plan) = build(document.as_object().expect("an object"), &CheckSettings::default()) else { continue };
        accepted += 1;
        let run = RunSpec {
            run_id: 1,
            number: 1,
            playbook: plan.playbook.into(),
            accepted: actix::clock::Instant::now(),
            reused_ids: BTreeSet::default(),
        };
        start(run, &automl_says, port).await;
        let values = messages.recv().await.expect("a message");
        assert_eq!(shlex::split(&values.join(" ")).as_ref(), Some(&values), "{document}");
        assert!(values.iter().all(|value| !value.starts_with('-')), "an option: {values:?}");
        let printed = through_a_shell(&values, folder.path());
        assert_eq!(printed.lines().collect::<Vec<_>>(), values, "{document}");
        algorithms.insert(values[10].clone());
    }
    assert!(accepted > CASES / 10 && accepted < CASES * 9 / 10, "{accepted} of {CASES} were accepted");
    let files: Vec<_> =
        std::fs::read_dir(folder.path()).expect("there").map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["target"], "nothing was made by a shell");
    assert!(algorithms.iter().all(|name| name.chars().all(|letter| letter.is_ascii_alphanumeric())), "{algorithms:?}");
}

/// The test above can fail: with the restriction lifted, the canary is there.
#[actix::test]
async fn without_the_restriction_a_shell_would_obey() {
    let (port, mut messages) = component().await;
    let folder = Folder::new("shell-obeys");
    let document = json!({
        "diastema-token": "t", "analysis-id": "a", "database-id": "metis", "metadata": null,
        "jobs": [
            {"step": 1, "id": 1, "title": "dataset", "label": "d", "from": 0, "next": [2]},
            {"step": 2, "id": 2, "title": "regression", "column": "$(touch canary)", "from": 1, "next": [0]},
        ],
    });
    let any = CheckSettings { spark_arguments_any: true, ..CheckSettings::default() };
    let plan = build(document.as_object().expect("an object"), &any).expect("accepted");
    let run = RunSpec {
        run_id: 1,
        number: 1,
        playbook: plan.playbook.into(),
        accepted: actix::clock::Instant::now(),
        reused_ids: BTreeSet::default(),
    };
    start(run, "", port).await;
    through_a_shell(&messages.recv().await.expect("a message"), folder.path());
    assert!(folder.path().join("canary").exists());
}
