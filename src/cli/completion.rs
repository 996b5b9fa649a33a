//! `orchestrator completion SHELL`: what makes a shell complete the commands.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::exit::{CommandResult, Exit};
use super::output;

/// Flags of `completion`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Which shell.
    shell: Shell,
}

/// Prints the script for the command line that `C` describes.
pub(super) fn run<C: CommandFactory>(arguments: &Arguments) -> CommandResult {
    let mut script = Vec::new();
    generate(arguments.shell, &mut C::command(), "orchestrator", &mut script);
    output::data(String::from_utf8_lossy(&script).trim_end());
    Ok(Exit::Succeeded)
}
