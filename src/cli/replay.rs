//! `ijepa replay`: recorded steps again, to compare with the reference.

use super::adapter::AdapterArgs;
use super::{print, write};
use ijepa::model::weights;
use ijepa::train::config::Config;
use ijepa::train::replay::replay;
use ijepa::{Error, Result, ordinary};
use std::path::{Path, PathBuf};

/// Run recorded steps and write what they gave, to compare with the reference's numbers.
#[derive(clap::Args)]
#[command(
    after_help = "example: ijepa replay --input nano.input.safetensors --config nano.yaml \\
           --iterations-per-epoch 5 --out r.safetensors"
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
    for (flag, path) in [("--input", &args.input), ("--config", &args.config)] {
        let there = |path: &Path| std::fs::canonicalize(path).ok();
        if there(&args.out).is_some_and(|out| Some(out) == there(path)) {
            return Err(Error::usage(format!(
                "--out would overwrite {flag} {}: choose another name",
                path.display()
            )));
        }
    }
    let folder = match args.out.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        let (out, folder) = (args.out.display(), folder.display());
        return Err(Error::usage(format!("--out {out}: there is no folder {folder}")));
    }
    if args.iterations_per_epoch == 0 {
        return Err(Error::usage("--iterations-per-epoch is 0: it must be 1 or more"));
    }
    let read =
        |path: &Path| ordinary::read(path, u64::MAX).map_err(|e| Error::usage(format!("{}: {e}", path.display())));
    let recording = read(&args.input)?;
    let yaml = String::from_utf8_lossy(&read(&args.config)?).into_owned();
    let config = Config::from_yaml(&yaml, &args.config.display().to_string())?;
    let gpu = args.adapter.open()?;
    let origin = args.input.display().to_string();
    let result = pollster::block_on(replay(&gpu, &config, &recording, &origin, args.iterations_per_epoch))?;
    let bytes = weights::write(&result, &[])?;
    write::whole(&args.out, &bytes)?;
    for (name, tensor) in result.iter().filter(|(name, _)| name.ends_with(".loss")) {
        print(&format!("{name} {}\n", tensor.values[0]))?;
    }
    print(&format!("wrote {} tensors to {}\n", result.len(), args.out.display()))
}
