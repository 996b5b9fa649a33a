//! `orchestrator list|get|watch|why`: what a running orchestrator knows of its runs.

use serde_json::Value;

use super::client::{ApiClient, ServerArguments};
use super::exit::{CommandResult, Exit};
use super::output;
use super::watch::{Watched, text, verdict, watch};

/// Flags of `list`.
#[derive(Debug, clap::Args)]
pub(super) struct ListArguments {
    /// Only runs in this state.
    #[arg(long)]
    state: Option<String>,
    /// Only runs of this tenant.
    #[arg(long)]
    tenant: Option<String>,
    /// At most so many, the newest.
    #[arg(long, default_value = "50")]
    limit: u32,
    /// Ingestions instead of analyses.
    #[arg(long)]
    ingestion: bool,
    /// How to print them.
    #[arg(short, long, value_enum, default_value = "table")]
    output: ListFormat,
    #[command(flatten)]
    server: ServerArguments,
}

/// Flags of `get` and `watch`.
#[derive(Debug, clap::Args)]
pub(super) struct RunArguments {
    /// Id of the analysis.
    id: String,
    /// Number of the run; the newest one otherwise.
    #[arg(long)]
    run: Option<u64>,
    /// The id is an ingestion's.
    #[arg(long)]
    ingestion: bool,
    /// How to print it.
    #[arg(short, long, value_enum, default_value = "table")]
    output: RunFormat,
    #[command(flatten)]
    server: ServerArguments,
}

/// Flags of `why`.
#[derive(Debug, clap::Args)]
pub(super) struct WhyArguments {
    #[command(flatten)]
    of: RunArguments,
    /// Step of the job.
    step: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ListFormat {
    Table,
    Json,
    Ndjson,
    Name,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum RunFormat {
    Table,
    Json,
}

/// The newest runs, one a line.
pub(super) fn list(arguments: &ListArguments) -> CommandResult {
    let mut query = vec![("limit", arguments.limit.to_string())];
    query.extend(arguments.state.clone().map(|state| ("state", state)));
    query.extend(arguments.tenant.clone().map(|tenant| ("tenant", tenant)));
    let answer = actix_web::rt::System::new()
        .block_on(async { ApiClient::new(&arguments.server)?.list(collection(arguments.ingestion), &query).await })?;
    let runs = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    match arguments.output {
        ListFormat::Json => output::data(&answer["items"].to_string()),
        ListFormat::Ndjson => runs.iter().for_each(|run| output::data(&run.to_string())),
        ListFormat::Name => runs.iter().for_each(|run| output::data(id_of(run))),
        ListFormat::Table => {
            let rows: Vec<[String; 5]> = runs.iter().map(row).collect();
            aligned(&["STATE", "RUN", "TENANT", "TOOK", "ID"], &rows);
        }
    }
    Ok(Exit::Succeeded)
}

/// One run: its state on the first line, then its jobs.
pub(super) fn get(arguments: &RunArguments) -> CommandResult {
    let RunArguments { id, run, ingestion, .. } = arguments;
    let run = actix_web::rt::System::new()
        .block_on(async { ApiClient::new(&arguments.server)?.run(collection(*ingestion), id, *run).await })?;
    print(&run, arguments.output);
    Ok(Exit::Succeeded)
}

/// What a job waits for, one thing a line.
pub(super) fn why(arguments: &WhyArguments) -> CommandResult {
    let WhyArguments { of: RunArguments { id, run, ingestion, output, server }, step } = arguments;
    let why = actix_web::rt::System::new()
        .block_on(async { ApiClient::new(server)?.why(collection(*ingestion), id, step, *run).await })?;
    if *output == RunFormat::Json {
        output::data(&why.to_string());
        return Ok(Exit::Succeeded);
    }
    output::data(&format!("step {} ({}): {}", text(&why, "step"), text(&why, "title"), text(&why, "state")));
    let obstacles = why["waits-for"].as_array().map(Vec::as_slice).unwrap_or_default();
    obstacles.iter().for_each(|obstacle| output::data(&format!("  waits for {}", text(obstacle, "says"))));
    if obstacles.is_empty() {
        output::data(&format!("  waits for {}", text(&why, "summary")));
    }
    Ok(Exit::Succeeded)
}

/// Follows a run to its end; the exit code is its outcome.
pub(super) fn follow(arguments: &RunArguments) -> CommandResult {
    let collection = collection(arguments.ingestion);
    actix_web::rt::System::new().block_on(async {
        let client = ApiClient::new(&arguments.server)?;
        let watched = Watched { collection, id: &arguments.id, number: arguments.run, until_settled: false };
        let run = watch(&client, &watched).await?;
        if arguments.output == RunFormat::Json {
            output::data(&run.to_string());
        }
        verdict(&run)
    })
}

fn collection(ingestion: bool) -> &'static str {
    if ingestion { "ingestions" } else { "analyses" }
}

fn print(run: &Value, format: RunFormat) {
    if format == RunFormat::Json {
        return output::data(&run.to_string());
    }
    let [state, number, tenant, took, id] = row(run);
    output::data(&format!("{id} run {number} {state}, tenant {tenant}, {took}"));
    let jobs = run["jobs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let cells = |job: &Value| {
        let inputs: Vec<&str> = job["inputs"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let why = job["failure"]["message"].as_str().unwrap_or_default();
        let [step, title, state] = ["step", "title", "state"].map(|member| text(job, member).to_owned());
        [step, title, state, inputs.join(","), why.to_owned()]
    };
    aligned(&["STEP", "JOB", "STATE", "AFTER", ""], &jobs.iter().map(cells).collect::<Vec<_>>());
}

fn row(run: &Value) -> [String; 5] {
    let took = run["elapsed-ms"].as_i64().map_or_else(|| "-".to_owned(), |took| format!("{took} ms"));
    [text(run, "state").to_owned(), run["run"].to_string(), text(run, "tenant").to_owned(), took, id_of(run).to_owned()]
}

fn id_of(run: &Value) -> &str {
    run["analysis-id"].as_str().or(run["ingestion-id"].as_str()).unwrap_or_default()
}

/// Columns as wide as their widest cell; the last one ends where its text does.
fn aligned<const N: usize>(head: &[&str; N], rows: &[[String; N]]) {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        output::data(padded.join("  ").trim_end());
    };
    line(head.to_vec());
    rows.iter().for_each(|row| line(row.iter().map(String::as_str).collect()));
}
