//! `orchestrator token new|check`: makes tokens and looks at token files.

use std::path::PathBuf;

use super::exit::{CommandResult, Exit, Failure};
use super::output;
use super::reload::read_file;
use crate::access::tokens;
use crate::disk::random_bytes;

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a token: it is shown once, its entry for TOKENS_FILE has only its hash.
    New(NewArguments),
    /// Say whether a token file can be used.
    Check {
        /// The file.
        file: PathBuf,
    },
}

/// Flags of `token new`.
#[derive(Debug, clap::Args)]
pub(super) struct NewArguments {
    /// Whom it is for; the audit trail knows the token by this name.
    name: String,
    /// Tenants with commas, or `all`.
    #[arg(long)]
    tenants: String,
    /// Roles with commas: submit, read, operate, admin.
    #[arg(long, value_delimiter = ',', default_value = "submit,read,operate")]
    roles: Vec<String>,
}

pub(super) fn run(command: &Command) -> CommandResult {
    match command {
        Command::New(arguments) => new(arguments),
        Command::Check { file } => {
            let keyring = read_file(file)?;
            output::data(&format!("{}: {} tokens", file.display(), keyring.len()));
            Ok(Exit::Succeeded)
        }
    }
}

fn new(arguments: &NewArguments) -> CommandResult {
    let bytes = random_bytes()
        .map_err(|error| Failure::new(Exit::Failed, format!("no random numbers are to be had: {error}")))?;
    let token = hex::encode(bytes);
    let entry = tokens::entry(&arguments.name, &token, &arguments.tenants, &arguments.roles)
        .map_err(|error| Failure::new(Exit::Usage, format!("no token can be made of this:\n{error}")))?;
    output::note("the token, which is kept nowhere, and its entry for the list `tokens` of TOKENS_FILE:");
    output::data(&token);
    output::data(&entry);
    Ok(Exit::Succeeded)
}
