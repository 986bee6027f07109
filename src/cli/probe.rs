//! `ijepa probe`: what a run has learned, in per cent.

use super::adapter::AdapterArgs;
use ijepa::{Error, Result};
use std::path::PathBuf;

/// Measure a run's features on labelled images, beside raw pixels and the untrained encoder.
#[derive(clap::Args)]
#[command(after_help = "example: ijepa probe --weights runs/first --data generated:glyphs")]
pub struct Args {
    /// Folder of the run
    #[arg(long, value_name = "RUN")]
    weights: PathBuf,
    /// Labelled images to fit on: a folder, a tar, or generated:glyphs; its test/ is scored where it has one
    #[arg(long, value_name = "PATH")]
    data: String,
    /// Labelled images to score [default: the test/ or val/ of --data]
    #[arg(long, value_name = "PATH")]
    test: Option<String>,
    /// End with one line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    adapter: AdapterArgs,
}

pub fn run(_args: Args) -> Result<()> {
    Err(Error::run("probing is not built yet"))
}
