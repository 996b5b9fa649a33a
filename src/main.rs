//! Command line in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(orchestrator::cli::run().code())
}
