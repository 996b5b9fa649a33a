//! The HTTP services of the platform as one process, for docker-compose.

use std::error::Error;

use clap::Parser;
use dummy_services::flags::Flags;

/// Stand-ins for the data, function and AutoML services and the front end of the DIASTEMA platform
#[derive(Parser)]
#[command(version)]
struct Line {
    #[command(flatten)]
    flags: Flags,
}

fn main() -> Result<(), Box<dyn Error>> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let dummies = dummy_services::start_http(Line::parse().flags.into_options(5001)?)?;
    log::info!("dummy services listen on http://{}", dummies.http());
    dummy_services::wait_for_end()?;
    dummies.stop();
    Ok(())
}
