//! The real binary against real stores and the dummy services: what the platform sees of a whole analysis.

#![allow(clippy::disallowed_methods, reason = "processes of their own are waited for and timed by the real clock")]

mod again;
pub(crate) mod callbacks;
mod cli;
mod drain;
mod faults;
mod functions;
mod kill_points;
mod lost_replies;
mod minio;
mod poison;
mod power;
mod restart;
mod retention;
mod samples;
mod speed;
mod start_rules;
mod stores;
mod transcript;
mod unusable;
mod verbs;

use std::path::Path;
use std::time::Duration;

use dummy_services::{Dummies, Options, Script};
use serde_json::{Value, json};

use crate::peers::{Mongo, Objects, Orchestrator, free_port};

/// Longer than any analysis of the tests takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Where records and objects are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stores {
    /// SecantusDB and moto.
    Real,
    /// In the orchestrator's own process.
    Embedded,
}

/// An orchestrator with everything around it.
pub(crate) struct Stack {
    pub(crate) orchestrator: Orchestrator,
    pub(crate) dummies: Dummies,
    pub(crate) objects: Objects,
}

impl Stack {
    /// Everything runs when this returns; the services work on data. `variables` come on top of the platform's own ones.
    pub(crate) fn start(stores: Stores, script: Script, variables: &[(&str, &str)]) -> Self {
        Self::assemble(stores, script, variables, true, Orchestrator::start)
    }

    /// The same with services that only answer: no data set has to be there.
    pub(crate) fn answering(stores: Stores, script: Script, variables: &[(&str, &str)]) -> Self {
        Self::assemble(stores, script, variables, false, Orchestrator::start)
    }

    /// The same with an orchestrator that may have only so many files and sockets open, everything embedded.
    pub(crate) fn with_few_files(most_files: u32, script: Script) -> Self {
        let start = |settings: &[(&str, String)]| Orchestrator::start_with_few_files(most_files, settings);
        Self::assemble(Stores::Embedded, script, &[], false, start)
    }

    fn assemble(
        stores: Stores,
        script: Script,
        variables: &[(&str, &str)],
        works: bool,
        start: impl FnOnce(&[(&str, String)]) -> Orchestrator,
    ) -> Self {
        let (http_port, spark_port) = (free_port(), free_port());
        let mut settings: Vec<(&str, String)> = Vec::new();
        for service in ["DIASTEMA_SERVICES", "FUNCTION_SERVICE", "AUTOML", "DIASTEMA_FRONTEND"] {
            let (host, port) = variable_names(service);
            settings.push((host, "127.0.0.1".to_owned()));
            settings.push((port, http_port.to_string()));
        }
        settings.push(("KUBERNETES_HOST", "127.0.0.1".to_owned()));
        settings.push(("KUBERNETES_PORT", spark_port.to_string()));
        settings.push(("INGESTION_URL_POLICY", "any".to_owned()));
        if stores == Stores::Real {
            settings.push(("MONGO_HOST", "127.0.0.1".to_owned()));
            settings.push(("MONGO_PORT", Mongo::shared().port().to_string()));
            settings.push(("MINIO_HOST", "127.0.0.1".to_owned()));
            settings.push(("MINIO_PORT", Objects::moto().port.to_string()));
        }
        settings.extend(variables.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let orchestrator = start(&settings);
        let objects = match stores {
            Stores::Real => Objects::moto(),
            Stores::Embedded => Objects { port: orchestrator.embedded_objects() },
        };
        let s3 = works.then(|| objects.options());
        let options = Options { http_port, spark_port, s3, script, ..Options::default() };
        let dummies = dummy_services::start(options).expect("the dummy services start");
        Self { orchestrator, dummies, objects }
    }

    /// Ingests one of the sample data sets, as the web application does.
    #[track_caller]
    pub(crate) fn ingest(&self, tenant: &str, label: &str) {
        let file = format!("{}.csv", label.to_lowercase());
        let mut ingestion = read("ingestions/patients-of-the-client.json");
        let id = format!("{tenant}-{label}");
        ingestion["ingestion-id"] = json!(id);
        ingestion["database-id"] = json!(tenant);
        ingestion["dataset-label"] = json!(label);
        ingestion["ingestion_json"]["url"] = json!(format!("http://{}/samples/{file}", self.dummies.http()));
        let answer = self.orchestrator.post("/ingestion", &ingestion);
        assert_eq!(answer.status, 202, "{}", answer.text);
        let run = self.orchestrator.settled("ingestions", &id, PATIENCE);
        assert_eq!(run["state"], "succeeded", "{run:#}");
    }

    /// Submits a playbook and waits until everything about it has been told.
    #[track_caller]
    pub(crate) fn play(&self, playbook: &Value) -> Value {
        self.orchestrator.submit(playbook);
        let id = playbook["analysis-id"].as_str().expect("an id");
        self.orchestrator.settled("analyses", id, PATIENCE)
    }
}

fn variable_names(service: &str) -> (&'static str, &'static str) {
    match service {
        "DIASTEMA_SERVICES" => ("DIASTEMA_SERVICES_HOST", "DIASTEMA_SERVICES_PORT"),
        "FUNCTION_SERVICE" => ("FUNCTION_SERVICE_HOST", "FUNCTION_SERVICE_PORT"),
        "AUTOML" => ("AUTOML_HOST", "AUTOML_PORT"),
        _ => ("DIASTEMA_FRONTEND_HOST", "DIASTEMA_FRONTEND_PORT"),
    }
}

/// A file of `fixtures/`.
#[track_caller]
pub(crate) fn read(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A sample playbook of another tenant and id, with job ids of its own: services remember ids for ever.
#[track_caller]
pub(crate) fn playbook(file: &str, tenant: &str, analysis: &str, first_job_id: u64) -> Value {
    let mut playbook = read(&format!("playbooks/{file}"));
    playbook["database-id"] = json!(tenant);
    playbook["analysis-id"] = json!(analysis);
    for (id, job) in (first_job_id..).zip(playbook["jobs"].as_array_mut().expect("jobs")) {
        job["id"] = json!(id);
    }
    playbook
}

/// Sets or removes `automl` of every machine-learning job.
pub(crate) fn with_automl(mut playbook: Value, automl: Option<bool>) -> Value {
    for job in playbook["jobs"].as_array_mut().expect("jobs") {
        let job = job.as_object_mut().expect("an object");
        if !matches!(job["title"].as_str(), Some("classification" | "regression" | "clustering")) {
            continue;
        }
        match automl {
            Some(automl) => job.insert("automl".to_owned(), json!(automl)),
            None => job.shift_remove("automl"),
        };
    }
    playbook
}
