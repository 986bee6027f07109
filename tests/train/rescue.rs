//! A GPU that runs out of memory or is lost in mid-run: the run goes on by itself.

use super::device;
use super::tiny::{MODEL, text};
use ijepa::data::Split;
use ijepa::data::source::Dataset;
use ijepa::gpu::{Gpu, Options, Trouble};
use ijepa::train::checkpoint;
use ijepa::train::config::Config;
use ijepa::train::run::{Event, Finished, Job, train};
use ijepa::{Error, Result};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

fn config(values: &[&str]) -> Config {
    let mut config = Config::preset("nano").unwrap();
    let own = [
        "data.batch_size=8",
        "optimization.steps=7",
        "logging.checkpoint_every=2",
        "logging.monitor_every=0",
    ];
    for value in MODEL.iter().chain(&own).chain(values) {
        config.set(value).unwrap();
    }
    config
}

/// Trains, with `strike` called after each step that is told, and gives the end and what was noted.
fn run(folder: &Path, config: &Config, strike: &dyn Fn(&Gpu, u64)) -> (Result<Finished>, Vec<String>) {
    let (gpu, mut notes) = (device::open(Options::default()), vec![]);
    let job = Job {
        gpu: &gpu,
        config,
        data: Arc::new(Dataset::glyphs(Split::Train, 0)),
        test: None,
        folder,
        resume: false,
        split_anew: false,
        from: None,
        stop: &AtomicBool::new(false),
    };
    let finished = pollster::block_on(train(&job, &mut |event| match event {
        Event::Step { step, .. } => strike(&gpu, step.step),
        Event::Note(note) => notes.push(note.to_string()),
        _ => {}
    }));
    (finished, notes)
}

/// Nothing happens.
fn calm(_: &Gpu, _: u64) {}

fn weights(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("latest.safetensors")).unwrap()
}

/// Step numbers and losses.
fn losses(folder: &Path) -> Vec<f64> {
    let csv = text(&folder.join("jepa_r0.csv"));
    let loss = |row: &str| row.split(',').nth(2).unwrap().parse().unwrap();
    csv.lines().skip(1).map(loss).collect()
}

/// The device is destroyed under the run, as a driver that begins anew does: same steps, same bits, each recorded once.
#[test]
fn a_lost_device_is_opened_again_and_nothing_changes() {
    let place = tempfile::tempdir().unwrap();
    let [calmly, struck] = ["calm", "struck"].map(|name| place.path().join(name));
    run(&calmly, &config(&[]), &calm).0.unwrap();
    let (finished, notes) = run(&struck, &config(&[]), &|gpu, step| {
        if step == 5 {
            gpu.device().destroy();
        }
    });
    let finished = finished.unwrap();
    assert!(finished.complete && finished.step == 7, "{finished:?}");
    let said = notes
        .iter()
        .filter(|note| note.contains("the device is opened again"))
        .count();
    assert_eq!((said, notes.len()), (1, 2), "{notes:?}");
    assert_eq!(notes[1], "going on from step 4, to step 7");
    assert_eq!(losses(&struck), losses(&calmly));
    assert!(weights(&struck) == weights(&calmly), "the same bits");
    let log = text(&struck.join("train.log"));
    assert!(log.contains("the device is opened again"), "{log}");
}

/// Half the images at a time: same gradients up to rounding; and the checkpoint remembers it for --resume.
#[test]
fn out_of_memory_splits_the_batch_and_is_remembered() {
    let place = tempfile::tempdir().unwrap();
    let [calmly, struck] = ["calm", "struck"].map(|name| place.path().join(name));
    run(&calmly, &config(&[]), &calm).0.unwrap();
    let (finished, notes) = run(&struck, &config(&[]), &|gpu, step| {
        if step == 3 {
            gpu.fail(Trouble::OutOfMemory, "no memory is left");
        }
    });
    assert!(finished.unwrap().complete);
    let said = "no memory is left; the device is opened again, and the batch of 8 is taken in 2 parts of 4 images from here on";
    assert!(notes[0].contains(said), "{notes:?}");
    assert_eq!(notes[1..], ["going on from step 2, to step 7"]);
    let split = checkpoint::progress(&struck)
        .and_then(|progress| progress.split)
        .unwrap();
    assert_eq!((split.asked, split.parts), (Some(1), 2));
    let (got, want) = (losses(&struck), losses(&calmly));
    assert_eq!((got.len(), &got[..2]), (7, &want[..2]));
    for (got, want) in got.iter().zip(&want) {
        assert!((got - want).abs() <= 2e-5, "{got} and {want}: the log has five digits");
    }

    let mut longer = config(&["optimization.steps=8"]);
    longer.logging.folder = Some(struck.display().to_string());
    let gpu = device::open(Options::default());
    let mut job = Job {
        gpu: &gpu,
        config: &longer,
        data: Arc::new(Dataset::glyphs(Split::Train, 0)),
        test: None,
        folder: &struck,
        resume: true,
        split_anew: false,
        from: None,
        stop: &AtomicBool::new(false),
    };
    let goes_on = |job: &Job| {
        let mut notes = vec![];
        let told = &mut |event: Event| {
            if let Event::Note(note) = event {
                notes.push(note.to_string());
            }
        };
        assert!(pollster::block_on(train(job, told)).unwrap().complete);
        notes
    };
    let split = "the batch of 8 is taken in 2 parts of 4 images at most";
    assert_eq!(goes_on(&job)[0], split);
    // Until it is looked for anew.
    let mut longest = longer.clone();
    longest.optimization.steps = Some(9);
    (job.config, job.split_anew) = (&longest, true);
    assert!(!goes_on(&job).contains(&split.to_string()));
}

/// With one image at a time there is no way on: what is saved stays, and the error says what to do.
#[test]
fn out_of_memory_with_one_image_at_a_time_ends_the_run() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("run");
    let alone = config(&["optimization.accumulate=8"]);
    let (finished, _) = run(&folder, &alone, &|gpu, step| {
        if step == 3 {
            gpu.fail(Trouble::OutOfMemory, "no memory is left");
        }
    });
    let error: Error = finished.unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert!(
        error
            .to_string()
            .contains("with one image at a time: use optimization.checkpoint_activations"),
        "{error}"
    );
    assert!(folder.join("step-2.safetensors").exists());
}
