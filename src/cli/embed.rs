//! `ijepa embed`: images to feature vectors, in a file.

use super::adapter::AdapterArgs;
use super::cut::Wanted;
use super::encoder::EncoderArgs;
use super::print;
use super::progress::{Loudness, Progress};
use super::stop::Stop;
use ijepa::data::Split;
use ijepa::data::eval::eval_batches_from;
use ijepa::data::source::Dataset;
use ijepa::eval::features::{encode, tokens};
use ijepa::weights::rows::part::Part;
use ijepa::weights::rows::{self, Form, Shape};
use ijepa::{Error, Result};
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// Write the features of images to a file, one vector for each image or patch.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Folder of a run, one of the checkpoints in it, or weights of the reference, of Hugging Face, timm or torch.save
    #[arg(long, value_name = "RUN")]
    weights: PathBuf,
    /// Images: a folder, a tar, a packed set, or generated:glyphs
    #[arg(long, value_name = "PATH")]
    data: String,
    /// Images of train/ or of test/ (or val/), where the data has both, or all there are
    #[arg(long, value_name = "SPLIT", value_enum, default_value_t = Which::Train)]
    split: Which,
    /// File to write, such as features.safetensors; its ending says which kind; must not be there
    #[arg(long, value_name = "F.safetensors|.npy|.parquet|.csv")]
    out: PathBuf,
    /// A vector for each patch instead of their average
    #[arg(long)]
    patches: bool,
    /// Images that are encoded at once, or fewer where the adapter has no room [default: the configuration's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65536))]
    batch: Option<u32>,
    /// Pixels that images are scaled and cut to, in multiples of the patch: a side (448) or WIDTHxHEIGHT (320x480); positions are
    /// laid over the trained ones [default: the configuration's]
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    size: Option<Wanted>,
    #[command(flatten)]
    encoder: EncoderArgs,
    /// No progress, only errors
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    adapter: AdapterArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Which {
    Train,
    Test,
    All,
}

const AFTER: &str = "\
Features are patches after the last norm, averaged: [images, D]; with --patches [images, N, D], row by row of the image.
  .safetensors  \"features\", and in the metadata \"names\", a JSON list
  .npy          for numpy.load; names as a JSON list beside it, in F.names.json
  .parquet      name, features: [images, D] is
                numpy.stack(pandas.read_parquet(\"F.parquet\").features)
  .csv          name, f0, f1, ...
With --patches tables have a row for each patch: name, image and patch (numbers from 0) and its features. Images are cut as \
for evaluation (data.eval_transform), and decoded batch by batch, so that memory does not grow with their number. What was \
made waits in F.part until all is there: after Ctrl-C or a crash the same command goes on, and writes the same file.
example: ijepa embed --weights runs/first --data generated:glyphs --split test \\
           --out features.safetensors";

pub fn run(args: Args) -> Result<()> {
    let out = args.out.display();
    let form = Form::of(&args.out)?;
    rows::vacant(&args.out)?;
    let mut read = args.encoder.read(&args.weights)?;
    if let Some(wanted) = args.size {
        read.resize(wanted)?;
    }
    let (seed, max_pixels) = (read.config.meta.seed, read.config.data.max_pixels);
    let data = match args.split {
        Which::Train => Dataset::open(&args.data, Split::Train, seed, max_pixels)?,
        Which::Test => Dataset::open(&args.data, Split::Test, seed, max_pixels)?,
        Which::All => Dataset::open_all(&args.data, seed, max_pixels)?,
    };
    data.bad().check()?;
    // Each with quotes, which are escaped in the header, and a comma.
    let names: u64 = (0..data.len()).map(|index| data.name(index).len() as u64 + 5).sum();
    if form == Form::Safetensors && names > rows::MOST_NAMES {
        return Err(Error::usage(format!(
            "the names of {} images take {} MB, and a safetensors file's header holds {}: choose another kind of file, or embed \
             parts of the images",
            data.len(),
            names / 1_000_000,
            rows::MOST_NAMES / 1_000_000
        )));
    }
    let mut progress = Progress::new(match args.quiet {
        true => Loudness::Quiet,
        false => Loudness::Normal,
    });
    read.notes.iter().for_each(|note| progress.say(note));
    if let Some(note) = other_split(args.split, &data) {
        progress.say(&note);
    }
    let mut net = read.open(&args.adapter, args.batch)?;
    let (model, batch) = (&read.model, net.dims().batch);
    let shape = Shape {
        patches: args.patches.then(|| model.num_patches()),
        width: model.embed_dim,
    };
    let mut settings = read.settings();
    settings.extend([
        ("images", format!("{} of {}", data.fingerprint(), data.source())),
        ("features", if args.patches { "patches" } else { "images" }.to_string()),
        ("batch", batch.to_string()),
        ("adapter", net.gpu().info().name.clone()),
        ("data.max_pixels", max_pixels.to_string()),
    ]);
    if data.source().starts_with("generated:") {
        settings.push(("meta.seed", seed.to_string())); // draws the images
    }
    let mut part = Part::open(&args.out, shape, &settings)?;
    if part.next() > 0 {
        progress.say(&format!(
            "going on after {} images in {}",
            part.next(),
            part.path().display()
        ));
    }
    for (name, reason) in part.skipped() {
        data.bad().record(name, reason)?;
    }
    let stop = Stop::default();
    stop.listen();
    let mut told: Vec<(String, String)> = data.bad().list();
    let mut next = part.next();
    for some in eval_batches_from(&data, model.image, read.transform, batch, next) {
        let some = some?;
        let count = some.indices.len();
        let features = pollster::block_on(async {
            match args.patches {
                true => tokens(&mut net, &some.images, count).await,
                false => encode(&mut net, &some.images, count).await,
            }
        })?;
        next = data.len().min(next + batch);
        let names = some.indices.iter().map(|&index| data.name(index)).collect();
        let mut skipped = vec![];
        if data.bad().count() > told.len() {
            skipped = data.bad().list();
            skipped.retain(|bad| !told.contains(bad));
            told.extend(skipped.iter().cloned());
        }
        part.add(names, &features, skipped, next)?;
        progress.image(next as u64, data.len() as u64);
        if stop.flag().load(Ordering::Relaxed) && next < data.len() {
            return Err(Error::run(format!(
                "stopped after {next} of {} images, which {} keeps: the same command goes on",
                data.len(),
                part.path().display()
            )));
        }
    }
    let metadata = [
        ("encoder", read.which.word().to_string()),
        ("weights", read.origin.clone()),
    ];
    let count = rows::finish(part, &args.out, shape, &metadata)?;
    progress.end();
    if let Some(summary) = data.bad().summary() {
        progress.say(&summary);
    }
    let each = match shape.patches {
        Some(patches) => format!("{patches} patches of {} values each", shape.width),
        None => format!("{} values each", shape.width),
    };
    match args.quiet {
        true => Ok(()),
        false => print(&format!("wrote {out}: {count} images, {each}\n")),
    }
}

/// What is said where the data does not have the split that was wanted. Train is what nobody may have asked for: data without
/// splits needs no word then.
fn other_split(wanted: Which, data: &Dataset) -> Option<String> {
    let source = data.source();
    match (wanted, data.split()) {
        (Which::Train, Some(Split::Test)) => Some(format!("{source} has no train/: these are its images to test with")),
        (Which::Test, Some(Split::Train)) => Some(format!(
            "{source} has no test/ or val/: these are its images to train with"
        )),
        (Which::Test, None) => Some(format!("{source} has no test/ or val/: these are all its images")),
        _ => None,
    }
}
