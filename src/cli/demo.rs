//! `ijepa demo`: from nothing to learned features in minutes.

use super::adapter::AdapterArgs;
use ijepa::{Error, Result};
use std::path::PathBuf;

/// Train on the generated image set, and show in a table and pictures what was learned.
#[derive(clap::Args)]
#[command(after_help = "example: ijepa demo")]
pub struct Args {
    /// Folder for the run and the pictures
    #[arg(long, value_name = "DIR", default_value = "runs/demo")]
    out: PathBuf,
    /// Seed of every random draw
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    adapter: AdapterArgs,
}

pub fn run(_args: Args) -> Result<()> {
    Err(Error::run("the demo is not built yet"))
}
