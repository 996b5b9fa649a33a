//! `orchestrator cancel|pause|resume|rerun ID`: asks something of a run.

use serde_json::Value;

use super::client::{ApiClient, ServerArguments};
use super::exit::{CommandResult, Exit};
use super::output;
use super::watch::{Watched, text, verdict, watch};

/// Which run is meant, and where it is.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Id of the analysis.
    id: String,
    /// Number of the run; the newest one otherwise.
    #[arg(long)]
    run: Option<u64>,
    /// The id is an ingestion's.
    #[arg(long)]
    ingestion: bool,
    /// Follow the run to its end; the exit code is its outcome.
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    server: ServerArguments,
}

/// Flags of `rerun`.
#[derive(Debug, clap::Args)]
pub(super) struct RerunArguments {
    #[command(flatten)]
    run: Arguments,
    /// Where to begin: at everything that did not succeed, or at the start.
    #[arg(long, value_enum, default_value = "failed", conflicts_with = "from_step")]
    from: From,
    /// Begin at this step: it and everything after it is done again.
    #[arg(long)]
    from_step: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum From {
    /// What succeeded is taken over.
    Failed,
    /// Nothing is taken over.
    All,
}

/// Cancels, pauses or resumes.
pub(super) fn run(verb: &str, arguments: &Arguments) -> CommandResult {
    ask(verb, arguments, Vec::new())
}

/// Runs again.
pub(super) fn rerun(arguments: &RerunArguments) -> CommandResult {
    let from = match (&arguments.from_step, arguments.from) {
        (Some(step), _) => ("from-step", step.clone()),
        (None, From::Failed) => ("from", "failed".to_owned()),
        (None, From::All) => ("from", "all".to_owned()),
    };
    ask("rerun", &arguments.run, vec![from])
}

fn ask(verb: &str, arguments: &Arguments, mut query: Vec<(&'static str, String)>) -> CommandResult {
    let collection = if arguments.ingestion { "ingestions" } else { "analyses" };
    query.extend(arguments.run.map(|number| ("run", number.to_string())));
    actix_web::rt::System::new().block_on(async {
        let client = ApiClient::new(&arguments.server)?;
        let answer = client.verb(collection, &arguments.id, verb, &query).await?;
        output::data(&line(&arguments.id, &answer));
        if !arguments.watch {
            return Ok(Exit::Succeeded);
        }
        let number = answer["run"].as_u64();
        let run = watch(&client, &Watched { collection, id: &arguments.id, number, until_settled: false }).await?;
        verdict(&run)
    })
}

/// `ID run N state`, with what a rerun takes over.
fn line(id: &str, answer: &Value) -> String {
    let mut line = format!("{id} run {} {}", answer["run"], text(answer, "state"));
    if let Some(reused) = answer["reused"].as_array() {
        let steps: Vec<&str> = reused.iter().filter_map(Value::as_str).collect();
        let steps = if steps.is_empty() { "nothing".to_owned() } else { format!("steps {}", steps.join(", ")) };
        line.push_str(&format!(", takes over {steps} of run {}", answer["rerun-of"]));
    }
    line
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_line_says_what_a_rerun_takes_over() {
        let cancelled = json!({"run": 2, "state": "running"});
        assert_eq!(line("a", &cancelled), "a run 2 running");
        let rerun = json!({"run": 3, "state": "running", "rerun-of": 2, "reused": ["1", "2"]});
        assert_eq!(line("a", &rerun), "a run 3 running, takes over steps 1, 2 of run 2");
        let from_all = json!({"run": 3, "state": "running", "rerun-of": 2, "reused": []});
        assert_eq!(line("a", &from_all), "a run 3 running, takes over nothing of run 2");
    }
}
