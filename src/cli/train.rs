//! `ijepa train`: start a run, or go on with one.

use super::adapter::AdapterArgs;
use super::number::size;
use super::progress::{Loudness, Progress};
use super::settings::{Count, Settings};
use super::stop::Stop;
use ijepa::data::Split;
use ijepa::data::source::Dataset;
use ijepa::gpu::Gpu;
use ijepa::train::checkpoint;
use ijepa::train::config::Config;
use ijepa::train::curve::loss_picture;
use ijepa::train::folder::{self, CONFIG};
use ijepa::train::plan;
use ijepa::train::rehearsal::{Rehearsal, rehearse};
use ijepa::train::run::{Event, Finished, Job, train};
use ijepa::train::start::Start;
use ijepa::train::trainer::Course;
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
    /// Begin a run in --out with these weights: a checkpoint, such as the page in a browser gives, or the reference's .pth.tar,
    /// goes on where it stands; weights of Hugging Face, timm or torch.save are a start
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    from: Option<PathBuf>,
    /// Of the weights of --from take what fits the configuration's networks, and draw the rest anew
    #[arg(long, requires = "from")]
    partial: bool,
    /// Of a checkpoint given by --from take the weights alone: a new run, on whatever images and with whatever settings
    #[arg(long, requires = "from")]
    weights_only: bool,
    /// Split each batch into N parts, one after the other, for less memory at the same gradients; auto: as few as fit; with
    /// --resume, from here on [default: the configuration's]
    #[arg(long, value_name = "N")]
    accumulate: Option<Count>,
    /// Every N steps show k-NN and linear accuracy on labelled images, less often where that would take more than a twentieth
    /// of the time; 0: never; with --resume, from here on [default: the configuration's]
    #[arg(long, value_name = "N")]
    probe_every: Option<usize>,
    /// Plan memory, take one step on the first batch, print memory and time, and write nothing
    #[arg(long, conflicts_with_all = ["resume", "from"])]
    dry_run: bool,
    /// No progress, only errors
    #[arg(long, conflicts_with = "verbose")]
    quiet: bool,
    /// Also print what the log has: gradient norms, masks, memory
    #[arg(long)]
    verbose: bool,
    #[command(flatten)]
    adapter: AdapterArgs,
}

/// The largest batch that a configuration may have.
const MOST_IMAGES: usize = 1 << 16;

const AFTER: &str = "\
Without --config and --preset the preset is nano: 32-pixel images, for a first run within minutes. Where progress says \
`data 12 %`, the GPU waited for images 12 % of the time: `ijepa pack` makes them quicker to read.
example: ijepa train --data generated:glyphs --preset nano --steps 200 \\
           --out runs/first
         ijepa train --resume runs/first --steps 400
         ijepa train --from ijepa-step-120.safetensors --data generated:glyphs \\
           --out runs/second
         ijepa train --from IN1K-vit.h.14-300e.pth.tar \\
           --config in1k_vith14_ep300.yaml --epochs 400 \\
           --data photos --out runs/more
         ijepa train --preset base --data photos --accumulate auto \\
           --memory 8 --dry-run";

impl Args {
    /// The configuration of a new run, checked.
    fn config(&self, from: Option<&Start>) -> Result<Config> {
        let mut config = match from {
            Some(from) => self.brought(from)?,
            None => self.settings.config_of_any_batch("nano")?,
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
        self.changed(&mut config);
        if let (true, Some(parts)) = (self.any_batch(), config.optimization.accumulate) {
            config.data.batch_size = config.data.batch_size.max(parts); // until it is found
        }
        config.validate()?;
        config.data_path()?;
        if !self.dry_run {
            config.out_path()?;
        }
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

    /// The configuration of a run that begins with these weights: what they carry or what is given, and else what lies beside
    /// them or is known of them, with the values that are given over it.
    fn brought(&self, from: &Start) -> Result<Config> {
        let given = &self.settings;
        let flags = [
            ("--config", given.config.is_some()),
            ("--preset", given.preset.is_some()),
            ("--patch", given.patch.is_some()),
            ("--batch", given.batch.is_some()),
            ("--seed", given.seed.is_some()),
            ("--set", !given.set.is_empty()),
        ];
        // Without AdamW's moments nothing goes on: weights begin a run, with whatever settings.
        if from.goes_on() {
            let origin = &from.weights.origin;
            if let Some((flag, _)) = flags.iter().find(|(_, given)| *given) {
                return Err(Error::usage(format!(
                    "{origin} is a checkpoint that its run goes on from, with the configuration that it carries: leave out {flag}, or \
                     add --weights-only to begin a new run"
                )));
            }
            let config = from.carried().cloned().ok_or_else(|| {
                Error::usage(format!(
                    "{origin} does not say how its run was configured: it is too old"
                ))
            })?;
            return given.over(config);
        }
        match flags[0].1 || flags[1].1 {
            true => given.config_of_any_batch("base"),
            false => given.over(from.config()?),
        }
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
        self.changed(&mut config);
        config.validate()?;
        Ok(config)
    }

    /// What may be changed of a run that goes on, too, besides its end.
    fn changed(&self, config: &mut Config) {
        if let Some(steps) = self.probe_every {
            config.logging.probe_every = steps;
        }
        config.optimization.checkpoint_activations |= self.settings.checkpoint_activations;
        match self.accumulate {
            Some(Count::Auto) => config.optimization.accumulate = None,
            Some(Count::Number(parts)) => config.optimization.accumulate = Some(parts),
            None => {}
        }
    }

    /// `--batch auto`: the largest batch that this GPU holds, and that the data has images for.
    fn any_batch(&self) -> bool {
        self.settings.batch == Some(Count::Auto)
    }
}

pub fn run(args: Args) -> Result<()> {
    let loudness = match (args.quiet, args.verbose) {
        (true, _) => Loudness::Quiet,
        (_, true) => Loudness::Verbose,
        _ => Loudness::Normal,
    };
    let from = args
        .from
        .as_deref()
        .map(|file| Start::open(file, args.partial))
        .transpose()?
        .map(|from| if args.weights_only { from.alone() } else { from });
    let (mut config, folder) = match &args.resume {
        None => {
            let config = args.config(from.as_ref())?;
            let folder = PathBuf::from(config.out_path().or_else(|e| match args.dry_run {
                true => Ok(String::new()),
                false => Err(e),
            })?);
            (config, folder)
        }
        Some(folder) => (args.config_of(folder)?, folder.clone()),
    };
    let mut progress = Progress::new(loudness);
    for notice in config.notices() {
        progress.say(&notice);
    }
    let stop = Stop::default();
    let beginning = match (&args.resume, &from) {
        (Some(_), _) => Beginning::Resume,
        (None, Some(file)) => Beginning::From(file),
        (None, None) => Beginning::New,
    };
    if !matches!(beginning, Beginning::Resume) && !args.dry_run {
        folder::vacant(&folder)?; // checked again later; here before data and GPU are opened
    }
    let (data, gpu) = open(&config, &folder, beginning, &args.adapter, &progress)?;
    if args.any_batch() {
        let most = data.len().min(MOST_IMAGES);
        config.data.batch_size = pollster::block_on(plan::largest(&gpu, &config, most))?;
        config.validate()?;
        let batch = config.data.batch_size;
        progress.say(&format!("batch: {batch} images, the most that fit (data.batch_size)"));
    }
    data.require(config.data.batch_size)?;
    if let Some(progress) = from.as_ref().filter(|from| from.goes_on()).and_then(Start::progress) {
        let same = Course::new(&config, data.len()).check(progress, &data);
        same.map_err(|e| {
            Error::usage(format!(
                "{e}; you can begin a new run with its weights (ijepa train --from ... --weights-only)"
            ))
        })?;
    }
    if args.dry_run {
        let rehearsal = pollster::block_on(rehearse(&gpu, &config, data))?;
        return rehearsed(&config, &rehearsal, &mut progress);
    }
    let anew = args.accumulate == Some(Count::Auto);
    let finished = go(&config, &folder, (beginning, anew), (data, gpu), &mut progress, &stop)?;
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

/// What a dry run saw.
fn rehearsed(config: &Config, rehearsal: &Rehearsal, progress: &mut Progress) -> Result<()> {
    progress.tell(Event::Memory(&rehearsal.parts));
    progress.end();
    let Rehearsal { dims, step, .. } = rehearsal;
    let allocated = match rehearsal.allocated {
        Some(bytes) => format!("; its driver's allocator gave {}", size(bytes)),
        None => String::new(),
    };
    let planned = rehearsal.parts.iter().map(|(_, bytes)| bytes).sum();
    let split = match dims.parts {
        1 => String::new(),
        parts => format!(" in {parts} parts of {} images at most", dims.batch),
    };
    super::print(&format!(
        "a step of {} images{split} takes {} of the GPU's memory{allocated}\n\
         the first step took {:.2} s, with its kernels to compile; loss {:.4}\n\
         nothing was written\n",
        config.data.batch_size,
        size(planned),
        rehearsal.seconds,
        step.loss,
    ))
}

/// How a run begins.
#[derive(Clone, Copy)]
pub enum Beginning<'a> {
    New,
    /// With the checkpoint in its folder.
    Resume,
    /// With weights from elsewhere.
    From(&'a Start),
}

/// Opens the data and the GPU and trains a new run, with Ctrl-C as the way to stop. What the demo does, too.
pub fn start(
    config: &Config,
    folder: &Path,
    adapter: &AdapterArgs,
    progress: &mut Progress,
    stop: &Stop,
) -> Result<Finished> {
    folder::vacant(folder)?; // checked again later; here before data and GPU are opened
    let opened = open(config, folder, Beginning::New, adapter, progress)?;
    opened.0.require(config.data.batch_size)?;
    go(config, folder, (Beginning::New, false), opened, progress, stop)
}

fn open(
    config: &Config,
    folder: &Path,
    beginning: Beginning,
    adapter: &AdapterArgs,
    progress: &Progress,
) -> Result<(Arc<Dataset>, Gpu)> {
    let resume = matches!(beginning, Beginning::Resume);
    let seed = config.meta.seed;
    let data =
        Dataset::open(&config.data_path()?, Split::Train, seed, config.data.max_pixels).map_err(|e| match e {
            Error::Usage(text) if resume => Error::usage(format!(
                "{text}; where the images are stands in {}, as data.root_path",
                folder.join(CONFIG).display()
            )),
            other => other,
        })?;
    let gpu = match resume {
        true => {
            let machine = checkpoint::progress(folder).and_then(|progress| progress.machine);
            adapter.open_again(machine, config.bits(), &|line| progress.say(line))?
        }
        false => adapter.open_for(config.bits(), &|line| progress.say(line))?,
    };
    progress.say(&format!(
        "{} images of {}, on {}",
        data.len(),
        data.source(),
        gpu.info().name
    ));
    Ok((Arc::new(data), gpu))
}

/// The images that `--probe-every` scores, where the data has some apart from those to train on.
fn to_score(config: &Config) -> Result<Option<Dataset>> {
    if config.logging.probe_every == 0 {
        return Ok(None);
    }
    let data = Dataset::open(
        &config.data_path()?,
        Split::Test,
        config.meta.seed,
        config.data.max_pixels,
    )?;
    Ok((data.split() == Some(Split::Test)).then_some(data))
}

fn go(
    config: &Config,
    folder: &Path,
    (beginning, split_anew): (Beginning, bool),
    (data, gpu): (Arc<Dataset>, Gpu),
    progress: &mut Progress,
    stop: &Stop,
) -> Result<Finished> {
    stop.listen();
    let job = Job {
        gpu: &gpu,
        config,
        data: data.clone(),
        test: to_score(config)?.map(Arc::new),
        folder,
        resume: matches!(beginning, Beginning::Resume),
        split_anew,
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
