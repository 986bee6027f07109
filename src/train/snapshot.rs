//! A run at one moment: weights, AdamW's state and where the run stands, as the bytes of one file.

use super::config::Config;
use super::tuned::Tuned;
use crate::eval::monitor::Measurement;
use crate::gpu::Gpu;
use crate::model::tensors::Tensors;
use crate::model::{init, weights};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Everything that a run needs to go on as if it had never stopped.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    pub tensors: Tensors,
    pub progress: Progress,
    /// The run's configuration without its paths; `None` in older files.
    pub config: Option<Config>,
}

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
    /// How the batch was split, where that is not what the configuration says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
}

/// Parts of a batch that were found to fit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// What `optimization.accumulate` said; `None` for auto.
    pub asked: Option<usize>,
    pub parts: usize,
}

impl Split {
    /// `None` where `parts` is what was asked for.
    pub fn of(asked: Option<usize>, parts: usize) -> Option<Split> {
        (asked.unwrap_or(1) != parts).then_some(Split { asked, parts })
    }
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

/// The metadata of a weights file: one text, since several would stand in any order, and files of one seed are to be equal.
const KEY: &str = "ijepa.progress";

#[derive(Serialize, Deserialize)]
struct Header {
    #[serde(flatten)]
    progress: Progress,
    #[serde(default)]
    config: Option<String>,
    /// Of what was fine-tuned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tuned: Option<Tuned>,
}

/// What [`header`] reads, as a key and its text.
pub fn metadata(progress: &Progress, config: Option<&Config>, tuned: Option<&Tuned>) -> Result<(&'static str, String)> {
    let header = Header {
        progress: progress.clone(),
        config: config.map(Config::to_yaml),
        tuned: tuned.cloned(),
    };
    let text = serde_json::to_string(&header);
    let text = text.map_err(|e| Error::run(format!("where the run stands can't be written: {e}")))?;
    Ok((KEY, text))
}

/// Where a run stands, and its configuration where that is known, from the texts in a weight file's header.
///
/// Errors: usage, where they say nothing of a run.
pub fn header(metadata: &HashMap<String, String>, origin: &str) -> Result<(Progress, Option<Config>)> {
    let header = whole(metadata, origin)?;
    let config = header.config.map(|text| Config::from_yaml(&text, origin));
    Ok((header.progress, config.transpose()?))
}

/// What a fine-tuned file says of itself; `None` for all others.
///
/// Errors: usage, as for [`header`].
pub fn tuned(metadata: &HashMap<String, String>, origin: &str) -> Result<Option<Tuned>> {
    Ok(whole(metadata, origin)?.tuned)
}

fn whole(metadata: &HashMap<String, String>, origin: &str) -> Result<Header> {
    let missing = || {
        Error::usage(format!(
            "{origin} does not say where its run stands: it is no checkpoint of ijepa train"
        ))
    };
    let text = metadata.get(KEY).ok_or_else(missing)?;
    serde_json::from_str(text).map_err(|e| Error::usage(format!("{origin}: where its run stands can't be read: {e}")))
}

impl Snapshot {
    /// A run before its first step: weights drawn from the configuration's seed.
    ///
    /// Errors: usage, where the configuration names no model.
    pub fn first(config: &Config) -> Result<Snapshot> {
        Ok(Snapshot {
            tensors: init::draw(&config.model()?, config.meta.init, config.meta.seed),
            progress: Progress::default(),
            config: Some(config.portable()),
        })
    }

    /// A tensor with a value that is not finite: AdamW itself may leave what f32 holds, after a step that was finite.
    pub fn broken(&self) -> Option<&str> {
        let broken = |values: &[f32]| values.iter().any(|value| !value.is_finite());
        let found = self.tensors.iter().find(|(_, tensor)| broken(&tensor.values));
        found.map(|(name, _)| name.as_str())
    }

    /// A safetensors file: weights under the reference's names, `mean.` and `square.` of each for AdamW, the target's
    /// under `target_encoder.`; where the run stands and how it is configured is in its metadata.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        weights::write(&self.tensors, &[metadata(&self.progress, self.config.as_ref(), None)?])
    }

    /// `origin` names the bytes in messages.
    ///
    /// Errors: usage, where they are no checkpoint, or one that nothing can go on from.
    pub fn from_bytes(bytes: &[u8], origin: &str) -> Result<Snapshot> {
        let tensors = weights::read(bytes, origin)?;
        let metadata = weights::metadata(bytes, origin)?;
        let (progress, config) = header(&metadata, origin)?;
        if tuned(&metadata, origin)?.is_some() {
            return Err(Error::usage(format!(
                "{origin} was fine-tuned with labels, which no run without labels goes on from: go on by ijepa finetune --resume"
            )));
        }
        let snapshot = Snapshot {
            tensors,
            progress,
            config,
        };
        match snapshot.broken() {
            Some(name) => Err(Error::usage(format!("{origin}: \"{name}\" is not finite"))),
            None => Ok(snapshot),
        }
    }
}
