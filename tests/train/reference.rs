//! One run that nobody disturbs, and what must be equal in any other of the same seed.

use super::tiny::{self, place, succeeds, text, tiny};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempDir;

/// Its length: twelve epochs, checkpoints every 4 steps.
pub const STEPS: &str = "60";

/// The folder of the undisturbed run, and what it said.
pub fn reference() -> (PathBuf, &'static str) {
    static RUN: OnceLock<(TempDir, String)> = OnceLock::new();
    let (place, said) = RUN.get_or_init(|| {
        let place = place();
        let said = succeeds(place.path(), &tiny("run", STEPS, &[]));
        (place, said)
    });
    (place.path().join("run"), said)
}

/// All that hangs on the seed: weight files to the byte, tables without the times, TensorBoard's points.
#[track_caller]
pub fn equal(one: &Path, other: &Path) {
    let weights = |folder: &Path| -> Vec<String> {
        let names = tiny::names(folder).into_iter();
        names.filter(|name| name.ends_with(".safetensors")).collect()
    };
    assert_eq!(weights(one), weights(other));
    for name in weights(one) {
        let [a, b] = [one, other].map(|folder| std::fs::read(folder.join(&name)).unwrap());
        assert!(a == b, "{name} differs");
    }
    assert_eq!(timeless(one), timeless(other));
    let monitor = |folder: &Path| text(&folder.join("monitor.csv"));
    assert_eq!(monitor(one), monitor(other));
    assert!(points(one) == points(other), "TensorBoard's points differ");
}

/// The CSV's lines without their time.
pub fn timeless(folder: &Path) -> Vec<String> {
    let line = |line: &str| {
        let mut fields: Vec<&str> = line.split(',').collect();
        fields.remove(5);
        fields.join(",")
    };
    text(&folder.join("jepa_r0.csv")).lines().map(line).collect()
}

/// The event file's records, each without checksums and its first field, the time.
pub fn points(folder: &Path) -> Vec<Vec<u8>> {
    let names = tiny::names(folder);
    let mut files = names.iter().filter(|name| name.starts_with("events.out.tfevents."));
    let bytes = std::fs::read(folder.join(files.next().expect("an event file"))).unwrap();
    assert_eq!(files.next(), None, "one event file");
    let (mut records, mut at) = (vec![], 0);
    while at < bytes.len() {
        let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
        records.push(bytes[at + 12 + 9..at + 12 + length].to_vec());
        at += length + 16;
    }
    assert_eq!(at, bytes.len(), "the last record is whole");
    records
}
