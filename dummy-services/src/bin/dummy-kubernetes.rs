//! The Spark component of the platform as one process, for docker-compose.

use std::error::Error;

use clap::Parser;
use dummy_services::flags::Flags;

/// Stand-in for the Kubernetes (Spark) component of the DIASTEMA platform
#[derive(Parser)]
#[command(version)]
struct Line {
    #[command(flatten)]
    flags: Flags,
}

fn main() -> Result<(), Box<dyn Error>> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let dummies = dummy_services::start_spark(Line::parse().flags.into_options(6006)?)?;
    log::info!("dummy kubernetes listens on {}", dummies.spark());
    dummy_services::wait_for_end()?;
    dummies.stop();
    Ok(())
}
