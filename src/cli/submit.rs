//! `orchestrator submit FILE`: hands a document to a running orchestrator, and follows it if asked to.

use std::path::PathBuf;

use serde_json::Value;

use super::client::{ApiClient, ServerArguments, problem_line};
use super::exit::{CommandResult, Exit};
use super::output;
use super::validate::read_document;
use super::watch::{Watched, text, verdict, watch};

/// Flags of `submit`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The playbook, `-` for standard input. Its own token is ignored.
    file: PathBuf,
    /// Follow the run to its end; the exit code is its outcome.
    #[arg(long)]
    watch: bool,
    /// The file is an ingestion.
    #[arg(long)]
    ingestion: bool,
    /// What to print on stdout.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// The server's answer, at the end of a watched run the run itself.
    Json,
    /// Only the id.
    Name,
}

pub(super) fn run(arguments: Arguments) -> CommandResult {
    let document = read_document(&arguments.file)?;
    let (collection, member) =
        if arguments.ingestion { ("ingestions", "ingestion-id") } else { ("analyses", "analysis-id") };
    actix_web::rt::System::new().block_on(async {
        let client = ApiClient::new(&arguments.server)?;
        let accepted = client.submit(collection, &document).await?;
        for warning in accepted["warnings"].as_array().into_iter().flatten() {
            output::note(&format!("warning:{}", problem_line(warning)));
        }
        let id = text(&accepted, member).to_owned();
        if !arguments.watch {
            print(arguments.output, &id, &accepted);
            return Ok(Exit::Succeeded);
        }
        let number = accepted["run"].as_u64();
        let run = watch(&client, &Watched { collection, id: &id, number, until_settled: false }).await?;
        print(arguments.output, &id, &run);
        verdict(&run)
    })
}

fn print(format: Format, id: &str, answer: &Value) {
    match format {
        Format::Name => output::data(id),
        Format::Json => output::data(&answer.to_string()),
        Format::Table => output::data(&format!("{id} run {} {}", answer["run"], text(answer, "state"))),
    }
}
