//! `ijepa probe`: what a run has learned, in per cent.

pub mod confusion;
pub mod found;
mod subject;

pub use subject::table;

use super::adapter::AdapterArgs;
use super::encoder::{Encoder, opened};
use super::progress::{Loudness, Progress};
use super::{print, write};
use ijepa::data::Split;
use ijepa::data::source::Dataset;
use ijepa::eval::labelled::MOST_IMAGES;
use ijepa::eval::protocol::{Method, Plan};
use ijepa::train::start::Start;
use ijepa::weights::fit::Fitted;
use ijepa::{Error, Result};
use serde_json::json;
use std::collections::HashSet;
use std::path::PathBuf;
use subject::Subject;

/// Measure a run's features on labelled images, beside raw pixels and the untrained encoder.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Folder of the run, one of the checkpoints in it, or weights of the reference, of Hugging Face, timm or torch.save
    #[arg(long, value_name = "RUN")]
    weights: PathBuf,
    /// Configuration of weights that carry none
    #[arg(long, value_name = "F.yaml")]
    config: Option<PathBuf>,
    /// Of the weights take what fits the configuration's networks, and draw the rest anew
    #[arg(long)]
    partial: bool,
    /// Labelled images to fit on: a folder, a tar, a packed set, or generated:glyphs; its test/ is scored where it has one
    #[arg(long, value_name = "PATH")]
    data: String,
    /// Labelled images to score [default: the test/ or val/ of --data]
    #[arg(long, value_name = "PATH")]
    test: Option<String>,
    /// A protocol as papers have it, or all of them, with intervals [default: a short table of 20-NN and ridge regression]
    #[arg(long, value_enum)]
    method: Option<Methods>,
    /// Features: patches after the last block, averaged, or those of the last four blocks side by side
    #[arg(long, value_enum, default_value_t = Blocks::Last)]
    features: Blocks,
    /// Which of the two encoders
    #[arg(long, value_enum, default_value_t = Encoder::Target)]
    encoder: Encoder,
    /// Fit on this share of each class's labels, such as 0.01 for one in a hundred
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    label_fraction: f64,
    /// Neighbours that vote [default: chosen on held-out training images]
    #[arg(long, value_name = "K", requires = "method", value_parser = clap::value_parser!(u32).range(1..))]
    k: Option<u32>,
    /// Memory for patch features of the images that the attentive probe is fitted on, and as much of those it scores: where it is
    /// too little, it uses fewer images
    #[arg(long, value_name = "GB", default_value_t = 1.0)]
    cache: f64,
    /// Draws label subsets, held-out images and the order of training
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// A table of all classes behind the results
    #[arg(long, requires = "method")]
    per_class: bool,
    /// New folder for probe.json and, of each method, the learned features' confusion matrix as a picture; within the run's folder
    /// `ijepa report` and `ijepa export` find it
    #[arg(long, value_name = "DIR", requires = "method")]
    out: Option<PathBuf>,
    /// End with one line of JSON
    #[arg(long)]
    json: bool,
    /// No progress, only errors
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    adapter: AdapterArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Methods {
    /// Nearest neighbours by cosine
    Knn,
    /// One linear layer, trained
    Linear,
    /// A query that looks at every patch, trained
    Attentive,
    /// All of them
    All,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Blocks {
    Last,
    Last4,
}

const AFTER: &str = "\
Images are decoded batch by batch and not kept. Of more than 50000 images to fit on, or to score, 50000 are used: picked by
chance, always the same. Raw pixels are those of the cut image, scaled to 32 x 32 where it is larger.
  --method knn        neighbours by cosine, votes weighted by exp(cosine / 0.07); k, and whether the training mean is subtracted,
                      chosen on a held-out fifth of the training images
  --method linear     one linear layer on standardised features, SGD with momentum 0.9, batches of 256, cosine schedule; 6 learning
                      rates x 4 weight decays trained together, the best on the held-out fifth fitted again on all
  --method attentive  one block of cross-attention with learned queries over the patches of the last block, AdamW, three learning
                      rates; on raw pixels over the image's patches
Intervals are Wilson's, of 95 %: what the choice of test images leaves open.
example: ijepa probe --weights runs/first --data generated:glyphs
         ijepa probe --weights runs/first --data photos --method all --features last4 --out runs/first/probe
         ijepa probe --weights runs/first --data photos --method linear --label-fraction 0.01 --json";

pub fn run(args: Args) -> Result<()> {
    args.out.as_deref().map_or(Ok(()), write::vacant)?;
    let (start, config) = opened(&args.weights, args.config.as_deref(), args.partial)?;
    let open = |path: &str, split| Dataset::open(path, split, config.meta.seed, config.data.max_pixels);
    let train = open(&args.data, Split::Train)?;
    let test = open(args.test.as_deref().unwrap_or(&args.data), Split::Test)?;
    if args.test.is_none() {
        two_parts(&args.data, &train, &test)?;
    }
    nothing_shared(&train, &test)?;
    let Fitted { tensors, notes, .. } = start.fitted(&config)?;
    let mut progress = Progress::new(match args.quiet {
        true => Loudness::Quiet,
        false => Loudness::Normal,
    });
    notes.iter().for_each(|note| progress.say(note));
    let learned = (args.encoder.as_target(tensors), start.weights.origin.clone());
    let gpu = args.adapter.open_tuned(&|line| progress.say(line))?;
    let subject = Subject {
        gpu: &gpu,
        config: &config,
        learned,
        blocks: args.features.count(),
        labels: (args.label_fraction, args.seed),
        most: MOST_IMAGES,
        tokens: args.tokens(),
    };
    let (text, json) = match args.method {
        None => {
            let table = subject.table(&train, &test, &mut progress)?;
            (table.to_string(), table.json())
        }
        Some(methods) => {
            let mut protocol = subject.protocol(&train, &test, &args.plan(methods), &mut progress)?;
            protocol.about = args.about(&start);
            if let Some(out) = &args.out {
                confusion::write(&protocol, out)?;
            }
            let per_class = match args.per_class {
                true => format!("\n\n{}", protocol.per_class()),
                false => String::new(),
            };
            (format!("{protocol}{per_class}"), protocol.json())
        }
    };
    progress.end_stages();
    for summary in [train.bad().summary(), test.bad().summary()].into_iter().flatten() {
        progress.say(&summary);
    }
    print(&format!("{text}\n"))?;
    if let Some(out) = &args.out {
        progress.say(&format!("wrote {}", out.display()));
    }
    match args.json {
        true => print(&format!("{json}\n")),
        false => Ok(()),
    }
}

impl Args {
    fn plan(&self, methods: Methods) -> Plan {
        Plan {
            methods: match methods {
                Methods::Knn => vec![Method::Knn],
                Methods::Linear => vec![Method::Linear],
                Methods::Attentive => vec![Method::Attentive],
                Methods::All => vec![Method::Knn, Method::Linear, Method::Attentive],
            },
            k: self.k.map(|k| k as usize),
            seed: self.seed,
        }
    }

    /// Bytes for patch features, where a method asks for them.
    fn tokens(&self) -> Option<u64> {
        let asked = matches!(self.method, Some(Methods::Attentive | Methods::All));
        asked.then_some((self.cache.max(0.0) * 1e9) as u64)
    }

    /// How features were made, for JSON.
    fn about(&self, start: &Start) -> Vec<(&'static str, serde_json::Value)> {
        let features = match self.features {
            Blocks::Last => "last",
            Blocks::Last4 => "last4",
        };
        let progress = start.tuned().map(|(progress, _)| progress).or(start.progress());
        vec![
            ("weights", json!(self.weights)),
            ("step", json!(progress.map(|progress| progress.step))),
            ("data", json!(self.data)),
            ("test", json!(self.test)),
            ("encoder", json!(self.encoder.word())),
            ("features", json!(features)),
            ("label_fraction", json!(self.label_fraction)),
            ("seed", json!(self.seed)),
        ]
    }
}

impl Blocks {
    fn count(self) -> usize {
        match self {
            Blocks::Last => 1,
            Blocks::Last4 => 4,
        }
    }
}

/// Refuses data that does not have both images to fit on and others to score.
fn two_parts(source: &str, train: &Dataset, test: &Dataset) -> Result<()> {
    if test.split() != Some(Split::Test) {
        return Err(Error::usage(format!(
            "{source} has no test/ or val/ to score on: name images of their own by --test PATH"
        )));
    }
    if train.split() != Some(Split::Train) {
        return Err(Error::usage(format!(
            "{source} has no train/ to fit on, only images to score: give the training images as --data and these as \
             --test {source}"
        )));
    }
    Ok(())
}

/// Refuses to score images that the probes are fitted on: their neighbours are themselves.
pub fn nothing_shared(train: &Dataset, test: &Dataset) -> Result<()> {
    // What has no place of its own (generated sets) goes by its name.
    let source = |data: &Dataset| std::fs::canonicalize(data.source()).unwrap_or_else(|_| data.source().into());
    let (fitted, scored) = (source(train), source(test));
    let scored: HashSet<PathBuf> = (0..test.len()).map(|index| scored.join(test.name(index))).collect();
    let mut fitted = (0..train.len()).map(|index| fitted.join(train.name(index)));
    match fitted.find(|place| scored.contains(place)) {
        None => Ok(()),
        Some(place) => Err(Error::usage(format!(
            "the images to fit on and those to score are the same, {} for one: name others by --test PATH",
            place.display()
        ))),
    }
}
