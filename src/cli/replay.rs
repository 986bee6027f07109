//! `ijepa replay`: recorded steps again, to compare with the reference.

use super::adapter::AdapterArgs;
use ijepa::{Error, Result};
use std::path::PathBuf;

/// Run recorded steps and write what they gave, to compare with the reference's numbers.
#[derive(clap::Args)]
#[command(
    after_help = "example: ijepa replay --input nano.input.safetensors --config nano.yaml --iterations-per-epoch 5 --out r.safetensors"
)]
pub struct Args {
    /// Recorded weights, images and masks
    #[arg(long, value_name = "X.safetensors")]
    input: PathBuf,
    /// Configuration of the recorded run
    #[arg(long, value_name = "F.yaml")]
    config: PathBuf,
    /// Length of an epoch in batches, for the schedules
    #[arg(long, value_name = "N")]
    iterations_per_epoch: usize,
    /// File to write: loss, gradients, activations, final weights
    #[arg(long, value_name = "R.safetensors")]
    out: PathBuf,
    #[command(flatten)]
    adapter: AdapterArgs,
}

pub fn run(_args: Args) -> Result<()> {
    Err(Error::run("replaying is not built yet"))
}
