//! `ijepa replay`: recorded steps again, to compare with the reference.

use super::adapter::AdapterArgs;
use super::print;
use ijepa::model::weights;
use ijepa::train::config::Config;
use ijepa::train::replay::replay;
use ijepa::{Error, Result};
use std::path::{Path, PathBuf};

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

pub fn run(args: Args) -> Result<()> {
    if args.out == args.input {
        return Err(Error::usage("--out would overwrite --input: choose another name"));
    }
    if args.iterations_per_epoch == 0 {
        return Err(Error::usage("--iterations-per-epoch is 0: it must be 1 or more"));
    }
    let read = |path: &Path| std::fs::read(path).map_err(|e| Error::usage(format!("{}: {e}", path.display())));
    let recording = read(&args.input)?;
    let yaml = String::from_utf8_lossy(&read(&args.config)?).into_owned();
    let config = Config::from_yaml(&yaml, &args.config.display().to_string())?;
    let gpu = args.adapter.open()?;
    let origin = args.input.display().to_string();
    let result = pollster::block_on(replay(&gpu, &config, &recording, &origin, args.iterations_per_epoch))?;
    let bytes = weights::write(&result, &[])?;
    std::fs::write(&args.out, bytes).map_err(|e| Error::run(format!("{}: {e}", args.out.display())))?;
    for (name, tensor) in result.iter().filter(|(name, _)| name.ends_with(".loss")) {
        print(&format!("{name} {}\n", tensor.values[0]))?;
    }
    print(&format!("wrote {} tensors to {}\n", result.len(), args.out.display()))
}
