//! `orchestrator serve`: runs until it is told to stop.

use std::path::PathBuf;

use futures::future::{Either, select};

use super::drain::{StopSignals, end_with};
use super::exit::{CommandResult, Exit, Failure};
use super::logging::start_logging;
use super::reload::Hangups;
use super::stack::{Stack, Stores, listen};
use crate::chaos;
use crate::config::Config;

/// Flags of `serve`; everything else is configured by environment variables.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Arguments {
    /// Directory of everything embedded; overrides DATA_DIR.
    #[arg(long)]
    data_dir: Option<PathBuf>,
}

pub(super) fn run(arguments: Arguments) -> CommandResult {
    let mut config = read_config()?;
    if let Some(directory) = arguments.data_dir {
        config.data_dir = directory;
    }
    start_logging(&config.log);
    chaos::announce();
    if let Some(refusal) = config.refusal() {
        return Err(Failure::new(Exit::Usage, refusal));
    }
    for warning in config.warnings() {
        log::warn!("{warning}");
    }
    log::info!("configuration: {config:?}");
    let listener = listen(&config.listen).map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot listen on {}: {error}; set HOST and PORT", config.listen))
    })?;
    let system = actix_web::rt::System::new();
    end_with(&system);
    system.block_on(async {
        let mut signals = StopSignals::listen()?;
        let hangups = Hangups::listen()?;
        let stores = Stores::open(&config)?;
        let starting = std::pin::pin!(Stack::start(&config, &stores, listener));
        let stack = match select(starting, std::pin::pin!(signals.next())).await {
            Either::Left((stack, _)) => stack?,
            Either::Right(_) => {
                log::info!("told to stop while earlier runs were being taken up: they go on after the next start");
                return Ok(Exit::Succeeded);
            }
        };
        hangups.reload(&config, &stack.reloadable, &stack.door.engine);
        signals.next().await;
        stack.drain(&stores, config.drain, signals).await;
        Ok(Exit::Succeeded)
    })
}

/// The configuration of the environment.
pub(super) fn read_config() -> Result<Config, Failure> {
    Config::from_env().map_err(|error| Failure::new(Exit::Usage, error.to_string()))
}
