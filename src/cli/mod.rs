//! The command line: one file per command. stdout is for data, stderr for progress.

mod access;
mod client;
mod demo;
mod drain;
mod exit;
mod files;
mod graph;
mod logging;
mod look;
mod output;
mod recovery;
mod serve;
mod stack;
mod stock;
mod submit;
mod token;
mod validate;
mod verbs;
mod watch;

use clap::{CommandFactory, Parser, Subcommand};

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
    List(look::ListArguments),
    /// Show a run with its jobs.
    Get(look::RunArguments),
    /// Follow a run to its end; the exit code is its outcome.
    Watch(look::RunArguments),
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
    Completion {
        /// Which shell.
        shell: clap_complete::Shell,
    },
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
        Command::List(arguments) => look::list(&arguments),
        Command::Get(arguments) => look::get(&arguments),
        Command::Watch(arguments) => look::follow(&arguments),
        Command::Cancel(arguments) => verbs::run("cancel", &arguments),
        Command::Pause(arguments) => verbs::run("pause", &arguments),
        Command::Resume(arguments) => verbs::run("resume", &arguments),
        Command::Rerun(arguments) => verbs::rerun(&arguments),
        Command::Token(command) => token::run(&command),
        Command::Completion { shell } => Ok(completion(shell)),
    };
    result.unwrap_or_else(|failure| {
        output::note(&format!("error: {}", failure.text));
        failure.exit
    })
}

fn completion(shell: clap_complete::Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "orchestrator", &mut script);
    output::data(String::from_utf8_lossy(&script).trim_end());
    Exit::Succeeded
}
