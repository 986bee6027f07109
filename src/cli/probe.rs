//! `ijepa probe`: what a run has learned, in per cent.

use super::adapter::AdapterArgs;
use super::print;
use ijepa::data::Split;
use ijepa::data::source::Dataset;
use ijepa::eval::comparison::Comparison;
use ijepa::eval::labelled::Labelled;
use ijepa::eval::probe::ProbeTable;
use ijepa::gpu::Gpu;
use ijepa::model::init;
use ijepa::model::tensors::Tensors;
use ijepa::train::checkpoint;
use ijepa::train::config::Config;
use ijepa::train::folder::{self, CONFIG};
use ijepa::{Error, Result};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Measure a run's features on labelled images, beside raw pixels and the untrained encoder.
#[derive(clap::Args)]
#[command(after_help = "example: ijepa probe --weights runs/first --data generated:glyphs")]
pub struct Args {
    /// Folder of the run, or one of the checkpoints in it
    #[arg(long, value_name = "RUN")]
    weights: PathBuf,
    /// Labelled images to fit on: a folder, a tar, or generated:glyphs; its test/ is scored where it has one
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

pub fn run(args: Args) -> Result<()> {
    let run = match args.weights.is_file() {
        true => args.weights.parent().unwrap_or(Path::new("")),
        false => &args.weights,
    };
    let config = Config::from_yaml(&folder::config(run)?, &run.join(CONFIG).display().to_string())?;
    config.validate()?;
    let learned = checkpoint::weights(&args.weights)?;
    let open = |path: &str, split| Dataset::open(path, split, config.meta.seed, config.data.max_pixels);
    let train = open(&args.data, Split::Train)?;
    let test = open(args.test.as_deref().unwrap_or(&args.data), Split::Test)?;
    if args.test.is_none() && test.split() != Some(Split::Test) {
        return Err(Error::usage(format!(
            "{} has no test/ or val/ to score on: name images of their own by --test PATH",
            args.data
        )));
    }
    let gpu = args.adapter.open()?;
    let table = table(&gpu, &config, learned, &train, &test)?;
    for summary in [train.bad().summary(), test.bad().summary()].into_iter().flatten() {
        let _ = writeln!(std::io::stderr(), "{summary}");
    }
    print(&format!("{table}\n"))?;
    match args.json {
        true => print(&format!("{}\n", table.json())),
        false => Ok(()),
    }
}

/// Scores a run's weights (with their name for messages) beside raw pixels and the run's own first weights.
pub fn table(
    gpu: &Gpu,
    config: &Config,
    (learned, origin): (Tensors, String),
    train: &Dataset,
    test: &Dataset,
) -> Result<ProbeTable> {
    let (model, transform) = (config.model()?, config.eval_transform());
    let labelled = |data: &Dataset| Labelled::new(data, train.class_names(), model.crop, transform);
    let comparison = Comparison {
        model: &model,
        learned: &learned,
        origin: &origin,
        untrained: &init::draw(&model, config.meta.init, config.meta.seed),
        train: &labelled(train)?,
        test: &labelled(test)?,
    };
    pollster::block_on(comparison.table(gpu, config.data.batch_size))
}
