//! Command line in, exit code out.

use std::process::ExitCode;

/// Actors are many small things that come and go, which glibc's allocator handles badly.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(orchestrator::cli::run().code())
}
