//! `orchestrator graph FILE`: the jobs of a playbook and who waits for whom, as a table or a picture; without a server.

use std::path::PathBuf;

use super::client::problem_line;
use super::exit::{CommandResult, Exit, Failure};
use super::output;
use super::validate::{read_document, settings_here};
use crate::graph::build::{Plan, build};
use crate::graph::layout::layout;
use crate::graph::svg::{Card, svg};
use crate::playbook::Job;

/// Flags of `graph`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The playbook, `-` for standard input.
    file: PathBuf,
    /// Print an SVG picture.
    #[arg(long)]
    svg: bool,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let document = read_document(&arguments.file)?;
    let plan = build(&document, &settings_here()).map_err(|refusal| {
        let lines: Vec<String> =
            refusal.problems.iter().map(|problem| problem_line(&serde_json::json!(problem))).collect();
        let text = format!("{} cannot be drawn before it is valid:\n{}", arguments.file.display(), lines.join("\n"));
        Failure::new(Exit::Usage, text)
    })?;
    output::data(if arguments.svg { picture(&plan) } else { table(&plan) }.trim_end());
    Ok(Exit::Succeeded)
}

fn picture(plan: &Plan) -> String {
    let card = |job: &Job| Card { title: job.step.to_string(), subtitle: job.kind.title().to_owned() };
    svg(&layout(&plan.graph), &plan.playbook.jobs.iter().map(card).collect::<Vec<_>>())
}

/// One line per job, every job after those that it waits for.
fn table(plan: &Plan) -> String {
    let jobs = &plan.playbook.jobs;
    let width = jobs.iter().map(|job| job.step.to_string().chars().count()).max().unwrap_or_default().max(4);
    let mut lines = vec![format!("{:<width$}  {:<14}  AFTER", "STEP", "JOB")];
    for &at in plan.graph.topological() {
        let mut after: Vec<_> = plan.graph.incoming(at).collect();
        after.sort_unstable();
        let after: Vec<String> = after.into_iter().map(|(_, from)| jobs[from].step.to_string()).collect();
        let line =
            format!("{:<width$}  {:<14}  {}", jobs[at].step.to_string(), jobs[at].kind.title(), after.join(", "));
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n")
}
