//! `ijepa probe`: what a run has learned, in per cent.

use super::adapter::AdapterArgs;
use super::{print, say, settings};
use ijepa::data::Split;
use ijepa::data::source::Dataset;
use ijepa::eval::comparison::Comparison;
use ijepa::eval::labelled::{Labelled, MOST_IMAGES};
use ijepa::eval::probe::ProbeTable;
use ijepa::gpu::Gpu;
use ijepa::model::init;
use ijepa::model::tensors::Tensors;
use ijepa::train::config::Config;
use ijepa::train::start::Start;
use ijepa::weights::fit::Fitted;
use ijepa::{Error, Result};
use std::collections::HashSet;
use std::path::PathBuf;

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
    /// End with one line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    adapter: AdapterArgs,
}

const AFTER: &str = "\
Images are decoded batch by batch and not kept. Of more than 50000 images to fit on, or to score, 50000 are used: picked by
chance, always the same. Raw pixels are those of the cut image, scaled to 32 x 32 where it is larger.
example: ijepa probe --weights runs/first --data generated:glyphs";

pub fn run(args: Args) -> Result<()> {
    let start = Start::open(&args.weights, args.partial)?;
    let config = match &args.config {
        Some(file) => settings::file(file)?,
        None => start.config()?,
    };
    config.check_model()?;
    let open = |path: &str, split| Dataset::open(path, split, config.meta.seed, config.data.max_pixels);
    let train = open(&args.data, Split::Train)?;
    let test = open(args.test.as_deref().unwrap_or(&args.data), Split::Test)?;
    if args.test.is_none() {
        two_parts(&args.data, &train, &test)?;
    }
    nothing_shared(&train, &test)?;
    let Fitted { tensors, notes, .. } = start.fitted(&config)?;
    notes.iter().for_each(|note| say(note));
    let learned = (tensors, start.weights.origin.clone());
    let gpu = args.adapter.open_tuned(&say)?;
    let table = table(&gpu, &config, learned, &train, &test, MOST_IMAGES)?;
    for summary in [train.bad().summary(), test.bad().summary()].into_iter().flatten() {
        say(&summary);
    }
    print(&format!("{table}\n"))?;
    match args.json {
        true => print(&format!("{}\n", table.json())),
        false => Ok(()),
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

/// Scores a run's weights (with their name for messages) beside raw pixels and the run's own first weights, on at most
/// `most` images of each set.
pub fn table(
    gpu: &Gpu,
    config: &Config,
    (learned, origin): (Tensors, String),
    train: &Dataset,
    test: &Dataset,
    most: usize,
) -> Result<ProbeTable> {
    let (model, transform) = (config.model()?, config.eval_transform());
    let labelled = |data| Labelled::new(data, train.class_names(), model.crop, transform, most);
    let (train, test) = (labelled(train)?, labelled(test)?);
    [train.notice(), test.notice()]
        .into_iter()
        .flatten()
        .for_each(|notice| say(&notice));
    let comparison = Comparison {
        model: &model,
        learned: &learned,
        origin: &origin,
        untrained: &init::draw(&model, config.meta.init, config.meta.seed),
        train: &train,
        test: &test,
    };
    pollster::block_on(comparison.table(gpu, config.data.batch_size))
}
