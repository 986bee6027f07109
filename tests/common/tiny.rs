//! The binary on a run that takes moments: a model of 16 channels on 44 small pictures.
//! Included by test crates with `#[path = "../common/tiny.rs"] mod tiny;`.
#![allow(dead_code)] // each test crate uses a part

use ijepa::data::{Split, glyphs};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// 5 batches of 8 an epoch, 4 images left out of each; every random draw of the transform is in use.
pub const BATCH: usize = 8;
pub const PER_EPOCH: usize = 5;
const IMAGES: usize = 44;

/// `--set` values of the tiny model.
pub const MODEL: [&str; 9] = [
    "meta.model.embed_dim=16",
    "meta.model.depth=1",
    "meta.model.num_heads=2",
    "meta.pred_emb_dim=8",
    "meta.pred_depth=1",
    "data.crop_size=16",
    "mask.min_keep=1",
    "mask.min_keep_context=2",
    "mask.pred_mask_scale=[0.2,0.3]",
];
const RUN: [&str; 7] = [
    "data.use_color_distortion=true",
    "data.color_jitter_strength=0.5",
    "data.use_gaussian_blur=true",
    "logging.monitor_images=20",
    "logging.monitor_every=6",
    "logging.checkpoint_every=4",
    "logging.keep_checkpoints=0",
];

/// A folder of its own, with `photos/` in it: pictures of two classes in folders of theirs.
pub fn place() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    photos(&place.path().join("photos"));
    place
}

/// Writes the pictures.
pub fn photos(folder: &Path) {
    for i in 0..IMAGES {
        let class = folder.join(format!("class {}", i % 2));
        std::fs::create_dir_all(&class).unwrap();
        save(&class.join(format!("{i}.png")), i);
    }
}

/// One picture.
pub fn save(path: &Path, i: usize) {
    let (side, pixels) = (glyphs::SIDE as u32, glyphs::image(0, Split::Train, i));
    image::RgbImage::from_raw(side, side, pixels)
        .unwrap()
        .save(path)
        .unwrap();
}

/// `ijepa` in this folder, on the adapter of the tests where it is a command that computes.
pub fn ijepa(place: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("ijepa"));
    // What was tuned on this machine has no say.
    command
        .current_dir(place)
        .args(arguments)
        .stdin(Stdio::null())
        .env("IJEPA_TUNE", "");
    if let (
        Ok(adapter),
        Some("train" | "finetune" | "probe" | "embed" | "replay" | "demo" | "tune" | "bench" | "visualize" | "report"),
    ) = (std::env::var("IJEPA_TEST_ADAPTER"), arguments.first().copied())
    {
        command.args(["--adapter", &adapter]);
    }
    if let (Ok(adapter), ["search", "index" | "query", ..]) = (std::env::var("IJEPA_TEST_ADAPTER"), arguments) {
        command.args(["--adapter", &adapter]);
    }
    command
}

/// The arguments of a tiny run of so many steps into `out`, with more arguments after them.
pub fn tiny<'a>(out: &'a str, steps: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut all = vec![
        "train", "--preset", "nano", "--data", "photos", "--batch", "8", "--out", out, "--steps", steps,
    ];
    for value in MODEL.iter().chain(&RUN) {
        all.extend(["--set", value]);
    }
    all.extend(more);
    all
}

/// Runs to the end.
pub fn run(place: &Path, arguments: &[&str]) -> Output {
    ijepa(place, arguments).output().unwrap()
}

/// Runs on until something has happened; `None` where the run came to a good end before that. One that fails (without an
/// adapter it does so at once) or takes two minutes ends the test, with what it said.
#[track_caller]
pub fn runs_until(command: &mut Command, happened: impl Fn() -> bool) -> Option<Child> {
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    let ended = loop {
        if happened() {
            return Some(child);
        }
        let ended = child.try_wait().unwrap();
        if ended.is_some() || began.elapsed() > Duration::from_secs(120) {
            break ended;
        }
        std::thread::sleep(Duration::from_micros(200));
    };
    let _ = child.kill(); // one that has ended already is no matter
    let output = child.wait_with_output().unwrap();
    let how = ended.map_or("nothing for two minutes".to_string(), |status| status.to_string());
    assert!(ended.is_some_and(|status| status.success()), "{how}: {}", said(&output));
    None
}

/// Lines of a file that may not be there yet.
pub fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).unwrap_or_default().lines().count()
}

/// Runs to the end, which must be a good one; what it said on standard error.
#[track_caller]
pub fn succeeds(place: &Path, arguments: &[&str]) -> String {
    let output = run(place, arguments);
    let text = said(&output);
    assert!(output.status.success(), "{arguments:?}: {text}");
    text
}

/// Must end with this code and, as the last line, one sentence that begins with the command's name; that sentence.
#[track_caller]
pub fn fails(place: &Path, code: i32, arguments: &[&str]) -> String {
    let output = run(place, arguments);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    assert!(!text.contains("panicked"), "{arguments:?}: {text}");
    let last = text.lines().last().unwrap_or_default().to_string();
    assert!(
        last.starts_with(&format!("ijepa {}: ", arguments[0])),
        "{arguments:?}: {text}"
    );
    last
}

pub fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("messages are text")
}

/// Every file below a folder with its bytes.
pub fn snapshot(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = walkdir::WalkDir::new(folder).into_iter().map(|entry| entry.unwrap());
    let files = files.filter(|entry| entry.file_type().is_file());
    files
        .map(|entry| (entry.path().to_path_buf(), std::fs::read(entry.path()).unwrap()))
        .collect()
}

/// Names in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

pub fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
