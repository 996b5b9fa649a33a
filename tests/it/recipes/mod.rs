//! The platform's recipes over ports that write down every call: what the contract says is sent, stored and told is
//! compared with `fixtures/transcripts/`, channel by channel. The engine is the real one, the clock is paused.
//!
//! The transcripts were written from the contract. `UPDATE_TRANSCRIPTS=1` writes what the program does now; read the
//! difference against the contract before keeping it.

#![allow(clippy::disallowed_methods, reason = "UPDATE_TRANSCRIPTS is the tests' own switch, not a setting")]

mod attempt;
mod callbacks;
mod cancel;
mod circuit;
mod contact;
mod evidence;
mod failures;
mod front_end;
mod functions;
mod journal;
mod kinds;
mod limits;
mod objects;
mod patience;
mod ports;
mod services;
mod silence;
mod spark;
mod spark_arguments;
mod standstill;
mod wire;

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use orchestrator::engine::{EngineHandle, EngineLimits};
use orchestrator::graph::build::{build, build_ingestion};
use orchestrator::jobs::callbacks::Callbacks;
use orchestrator::jobs::{JobSettings, PlatformJobs};
use orchestrator::playbook::ingestion_url::{UrlPolicy, UrlRule};
use orchestrator::playbook::settings::CheckSettings;
use orchestrator::ports::JobFailure;
use orchestrator::store::{Record, Submission};
use orchestrator::testing::freeze_time;
use serde_json::{Value, json};

use journal::MemoryJournal;
pub(super) use ports::{Script, World};

/// What a run did: everything that was said, and what the journal kept.
pub(super) struct Played {
    pub(super) world: World,
    pub(super) records: Vec<Record>,
}

/// Runs a document to its last notice, with the contract's time limits on a paused clock.
pub(super) async fn play(document: &Value, script: Script) -> Played {
    play_with(document, script, JobSettings::default()).await
}

pub(super) async fn play_with(document: &Value, script: Script, settings: JobSettings) -> Played {
    begin(document, script, settings, None).await.plays_to_its_end().await
}

/// A run that was accepted.
pub(super) struct Playing {
    pub(super) world: World,
    pub(super) journal: Arc<MemoryJournal>,
}

pub(super) async fn begin(
    document: &Value,
    script: Script,
    settings: JobSettings,
    callbacks: Option<Callbacks>,
) -> Playing {
    freeze_time();
    let (world, journal) = (World::new(script), Arc::new(MemoryJournal::default()));
    let mut jobs = PlatformJobs::new(world.ports(), settings);
    if let Some(callbacks) = callbacks {
        jobs = jobs.with_callbacks(callbacks);
    }
    let engine = EngineHandle::start_here(EngineLimits::default(), Arc::clone(&journal) as _, Rc::new(jobs));
    let document = document.as_object().expect("an object");
    let settings = CheckSettings {
        ingestion_urls: UrlRule { policy: UrlPolicy::Any, ..UrlRule::default() },
        ..CheckSettings::default()
    };
    let plan = match document.contains_key("ingestion-id") {
        true => build_ingestion(document, &settings),
        false => build(document, &settings),
    };
    let plan = plan.unwrap_or_else(|refusal| panic!("refused: {:?}", refusal.problems));
    let submission = Submission::new(&plan.playbook, document);
    engine.submit(plan, submission).await.expect("accepted");
    Playing { world, journal }
}

impl Playing {
    /// Waits until everything about it has been told.
    pub(super) async fn plays_to_its_end(self) -> Played {
        let longest = Duration::from_secs(10 * 86_400);
        tokio::time::timeout(longest, self.journal.settled()).await.expect("the run settles");
        Played { world: self.world, records: self.journal.records() }
    }
}

/// A playbook `1 dataset -> 2 <the job> -> 3 data-sink`; the members of `job` come on top.
pub(super) fn around(job: Value) -> Value {
    let mut middle = json!({"step": 2, "id": 20, "from": 1, "next": [3]});
    merge(&mut middle, &job);
    json!({
        "diastema-token": "t", "analysis-id": "0aF", "database-id": "Metis",
        "jobs": [
            {"step": 1, "id": 10, "title": "dataset", "label": "Data/One", "from": 0, "next": [2]},
            middle,
            {"step": 3, "id": 30, "title": "data-sink", "from": 2, "next": [0]},
        ],
        "metadata": {"author": "demo"},
    })
}

fn merge(into: &mut Value, members: &Value) {
    for (name, value) in members.as_object().into_iter().flatten() {
        into[name.as_str()] = value.clone();
    }
}

/// A file of `fixtures/`.
#[track_caller]
pub(super) fn fixture(file: &str) -> Value {
    crate::stack::read(file)
}

impl Played {
    /// Everything that was said, by channel.
    pub(super) fn transcript(&self) -> String {
        self.world.transcript()
    }

    /// The warnings of the history. *Shape*: their codes.
    pub(super) fn warnings(&self) -> Vec<String> {
        let code = |record: &Record| match record {
            Record::Warning { code, .. } => Some(code.clone()),
            _ => None,
        };
        self.records.iter().filter_map(code).collect()
    }

    /// Why jobs failed.
    pub(super) fn failures(&self) -> Vec<JobFailure> {
        let why = |record: &Record| match record {
            Record::JobFailed { failure, .. } => Some(failure.clone()),
            _ => None,
        };
        self.records.iter().filter_map(why).collect()
    }

    /// Deliveries that were given up, with the reason.
    pub(super) fn given_up(&self) -> Vec<String> {
        let why = |record: &Record| match record {
            Record::Delivered { given_up, .. } => given_up.clone(),
            _ => None,
        };
        self.records.iter().filter_map(why).collect()
    }
}

/// Compares with the golden file of this name.
#[track_caller]
pub(crate) fn matches_golden(name: &str, transcript: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/transcripts/{name}.txt"));
    if std::env::var_os("UPDATE_TRANSCRIPTS").is_some_and(|value| value == "1") {
        std::fs::write(&path, transcript).expect("fixtures can be written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for (number, (expected, done)) in (1..).zip(golden.lines().zip(transcript.lines())) {
        assert_eq!(done, expected, "{name}.txt, line {number}; everything that was said:\n{transcript}");
    }
    assert_eq!(
        transcript.lines().count(),
        golden.lines().count(),
        "{name}.txt; everything that was said:\n{transcript}"
    );
}
