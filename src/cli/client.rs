//! Speaks to a running orchestrator.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use awc::http::StatusCode;
use awc::{Client, ClientRequest, Connector, SendClientRequest};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use super::exit::{Exit, Failure};
use crate::adapters::secret::Secret;
use crate::adapters::tls::client_config;
use crate::store::IdempotencyKey;

/// Most bytes of an answer: a run of 50,000 jobs fits.
const LARGEST_ANSWER: usize = 256 * 1024 * 1024;

/// Where the server is and who we are.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ServerArguments {
    /// Address of the orchestrator.
    #[arg(long, env = "DIASTEMA_URL", default_value = "http://localhost:5000")]
    pub(super) server: String,
    /// Its token.
    #[arg(long, env = "DIASTEMA_KEY", default_value = "diastema-key", hide_env_values = true)]
    pub(super) token: Secret,
    /// PEM file of the authority that its certificate is from; the well-known ones otherwise.
    #[arg(long, env = "DIASTEMA_CA_FILE", value_name = "FILE")]
    pub(super) ca_file: Option<PathBuf>,
}

/// The client's own word for a request that may be repeated.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct KeyArgument {
    /// A word of your own for this request, such as a UUID: said again, it means the run of the first time.
    #[arg(long, value_name = "KEY", value_parser = key_of)]
    idempotency_key: Option<String>,
}

fn key_of(text: &str) -> Result<String, &'static str> {
    let key = IdempotencyKey::parse(text.as_bytes());
    key.map(|_| text.to_owned()).ok_or("it has to be 1 to 255 visible ASCII characters")
}

impl KeyArgument {
    fn put_into(&self, request: ClientRequest) -> ClientRequest {
        match &self.idempotency_key {
            Some(key) => request.insert_header(("Idempotency-Key", key.as_str())),
            None => request,
        }
    }
}

/// A client of one orchestrator.
pub(super) struct ApiClient {
    client: Client,
    server: String,
    token: Secret,
}

impl ApiClient {
    /// *Errors*: the file of the authority cannot be used.
    pub(super) fn new(arguments: &ServerArguments) -> Result<Self, Failure> {
        let server = arguments.server.trim_end_matches('/').to_owned();
        let mut connector = Connector::new();
        if server.starts_with("https:") {
            let config = client_config(arguments.ca_file.as_deref())
                .map_err(|error| Failure::new(Exit::Usage, format!("{error}; see --ca-file")))?;
            connector = connector.rustls_0_23(Arc::new(config));
        }
        let builder = Client::builder().connector(connector).timeout(Duration::from_secs(60)).disable_redirects();
        Ok(Self { client: builder.finish(), server, token: arguments.token.clone() })
    }

    /// Submits a document; answers the 202's body.
    pub(super) async fn submit(
        &self,
        collection: &str,
        document: &Map<String, Value>,
        key: &KeyArgument,
    ) -> Result<Value, Failure> {
        let url = format!("{}/api/v1/{collection}", self.server);
        let request = key.put_into(self.client.post(url).bearer_auth(self.token.reveal()));
        self.answer(request.send_json(document)).await
    }

    /// What the server says about a document and about what it would find; nothing starts.
    pub(super) async fn preflight(&self, ingestion: bool, document: &Map<String, Value>) -> Result<Value, Failure> {
        let url = format!("{}/api/v1/validate?preflight=true&ingestion={ingestion}", self.server);
        let request = self.client.post(url).bearer_auth(self.token.reveal());
        self.answer(request.send_json(document)).await
    }

    /// One run with its jobs.
    pub(super) async fn run(&self, collection: &str, id: &str, number: Option<u64>) -> Result<Value, Failure> {
        self.about_run(collection, id, "", number).await
    }

    /// What a job of a run waits for.
    pub(super) async fn why(
        &self,
        collection: &str,
        id: &str,
        step: &str,
        number: Option<u64>,
    ) -> Result<Value, Failure> {
        let step = utf8_percent_encode(step, NON_ALPHANUMERIC);
        self.about_run(collection, id, &format!("/jobs/{step}/why"), number).await
    }

    /// What is below the address of a run.
    async fn about_run(&self, collection: &str, id: &str, below: &str, number: Option<u64>) -> Result<Value, Failure> {
        let which = number.map(|number| format!("?run={number}")).unwrap_or_default();
        let id = utf8_percent_encode(id, NON_ALPHANUMERIC);
        let url = format!("{}/api/v1/{collection}/{id}{below}{which}", self.server);
        let request = self.client.get(url).bearer_auth(self.token.reveal());
        self.answer(request.send()).await
    }

    /// Runs, the newest first.
    pub(super) async fn list(&self, collection: &str, query: &[(&'static str, String)]) -> Result<Value, Failure> {
        let request = self.client.get(format!("{}/api/v1/{collection}", self.server)).bearer_auth(self.token.reveal());
        let request = request.query(&query).map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
        self.answer(request.send()).await
    }

    /// Asks something of a run; answers the 202's body.
    pub(super) async fn verb(
        &self,
        collection: &str,
        id: &str,
        verb: &str,
        query: &[(&'static str, String)],
        key: &KeyArgument,
    ) -> Result<Value, Failure> {
        let id = utf8_percent_encode(id, NON_ALPHANUMERIC);
        let url = format!("{}/api/v1/{collection}/{id}/{verb}", self.server);
        let request = key.put_into(self.client.post(url).bearer_auth(self.token.reveal())).query(&query);
        let request = request.map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
        self.answer(request.send()).await
    }

    async fn answer(&self, sent: SendClientRequest) -> Result<Value, Failure> {
        let mut response = sent.await.map_err(|error| self.unreachable(&error.to_string()))?;
        let status = response.status();
        let body = response.body().limit(LARGEST_ANSWER).await.map_err(|error| self.unreachable(&error.to_string()))?;
        let value: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        if status.is_success() { Ok(value) } else { Err(refused(status, &value)) }
    }

    fn unreachable(&self, why: &str) -> Failure {
        let text = format!("cannot reach the orchestrator at {}: {why}; is it running? see --server", self.server);
        Failure::new(Exit::Unreachable, text)
    }
}

fn refused(status: StatusCode, body: &Value) -> Failure {
    let exit = match status.as_u16() {
        429 | 503 => Exit::Limited,
        400 | 401 | 403 | 404 | 409 | 413 | 415 | 422 => Exit::Usage,
        _ => Exit::Failed,
    };
    let mut lines = vec![format!("the orchestrator answered {status}")];
    let listed = body.get("problems").and_then(Value::as_array);
    match listed {
        Some(problems) => lines.extend(problems.iter().map(problem_line)),
        None => lines.push(problem_line(body)),
    }
    Failure::new(exit, lines.join("\n"))
}

/// `/jobs/3/from: dangling-edge: reason (hint)`. A place may have a member's name in it as it came: nothing of it reaches the
/// terminal as a command.
pub(super) fn problem_line(problem: &Value) -> String {
    let text = |member: &str| problem.get(member).and_then(Value::as_str).unwrap_or_default();
    let at = if text("at").is_empty() { String::new() } else { format!("{}: ", text("at").escape_debug()) };
    let hint = if text("hint").is_empty() { String::new() } else { format!(" ({})", text("hint")) };
    format!("  {at}{}: {}{hint}", text("error"), text("reason"))
}
