//! Checkpoints: everything that a run needs to go on as if it had never stopped.

use super::folder::{Folder, at};
use super::log::EpochMeans;
use crate::eval::monitor::Measurement;
use crate::gpu::Gpu;
use crate::model::tensors::Tensors;
use crate::model::weights;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where a run stands: no clock and no path has a say in it, so that weight files of two runs of a seed are equal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps taken.
    pub step: u64,
    /// Epoch of the next step, from 0, and its iteration.
    pub epoch: u64,
    pub iteration: u64,
    pub iterations_per_epoch: u64,
    /// Images of the data set.
    pub images: u64,
    /// The step at which the run ends.
    pub of: u64,
    /// Loss of the last step; null before the first.
    pub loss: Option<f64>,
    /// What the monitor saw in the untrained encoder.
    pub untrained: Option<Measurement>,
    /// What computed the last step; `None` in a run's first moment, and in older files.
    #[serde(default)]
    pub machine: Option<Machine>,
}

/// What computed a run: other adapters and other kernels round differently.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The adapter's name, and the graphics interface that it was reached by.
    pub adapter: String,
    pub backend: String,
    /// The kernels that were asked for, if any.
    pub variant: Option<String>,
}

impl Machine {
    pub fn of(gpu: &Gpu) -> Machine {
        Machine {
            adapter: gpu.info().name.clone(),
            backend: gpu.info().backend.to_string(),
            variant: gpu.variant().map(str::to_string),
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kernels = self
            .variant
            .as_deref()
            .map_or(String::new(), |name| format!(", kernels {name}"));
        write!(f, "{} ({}{kernels})", self.adapter, self.backend)
    }
}

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
    pub tensors: Tensors,
    pub progress: Progress,
    /// `None` where the JSON beside it is lost.
    pub books: Option<Books>,
}

/// The file that a run goes on from.
pub const LATEST: &str = "latest.safetensors";
const LATEST_BESIDE: &str = "latest.json";
const KEY: &str = "ijepa.progress";

/// Writes `step-N.safetensors` and `latest.safetensors` (one file under two names), and `.json` beside each; then takes
/// away the oldest, so that `keep` stay (0: all).
///
/// Progress stands in the weights' file itself, so that both change in one move; the JSON of step N is there before it.
pub fn save(folder: &Folder, tensors: &Tensors, progress: &Progress, books: &Books, keep: usize) -> Result<PathBuf> {
    let name = format!("step-{}", progress.step);
    let wrong = |e: serde_json::Error| Error::run(format!("{name}.json: {e}"));
    let beside = Beside {
        progress: progress.clone(),
        books: books.clone(),
    };
    let beside = serde_json::to_string_pretty(&beside).map_err(wrong)?;
    let bytes = weights::write(tensors, &[(KEY, serde_json::to_string(progress).map_err(wrong)?)])?;
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

/// What computed the run in a folder so far, as far as that can be told without reading its weights.
pub fn machine(folder: &Path) -> Option<Machine> {
    let beside: Beside = serde_json::from_slice(&std::fs::read(folder.join(LATEST_BESIDE)).ok()?).ok()?;
    beside.progress.machine
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
    let (tensors, progress) = read(&path).map_err(|e| Error::usage(format!("{e}{}", advice())))?;
    let beside = [LATEST_BESIDE.to_string(), format!("step-{}.json", progress.step)]
        .into_iter()
        .find_map(|name| {
            let beside: Beside = serde_json::from_slice(&std::fs::read(folder.join(name)).ok()?).ok()?;
            (beside.progress == progress).then_some(beside.books)
        });
    Ok(Some(Checkpoint {
        path,
        tensors,
        progress,
        books: beside,
    }))
}

fn read(path: &Path) -> Result<(Tensors, Progress)> {
    let origin = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|e| Error::usage(format!("{origin}: {e}")))?;
    let tensors = weights::read(&bytes, &origin)?;
    let missing = || {
        Error::usage(format!(
            "{origin} does not say where its run stands: it is no checkpoint of ijepa train"
        ))
    };
    let text = weights::metadata(&bytes, &origin)?.remove(KEY).ok_or_else(missing)?;
    let progress = serde_json::from_str(&text)
        .map_err(|e| Error::usage(format!("{origin}: where its run stands can't be read: {e}")))?;
    Ok((tensors, progress))
}

/// The newest checkpoint in a folder: `latest`, or, where that is missing, the one of the highest step.
fn last(folder: &Path) -> Result<Option<PathBuf>> {
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
    let bytes = std::fs::read(&file).map_err(|e| Error::usage(format!("no weights at {}: {e}", file.display())))?;
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
        let tensors = Tensors::from([("w".to_string(), tensor)]);
        save(folder, &tensors, &progress, &Books::default(), keep).unwrap()
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
        assert_eq!((last.tensors["w"].values[0], last.progress.step), (20.0, 20));
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
            save(&folder, &Tensors::new(), &progress, &Books::default(), 1).unwrap();
            let last = load(folder.path()).unwrap().unwrap();
            assert_eq!((last.progress, last.books), (progress, Some(Books::default())));
        }
    }
}
