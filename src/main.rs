//! Command line in, exit code out.

use std::process::ExitCode;

/// Actors are many small things that come and go, which glibc's allocator handles badly.
#[cfg(not(debug_assertions))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The same, and it counts: what the process holds of the system's memory says little about what is in use.
#[cfg(debug_assertions)]
#[global_allocator]
static ALLOCATOR: cap::Cap<mimalloc::MiMalloc> = cap::Cap::new(mimalloc::MiMalloc, usize::MAX);

fn main() -> ExitCode {
    #[cfg(debug_assertions)]
    orchestrator::metrics::allocations_are_counted_by(|| ALLOCATOR.allocated());
    ExitCode::from(orchestrator::cli::run().code())
}
