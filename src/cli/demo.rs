//! `orchestrator demo`: everything in one process - orchestrator, embedded stores, dummy services - on a sample analysis.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dummy_services::{Behaviour, Dummies, Options, S3Options, Script};
use futures::future::{Either, select};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::client::{ApiClient, KeyArgument, ServerArguments};
use super::drain::{StopSignals, end_with};
use super::exit::{CommandResult, Exit, Failure};
use super::logging::start_logging;
use super::output;
use super::serve::read_config;
use super::stack::{Stack, Stores, listen};
use super::validate::read_document;
use super::watch::{Watched, text, verdict, watch};
use crate::adapters::address::Address;
use crate::config::{Config, Place};
use crate::playbook::ingestion_url::UrlPolicy;
use crate::playbook::json as strict;

/// The sample analysis.
const PLAYBOOK: &str = include_str!("../../fixtures/playbooks/demo.json");

/// Tenant and user of the sample data.
const TENANT: &str = "metis";
const USER: &str = "demo";

/// Time that each job of the demo takes, so that a person sees it run.
const LATENCY_MS: u64 = 400;

/// Ports that are tried after 5000 when that is taken.
const MORE_PORTS: u16 = 100;

/// Flags of `demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// End when the analysis has ended; the exit code is its outcome.
    #[arg(long)]
    once: bool,
    /// Run this playbook instead of the sample.
    #[arg(long, value_name = "FILE")]
    playbook: Option<PathBuf>,
    /// Keep journal, records and objects in this directory.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Milliseconds that each job takes.
    #[arg(long, value_name = "MS", default_value_t = LATENCY_MS)]
    latency: u64,
}

pub(super) fn run(arguments: Arguments) -> CommandResult {
    let mut config = Config { tokens_file: None, tls: None, ..read_config()? };
    // progress is on the terminal, so only what went wrong is logged
    start_logging(if config.log == "info" { "warn" } else { &config.log });
    if let Some(refusal) = config.refusal() {
        return Err(Failure::new(Exit::Usage, refusal));
    }
    config.warnings().iter().for_each(|warning| log::warn!("{warning}"));
    let playbook = sample_or(arguments.playbook.as_deref())?;
    let directory = DemoDirectory::new(arguments.keep);
    config.data_dir = directory.path.clone();
    config.objects = Place::Embedded;
    config.records = Place::Embedded;
    config.ingestion_urls = UrlPolicy::Any;
    let listener = listen_nearby(&config)?;
    let system = actix_web::rt::System::new();
    end_with(&system);
    system.block_on(async {
        let mut signals = StopSignals::listen()?;
        let stores = Stores::open(&config)?;
        let dummies = start_dummies(&mut config, &stores, arguments.latency)?;
        let stack = Stack::start(&config, &stores, listener).await?;
        output::note(&format!("orchestrator at {}, everything embedded in {}", stack.url, config.data_dir.display()));
        let show = Show { config: &config, stores: &stores, dummies: &dummies, url: stack.url.clone() };
        let play = show.play(&playbook, directory.kept);
        let (outcome, linger) = match select(std::pin::pin!(play), std::pin::pin!(signals.next())).await {
            Either::Left((outcome, told_to_stop)) if !arguments.once && outcome.is_ok() => {
                output::note("still serving; Ctrl-C ends it");
                told_to_stop.await;
                (outcome, config.drain)
            }
            Either::Left((outcome, _)) => (outcome, Duration::ZERO),
            Either::Right(_) => (Ok(Exit::Succeeded), config.drain),
        };
        stack.drain(&stores, linger, signals).await;
        outcome
    })
}

/// Where the demo keeps its data; removed at the end unless it was named.
struct DemoDirectory {
    path: PathBuf,
    kept: bool,
}

impl DemoDirectory {
    fn new(keep: Option<PathBuf>) -> Self {
        match keep {
            Some(path) => Self { path, kept: true },
            None => Self {
                path: std::env::temp_dir().join(format!("orchestrator-demo-{}", std::process::id())),
                kept: false,
            },
        }
    }
}

impl Drop for DemoDirectory {
    fn drop(&mut self) {
        if !self.kept {
            drop(std::fs::remove_dir_all(&self.path));
        }
    }
}

/// What the demo shows.
struct Show<'a> {
    config: &'a Config,
    stores: &'a Stores,
    dummies: &'a Dummies,
    url: String,
}

impl Show<'_> {
    /// Ingests the sample data, runs the playbook, says where everything is.
    async fn play(&self, playbook: &Map<String, Value>, kept: bool) -> CommandResult {
        let token = self.config.key.clone();
        let client = ApiClient::new(&ServerArguments { server: self.url.clone(), token, ca_file: None })?;
        for (file, _) in dummy_services::sample_datasets() {
            self.ingest(&client, file).await?;
        }
        let accepted = client.submit("analyses", playbook, &KeyArgument::default()).await?;
        let id = text(&accepted, "analysis-id").to_owned();
        let number = accepted["run"].as_u64();
        let run = watch(&client, &Watched { collection: "analyses", id: &id, number, until_settled: true }).await?;
        self.say_where(&run, &id, kept);
        verdict(&run)
    }

    async fn ingest(&self, client: &ApiClient, file: &str) -> Result<(), Failure> {
        let label = file.trim_end_matches(".csv");
        let document = json!({
            "ingestion-id": format!("demo-{label}"), "database-id": TENANT, "user": USER, "dataset-label": label,
            "ingestion_json": {"method": "GET", "url": format!("http://{}/samples/{file}", self.dummies.http()), "separator": ","},
        });
        let accepted =
            client.submit("ingestions", document.as_object().unwrap_or(&Map::new()), &KeyArgument::default()).await?;
        let id = text(&accepted, "ingestion-id");
        let number = accepted["run"].as_u64();
        let run = watch(client, &Watched { collection: "ingestions", id, number, until_settled: true }).await?;
        match verdict(&run)? {
            Exit::Succeeded => Ok(()),
            exit => Err(Failure::new(exit, format!("the sample {file} could not be ingested"))),
        }
    }

    fn say_where(&self, run: &Value, id: &str, kept: bool) {
        output::data(&format!("\nanalysis {id} {} in {} ms; its results:", text(run, "state"), run["elapsed-ms"]));
        for job in run["jobs"].as_array().into_iter().flatten() {
            let (step, title) = (text(job, "step"), text(job, "title"));
            if let Some(output) =
                job["output"].as_str().filter(|_| !matches!(title, "dataset" | "data-sink" | "visualization"))
            {
                output::data(&format!("  step {step:>3} {title:<15} s3://{output}/"));
            }
            for chart in job["charts"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                output::data(&format!("  step {step:>3} {title:<15} s3://{chart}"));
            }
        }
        let Config { minio_user, .. } = self.config;
        output::data(&format!(
            "objects: S3 at http://{} (user {minio_user}, MINIO_PASS), path style",
            self.stores.objects
        ));
        output::data(&format!("records: {}", self.records(id)));
        output::data(&format!(
            "status:  curl -H 'Authorization: Bearer <DIASTEMA_KEY>' {}/api/v1/analyses/{id}",
            self.url
        ));
        let token = utf8_percent_encode(self.config.key.reveal(), NON_ALPHANUMERIC);
        let page = utf8_percent_encode(&format!("/runs/analyses/{id}"), NON_ALPHANUMERIC).to_string();
        output::data(&format!("pages:   {}/ui#token={token}&page={page}", self.url));
        let notices = self.dummies.notices();
        output::data(&format!(
            "notices: {} sent to the web application, the last: {}",
            notices.len(),
            notices.last().map_or("", String::as_str)
        ));
        if !kept {
            output::data("everything is removed at the end; --keep DIR keeps it");
        }
    }

    fn records(&self, id: &str) -> String {
        let collection = format!("analysis_{}", id.to_lowercase());
        let count = self.stores.history().documents(TENANT, &collection).map_or(0, |documents| documents.len());
        format!("{count} documents in {TENANT}.{collection}, embedded in {}/state.db", self.config.data_dir.display())
    }
}

fn sample_or(file: Option<&Path>) -> Result<Map<String, Value>, Failure> {
    match file {
        Some(file) => read_document(file),
        None => match strict::parse(PLAYBOOK.as_bytes()) {
            Ok(Value::Object(document)) => Ok(document),
            _ => Err(Failure::new(Exit::Failed, "the sample playbook cannot be read")),
        },
    }
}

/// Port 5000 or the next free one, unless `PORT` says which.
fn listen_nearby(config: &Config) -> Result<TcpListener, Failure> {
    let Address { host, port } = &config.listen;
    let last = if config.port_is_set { *port } else { port.saturating_add(MORE_PORTS) };
    let mut why = String::new();
    for port in *port..=last {
        match listen(&Address::new(host, port)) {
            Ok(listener) => return Ok(listener),
            Err(error) => why = error.to_string(),
        }
    }
    Err(Failure::new(Exit::Failed, format!("cannot listen on {}: {why}; set PORT", config.listen)))
}

fn start_dummies(config: &mut Config, stores: &Stores, latency_ms: u64) -> Result<Dummies, Failure> {
    let s3 = S3Options {
        host: stores.objects.host.clone(),
        port: stores.objects.port,
        user: config.minio_user.clone(),
        pass: config.minio_pass.reveal().to_owned(),
    };
    let quick = Behaviour::default();
    let slow = Behaviour { latency_ms, ..Behaviour::default() };
    let kinds =
        [dummy_services::Kind::Messages, dummy_services::Kind::DataSink].map(|kind| (kind, quick.clone())).into();
    let script = Script { default: slow, kinds, ..Script::default() };
    let options = Options { s3: Some(s3), script, ..Options::default() };
    let dummies = dummy_services::start(options).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    let http = Address::new(dummies.http().ip().to_string(), dummies.http().port());
    for address in [&mut config.services, &mut config.function, &mut config.automl, &mut config.frontend] {
        address.clone_from(&http);
    }
    config.spark = Address::new(dummies.spark().ip().to_string(), dummies.spark().port());
    Ok(dummies)
}
