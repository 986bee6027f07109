//! `ijepa demo`: from nothing to learned features in minutes.

use super::adapter::AdapterArgs;
use super::progress::{Loudness, Progress};
use super::stop::Stop;
use super::{picture, print};
use ijepa::data::source::Dataset;
use ijepa::data::transform::EvalTransform;
use ijepa::data::{Split, masks};
use ijepa::eval::labelled::MOST_IMAGES;
use ijepa::gpu::Gpu;
use ijepa::model::init;
use ijepa::train::checkpoint;
use ijepa::train::config::Config;
use ijepa::train::curve::loss_picture;
use ijepa::train::folder::{self, CONFIG, Folder};
use ijepa::{Error, Result};
use std::path::{Path, PathBuf};

/// Train on the generated image set, and show in a table and pictures what was learned.
#[derive(clap::Args)]
#[command(after_help = "example: ijepa demo")]
pub struct Args {
    /// Folder for the run and the pictures
    #[arg(long, value_name = "DIR", default_value = "runs/demo")]
    out: PathBuf,
    /// Seed of every random draw
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    adapter: AdapterArgs,
}

/// What the learned features must be ahead by, in points of k-NN.
const ABOVE_UNTRAINED: f64 = 15.0;
const ABOVE_RAW: f64 = 25.0;

pub fn run(args: Args) -> Result<()> {
    let mut config = Config::preset("demo")?;
    config.meta.seed = args.seed;
    config.set_data("generated:glyphs");
    config.logging.folder = Some(args.out.display().to_string());
    let (mut progress, stop) = (Progress::new(Loudness::Normal), Stop::default());
    // The demo's folder is its own: each demo starts afresh.
    if args.out.join(CONFIG).exists() {
        clear(&args.out, &config)?;
    }
    let finished = super::train::start(&config, &args.out, false, &args.adapter, &mut progress, &stop)?;
    // From here on Ctrl-C ends the program; one that came with the last step does so, too.
    if stop.over() || !finished.complete {
        return Err(Error::run(format!(
            "stopped at step {} of {}: the table needs the whole demo",
            finished.step, finished.of
        )));
    }
    let gpu = args.adapter.open()?;
    let seed = config.meta.seed;
    let (train, test) = (Dataset::glyphs(Split::Train, seed), Dataset::glyphs(Split::Test, seed));
    let table = super::probe::table(&gpu, &config, checkpoint::weights(&args.out)?, &train, &test, MOST_IMAGES)?;
    let pictures = pictures(&gpu, &config, &args.out, &test)?;
    print(&format!("{table}\n"))?;
    for path in pictures {
        print(&format!("picture: {}\n", path.display()))?;
    }
    let (learned, untrained, raw) = (table.learned.knn, table.untrained.knn, table.raw.knn);
    if learned < untrained + ABOVE_UNTRAINED || learned < raw + ABOVE_RAW {
        return Err(Error::run(format!(
            "not learned as it should be: k-NN {learned:.1} % should be {ABOVE_UNTRAINED} points above the untrained \
             encoder's {untrained:.1} % and {ABOVE_RAW} above the pixels' {raw:.1} %; `ijepa doctor` checks this adapter"
        )));
    }
    Ok(())
}

/// Removes the files of the last demo, the configuration last of all, so that a clearing that is stopped can go on.
///
/// Errors: usage, where the folder holds a run that is not the demo's, or one that is under way.
fn clear(folder: &Path, demo: &Config) -> Result<()> {
    let source = folder.join(CONFIG).display().to_string();
    let mut old = Config::from_yaml(&folder::config(folder)?, &source)?;
    old.meta.seed = demo.meta.seed;
    old.logging.folder.clone_from(&demo.logging.folder);
    if old != *demo {
        return Err(Error::usage(format!(
            "{} holds a run with other settings than the demo's: choose another --out, or remove it",
            folder.display()
        )));
    }
    let _lock = Folder::open(folder)?;
    let failed = |e: std::io::Error| Error::run(format!("{}: {e}", folder.display()));
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if folder::is_output(&name) && name != CONFIG {
            std::fs::remove_file(folder.join(&name)).map_err(failed)?;
        }
    }
    std::fs::remove_file(folder.join(CONFIG)).map_err(failed)
}

/// Loss curve, masks over images, and patch features before and after training.
fn pictures(gpu: &Gpu, config: &Config, folder: &Path, test: &Dataset) -> Result<Vec<PathBuf>> {
    let model = config.model()?;
    let loss = loss_picture(folder, &config.logging.write_tag)?;
    let masks_path = folder.join("masks.png");
    let drawn = masks::sample(&config.masks(), config.meta.seed, 0, config.data.batch_size);
    let pixels = test.image(0).map_err(Error::run)?;
    let pixels = EvalTransform::Exact.apply(&pixels, picture::side(model.grid()));
    picture::save(&picture::masks(&pixels, model.grid(), &drawn, 0), &masks_path)?;
    let features_path = folder.join("features.png");
    let untrained = init::draw(&model, config.meta.init, config.meta.seed);
    let (learned, origin) = checkpoint::weights(folder)?;
    let encoders = [(&untrained, "the drawn weights"), (&learned, origin.as_str())];
    let features = picture::features(gpu, &model, &encoders, test, 10)?;
    picture::save(&features, &features_path)?;
    Ok(vec![loss, masks_path, features_path])
}
