//! `ijepa train`: start a run, or go on with one.

use super::adapter::AdapterArgs;
use super::progress::{Loudness, Progress};
use super::settings::Settings;
use super::stop::Stop;
use ijepa::data::Split;
use ijepa::data::source::Dataset;
use ijepa::train::checkpoint;
use ijepa::train::config::Config;
use ijepa::train::curve::loss_picture;
use ijepa::train::folder::{self, CONFIG};
use ijepa::train::run::{Finished, Job, train};
use ijepa::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Train an encoder on images, without labels, and write its weights and records to a folder.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
    /// Images: a folder, a tar, a packed set (`ijepa pack`), or generated:glyphs [default: the configuration's root_path]
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
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with_all = ["config", "preset", "patch", "batch", "seed", "set", "data", "out", "max_pixels"]
    )]
    resume: Option<PathBuf>,
    /// Begin a run in --out that goes on from this checkpoint, such as the weights that the page in a browser gives; it
    /// carries its configuration
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["resume", "config", "preset", "patch", "batch", "seed", "set"]
    )]
    from: Option<PathBuf>,
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
         ijepa train --resume runs/first --steps 400
         ijepa train --from ijepa-step-120.safetensors --data generated:glyphs --out runs/second";

impl Args {
    /// The configuration of a new run, checked.
    fn config(&self) -> Result<Config> {
        let mut config = match &self.from {
            Some(file) => checkpoint::config(file)?,
            None => self.settings.config("nano")?,
        };
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
        // So that the run can go on from any folder.
        if let Some(path) = &config.data.root_path
            && !path.starts_with("generated:")
            && let Ok(whole) = std::path::absolute(path)
            && let Some(whole) = whole.to_str()
        {
            config.data.root_path = Some(whole.to_string());
        }
        Ok(config)
    }

    /// The configuration of the run in `folder`, with a new end where one is asked for.
    fn config_of(&self, folder: &Path) -> Result<Config> {
        let source = folder.join(CONFIG).display().to_string();
        let mut config = Config::from_yaml(&folder::config(folder)?, &source)?;
        if let Some(epochs) = self.epochs {
            config.set_epochs(epochs);
        }
        if let Some(steps) = self.steps {
            config.optimization.steps = Some(steps);
        }
        config.validate()?;
        Ok(config)
    }
}

pub fn run(args: Args) -> Result<()> {
    let loudness = match (args.quiet, args.verbose) {
        (true, _) => Loudness::Quiet,
        (_, true) => Loudness::Verbose,
        _ => Loudness::Normal,
    };
    let (config, folder) = match &args.resume {
        None => {
            let config = args.config()?;
            let folder = PathBuf::from(config.out_path()?);
            (config, folder)
        }
        Some(folder) => (args.config_of(folder)?, folder.clone()),
    };
    let mut progress = Progress::new(loudness);
    for notice in config.notices() {
        progress.say(&notice);
    }
    let stop = Stop::default();
    let beginning = match (&args.resume, &args.from) {
        (Some(_), _) => Beginning::Resume,
        (None, Some(file)) => Beginning::From(file),
        (None, None) => Beginning::New,
    };
    let finished = start(&config, &folder, beginning, &args.adapter, &mut progress, &stop)?;
    let picture = loss_picture(&folder, &config.logging.write_tag)?;
    if !finished.complete {
        progress.say(&format!(
            "stopped at step {} of {} and saved; go on by: ijepa train --resume {}",
            finished.step,
            finished.of,
            folder.display()
        ));
        return Ok(());
    }
    progress.verdict();
    progress.say(&format!(
        "weights: {}  loss: {}",
        finished.checkpoint.display(),
        picture.display()
    ));
    Ok(())
}

/// How a run begins.
#[derive(Clone, Copy, PartialEq)]
pub enum Beginning<'a> {
    New,
    /// With the checkpoint in its folder.
    Resume,
    /// With a checkpoint from elsewhere.
    From(&'a Path),
}

/// Opens the data and the GPU and trains, with Ctrl-C as the way to stop. What the demo does, too.
pub fn start(
    config: &Config,
    folder: &Path,
    beginning: Beginning,
    adapter: &AdapterArgs,
    progress: &mut Progress,
    stop: &Stop,
) -> Result<Finished> {
    let resume = beginning == Beginning::Resume;
    if !resume {
        folder::vacant(folder)?; // checked again later; here before data and GPU are opened
    }
    let seed = config.meta.seed;
    let data =
        Dataset::open(&config.data_path()?, Split::Train, seed, config.data.max_pixels).map_err(|e| match e {
            Error::Usage(text) if resume => Error::usage(format!(
                "{text}; where the images are stands in {}, as data.root_path",
                folder.join(CONFIG).display()
            )),
            other => other,
        })?;
    data.require(config.data.batch_size)?;
    let gpu = match resume {
        true => adapter.open_again(checkpoint::machine(folder))?,
        false => adapter.open()?,
    };
    progress.say(&format!(
        "{} images of {}, on {}",
        data.len(),
        data.source(),
        gpu.info().name
    ));
    stop.listen();
    let data = Arc::new(data);
    let job = Job {
        gpu: &gpu,
        config,
        data: data.clone(),
        folder,
        resume,
        from: match beginning {
            Beginning::From(file) => Some(file),
            _ => None,
        },
        stop: stop.flag(),
    };
    let finished = pollster::block_on(train(&job, &mut |event| progress.tell(event)));
    progress.end();
    if let Some(summary) = data.bad().summary() {
        progress.say(&summary);
    }
    finished
}
