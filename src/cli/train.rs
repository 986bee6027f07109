//! `ijepa train`: start a run, or go on with one.

use super::adapter::AdapterArgs;
use super::settings::Settings;
use ijepa::train::config::Config;
use ijepa::{Error, Result};
use std::path::PathBuf;

/// Train an encoder on images, without labels, and write its weights and records to a folder.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
    /// Images: a folder, a tar, or generated:glyphs [default: the configuration's root_path]
    #[arg(long, value_name = "PATH")]
    data: Option<String>,
    /// Folder for the run's files; must not hold another run [default: the configuration's logging.folder]
    #[arg(long, value_name = "DIR")]
    out: Option<String>,
    /// Length of the run in passes over the data [default: the configuration's]
    #[arg(long, value_name = "E", conflicts_with = "steps")]
    epochs: Option<usize>,
    /// Length of the run in steps; schedules and warm-up stretch over it [default: the configuration's]
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// Skip images that claim more pixels than this [default: 100000000]
    #[arg(long, value_name = "N")]
    max_pixels: Option<u64>,
    /// Go on with the run in this folder from its last checkpoint; with --steps or --epochs, to a new end
    #[arg(long, value_name = "DIR", conflicts_with_all = ["config", "preset", "patch", "batch", "seed", "set", "data", "out"])]
    resume: Option<PathBuf>,
    /// No progress, only errors
    #[arg(long, conflicts_with = "verbose")]
    quiet: bool,
    /// Also print what the log has: gradient norms, masks, memory
    #[arg(long)]
    verbose: bool,
    #[command(flatten)]
    adapter: AdapterArgs,
}

const AFTER: &str = "\
Without --config and --preset the preset is nano: 32-pixel images, for a first run within minutes.
example: ijepa train --data generated:glyphs --preset nano --steps 200 --out runs/first
         ijepa train --resume runs/first --steps 400";

impl Args {
    /// The configuration of a new run, checked.
    fn config(&self) -> Result<Config> {
        let mut config = self.settings.config("nano")?;
        if let Some(path) = &self.data {
            config.set_data(path);
        }
        if let Some(folder) = &self.out {
            config.logging.folder = Some(folder.clone());
        }
        if let Some(epochs) = self.epochs {
            config.set_epochs(epochs);
        }
        if let Some(steps) = self.steps {
            config.optimization.steps = Some(steps);
        }
        if let Some(pixels) = self.max_pixels {
            config.data.max_pixels = pixels;
        }
        config.validate()?;
        config.data_path()?;
        config.out_path()?;
        Ok(config)
    }
}

pub fn run(args: Args) -> Result<()> {
    if args.resume.is_none() {
        args.config()?;
    }
    Err(Error::run("training is not built yet"))
}
