//! Checkpoints: everything that a run needs to go on as if it had never stopped.

use super::folder::{Folder, at};
use super::log::EpochMeans;
use super::snapshot::{Progress, Snapshot};
use crate::model::tensors::Tensors;
use crate::model::weights;
use crate::{Error, Result, ordinary};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How far the records have come at a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Books {
    /// Means since the epoch began, for the log.
    pub means: EpochMeans,
    /// Lengths in bytes of the files that grow.
    pub lengths: BTreeMap<String, u64>,
}

/// The JSON beside a checkpoint.
#[derive(Serialize, Deserialize)]
struct Beside {
    #[serde(flatten)]
    progress: Progress,
    #[serde(flatten)]
    books: Books,
}

/// A checkpoint as it was read.
pub struct Checkpoint {
    pub path: PathBuf,
    pub snapshot: Snapshot,
    /// `None` where the JSON beside it is lost.
    pub books: Option<Books>,
}

/// The file that a run goes on from.
pub const LATEST: &str = "latest.safetensors";
const LATEST_BESIDE: &str = "latest.json";
/// More bytes than the JSON beside a checkpoint has.
const MOST_BESIDE: u64 = 1 << 20;

/// Writes `step-N.safetensors` and `latest.safetensors` (one file under two names), and `.json` beside each; then takes
/// away the oldest, so that `keep` stay (0: all).
///
/// Progress stands in the weights' file itself, so that both change in one move; the JSON of step N is there before it.
pub fn save(folder: &Folder, snapshot: &Snapshot, books: &Books, keep: usize) -> Result<PathBuf> {
    let progress = &snapshot.progress;
    let name = format!("step-{}", progress.step);
    let wrong = |e: serde_json::Error| Error::run(format!("{name}.json: {e}"));
    let beside = Beside {
        progress: progress.clone(),
        books: books.clone(),
    };
    let beside = serde_json::to_string_pretty(&beside).map_err(wrong)?;
    let bytes = snapshot.to_bytes()?;
    folder.replace(&format!("{name}.json"), beside.as_bytes())?;
    let path = folder.replace(&format!("{name}.safetensors"), &bytes)?;
    folder.link(&format!("{name}.safetensors"), LATEST)?;
    folder.replace(LATEST_BESIDE, beside.as_bytes())?;
    if keep > 0 {
        prune(folder, progress.step, keep)?;
    }
    Ok(path)
}

/// Removes all checkpoints but that of step `latest`, which must be in place, and the newest others, `keep` together; and
/// what a killed run had begun to write.
fn prune(folder: &Folder, latest: u64, keep: usize) -> Result<()> {
    let others = steps(folder.path())?.into_iter().rev().filter(|&step| step != latest);
    for step in others.skip(keep - 1) {
        // The weights last: a kill in between leaves a checkpoint that the next one still finds.
        folder.remove(&format!("step-{step}.json"))?;
        folder.remove(&format!("step-{step}.safetensors"))?;
    }
    for name in names(folder.path())?
        .iter()
        .filter(|name| name.ends_with(".safetensors.tmp"))
    {
        folder.remove(name)?;
    }
    Ok(())
}

/// The steps of which there are checkpoints in a folder, ascending; none where there is no folder.
pub fn steps(folder: &Path) -> Result<Vec<u64>> {
    let step = |name: &String| name.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok();
    let mut steps: Vec<u64> = names(folder)?.iter().filter_map(step).collect();
    steps.sort_unstable();
    Ok(steps)
}

fn names(folder: &Path) -> Result<Vec<String>> {
    if !folder.exists() {
        return Ok(vec![]);
    }
    let mut names = vec![];
    for entry in std::fs::read_dir(folder).map_err(at(folder))? {
        names.extend(entry.map_err(at(folder))?.file_name().into_string());
    }
    Ok(names)
}

/// Where the run in a folder stands, as far as that can be told without reading its weights.
pub fn progress(folder: &Path) -> Option<Progress> {
    let beside: Beside =
        serde_json::from_slice(&ordinary::read(&folder.join(LATEST_BESIDE), MOST_BESIDE).ok()?).ok()?;
    Some(beside.progress)
}

/// Reads a run's last checkpoint; `None` where the run was stopped before its first.
///
/// Errors: usage, where it can't be read or is none, with what to do.
pub fn load(folder: &Path) -> Result<Option<Checkpoint>> {
    let Some(path) = last(folder)? else {
        return Ok(None);
    };
    let origin = path.display().to_string();
    let advice = || {
        let steps = steps(folder).unwrap_or_default();
        let mut files = steps.into_iter().rev().map(|step| step_file(folder, step));
        match files.find(|file| read(file).is_ok()) {
            Some(file) => format!("; to go on from {}, remove {origin}", file.display()),
            None => "; start again in another --out".to_string(),
        }
    };
    let snapshot = read(&path).map_err(|e| Error::usage(format!("{e}{}", advice())))?;
    let progress = &snapshot.progress;
    let beside = [LATEST_BESIDE.to_string(), format!("step-{}.json", progress.step)]
        .into_iter()
        .find_map(|name| {
            let beside: Beside = serde_json::from_slice(&ordinary::read(&folder.join(name), MOST_BESIDE).ok()?).ok()?;
            (beside.progress == *progress).then_some(beside.books)
        });
    Ok(Some(Checkpoint {
        path,
        snapshot,
        books: beside,
    }))
}

/// Reads one checkpoint's file.
///
/// Errors: usage, where it is none.
pub fn read(path: &Path) -> Result<Snapshot> {
    let origin = path.display().to_string();
    let bytes = ordinary::read(path, u64::MAX).map_err(|e| Error::usage(format!("{origin}: {e}")))?;
    Snapshot::from_bytes(&bytes, &origin)
}

/// The newest checkpoint in a folder: `latest`, or, where that is missing, the one of the highest step.
pub fn last(folder: &Path) -> Result<Option<PathBuf>> {
    let latest = folder.join(LATEST);
    if latest.exists() {
        return Ok(Some(latest));
    }
    Ok(steps(folder)?.pop().map(|step| step_file(folder, step)))
}

fn step_file(folder: &Path, step: u64) -> PathBuf {
    folder.join(format!("step-{step}.safetensors"))
}

/// The weights of a run (its folder) or of a file, and the name to use in messages.
///
/// Errors: usage, where there are none that can be read.
pub fn weights(path: &Path) -> Result<(Tensors, String)> {
    let file = match path.is_dir() {
        true => last(path)?.unwrap_or(path.join(LATEST)),
        false => path.to_path_buf(),
    };
    let bytes = ordinary::read(&file, u64::MAX);
    let bytes = bytes.map_err(|e| Error::usage(format!("no weights at {}: {e}", file.display())))?;
    let origin = file.display().to_string();
    Ok((weights::read(&bytes, &origin)?, origin))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tensors::Tensor;

    fn save_step(folder: &Folder, step: u64, keep: usize) -> PathBuf {
        let tensor = Tensor {
            shape: vec![2],
            values: vec![step as f32, 0.5],
        };
        let progress = Progress {
            step,
            ..Progress::default()
        };
        let snapshot = Snapshot {
            tensors: Tensors::from([("w".to_string(), tensor)]),
            progress,
            config: None,
        };
        save(folder, &snapshot, &Books::default(), keep).unwrap()
    }

    fn kept(folder: &Folder) -> Vec<u64> {
        steps(folder.path()).unwrap()
    }

    #[test]
    fn the_newest_checkpoints_stay_and_latest_among_them() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::create(&place.path().join("run"), "").unwrap();
        for step in [5, 10, 100] {
            save_step(&folder, step, 0);
        }
        assert_eq!(kept(&folder), [5, 10, 100]);
        // What others put there, and what a killed run began.
        for name in ["step-best.safetensors", "step-7.txt", "step-60.safetensors.tmp"] {
            std::fs::write(folder.path().join(name), "mine").unwrap();
        }
        save_step(&folder, 110, 2);
        assert_eq!(kept(&folder), [100, 110]);
        assert!(!folder.path().join("step-10.json").exists());
        assert!(!folder.path().join("step-60.safetensors.tmp").exists());
        assert!(folder.path().join("step-best.safetensors").exists() && folder.path().join("step-7.txt").exists());

        // A run that went on from an older step: what was saved last stays, whatever its number.
        save_step(&folder, 20, 1);
        assert_eq!(kept(&folder), [20]);
        let last = load(folder.path()).unwrap().unwrap();
        assert_eq!(
            (last.snapshot.tensors["w"].values[0], last.snapshot.progress.step),
            (20.0, 20)
        );
    }

    #[test]
    fn a_loss_survives_its_file_to_the_last_bit() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::create(place.path(), "").unwrap();
        let mut draw = crate::data::draw::Draw::keyed("test", 0, 0, 0);
        for _ in 0..200 {
            let progress = Progress {
                loss: Some(draw.unit()),
                ..Progress::default()
            };
            let snapshot = Snapshot {
                tensors: Tensors::new(),
                progress,
                config: None,
            };
            save(&folder, &snapshot, &Books::default(), 1).unwrap();
            let last = load(folder.path()).unwrap().unwrap();
            assert_eq!((last.snapshot, last.books), (snapshot, Some(Books::default())));
        }
    }
}
