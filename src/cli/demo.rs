//! `ijepa demo`: from nothing to learned features in minutes.

use super::adapter::AdapterArgs;
use super::progress::{Loudness, Progress};
use super::stop::Stop;
use super::{picture, print, report};
use ijepa::data::image::Size;
use ijepa::data::source::Dataset;
use ijepa::data::transform::EvalTransform;
use ijepa::data::{Split, masks};
use ijepa::eval::labelled::MOST_IMAGES;
use ijepa::eval::probe::ProbeTable;
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
    /// A few steps, scored on a few images: to test the command, not the method
    #[arg(long, hide = true)]
    short: bool,
    #[command(flatten)]
    adapter: AdapterArgs,
}

/// What the learned features must be ahead by, in points of k-NN.
const ABOVE_UNTRAINED: f64 = 15.0;
const ABOVE_RAW: f64 = 25.0;
/// The pictures that are the demo's own, beside the run's.
const PICTURES: [&str; 2] = ["masks.png", "features.png"];
/// All files that a demo writes beside its run's.
const OWN: [&str; 3] = [PICTURES[0], PICTURES[1], report::NAME];
const SHORT_STEPS: usize = 12;
const SHORT_IMAGES: usize = 200;

pub fn run(args: Args) -> Result<()> {
    let mut config = Config::preset("demo")?;
    config.meta.seed = args.seed;
    config.set_data("generated:glyphs");
    config.logging.folder = Some(args.out.display().to_string());
    let most = match args.short {
        true => SHORT_IMAGES,
        false => MOST_IMAGES,
    };
    if args.short {
        config.optimization.steps = Some(SHORT_STEPS);
    }
    let (mut progress, stop) = (Progress::new(Loudness::Normal), Stop::default());
    // The demo's folder is its own: each demo starts afresh.
    match args.out.join(CONFIG).exists() {
        true => clear(&args.out, &config)?,
        false => empty(&args.out)?,
    }
    let finished = super::train::start(&config, &args.out, &args.adapter, &mut progress, &stop)?;
    // From here on Ctrl-C ends the program; one that came with the last step does so, too.
    if stop.over() || !finished.complete {
        return Err(Error::run(format!(
            "stopped at step {} of {}: the table needs the whole demo",
            finished.step, finished.of
        )));
    }
    let gpu = args.adapter.open_tuned(&|_| {})?; // training has said what there is to say
    let seed = config.meta.seed;
    let (train, test) = (Dataset::glyphs(Split::Train, seed), Dataset::glyphs(Split::Test, seed));
    let table = super::probe::table(&gpu, &config, checkpoint::weights(&args.out)?, &train, &test, most)?;
    let pictures = pictures(&gpu, &config, &args.out, &test)?;
    let report = report::of_demo(&gpu, &args.out, &test, &table)?;
    print(&format!("{table}\n"))?;
    for path in pictures {
        print(&format!("picture: {}\n", path.display()))?;
    }
    print(&format!("report: {}\n", report.display()))?;
    match shortfall(&table) {
        None => Ok(()),
        Some(what) => Err(Error::run(what)),
    }
}

/// Where a table does not show what the demo promises: what it should show.
fn shortfall(table: &ProbeTable) -> Option<String> {
    let (learned, untrained, raw) = (table.learned.knn, table.untrained.knn, table.raw.knn);
    (learned < untrained + ABOVE_UNTRAINED || learned < raw + ABOVE_RAW).then(|| {
        format!(
            "not learned as it should be: k-NN {learned:.1} % should be {ABOVE_UNTRAINED} points above the untrained \
             encoder's {untrained:.1} % and {ABOVE_RAW} above the pixels' {raw:.1} %; `ijepa doctor` checks this adapter"
        )
    })
}

/// Refuses a folder that holds anything but what a demo leaves that was stopped while it cleared: it is someone else's.
fn empty(folder: &Path) -> Result<()> {
    let names = match std::fs::read_dir(folder) {
        Ok(entries) => entries.flatten().map(|entry| entry.file_name()),
        Err(_) => return Ok(()), // not there yet; what else is wrong with it, the run says
    };
    match { names }.find(|name| name != "lock") {
        None => Ok(()),
        Some(name) => Err(Error::usage(format!(
            "{} holds files that are no run's, {} for one: choose another --out, a new or empty folder",
            folder.display(),
            name.display()
        ))),
    }
}

/// Whether a demo makes files of this name, and so may remove them.
fn own(name: &str) -> bool {
    let checkpoint = ["latest.", "step-"].iter().any(|start| name.starts_with(start));
    let written = [".safetensors", ".json", ".tmp"].iter().any(|end| name.ends_with(end));
    OWN.contains(&name) || folder::is_output(name) && (written || !checkpoint)
}

/// Removes the files of the last demo, the configuration last of all, so that a clearing that is stopped can go on.
///
/// Errors: usage, where the folder holds a run that is not the demo's, one that is under way, or, under a run's names, what
/// is none of a run's files; then nothing is removed.
fn clear(folder: &Path, demo: &Config) -> Result<()> {
    let source = folder.join(CONFIG).display().to_string();
    let mut last = Config::from_yaml(&folder::config(folder)?, &source)?;
    last.meta.seed = demo.meta.seed;
    last.logging.folder.clone_from(&demo.logging.folder);
    if last != *demo {
        return Err(Error::usage(format!(
            "{} holds a run with other settings than the demo's: choose another --out, or remove it",
            folder.display()
        )));
    }
    let _lock = Folder::open(folder)?;
    let failed = |e: std::io::Error| Error::run(format!("{}: {e}", folder.display()));
    let mut old = vec![];
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if own(&name) && entry.file_type().map_err(failed)?.is_file() {
            old.push(name);
        } else if own(&name) || folder::is_output(&name) {
            return Err(Error::usage(format!(
                "{} holds {name}, which is no file of the demo's: move it away, or choose another --out",
                folder.display()
            )));
        }
    }
    for name in old.iter().filter(|name| *name != CONFIG) {
        std::fs::remove_file(folder.join(name)).map_err(failed)?;
    }
    std::fs::remove_file(folder.join(CONFIG)).map_err(failed)
}

/// Loss curve, masks over images, and patch features before and after training.
fn pictures(gpu: &Gpu, config: &Config, folder: &Path, test: &Dataset) -> Result<Vec<PathBuf>> {
    let model = config.model()?;
    let loss = loss_picture(folder, &config.logging.write_tag)?;
    let [masks_path, features_path] = PICTURES.map(|name| folder.join(name));
    let drawn = masks::sample(&config.masks(), config.meta.seed, 0, config.data.batch_size);
    let pixels = test.image(0).map_err(Error::run)?;
    let grid = config.masks().grid;
    let pixels = EvalTransform::Exact.apply(&pixels, Size::square(picture::side(grid)));
    picture::save(&picture::masks(&pixels, grid, &drawn, 0), &masks_path)?;
    let untrained = init::draw(&model, config.meta.init, config.meta.seed);
    let (learned, origin) = checkpoint::weights(folder)?;
    let encoders = [(&untrained, "the drawn weights"), (&learned, origin.as_str())];
    let features = picture::features(gpu, &model, &encoders, test, 10)?;
    picture::save(&features, &features_path)?;
    Ok(vec![loss, masks_path, features_path])
}

#[cfg(test)]
mod tests {
    use super::*;
    use ijepa::eval::probe::Row;

    #[test]
    fn the_verdict_asks_for_both_margins_in_neighbours() {
        let table = |raw, untrained, learned| {
            let row = |knn| Row { knn, linear: 50.0 };
            ProbeTable {
                raw: row(raw),
                untrained: row(untrained),
                learned: row(learned),
            }
        };
        for good in [
            table(15.0, 35.0, 50.0),
            table(25.0, 20.0, 50.0),
            table(14.7, 34.7, 64.1),
        ] {
            assert_eq!(shortfall(&good), None, "{good}");
        }
        for bad in [
            table(15.0, 35.1, 50.0),
            table(25.1, 20.0, 50.0),
            table(50.0, 50.0, 50.0),
        ] {
            let said = shortfall(&bad).expect("a margin is missing");
            assert!(said.starts_with("not learned as it should be: k-NN 50.0 % should be 15 points"));
        }
        let said = shortfall(&table(10.0, 36.04, 50.0)).expect("a margin is missing");
        assert!(
            said.contains("encoder's 36.0 % and 25 above the pixels' 10.0 %"),
            "{said}"
        );
    }

    #[test]
    fn only_names_that_a_demo_writes_are_its_own() {
        for name in [
            "step-500.safetensors",
            "step-500.json",
            "latest.json.tmp",
            "train.log",
            "masks.png",
            "report.html",
        ] {
            assert!(own(name), "{name}");
        }
        for name in [
            "step-3-notes.txt",
            "latest.draft.md",
            "notes.txt",
            "lock",
            "step-by-step.json",
        ] {
            assert!(!own(name), "{name}");
        }
    }
}
