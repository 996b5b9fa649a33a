//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Kills the orchestrator while it works and shows from outside that nothing was lost, repeated or stuck.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// What to do
    #[command(subcommand)]
    pub(crate) scenario: Scenario,
}

/// The scenarios.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Scenario {
    /// Kills at named places and random moments
    Kills(Kills),
    /// Neighbours that are away or slow, kills in the midst: must cost nothing
    Outages(Some),
    /// Answers that are lost or broken where nobody can be asked: must be owned up to
    LostAnswers(Some),
    /// The process stands still for longer than it waits for answers
    Pause(Some),
    /// A second orchestrator on the same data
    Twice(Some),
    /// SIGTERM under load
    Drain(Some),
    /// A data directory of one megabyte
    Disk(Some),
    /// Several tenants who want the same ids: nothing foreign may show up anywhere
    Tenants(Some),
    /// Ten times what there is room for, a minute (`--long`: ten): nothing accepted is lost, refusals are quick, memory is flat
    Overload(Some),
}

/// Flags of the smaller scenarios.
#[derive(Args, Clone, Debug)]
pub(crate) struct Some {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Analyses to submit; default: enough for the whole scenario
    #[arg(long)]
    pub(crate) analyses: Option<usize>,
    /// Also what takes minutes
    #[arg(long)]
    pub(crate) long: bool,
}

/// What every scenario takes.
#[derive(Args, Clone, Debug)]
pub(crate) struct Common {
    /// The orchestrator; built with debug assertions it can be killed at named places
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) binary: Option<PathBuf>,
    /// Everything random follows from it; default: the clock's
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Keep data and logs of the run in this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// Most analyses open at the same time; default: 80, more where notices and records wait
    #[arg(long)]
    pub(crate) in_flight: Option<usize>,
    /// Seconds that a Spark job may take; default: 40
    #[arg(long, value_name = "SECONDS")]
    pub(crate) spark_limit: Option<u64>,
    /// Puts a fault into the orchestrator, 1 to 14, which the run then has to find
    #[arg(long, value_name = "N")]
    pub(crate) bug: Option<u8>,
}

/// Flags of `kills`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Kills {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Analyses to submit
    #[arg(long, default_value_t = 1000)]
    pub(crate) analyses: usize,
    /// Deaths in all
    #[arg(long, default_value_t = 60)]
    pub(crate) kills: usize,
    /// Deaths at each named place
    #[arg(long, default_value_t = 2)]
    pub(crate) each: usize,
    /// A run for every change: every place once, under three minutes
    #[arg(long, conflicts_with_all = ["analyses", "kills", "each", "full"])]
    pub(crate) short: bool,
    /// The run whose figures are published: 10,000 analyses, every place ten times
    #[arg(long, conflicts_with_all = ["analyses", "kills", "each"])]
    pub(crate) full: bool,
}

impl Kills {
    /// The flags that a preset stands for.
    pub(crate) fn resolved(mut self) -> Self {
        if self.short {
            (self.analyses, self.kills, self.each) = (300, 30, 1);
        }
        if self.full {
            // as many deaths at random moments as at named places: those spread over all analyses
            (self.analyses, self.kills, self.each) = (10_000, 460, 10);
        }
        self
    }
}
