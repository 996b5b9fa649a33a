//! The command line: one file per command. stdout is for data, stderr for progress.

mod client;
mod completion;
mod demo;
mod drain;
mod exit;
mod files;
mod graph;
mod logging;
mod output;
mod recovery;
mod reload;
mod runs;
mod serve;
mod stack;
mod storage_usage;
mod submit;
mod token;
mod validate;
mod verbs;
mod watch;

use clap::{Parser, Subcommand};

pub use exit::Exit;

/// Runs JSON graphs of analysis jobs on actors.
#[derive(Debug, Parser)]
#[command(name = "orchestrator", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the orchestrator (default); configured by environment variables.
    Serve(serve::Arguments),
    /// Run the orchestrator with embedded stores and dummy services on a sample analysis.
    Demo(demo::Arguments),
    /// Submit a playbook to a running orchestrator.
    Submit(submit::Arguments),
    /// Check a playbook, without a server unless asked otherwise.
    Validate(validate::Arguments),
    /// Draw a playbook, without a server.
    Graph(graph::Arguments),
    /// Print the JSON Schema of a playbook.
    Schema,
    /// List runs, the newest first.
    List(runs::ListArguments),
    /// Show a run with its jobs.
    Get(runs::RunArguments),
    /// Follow a run to its end; the exit code is its outcome.
    Watch(runs::RunArguments),
    /// Say what a job waits for.
    Why(runs::WhyArguments),
    /// End a run now.
    Cancel(verbs::Arguments),
    /// Let nothing more of a run start until it is resumed.
    Pause(verbs::Arguments),
    /// Let a paused run go on.
    Resume(verbs::Arguments),
    /// Run a finished analysis again, taking over what has succeeded.
    Rerun(verbs::RerunArguments),
    /// Make tokens for TOKENS_FILE, or check that file.
    #[command(subcommand)]
    Token(token::Command),
    /// Print what makes a shell complete these commands.
    Completion(completion::Arguments),
}

/// Reads the command line, does it, answers how it went.
pub fn run() -> Exit {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // clap decides between stdout (help) and stderr (usage)
            drop(error.print());
            return if error.use_stderr() { Exit::Usage } else { Exit::Succeeded };
        }
    };
    let command = arguments.command.unwrap_or(Command::Serve(serve::Arguments::default()));
    let result = match command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Demo(arguments) => demo::run(arguments),
        Command::Submit(arguments) => submit::run(arguments),
        Command::Validate(arguments) => validate::run(&arguments),
        Command::Graph(arguments) => graph::run(&arguments),
        Command::Schema => validate::schema(),
        Command::List(arguments) => runs::list(&arguments),
        Command::Get(arguments) => runs::get(&arguments),
        Command::Watch(arguments) => runs::follow(&arguments),
        Command::Why(arguments) => runs::why(&arguments),
        Command::Cancel(arguments) => verbs::run("cancel", &arguments),
        Command::Pause(arguments) => verbs::run("pause", &arguments),
        Command::Resume(arguments) => verbs::run("resume", &arguments),
        Command::Rerun(arguments) => verbs::rerun(&arguments),
        Command::Token(command) => token::run(&command),
        Command::Completion(arguments) => completion::run::<Arguments>(&arguments),
    };
    result.unwrap_or_else(|failure| {
        output::note(&format!("error: {}", failure.text));
        failure.exit
    })
}
