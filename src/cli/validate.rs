//! `orchestrator validate FILE`: the server's own checks, offline or asked of a server, which can also look around;
//! `orchestrator schema`.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::client::{ApiClient, ServerArguments, problem_line};
use super::exit::{CommandResult, Exit, Failure};
use super::output;
use crate::config::Config;
use crate::graph::build::{build, build_ingestion};
use crate::http::report;
use crate::playbook::check::CheckSettings;
use crate::playbook::json as strict;
use crate::playbook::schema::playbook_schema;

/// Flags of `validate`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The playbook, `-` for standard input.
    file: PathBuf,
    /// The file is an ingestion.
    #[arg(long)]
    ingestion: bool,
    /// Let the server look whether a run would find its data sets, columns and services.
    #[arg(long)]
    preflight: bool,
    /// How to print the findings.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Json,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let document = read_document(&arguments.file)?;
    let report = if arguments.preflight {
        actix_web::rt::System::new().block_on(async {
            let client = ApiClient::new(&arguments.server)?;
            client.preflight(arguments.ingestion, &document).await
        })?
    } else {
        offline(arguments.ingestion, &document)
    };
    match arguments.output {
        Format::Json => output::data(&report.to_string()),
        Format::Table => print_findings(&arguments.file, &report),
    }
    let fine = report["valid"] == true && report["ready"] != false;
    Ok(if fine { Exit::Succeeded } else { Exit::Usage })
}

/// How a server in this environment would judge.
pub(super) fn settings_here() -> CheckSettings {
    Config::from_env().map(|config| config.checks()).unwrap_or_default()
}

/// The server's own checks under its own settings, as far as this environment has them.
fn offline(ingestion: bool, document: &Map<String, Value>) -> Value {
    let settings = settings_here();
    report(&if ingestion { build_ingestion(document, &settings) } else { build(document, &settings) })
}

fn print_findings(file: &Path, report: &Value) {
    let file = file.display();
    let list = |member: &str| report[member].as_array().cloned().unwrap_or_default();
    if report["valid"] == true {
        let (jobs, edges, warnings) = (&report["jobs"], &report["edges"], list("warnings").len());
        output::data(&format!("{file}: valid, {jobs} jobs, {edges} edges, {warnings} warnings"));
    } else {
        output::data(&format!("{file}: {} problems", report["problem-count"]));
        list("problems").iter().for_each(|problem| output::data(&problem_line(problem)));
    }
    for (member, title) in [("preflight", "what a run would miss:"), ("warnings", "warnings:"), ("advice", "advice:")] {
        let findings = list(member);
        if !findings.is_empty() {
            output::data(title);
            findings.iter().for_each(|finding| output::data(&problem_line(finding)));
        }
    }
}

/// Prints the JSON Schema of what this environment's settings accept.
pub(super) fn schema() -> CommandResult {
    let settings = settings_here();
    let text = serde_json::to_string_pretty(&playbook_schema(&settings));
    output::data(&text.map_err(|error| Failure::new(Exit::Failed, error.to_string()))?);
    Ok(Exit::Succeeded)
}

/// Reads a JSON object from a file or from standard input.
pub(super) fn read_document(file: &Path) -> Result<Map<String, Value>, Failure> {
    let bytes = if file == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes).map(|_| bytes)
    } else {
        std::fs::read(file)
    };
    let bytes =
        bytes.map_err(|error| Failure::new(Exit::Usage, format!("{} cannot be read: {error}", file.display())))?;
    match strict::parse(&bytes) {
        Ok(Value::Object(document)) => Ok(document),
        Ok(_) => Err(Failure::new(Exit::Usage, format!("{}: not a JSON object", file.display()))),
        Err(problem) => {
            Err(Failure::new(Exit::Usage, format!("{}:\n{}", file.display(), problem_line(&json!(problem)))))
        }
    }
}
