//! The commands as a shell sees them: exit codes, data on stdout, progress and errors on stderr.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use dummy_services::{Behaviour, Fault, Script};
use serde_json::{Value, json};

use super::{Stack, Stores};
use crate::peers::{BINARY, CLOSED_PORT, Folder, KEY};

/// How a command ended.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn run(arguments: &[&str], variables: &[(&str, &str)], stdin: &str) -> Ended {
    let mut command = Command::new(BINARY);
    command.args(arguments).env_clear().envs(variables.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut input = child.stdin.take().expect("stdin is piped");
    input.write_all(stdin.as_bytes()).expect("stdin can be written");
    drop(input);
    let output = child.wait_with_output().expect("the program ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

impl Ended {
    #[track_caller]
    fn with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }
}

fn fixture(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(file)
}

fn playbook(analysis: &str, jobs: Value) -> String {
    json!({"analysis-id": analysis, "database-id": "shell", "jobs": jobs}).to_string()
}

fn cleaning(analysis: &str) -> String {
    let id = |number: u32| format!("{analysis}-{number}");
    let jobs = json!([
        {"step": 1, "id": id(1), "title": "dataset", "label": "d", "from": 0, "next": [2]},
        {"step": 2, "id": id(2), "title": "cleaning", "max-shrink": 0.1, "from": 1, "next": [3]},
        {"step": 3, "id": id(3), "title": "data-sink", "from": 2, "next": [0]},
    ]);
    playbook(analysis, jobs)
}

#[test]
fn a_playbook_is_drawn_without_a_server() {
    let table = run(&["graph", "-"], &[], &cleaning("drawn")).with(0);
    let expected = "STEP  JOB             AFTER\n1     dataset\n2     cleaning        1\n3     data-sink       2\n";
    assert_eq!(table.stdout, expected);
    let picture = run(&["graph", "-", "--svg"], &[], &cleaning("drawn")).with(0).stdout;
    assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"), "{picture}");
    assert_eq!(["class=\"card\"", "class=\"edge\"", ">cleaning<"].map(|part| picture.matches(part).count()), [3, 2, 1]);
    let refused = run(&["graph", "-"], &[], "{}").with(2);
    assert!(refused.stdout.is_empty() && refused.stderr.contains("/jobs"), "{}", refused.stderr);
}

#[test]
fn help_version_and_wrong_usage() {
    let help = run(&["--help"], &[], "").with(0);
    for command in ["serve", "demo", "submit", "validate"] {
        assert!(help.stdout.contains(command), "{}", help.stdout);
    }
    assert!(run(&["--version"], &[], "").with(0).stdout.starts_with("orchestrator "));
    for wrong in [&["--nonsense"][..], &["submit"], &["validate", "a", "b"], &["dance"]] {
        let ended = run(wrong, &[], "").with(2);
        assert!(ended.stdout.is_empty() && ended.stderr.contains("Usage"), "{}", ended.stderr);
    }
}

#[test]
fn the_samples_are_valid() {
    for sample in ["automl", "chain-of-every-title", "demo", "function", "join", "visualization"] {
        let name = fixture(&format!("playbooks/{sample}.json")).display().to_string();
        let valid = run(&["validate", &name], &[], "").with(0);
        assert!(valid.stdout.starts_with(&format!("{name}: valid, ")), "{}", valid.stdout);
        assert!(valid.stderr.is_empty(), "{}", valid.stderr);
    }
    let ingestion = fixture("ingestions/patients-of-the-client.json").display().to_string();
    // the sample's address is on this machine, which only the demo may read from
    let refused = run(&["validate", "--ingestion", &ingestion], &[], "").with(2);
    assert!(refused.stdout.contains("blocked-address"), "{}", refused.stdout);
    run(&["validate", "--ingestion", &ingestion], &[("INGESTION_URL_POLICY", "any")], "").with(0);
}

#[test]
fn validate_lists_every_problem() {
    let broken = playbook("x", json!([{"step": 1, "id": 1, "title": "dance", "from": 7, "next": [9]}]));
    let table = run(&["validate", "-"], &[], &broken).with(2);
    for line in ["/jobs/0/title: unknown-title", "/jobs/0/from: dangling-edge", "/jobs/0/next/0: dangling-edge"] {
        assert!(table.stdout.contains(line), "{}", table.stdout);
    }
    let listed = run(&["validate", "-", "--output", "json"], &[], &broken).with(2);
    let listed: Value = serde_json::from_str(&listed.stdout).expect("JSON");
    assert_eq!(listed["valid"], false);
    assert!(listed["problems"].as_array().is_some_and(|problems| problems.len() >= 3), "{listed}");
    let valid = run(&["validate", "-", "-o", "json"], &[], &cleaning("v")).with(0);
    let valid: Value = serde_json::from_str(&valid.stdout).expect("JSON");
    let expected = json!({
        "valid": true, "jobs": 3, "edges": 2, "problem-count": 0, "problems": [], "warnings": [], "advice": [],
    });
    assert_eq!(valid, expected);
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let missing = run(&["validate", "/nowhere/playbook.json"], &[], "").with(2);
    assert!(missing.stderr.starts_with("error: /nowhere/playbook.json cannot be read"), "{}", missing.stderr);
    let broken = run(&["validate", "-"], &[], "{\"a\":").with(2);
    assert!(broken.stderr.contains("bad-json") && broken.stdout.is_empty(), "{}", broken.stderr);
    let list = run(&["submit", "-"], &[], "[]").with(2);
    assert!(list.stderr.contains("not a JSON object"), "{}", list.stderr);
}

#[test]
fn submit_and_watch() {
    let fault = Some(Fault::Error { message: Some("not enough rows".to_owned()) });
    let failing = Behaviour { fault, ..Behaviour::default() };
    let slow = Behaviour { latency_ms: 5_000, ..Behaviour::default() };
    let jobs = [("bad-2".to_owned(), failing), ("slow-2".to_owned(), slow)].into();
    let stack = Stack::answering(Stores::Embedded, Script { jobs, ..Script::default() }, &[]);
    let url = format!("http://{}", stack.orchestrator.server.address);
    let here = [("DIASTEMA_URL", url.as_str()), ("DIASTEMA_KEY", KEY)];

    let table = run(&["submit", "-"], &here, &cleaning("Table")).with(0);
    assert_eq!(table.stdout, "Table run 1 running\n");
    let name = run(&["submit", "-", "-o", "name"], &here, &cleaning("Name")).with(0);
    assert_eq!((name.stdout.as_str(), name.stderr.as_str()), ("Name\n", ""));
    let json = run(&["submit", "-", "-o", "json", "--server", &url, "--token", KEY], &[], &cleaning("Json")).with(0);
    let accepted: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!((&accepted["analysis-id"], &accepted["state"]), (&json!("Json"), &json!("running")));

    let watched = run(&["submit", "--watch", "-", "-o", "json"], &here, &cleaning("Good")).with(0);
    let ended: Value = serde_json::from_str(&watched.stdout).expect("JSON");
    assert_eq!(ended["state"], "succeeded");
    let change =
        |step: u32, title: &str, state: &str| format!("analysis=Good run=1 step={step} title={title} state={state}");
    for line in [
        change(1, "dataset", "succeeded"),
        change(2, "cleaning", "succeeded"),
        "analysis=Good run=1 state=succeeded".to_owned(),
    ] {
        assert!(watched.stderr.lines().any(|known| known == line), "{line}: {}", watched.stderr);
    }

    let failed = run(&["submit", "--watch", "-"], &here, &cleaning("Bad")).with(1);
    assert_eq!(failed.stdout, "Bad run 1 failed\n");
    assert!(failed.stderr.ends_with("failed: step 2: not enough rows\n"), "{}", failed.stderr);

    let mut late: Value = serde_json::from_str(&cleaning("Slow")).expect("JSON");
    late["options"] = json!({"deadline-s": 1});
    let late = run(&["submit", "--watch", "-"], &here, &late.to_string()).with(4);
    assert_eq!(late.stdout, "Slow run 1 stopped\n");

    let mut warned: Value = serde_json::from_str(&cleaning("Warned")).expect("JSON");
    warned["jobs"][1]["max-shrink"] = json!("x");
    let warned = run(&["submit", "-"], &here, &warned.to_string()).with(0);
    assert!(warned.stderr.starts_with("warning:") && warned.stderr.contains("/jobs/1/max-shrink"), "{}", warned.stderr);

    let ingestion = json!({
        "ingestion-id": "In-1", "database-id": "shell", "user": "u", "dataset-label": "l",
        "ingestion_json": {"url": "http://example.org/x.csv"},
    });
    let ingested = run(&["submit", "--ingestion", "--watch", "-"], &here, &ingestion.to_string()).with(0);
    assert_eq!(ingested.stdout, "In-1 run 1 succeeded\n");

    let refused = run(&["submit", "-"], &here, &playbook("Refused", json!([]))).with(2);
    assert!(refused.stdout.is_empty() && refused.stderr.contains("empty-graph"), "{}", refused.stderr);
    let stranger = run(&["submit", "-", "--token", "wrong"], &here, &cleaning("Stranger")).with(2);
    assert!(stranger.stderr.contains("401"), "{}", stranger.stderr);
    assert!(!stranger.stderr.contains("wrong"), "no token is printed: {}", stranger.stderr);
}

#[test]
fn a_server_that_is_busy_or_not_there() {
    let nowhere = format!("http://127.0.0.1:{CLOSED_PORT}");
    let unreachable = run(&["submit", "-", "--server", &nowhere], &[], &cleaning("x")).with(5);
    assert!(unreachable.stderr.contains(&nowhere) && unreachable.stderr.contains("--server"), "{}", unreachable.stderr);
    let slow = Behaviour { latency_ms: 3_000, ..Behaviour::default() };
    let script = Script { default: slow, ..Script::default() };
    let stack = Stack::answering(Stores::Embedded, script, &[("TENANT_OPEN_ANALYSES", "1")]);
    let url = format!("http://{}", stack.orchestrator.server.address);
    let here = [("DIASTEMA_URL", url.as_str()), ("DIASTEMA_KEY", KEY)];
    run(&["submit", "-"], &here, &cleaning("First")).with(0);
    let refused = run(&["submit", "-"], &here, &cleaning("Second")).with(6);
    assert!(refused.stderr.contains("429"), "{}", refused.stderr);
}

#[test]
fn serve_says_what_is_wrong_with_its_settings() {
    let faults = [("PORT", "many"), ("JOB_TIMEOUT_SECONDS", "-1"), ("INGESTION_URL_POLICY", "some")];
    let ended = run(&["serve"], &faults, "").with(2);
    for (name, value) in faults {
        assert!(ended.stderr.contains(&format!("{name}={value}")), "{}", ended.stderr);
    }
    let open = run(&["serve"], &[("HOST", "0.0.0.0"), ("PORT", "0")], "").with(2);
    assert!(open.stderr.contains("set DIASTEMA_KEY"), "{}", open.stderr);
}

#[test]
fn two_orchestrators_do_not_share_a_data_directory() {
    let folder = Folder::new("shared-data");
    let directory = folder.path().join("data").display().to_string();
    let first = Stack::answering(Stores::Embedded, Script::default(), &[("DATA_DIR", &directory)]);
    let second = run(&["serve"], &[("DATA_DIR", &directory), ("HOST", "127.0.0.1"), ("PORT", "0")], "").with(1);
    assert!(second.stderr.contains("another orchestrator is using it"), "{}", second.stderr);
    assert_eq!(first.orchestrator.server.get("/health").status, 200);
}

#[test]
fn the_demo_runs_to_its_end() {
    let folder = Folder::new("demo");
    let keep = folder.path().join("kept").display().to_string();
    let here = [("PORT", "0"), ("TMPDIR", folder.path().to_str().expect("UTF-8"))];
    let demo = run(&["demo", "--once", "--latency", "1", "--keep", &keep], &here, "").with(0);
    for text in [
        "analysis demo succeeded",
        "s3://metis/analysis-demo/classified-6/",
        "s3://diastemaviz/1000000000006/",
        "documents in metis.analysis_demo",
    ] {
        assert!(demo.stdout.contains(text), "{text}: {}", demo.stdout);
    }
    assert!(Path::new(&keep).join("state.db").is_file());

    run(
        &["demo", "--once", "--latency", "0", "--playbook", &fixture("playbooks/function.json").display().to_string()],
        &here,
        "",
    )
    .with(0);
    let left: String = std::fs::read_dir(folder.path()).expect("the folder").fold(String::new(), |mut left, entry| {
        write!(left, "{:?} ", entry.expect("an entry").file_name()).expect("a text takes everything");
        left
    });
    assert_eq!(left, "\"kept\" ", "nothing else is left");

    let mut failing = super::read("playbooks/demo.json");
    failing["jobs"][4]["column"] = json!("no_such_column");
    let file = folder.path().join("failing.json");
    std::fs::write(&file, failing.to_string()).expect("the file can be written");
    let failed =
        run(&["demo", "--once", "--latency", "0", "--playbook", &file.display().to_string()], &here, "").with(1);
    assert!(failed.stderr.contains("failed: step 5"), "{}", failed.stderr);
}

#[test]
fn runs_are_listed_shown_and_followed() {
    let stack = Stack::answering(Stores::Embedded, Script::default(), &[]);
    let url = format!("http://{}", stack.orchestrator.server.address);
    let there = [("DIASTEMA_URL", url.as_str()), ("DIASTEMA_KEY", KEY)];
    run(&["submit", "-", "--watch"], &there, &cleaning("seen-1")).with(0);
    run(&["submit", "-"], &there, &cleaning("seen-2")).with(0);
    let followed = run(&["watch", "seen-2"], &there, "").with(0);
    assert!(followed.stdout.is_empty() && followed.stderr.contains("step=3"), "{}", followed.stderr);
    assert_eq!(run(&["list", "-o", "name"], &there, "").with(0).stdout, "seen-2\nseen-1\n");
    assert_eq!(run(&["list", "-o", "name", "--limit", "1"], &there, "").with(0).stdout, "seen-2\n");
    assert_eq!(run(&["list", "-o", "name", "--state", "failed"], &there, "").with(0).stdout, "");
    let table = run(&["list", "--tenant", "shell"], &there, "").with(0).stdout;
    assert!(table.starts_with("STATE      RUN  TENANT  TOOK"), "{table}");
    assert_eq!(table.lines().count(), 3, "{table}");
    let lines = run(&["list", "-o", "ndjson"], &there, "").with(0).stdout;
    assert!(lines.lines().all(|line| serde_json::from_str::<Value>(line).is_ok_and(|run| run["state"] == "succeeded")));
    let shown = run(&["get", "seen-1"], &there, "").with(0).stdout;
    assert!(shown.starts_with("seen-1 run 1 succeeded, tenant shell, "), "{shown}");
    assert!(shown.contains("\n2     cleaning   succeeded  1\n"), "{shown}");
    assert_eq!(
        serde_json::from_str::<Value>(&run(&["get", "seen-1", "-o", "json"], &there, "").with(0).stdout).unwrap()["run"],
        1
    );
    let why = run(&["why", "seen-1", "2"], &there, "").with(0).stdout;
    assert_eq!(why, "step 2 (cleaning): succeeded\n  waits for nothing: it has succeeded\n");
    let why = run(&["why", "seen-1", "2", "-o", "json"], &there, "").with(0).stdout;
    assert_eq!(serde_json::from_str::<Value>(&why).unwrap()["state"], "succeeded");
    assert!(run(&["why", "seen-1", "99"], &there, "").with(2).stderr.contains("not-found"));
    assert!(run(&["get", "nobody"], &there, "").with(2).stderr.contains("not-found"));
    assert!(run(&["list", "--state", "odd"], &there, "").with(2).stderr.contains("states are"));
    run(&["list"], &[("DIASTEMA_URL", &format!("http://127.0.0.1:{CLOSED_PORT}")), ("DIASTEMA_KEY", KEY)], "").with(5);
    assert!(run(&["completion", "bash"], &[], "").with(0).stdout.contains("orchestrator"));
}
