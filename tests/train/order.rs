//! The order in which a run does things, seen through its events.

use super::device::gpu;
use super::tiny::{self, MODEL, names};
use ijepa::Result;
use ijepa::data::Split;
use ijepa::data::source::Dataset;
use ijepa::train::config::Config;
use ijepa::train::run::{Event, Finished, Job, train};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn config(values: &[&str]) -> Config {
    let mut config = Config::preset("nano").unwrap();
    for value in MODEL
        .iter()
        .chain(&["data.batch_size=8", "logging.monitor_every=3"])
        .chain(values)
    {
        config.set(value).unwrap();
    }
    config
}

/// Trains on generated images and notes what it is told, in order.
fn events(folder: &Path, config: &Config, stop: &AtomicBool, tell: &mut dyn FnMut(&str)) -> Result<Finished> {
    let gpu = gpu();
    let job = Job {
        gpu: &gpu,
        config,
        data: Arc::new(Dataset::glyphs(Split::Train, 0)),
        test: None,
        folder,
        resume: false,
        split_anew: false,
        from: None,
        stop,
    };
    let mut note = |event: Event| {
        let text = match event {
            Event::Memory(_) => "memory".to_string(),
            Event::Step { step, .. } => format!("step {}", step.step),
            Event::Monitor { now, .. } => format!("monitor {}", now.step),
            Event::Saved(path) => format!("saved {}", path.file_name().unwrap().to_str().unwrap()),
            Event::Note(text) => text.to_string(),
            Event::Log(_) | Event::Waited(_) | Event::Probed(_) => return,
        };
        tell(&text);
    };
    pollster::block_on(train(&job, &mut note))
}

#[test]
fn a_step_is_saved_only_after_its_flag_was_read() {
    let place = tempfile::tempdir().unwrap();
    let config = config(&["optimization.steps=7", "logging.checkpoint_every=2"]);
    let mut seen = vec![];
    let finished = events(&place.path().join("run"), &config, &AtomicBool::new(false), &mut |e| {
        seen.push(e.to_string())
    });
    let finished = finished.unwrap();
    assert!(finished.complete && finished.step == 7);
    let saved = |n: u32| format!("saved step-{n}.safetensors");
    let step = |n: u32| format!("step {n}");
    let [memory, look_0, look_3, look_6, look_7] =
        ["memory", "monitor 0", "monitor 3", "monitor 6", "monitor 7"].map(str::to_string);
    let wanted = [
        memory,
        look_0,
        step(1),
        step(2),
        saved(2),
        step(3),
        look_3,
        step(4),
        saved(4),
        step(5),
        step(6),
    ];
    assert_eq!(seen[..11], wanted);
    assert_eq!(seen[11..], [look_6, saved(6), step(7), look_7, saved(7)]);
}

#[test]
fn the_configuration_is_there_before_anything_else() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("a/b/run");
    let mut first = None;
    let config = config(&["optimization.steps=1"]);
    events(&folder, &config, &AtomicBool::new(false), &mut |_| {
        first.get_or_insert_with(|| names(&folder));
    })
    .unwrap();
    assert_eq!(first.unwrap(), ["params-ijepa.yaml"]);
    assert_eq!(tiny::text(&folder.join("params-ijepa.yaml")), config.to_yaml());
}

#[test]
fn a_run_that_is_told_to_stop_saves_the_step_it_is_at() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("run");
    let (stop, mut seen) = (AtomicBool::new(false), vec![]);
    let config = config(&["optimization.steps=50", "logging.checkpoint_every=0"]);
    let finished = events(&folder, &config, &stop, &mut |event| {
        seen.push(event.to_string());
        stop.fetch_or(event == "step 5", Ordering::Relaxed);
    });
    let finished = finished.unwrap();
    assert!(!finished.complete && (5..8).contains(&finished.step), "{finished:?}");
    let saved: Vec<&String> = seen.iter().filter(|event| event.starts_with("saved")).collect();
    assert_eq!(saved, [&format!("saved step-{}.safetensors", finished.step)]);
    assert_eq!(
        finished.checkpoint,
        folder.join(format!("step-{}.safetensors", finished.step))
    );
}

#[test]
fn what_cannot_start_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("run");
    for (value, wanted) in [
        (
            "data.batch_size=4001",
            "generated:glyphs has 4000 images, fewer than a batch of 4001",
        ),
        (
            "data.crop_size=18",
            "data.crop_size 18 is no multiple of mask.patch_size 4",
        ),
        ("meta.model.num_heads=3", "which its 3 heads do not divide"),
        ("mask.min_keep=9", "masks cannot be drawn"),
        ("logging.monitor_images=1", "logging.monitor_images 1 must be from 2 to"),
    ] {
        let error = events(&folder, &config(&[value]), &AtomicBool::new(false), &mut |event| {
            panic!("{event}")
        });
        let error = error.unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains(wanted), "{error}");
        assert!(!folder.exists());
    }
}
