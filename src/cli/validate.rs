//! `orchestrator validate FILE`: the server's own checks, offline.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::client::problem_line;
use super::exit::{CommandResult, Exit, Failure};
use super::output;
use crate::config::Config;
use crate::graph::build::{build, build_ingestion};
use crate::playbook::{Problem, json as strict};

/// Flags of `validate`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The playbook, `-` for standard input.
    file: PathBuf,
    /// The file is an ingestion.
    #[arg(long)]
    ingestion: bool,
    /// How to print the findings.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Json,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let document = read_document(&arguments.file)?;
    // the server's own settings, as far as this environment has them
    let settings = Config::from_env().map(|config| config.checks()).unwrap_or_default();
    let plan = if arguments.ingestion { build_ingestion(&document, &settings) } else { build(&document, &settings) };
    let (jobs, edges, problems, warnings) = match plan {
        Ok(plan) => (plan.graph.len(), plan.graph.edge_count(), Vec::new(), plan.warnings),
        Err(refusal) => (0, 0, refusal.problems, refusal.warnings),
    };
    match arguments.output {
        Format::Json => {
            output::data(&json!({"valid": problems.is_empty(), "problems": problems, "warnings": warnings}).to_string())
        }
        Format::Table => print_findings(&arguments.file, jobs, edges, &problems, &warnings),
    }
    Ok(if problems.is_empty() { Exit::Succeeded } else { Exit::Usage })
}

fn print_findings(file: &Path, jobs: usize, edges: usize, problems: &[Problem], warnings: &[Problem]) {
    let file = file.display();
    if problems.is_empty() {
        output::data(&format!("{file}: valid, {jobs} jobs, {edges} edges, {} warnings", warnings.len()));
    } else {
        output::data(&format!("{file}: {} problems", problems.len()));
        problems.iter().for_each(|problem| output::data(&problem_line(&json!(problem))));
    }
    if !warnings.is_empty() {
        output::data("warnings:");
        warnings.iter().for_each(|warning| output::data(&problem_line(&json!(warning))));
    }
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
