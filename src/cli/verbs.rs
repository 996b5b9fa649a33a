//! `orchestrator cancel`, `pause`, `resume` and `rerun`: what can be asked of a run.

use serde_json::{Value, json};

use super::client::{ApiClient, ServerArguments};
use super::exit::{CommandResult, Exit, Failure};
use super::output;
use super::submit::{Format, print};
use super::watch::{Watched, text, verdict, watch};

/// Which run.
#[derive(Debug, clap::Args)]
struct Which {
    /// Id of the analysis.
    id: String,
    /// Number of the run; the newest unless given.
    #[arg(long, value_name = "N")]
    run: Option<u64>,
    /// The id is an ingestion's.
    #[arg(long)]
    ingestion: bool,
}

/// Flags of `cancel`, `pause` and `resume`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,
    /// What to print on stdout.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
    #[command(flatten)]
    server: ServerArguments,
}

/// Flags of `rerun`.
#[derive(Debug, clap::Args)]
pub(super) struct RerunArguments {
    #[command(flatten)]
    which: Which,
    /// What is done again; results of other jobs are taken over.
    #[arg(long, value_enum, default_value = "failed")]
    from: From,
    /// This step and everything after it is done again, and whatever did not succeed.
    #[arg(long, value_name = "STEP", conflicts_with = "from")]
    from_step: Option<String>,
    /// Follow the new run to its end; the exit code is its outcome.
    #[arg(long)]
    watch: bool,
    /// What to print on stdout.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum From {
    /// Whatever did not succeed.
    Failed,
    /// Everything.
    All,
}

impl Which {
    fn collection(&self) -> &'static str {
        if self.ingestion { "ingestions" } else { "analyses" }
    }

    /// *Shape*: `analyses/<id>/<verb>?run=<n>`.
    fn path(&self, verb: &str) -> Result<String, Failure> {
        let legal = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
        if self.id.is_empty() || !self.id.chars().all(legal) {
            let text = format!("{:?} is no id: ids have the characters A-Z a-z 0-9 . _ - only", self.id);
            return Err(Failure::new(Exit::Usage, text));
        }
        let which = self.run.map(|number| format!("?run={number}")).unwrap_or_default();
        Ok(format!("{}/{}/{verb}{which}", self.collection(), self.id))
    }
}

/// `cancel`, `pause` or `resume`.
pub(super) fn run(verb: &str, arguments: &Arguments) -> CommandResult {
    let path = arguments.which.path(verb)?;
    actix_web::rt::System::new().block_on(async {
        let answer = ApiClient::new(&arguments.server).post(&path, None).await?;
        print(arguments.output, id_of(&answer), &answer);
        Ok(Exit::Succeeded)
    })
}

/// `rerun`.
pub(super) fn rerun(arguments: &RerunArguments) -> CommandResult {
    let path = arguments.which.path("rerun")?;
    let body = match (&arguments.from_step, arguments.from) {
        (Some(step), _) => json!({"from": {"step": step}}),
        (None, From::Failed) => json!({"from": "failed"}),
        (None, From::All) => json!({"from": "all"}),
    };
    actix_web::rt::System::new().block_on(async {
        let client = ApiClient::new(&arguments.server);
        let answer = client.post(&path, Some(&body)).await?;
        let reused: Vec<&str> = answer["reused"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let id = id_of(&answer);
        output::note(&format!("{id} run {} repeats run {}, {}", answer["run"], answer["rerun-of"], said(&reused)));
        if !arguments.watch {
            print(arguments.output, id, &answer);
            return Ok(Exit::Succeeded);
        }
        let collection = arguments.which.collection();
        let number = answer["run"].as_u64();
        let run = watch(&client, &Watched { collection, id, number, until_settled: false }).await?;
        print(arguments.output, id, &run);
        verdict(&run)
    })
}

/// Most steps that are named.
const NAMED: usize = 20;

fn said(reused: &[&str]) -> String {
    match reused.len() {
        0 => "nothing is taken over".to_owned(),
        count if count <= NAMED => format!("the results of these steps are taken over: {}", reused.join(", ")),
        count => format!("the results of {count} steps are taken over"),
    }
}

fn id_of(answer: &Value) -> &str {
    let member = if answer.get("ingestion-id").is_some() { "ingestion-id" } else { "analysis-id" };
    text(answer, member)
}
