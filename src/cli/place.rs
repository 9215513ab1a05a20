//! Flags that say which daemon a command is about.

use std::path::PathBuf;

use clap::Args;

use crate::operator::place::Which;

#[derive(Args)]
pub(super) struct PlaceArgs {
    /// The configuration file of the daemon
    #[arg(long, value_name = "FILE", conflicts_with = "state_dir")]
    config: Option<PathBuf>,
    /// Its state directory
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

impl PlaceArgs {
    /// Which daemon, and whether the answer is for programs.
    pub(super) fn found(self) -> (Which, bool) {
        (Which::of(self.config, self.state_dir), self.json)
    }
}
