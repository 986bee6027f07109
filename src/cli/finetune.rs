//! `ijepa finetune`: an encoder and a linear head, trained with labels end to end.

use super::adapter::AdapterArgs;
use super::encoder::Encoder;
use super::probe::nothing_shared;
use super::progress::{Loudness, Progress};
use super::stop::Stop;
use super::{print, settings};
use ijepa::data::Split;
use ijepa::data::eval::decoded;
use ijepa::data::source::Dataset;
use ijepa::model::init;
use ijepa::train::config::Config;
use ijepa::train::finetune::{self as job, Begin, Event, Finished, Job, Sources, finetune};
use ijepa::train::folder;
use ijepa::train::start::Start;
use ijepa::train::tuned::{Score, Settings};
use ijepa::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Train an encoder end to end with labels, as a classifier, and write it to a folder.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Folder of a run, one of the checkpoints in it, or any weights that `ijepa train --from` takes
    #[arg(long, value_name = "RUN", required_unless_present_any = ["resume", "from_scratch"])]
    weights: Option<PathBuf>,
    /// Labelled images, a folder for each class: a folder, a tar, a packed set, or generated:glyphs; its test/ is scored
    #[arg(long, value_name = "PATH", required_unless_present = "resume")]
    data: Option<String>,
    /// Labelled images to score after each epoch [default: the test/ or val/ of --data, where it has one]
    #[arg(long, value_name = "PATH")]
    test: Option<String>,
    /// Folder for the result; must not hold another run
    #[arg(long, value_name = "DIR", required_unless_present = "resume")]
    out: Option<PathBuf>,
    /// Go on with what was begun in this folder, from its last epoch, or where Ctrl-C stopped it
    #[arg(long, value_name = "DIR", conflicts_with_all = ["weights", "data", "test", "out", "config", "preset", "from_scratch", "partial"])]
    resume: Option<PathBuf>,
    /// Draw the encoder anew, of the same sizes: what pretraining is worth is the difference
    #[arg(long)]
    from_scratch: bool,
    /// With --from-scratch in place of --weights: the network of this preset [default: nano]
    #[arg(long, value_name = "NAME", requires = "from_scratch", conflicts_with = "weights")]
    preset: Option<String>,
    /// Which of the two encoders to begin with, where the weights have both
    #[arg(long, value_enum, default_value_t = Encoder::Target)]
    encoder: Encoder,
    /// Configuration of weights that carry none
    #[arg(long, value_name = "F.yaml")]
    config: Option<PathBuf>,
    /// Of the weights take what fits the configuration's encoder, and draw the rest anew
    #[arg(long)]
    partial: bool,
    #[command(flatten)]
    recipe: Recipe,
    /// End with one line of JSON
    #[arg(long)]
    json: bool,
    /// No progress, only errors and the result
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    adapter: AdapterArgs,
}

/// How it is trained.
#[derive(clap::Args)]
#[group(id = "how", conflicts_with = "resume", multiple = true)]
struct Recipe {
    /// Length in passes over the images
    #[arg(long, value_name = "E", default_value_t = 30, conflicts_with = "steps")]
    epochs: u64,
    /// Length in steps
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Images in a step, or all where there are fewer
    #[arg(long, value_name = "N", default_value_t = 64)]
    batch: usize,
    /// Highest learning rate of the last layer [default: 0.001 for 64 images, in proportion for others]
    #[arg(long, value_name = "LR")]
    lr: Option<f64>,
    /// Share of the steps in which the learning rate rises; then it falls by a half cosine
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    warmup: f64,
    /// Decoupled weight decay, of all but norms and biases
    #[arg(long, value_name = "WD", default_value_t = 0.05)]
    weight_decay: f64,
    /// Learning rate of each layer, as a share of that of the layer after it; 1: the same for all [default: 0.75, from scratch 1]
    #[arg(long, value_name = "SHARE")]
    layer_decay: Option<f64>,
    /// How likely the branches of the last block are left out for an image; fewer of those before it
    #[arg(long, value_name = "P", default_value_t = 0.1)]
    drop_path: f64,
    /// What is taken from a label and spread over all classes
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    label_smoothing: f64,
    /// Blend images two by two, with shares of Beta(A, A); 0: not
    #[arg(long, value_name = "A", default_value_t = 0.8)]
    mixup: f64,
    /// Magnitude of two random operations on colours or geometry (RandAugment), up to 10; 0: none
    #[arg(long, value_name = "M", default_value_t = 9.0)]
    augment: f64,
    /// Least share of an image's area that a random crop covers; 1: the central square [default: the configuration's]
    #[arg(long, value_name = "SHARE")]
    crop_scale: Option<f64>,
    /// Do not mirror images: for those whose left and right have a meaning
    #[arg(long)]
    no_flip: bool,
    /// Seed of the head's first weights and of all other draws
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Compute each block again for its gradient instead of keeping what it made: less memory, more time, same numbers
    #[arg(long)]
    checkpoint_activations: bool,
}

const AFTER: &str = "\
The folder then holds latest.safetensors, with encoder, head, names of the classes and AdamW's state, finetune.csv with a \
row for each epoch, scores.json with the confusion matrix, and what `ijepa probe`, `embed` and `export` need: export gives \
it with its classes to transformers, timm or onnxruntime. The weights are those after the last step; test images decide \
nothing.
example: ijepa finetune --weights runs/first --data photos --out runs/tuned
         ijepa finetune --weights runs/first --data photos --out runs/scratch \\
           --from-scratch
         ijepa export --weights runs/tuned --to hf --out exported
         ijepa report runs/tuned runs/scratch";

impl Recipe {
    fn settings(&self, config: &Config, images: usize, from_scratch: bool) -> Settings {
        let batch = self.batch.min(images).max(1);
        let least = self.crop_scale.or(config.data.crop_scale.map(|scale| scale[0]));
        Settings {
            steps: self.steps.unwrap_or(self.epochs * (images / batch) as u64),
            batch,
            lr: self.lr.unwrap_or(1e-3 * batch as f64 / 64.0),
            warmup: self.warmup,
            weight_decay: self.weight_decay,
            layer_decay: self.layer_decay.unwrap_or(if from_scratch { 1.0 } else { 0.75 }),
            drop_path: self.drop_path,
            label_smoothing: self.label_smoothing,
            mixup: self.mixup,
            augment: self.augment,
            crop_scale: least.filter(|&least| least != 1.0).map(|least| [least, 1.0]),
            flip: !self.no_flip,
            seed: self.seed,
            from_scratch,
            recompute: self.checkpoint_activations,
        }
    }
}

/// What there is to do.
struct Plan {
    folder: PathBuf,
    config: Config,
    sources: Sources,
    begin: Begin,
    /// Of what goes on.
    settings: Option<Settings>,
}

pub fn run(args: Args) -> Result<()> {
    let mut progress = Progress::new(match args.quiet {
        true => Loudness::Quiet,
        false => Loudness::Normal,
    });
    let plan = match &args.resume {
        Some(folder) => again(folder)?,
        None => begun(&args, &progress)?,
    };
    let Plan {
        folder,
        config,
        sources,
        begin,
        settings,
    } = plan;
    config.check_model()?;
    let seed = config.meta.seed;
    let open = |path: &str, split| Dataset::open(path, split, seed, config.data.max_pixels);
    let train = open(&sources.data, Split::Train)?;
    let test = match &sources.test {
        Some(path) => Some(open(path, Split::Test)?),
        None => Some(open(&sources.data, Split::Test)?).filter(|test| test.split() == Some(Split::Test)),
    };
    if train.split() == Some(Split::Test) {
        let source = &sources.data;
        return Err(Error::usage(format!(
            "{source} has no train/ to learn from, only images to score: give the training images as --data and these as --test {source}"
        )));
    }
    train.labels_as(train.class_names())?;
    if let Some(test) = &test {
        test.labels_as(train.class_names())?; // before anything is trained
        nothing_shared(&train, test)?;
        // That too many can't be read is no news for the end of an epoch.
        decoded(test, &(0..test.len()).collect::<Vec<_>>(), |_| ())?;
    }
    let settings = settings.unwrap_or_else(|| args.recipe.settings(&config, train.len(), args.from_scratch));
    settings.validate(&job::model(&config)?)?;
    let gpu = match &begin {
        Begin::Again(saved) => args
            .adapter
            .open_again(saved.progress.machine.clone(), None, &|line| progress.say(line))?,
        Begin::With(..) => args.adapter.open_tuned(&|line| progress.say(line))?,
    };
    let scored = test.as_ref().map_or("no images to score (--test)".to_string(), |test| {
        format!("{} of {} to score", test.len(), test.source())
    });
    progress.say(&format!(
        "{} images of {} in {} classes, {scored}, on {}",
        train.len(),
        train.source(),
        train.class_names().len(),
        gpu.info().name
    ));
    let stop = Stop::default();
    stop.listen();
    let train = Arc::new(train);
    let job = Job {
        gpu: &gpu,
        config: &config,
        settings: &settings,
        sources: &sources,
        train: train.clone(),
        test: test.as_ref(),
        folder: &folder,
        begin,
        stop: stop.flag(),
    };
    let finished = pollster::block_on(finetune(job, &mut |event| tell(&mut progress, settings.batch, event)));
    progress.end();
    for summary in [
        train.bad().summary(),
        test.as_ref().and_then(|test| test.bad().summary()),
    ] {
        summary.iter().for_each(|summary| progress.say(summary));
    }
    ended(&finished?, &folder, args.json, &progress)
}

/// A new one.
fn begun(args: &Args, progress: &Progress) -> Result<Plan> {
    let (Some(data), Some(folder)) = (&args.data, args.out.clone()) else {
        return Err(Error::usage("give --data PATH and --out DIR, or --resume DIR"));
    };
    folder::vacant(&folder)?; // checked again later; here before anything is read
    let start = args
        .weights
        .as_deref()
        .map(|path| Start::open(path, args.partial))
        .transpose()?;
    let mut config = match (&args.config, &start, &args.preset) {
        (Some(file), ..) => settings::file(file)?,
        (None, Some(start), _) => start.config()?,
        (None, None, preset) => Config::preset(preset.as_deref().unwrap_or("nano"))?,
    };
    config.check_model()?;
    let begin = match &start {
        Some(start) if !args.from_scratch => {
            let (_, fitted) = start.encoders(&config)?;
            fitted.notes.iter().for_each(|note| progress.say(note));
            let mut tensors = fitted.tensors;
            if args.encoder == Encoder::Target {
                let target = tensors.iter().filter_map(|(name, tensor)| {
                    Some((
                        format!("encoder.{}", name.strip_prefix("target_encoder.")?),
                        tensor.clone(),
                    ))
                });
                let target: Vec<_> = target.collect();
                tensors.extend(target);
            }
            Begin::With(tensors, start.weights.origin.clone())
        }
        _ => {
            config.meta.seed = args.recipe.seed;
            let wanted = |name: &str| name.starts_with("encoder.");
            let drawn = init::draw_some(&job::model(&config)?, config.meta.init, config.meta.seed, wanted);
            Begin::With(drawn, "the drawn weights".to_string())
        }
    };
    let data = whole(data);
    config.set_data(&data);
    let sources = Sources {
        weights: args
            .weights
            .as_ref()
            .map(|path| std::path::absolute(path).unwrap_or(path.clone())),
        encoder: (args.weights.is_some() && !args.from_scratch).then(|| args.encoder.word().to_string()),
        data,
        test: args.test.as_deref().map(whole),
    };
    Ok(Plan {
        folder,
        config,
        sources,
        begin,
        settings: None,
    })
}

/// One that goes on.
fn again(folder: &Path) -> Result<Plan> {
    let (saved, sources) = job::load(folder)?;
    let mut config = saved.config.clone();
    config.set_data(&sources.data);
    Ok(Plan {
        folder: folder.to_path_buf(),
        config,
        sources,
        settings: Some(saved.tuned.settings.clone()),
        begin: Begin::Again(Box::new(saved)),
    })
}

/// So that it can go on from any folder.
fn whole(path: &str) -> String {
    match std::path::absolute(path) {
        Ok(whole) if !path.starts_with("generated:") => whole.to_string_lossy().into_owned(),
        _ => path.to_string(),
    }
}

fn tell(progress: &mut Progress, batch: usize, event: Event) {
    match event {
        Event::Note(text) => progress.say(text),
        Event::Step {
            step,
            of,
            epoch,
            so_far,
        } => {
            let (loss, accuracy) = (so_far.mean_loss(), so_far.accuracy());
            let text = format!("epoch {} loss {loss:.4} accuracy {accuracy:.1} %", epoch + 1);
            progress.tuned((step, of), batch, &text);
        }
        Event::Epoch { epoch, train, test } => {
            let test = test.map_or(String::new(), |test| {
                format!(
                    "; test: loss {:.4}, accuracy {:.1} %",
                    test.mean_loss(),
                    test.accuracy()
                )
            });
            let (loss, accuracy) = (train.mean_loss(), train.accuracy());
            progress.say(&format!(
                "epoch {epoch}: loss {loss:.4}, accuracy {accuracy:.1} %{test}"
            ));
        }
    }
}

fn ended(finished: &Finished, folder: &Path, json: bool, progress: &Progress) -> Result<()> {
    if !finished.complete {
        progress.say(&format!(
            "stopped at step {} of {} and saved; go on by: ijepa finetune --resume {}",
            finished.step,
            finished.of,
            folder.display()
        ));
        return Ok(());
    }
    progress.say(&format!("weights: {}", finished.checkpoint.display()));
    let Some(test) = finished.test else {
        return Ok(());
    };
    let [low, high] = test.interval();
    print(&format!(
        "test accuracy {:.1} % ({} of {} images; {low:.1} to {high:.1} with 95 % confidence), loss {:.4}\n",
        test.accuracy(),
        test.right,
        test.images,
        test.mean_loss()
    ))?;
    match json {
        true => print(&format!("{}\n", line(&test))),
        false => Ok(()),
    }
}

fn line(test: &Score) -> serde_json::Value {
    let hundredths = |per_cent: f64| (per_cent * 100.0).round() / 100.0;
    serde_json::json!({
        "accuracy": hundredths(test.accuracy()),
        "interval": test.interval().map(hundredths),
        "loss": test.mean_loss(),
        "right": test.right,
        "images": test.images,
    })
}
