//! Every way in which a service can fail, through the real binary: each analysis ends in time, with a cause and with the
//! two notices. All run at once, each with a job id whose behaviour the script knows.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dummy_services::{Behaviour, Fault, Kind, LedgerEntry, Script};
use serde_json::{Value, json};

use super::{PATIENCE, Stack, Stores};
use crate::peers::{CLOSED_PORT, Orchestrator};

/// Limits that tests can wait for.
const LIMITS: [(&str, &str); 8] = [
    ("START_RETRY_SECONDS", "0.5"),
    ("ANSWER_TIMEOUT_SECONDS", "0.5"),
    ("NO_ANSWER_SECONDS", "1"),
    ("JOB_TIMEOUT_SECONDS", "3"),
    ("STORE_WAIT_SECONDS", "1"),
    ("NOTICE_WAIT_SECONDS", "1"),
    ("FUNCTION_SERVICE_CONCURRENCY", "64"),
    ("INGESTION_TEST_TIMEOUT_SECONDS", "1"),
];

/// No run takes longer: the longest limit, a busy machine on top.
const LONGEST: Duration = Duration::from_secs(12);

/// What is expected of a faulty job.
enum Ends {
    /// Kind of the cause and the first words of the notice.
    Failing(&'static str, &'static str),
    /// With this warning in the history.
    Well(&'static str),
}
use Ends::{Failing, Well};

fn error(message: &str) -> Fault {
    Fault::Error { message: Some(message.to_owned()) }
}

/// Title, fault, end.
fn cases() -> Vec<(&'static str, Fault, Ends)> {
    let unreachable = "unreachable";
    let mut cases = vec![
        ("cleaning", Fault::CutOnStart, Well("start-answer-lost")),
        ("data-join", Fault::CutOnStart, Well("start-answer-lost")),
        ("automl", Fault::CutOnStart, Well("start-answer-lost")),
        ("function", Fault::CutOnStart, Failing("outcome-unknown", "The outcome of the function job is unknown")),
        ("function", Fault::BlackHole, Failing("outcome-unknown", "The outcome of the function job is unknown")),
        ("cleaning", Fault::BlackHole, Failing(unreachable, "The cleaning service cannot be reached")),
        ("automl", Fault::BlackHole, Failing(unreachable, "The classification service cannot be reached")),
        ("data-sink", Fault::Http500OnStart, Well("data-sink-refused")),
        ("data-sink", Fault::CutOnStart, Well("outcome-unknown")),
        ("data-sink", Fault::BlackHole, Well("outcome-unknown")),
        // its reply is lost, its evidence is there
        ("clustering", Fault::NoReply, Well("start-answer-lost")),
        ("clustering", Fault::NoSuccessFile, Failing("service-error", "Spark answered but left no _SUCCESS")),
        ("clustering", error("unsaid"), Failing("service-error", "Spark answered but left no _SUCCESS")),
        ("clustering", Fault::NeverFinishes, Failing("timed-out", "The clustering job did not finish in time")),
        ("clustering", Fault::BlackHole, Failing("timed-out", "The clustering job did not finish in time")),
    ];
    for title in ["cleaning", "data-join", "function", "automl"] {
        let said = if title == "automl" { "classification" } else { title };
        let words = |template: &str| -> &'static str { template.replace("{}", said).leak() };
        cases.extend([
            (title, Fault::Http500OnStart, Failing("service-error", "the service answered 500 to the start")),
            (title, error("not <enough> rows"), Failing("service-error", "not &lt;enough&gt; rows")),
            (title, Fault::Error { message: None }, Failing("service-error", "the service reported an error without")),
            (title, Fault::NotJson, Failing("bad-answer", words("The {} service gave an unusable answer"))),
            (title, Fault::NoStatus, Failing("bad-answer", words("The {} service gave an unusable answer"))),
            (title, Fault::CutOnProgress, Failing(unreachable, words("The {} service cannot be reached"))),
            (title, Fault::NeverFinishes, Failing("timed-out", words("The {} job did not finish in time"))),
        ]);
    }
    cases
}

/// `dataset -> the job -> data-sink`.
fn playbook(tenant: &str, analysis: &str, title: &str, id: &str) -> Value {
    let mut job = match title {
        "automl" => json!({"title": "classification", "column": "c", "automl": true, "from": 1}),
        "data-join" => json!({"title": title, "column": "c", "join-type": "inner", "from": [1, 1]}),
        "function" => json!({"title": title, "function": {"name": "f"}, "from": [1]}),
        _ => json!({"title": title, "column": "c", "from": 1}),
    };
    job["step"] = json!(2);
    job["id"] = json!(id);
    job["next"] = json!([3]);
    let next = if title == "data-join" { json!([2, 2]) } else { json!([2]) };
    json!({
        "analysis-id": analysis, "database-id": tenant,
        "jobs": [
            {"step": 1, "id": format!("{id}-d"), "title": "dataset", "label": "d", "from": 0, "next": next},
            job,
            {"step": 3, "id": format!("{id}-s"), "title": "data-sink", "from": 2, "next": [0]},
        ],
    })
}

fn notices_of(stack: &Stack, analysis: &str) -> Vec<String> {
    let ends = [format!(": {analysis}"), format!(": {}", analysis.to_lowercase())];
    stack.dummies.notices().into_iter().filter(|text| ends.iter().any(|end| text.ends_with(end))).collect()
}

#[test]
#[expect(clippy::print_stderr, reason = "the longest wait is worth knowing")]
fn every_service_failure_ends_with_a_cause_and_two_notices() {
    let cases = cases();
    let behave = |(number, (_, fault, _)): (usize, &(_, Fault, _))| {
        (format!("job-{number}"), Behaviour { fault: Some(fault.clone()), ..Behaviour::default() })
    };
    let jobs: BTreeMap<String, Behaviour> = cases.iter().enumerate().map(behave).collect();
    let stack = Stack::answering(Stores::Embedded, Script { jobs, ..Script::default() }, &LIMITS);
    let since = Instant::now();
    for (number, (title, _, _)) in cases.iter().enumerate() {
        stack.orchestrator.submit(&playbook("faults", &format!("Fault-{number}"), title, &format!("Job-{number}")));
    }
    for (number, (title, fault, end)) in cases.iter().enumerate() {
        let analysis = format!("Fault-{number}");
        let run = stack.orchestrator.settled("analyses", &analysis, LONGEST);
        let (notices, what) = (notices_of(&stack, &analysis), format!("{title}, {fault:?}: {run:#}"));
        match end {
            Failing(kind, words) => {
                assert_eq!(
                    (&run["state"], &run["cause"]["failure"]["kind"]),
                    (&json!("failed"), &json!(kind)),
                    "{what}"
                );
                assert_eq!(run["cause"]["step"], "2", "{what}");
                assert_eq!(notices.len(), 2, "{notices:?}, {what}");
                assert!(notices[0].starts_with(&format!("error: {words}")), "{notices:?}, {what}");
                assert!(notices[0].ends_with(&format!(" for the analysis with ID: {analysis}")), "{notices:?}, {what}");
                let last =
                    format!("error: Analysis with the given ID terminated with error: {}", analysis.to_lowercase());
                assert_eq!(notices[1], last);
            }
            Well(warning) => {
                assert_eq!(run["state"], "succeeded", "{what}");
                let codes: Vec<&Value> =
                    run["warnings"].as_array().into_iter().flatten().map(|warning| &warning["error"]).collect();
                assert!(codes.contains(&&json!(warning)), "{what}");
                assert_eq!(notices.len(), 3, "{notices:?}, {what}");
            }
        }
    }
    for (number, (title, fault, _)) in cases.iter().enumerate().filter(|(_, (title, _, _))| *title != "data-sink") {
        let id = format!("job-{number}");
        let is_start = |entry: &&LedgerEntry| entry.service.starts_with("POST") && has_id(entry, &id);
        let starts = stack.dummies.ledger().iter().filter(is_start).count();
        assert!(starts <= 1, "{starts} starts of {title}, {fault:?}");
    }
    eprintln!("{} failing services: all settled within {:?}", cases.len(), since.elapsed());
}

fn has_id(entry: &LedgerEntry, id: &str) -> bool {
    entry.body["job-id"].as_str().is_some_and(|sent| sent.to_lowercase() == id)
}

#[test]
fn nobody_listens_anywhere() {
    let mut variables = LIMITS.to_vec();
    for port in ["DIASTEMA_SERVICES_PORT", "FUNCTION_SERVICE_PORT", "AUTOML_PORT", "KUBERNETES_PORT"] {
        variables.push((port, CLOSED_PORT));
    }
    let stack = Stack::answering(Stores::Embedded, Script::default(), &variables);
    let titles = ["cleaning", "data-join", "function", "automl", "regression"];
    for title in titles {
        stack.orchestrator.submit(&playbook("nobody", &format!("No-{title}"), title, &format!("no-{title}")));
    }
    for title in titles {
        let analysis = format!("No-{title}");
        let run = stack.orchestrator.settled("analyses", &analysis, LONGEST);
        assert_eq!(
            (&run["state"], &run["cause"]["failure"]["kind"]),
            (&json!("failed"), &json!("unreachable")),
            "{run:#}"
        );
        let said = if title == "automl" { "classification" } else { title };
        let first = format!("error: The {said} service cannot be reached for the analysis with ID: {analysis}");
        assert_eq!(notices_of(&stack, &analysis).first(), Some(&first));
    }
}

#[test]
fn an_ingestion_that_fails_is_told_once() {
    let faults = [
        (Fault::Http500OnStart, "the service answered 500 to the start: Internal Server Error"),
        (error("no such file"), "no such file"),
        (Fault::NotJson, "The ingestion service gave an unusable answer"),
        (Fault::NeverFinishes, "The ingestion job did not finish in time"),
        (Fault::CutOnProgress, "The ingestion service cannot be reached"),
    ];
    let behave = |(number, (fault, _)): (usize, &(Fault, &str))| {
        (format!("in-{number}"), Behaviour { fault: Some(fault.clone()), ..Behaviour::default() })
    };
    let jobs = faults.iter().enumerate().map(behave).collect();
    let stack = Stack::answering(Stores::Embedded, Script { jobs, ..Script::default() }, &LIMITS);
    for number in 0..faults.len() {
        let mut ingestion = super::read("ingestions/patients.json");
        ingestion["ingestion-id"] = json!(format!("In-{number}"));
        assert_eq!(stack.orchestrator.post("/ingestion", &ingestion).status, 202);
    }
    for (number, (_, words)) in faults.iter().enumerate() {
        let id = format!("In-{number}");
        let run = stack.orchestrator.settled("ingestions", &id, LONGEST);
        assert_eq!(run["state"], "failed", "{run:#}");
        assert_eq!(notices_of(&stack, &id), [format!("error: {words} for the ingestion with ID: {id}")]);
    }
}

/// Dead, answering 500, or silent: no job waits for the web application.
#[test]
fn the_web_application_never_fails_or_delays_a_job() {
    let silent = |fault| Behaviour { fault: Some(fault), ..Behaviour::default() };
    for (name, port, fault) in [
        ("dead", Some(CLOSED_PORT), None),
        ("failing", None, Some(Fault::Http500OnStart)),
        ("silent", None, Some(Fault::BlackHole)),
    ] {
        let kinds = fault.map(|fault| (Kind::Messages, silent(fault))).into_iter().collect();
        let mut variables = LIMITS.to_vec();
        variables.push(("ANSWER_TIMEOUT_SECONDS", "2"));
        variables.extend(port.map(|port| ("DIASTEMA_FRONTEND_PORT", port)));
        let stack = Stack::answering(Stores::Embedded, Script { kinds, ..Script::default() }, &variables);
        let analysis = format!("Web-{name}");
        let since = Instant::now();
        stack.orchestrator.submit(&playbook("web", &analysis, "cleaning", "web"));
        let run = crate::peers::wait_for("the analysis ends", PATIENCE, || over(&stack.orchestrator, &analysis));
        assert!(since.elapsed() < Duration::from_millis(1_800), "{name}: {:?}", since.elapsed());
        assert_eq!(run["state"], "succeeded", "{run:#}");
        let settled = stack.orchestrator.settled("analyses", &analysis, PATIENCE);
        assert_eq!(settled["state"], "succeeded");
    }
}

/// The run when it has ended, whether or not everything has been told.
fn over(orchestrator: &Orchestrator, analysis: &str) -> Option<Value> {
    let run = orchestrator.run("analyses", analysis);
    (run["state"] != "running").then_some(run)
}
