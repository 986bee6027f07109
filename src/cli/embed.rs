//! `ijepa embed`: images to feature vectors, in a file.

use super::adapter::AdapterArgs;
use super::progress::{Loudness, Progress};
use super::stop::Stop;
use super::{print, settings};
use ijepa::data::Split;
use ijepa::data::eval::eval_batches;
use ijepa::data::source::Dataset;
use ijepa::eval::features::encode;
use ijepa::model::ijepa::{Ijepa, Terms};
use ijepa::model::needs::{Dims, largest_batch};
use ijepa::train::start::Start;
use ijepa::weights::fit::Fitted;
use ijepa::weights::rows::{self, Rows};
use ijepa::{Error, Result};
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// Write the features of images to a file, one vector for each.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Folder of a run, one of the checkpoints in it, or weights of the reference, of Hugging Face, timm or torch.save
    #[arg(long, value_name = "RUN")]
    weights: PathBuf,
    /// Images: a folder, a tar, a packed set, or generated:glyphs
    #[arg(long, value_name = "PATH")]
    data: String,
    /// Images of train/ or of test/ (or val/), where the data has both
    #[arg(long, value_name = "SPLIT", value_enum, default_value_t = Part::Train)]
    split: Part,
    /// File to write, such as features.safetensors; must not be there
    #[arg(long, value_name = "F.safetensors")]
    out: PathBuf,
    /// Which of the two encoders, where the weights have both
    #[arg(long, value_enum, default_value_t = Encoder::Target)]
    encoder: Encoder,
    /// Images that are encoded at once, or fewer where the adapter has no room [default: the configuration's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65536))]
    batch: Option<u32>,
    /// Configuration of weights that carry none
    #[arg(long, value_name = "F.yaml")]
    config: Option<PathBuf>,
    /// Of the weights take what fits the configuration's encoder, and draw the rest anew
    #[arg(long)]
    partial: bool,
    /// No progress, only errors
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    adapter: AdapterArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    Train,
    Test,
}

/// Which encoder is meant.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Encoder {
    Target,
    Context,
}

const AFTER: &str = "\
The file has \"features\" [images, D], patches averaged after the last norm, and in its metadata \"names\", a JSON list. Images are
cut as for evaluation (data.eval_transform), and decoded batch by batch, so that memory does not grow with their number.
example: ijepa embed --weights runs/first --data generated:glyphs --split test --out features.safetensors";

pub fn run(args: Args) -> Result<()> {
    let out = args.out.display();
    if args.out.exists() {
        return Err(Error::usage(format!("{out} exists already: choose another --out")));
    }
    let start = Start::open(&args.weights, args.partial)?;
    let config = match &args.config {
        Some(file) => settings::file(file)?,
        None => start.config()?,
    };
    config.check_model()?;
    let split = match args.split {
        Part::Train => Split::Train,
        Part::Test => Split::Test,
    };
    let data = Dataset::open(&args.data, split, config.meta.seed, config.data.max_pixels)?;
    // Each with quotes, which are escaped in the header, and a comma.
    let names: u64 = (0..data.len()).map(|index| data.name(index).len() as u64 + 5).sum();
    if names > rows::MOST_NAMES {
        return Err(Error::usage(format!(
            "the names of {} images take {} MB, and a safetensors file's header holds {}: embed parts of the images",
            data.len(),
            names / 1_000_000,
            rows::MOST_NAMES / 1_000_000
        )));
    }
    let (model, fitted) = start.encoders(&config)?;
    let Fitted { mut tensors, notes, .. } = fitted;
    if args.encoder == Encoder::Context {
        let own: Vec<_> = tensors
            .iter()
            .filter(|(name, _)| name.starts_with("encoder."))
            .collect();
        let as_target: Vec<_> = own
            .into_iter()
            .map(|(name, tensor)| (format!("target_{name}"), tensor.clone()))
            .collect();
        tensors.extend(as_target);
    }
    let mut progress = Progress::new(match args.quiet {
        true => Loudness::Quiet,
        false => Loudness::Normal,
    });
    notes.iter().for_each(|note| progress.say(note));
    let gpu = args.adapter.open()?;
    let batch = args.batch.map_or(config.data.batch_size, |batch| batch as usize);
    let batch = largest_batch(gpu.kind(), &model, &Dims::encode(batch), gpu.most_bytes()).max(1);
    let origin = &start.weights.origin;
    let mut net = Ijepa::new(&gpu, &model, &tensors, origin, Terms::default(), Dims::encode(batch))?;
    drop(tensors);
    let mut rows = Rows::create(&args.out, model.embed_dim)?;
    let stop = Stop::default();
    stop.listen();
    let mut done = 0;
    for some in eval_batches(&data, model.crop, config.eval_transform(), batch, None) {
        let some = some?;
        let features = pollster::block_on(encode(&mut net, &some.images, some.indices.len()))?;
        rows.add(&features, some.indices.iter().map(|&index| data.name(index)))?;
        done += some.indices.len() as u64;
        progress.image(done, data.len() as u64);
        if stop.flag().load(Ordering::Relaxed) {
            return Err(Error::run(format!("stopped after {done} images; nothing was written")));
        }
    }
    let which = match args.encoder {
        Encoder::Target => "target",
        Encoder::Context => "context",
    };
    let count = rows.finish(&[("encoder", which.to_string()), ("weights", origin.clone())])?;
    progress.end();
    if let Some(summary) = data.bad().summary() {
        progress.say(&summary);
    }
    print(&format!(
        "wrote {out}: {count} images, {} values each\n",
        model.embed_dim
    ))
}
