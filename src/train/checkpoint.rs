//! Checkpoints: everything that a run needs to go on as if it had never stopped.

use super::folder::{Folder, at};
use super::log::EpochMeans;
use crate::eval::monitor::Measurement;
use crate::model::tensors::Tensors;
use crate::model::weights;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where a run stands; kept in the weights' file itself (so that both change in one move) and beside it as JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps taken.
    pub step: u64,
    /// Epoch of the next step, from 0, and its iteration.
    pub epoch: u64,
    pub iteration: u64,
    pub iterations_per_epoch: u64,
    /// Loss of the last step; null before the first.
    pub loss: Option<f64>,
    /// What the monitor saw in the untrained encoder.
    pub untrained: Option<Measurement>,
    /// Means since the epoch began, for the log.
    pub means: EpochMeans,
    /// Lengths of the files that grow, at this step.
    pub lengths: BTreeMap<String, u64>,
}

/// The file that a run goes on from.
pub const LATEST: &str = "latest.safetensors";
const KEY: &str = "ijepa.progress";

/// Writes `step-N.safetensors` and `latest.safetensors` (one file under two names), and `.json` beside each.
pub fn save(folder: &Folder, tensors: &Tensors, progress: &Progress) -> Result<PathBuf> {
    let name = format!("step-{}", progress.step);
    let json = serde_json::to_string_pretty(progress).map_err(|e| Error::run(format!("{name}.json: {e}")))?;
    let bytes = weights::write(tensors, &[(KEY, json.clone())])?;
    let path = folder.replace(&format!("{name}.safetensors"), &bytes)?;
    folder.replace(&format!("{name}.json"), json.as_bytes())?;
    folder.link(&format!("{name}.safetensors"), LATEST)?;
    folder.replace("latest.json", json.as_bytes())?;
    Ok(path)
}

/// Reads a checkpoint; `None` where the run was stopped before its first.
pub fn load(folder: &Path) -> Result<Option<(Tensors, Progress)>> {
    let path = folder.join(LATEST);
    if !path.exists() {
        return Ok(None);
    }
    let bytes = std::fs::read(&path).map_err(at(&path))?;
    let origin = path.display().to_string();
    let tensors = weights::read(&bytes, &origin)?;
    let missing = || {
        Error::usage(format!(
            "{origin} does not say where its run stands: it is no checkpoint of ijepa train"
        ))
    };
    let text = weights::metadata(&bytes, &origin)?.remove(KEY).ok_or_else(missing)?;
    let progress = serde_json::from_str(&text)
        .map_err(|e| Error::usage(format!("{origin}: where its run stands can't be read: {e}")))?;
    Ok(Some((tensors, progress)))
}

/// The weights of a run (its folder) or of a file, and the name to use in messages.
///
/// Errors: usage, where there are none that can be read.
pub fn weights(path: &Path) -> Result<(Tensors, String)> {
    let file = if path.is_dir() {
        path.join(LATEST)
    } else {
        path.to_path_buf()
    };
    let bytes = std::fs::read(&file).map_err(|e| Error::usage(format!("no weights at {}: {e}", file.display())))?;
    let origin = file.display().to_string();
    Ok((weights::read(&bytes, &origin)?, origin))
}
