//! The configuration that a command works with: a preset or a YAML file, and single values over it.

use ijepa::train::config::Config;
use ijepa::{Error, Result};
use std::io::Read;
use std::path::{Path, PathBuf};

/// More bytes than any configuration has.
const MOST_BYTES: u64 = 1 << 20;

#[derive(clap::Args)]
pub struct Settings {
    /// Configuration file, in the keys of the reference's YAML files
    #[arg(long, value_name = "F.yaml", conflicts_with = "preset")]
    pub config: Option<PathBuf>,
    /// Built-in configuration: demo, nano, tiny, small, base, large, huge or giant
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// Side of a patch in pixels [default: the configuration's]
    #[arg(long, value_name = "N")]
    pub patch: Option<usize>,
    /// Images in a batch; `ijepa train` takes auto: as many as fit the GPU's memory [default: the configuration's]
    #[arg(long, value_name = "N")]
    pub batch: Option<Count>,
    /// Seed of every random draw [default: the configuration's]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Compute each block again for its gradient instead of keeping what it made: less memory, more time, same numbers; with
    /// --resume of `ijepa train`, from here on
    #[arg(long)]
    pub checkpoint_activations: bool,
    /// Any other value, by its key (`ijepa info --keys` lists them); may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// [`Settings`] by name, for who takes none of them. One by one: the message names those that were given.
pub const OPTIONS: [&str; 7] = [
    "config",
    "preset",
    "patch",
    "batch",
    "seed",
    "checkpoint_activations",
    "set",
];

/// A number, or the one that is found to fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Count {
    Auto,
    Number(usize),
}

impl std::str::FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Count, String> {
        match text {
            "auto" => Ok(Count::Auto),
            _ => text
                .parse()
                .map(Count::Number)
                .map_err(|_| "a whole number or auto is wanted".to_string()),
        }
    }
}

impl Settings {
    /// The configuration; `default` names the preset that holds where neither file nor preset is given.
    pub fn config(&self, default: &str) -> Result<Config> {
        match self.batch {
            Some(Count::Auto) => Err(Error::usage(
                "--batch auto is for `ijepa train`, which asks the GPU what fits: give a number of images",
            )),
            _ => self.config_of_any_batch(default),
        }
    }

    /// The same for who finds the batch that fits: until then that of the file or preset stands there.
    pub fn config_of_any_batch(&self, default: &str) -> Result<Config> {
        let config = match &self.config {
            Some(path) => file(path)?,
            None => Config::preset(self.preset.as_deref().unwrap_or(default))?,
        };
        self.over(config)
    }

    /// The single values, over a configuration.
    pub fn over(&self, mut config: Config) -> Result<Config> {
        config.mask.patch_size = self.patch.unwrap_or(config.mask.patch_size);
        if let Some(Count::Number(batch)) = self.batch {
            config.data.batch_size = batch;
        }
        config.meta.seed = self.seed.unwrap_or(config.meta.seed);
        config.optimization.checkpoint_activations |= self.checkpoint_activations;
        for assignment in &self.set {
            config.set(assignment).map_err(|e| Error::usage(format!("--set {e}")))?;
        }
        Ok(config)
    }
}

/// The configuration in a file.
pub fn file(path: &Path) -> Result<Config> {
    Config::from_yaml(&read(path)?, &path.display().to_string())
}

/// A text file of moderate size.
fn read(path: &Path) -> Result<String> {
    let failed = |e: std::io::Error| Error::usage(format!("--config {}: cannot be read: {e}", path.display()));
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(Error::usage(format!(
            "--config {}: is larger than any configuration",
            path.display()
        )));
    }
    Ok(text)
}
