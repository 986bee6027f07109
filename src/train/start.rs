//! Weights that somebody brings, and what can be made of them: a configuration, a new run's first moment, or the moment at
//! which a run goes on.

use super::checkpoint::{self, LATEST};
use super::config::{Config, Evaluation, Sizes};
use super::folder::{self, CONFIG};
use super::snapshot::{Progress, Snapshot, header, tuned};
use super::trainer::Course;
use super::tuned::Tuned;
use crate::model::config::ModelConfig;
use crate::model::tensors::Tensors;
use crate::weights::fit::{Fitted, Wish, continues, fit, moments};
use crate::weights::open::{Format, Weights, open};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// An open weight file with what it tells of its run.
pub struct Start {
    pub path: PathBuf,
    pub weights: Weights,
    /// Where its run stands and its configuration, for files of `ijepa train`.
    own: Option<(Progress, Option<Config>)>,
    /// What it says of its classes, and where its fine-tuning stands.
    tuned: Option<(Progress, Tuned)>,
    /// The configuration that lies beside it, in a file of the reference's name.
    beside: Option<Config>,
    /// Take what fits.
    partial: bool,
    /// Begin a new run, whatever stands in the file besides weights.
    alone: bool,
}

impl Start {
    /// Opens a file, a run's folder (its last checkpoint), or a folder of Hugging Face or timm.
    ///
    /// Errors: usage, where there is nothing that can be read.
    pub fn open(path: &Path, partial: bool) -> Result<Start> {
        let file = file(path)?;
        let weights = open(&file)?;
        let mut own = match weights.format {
            // Weights alone, without a run, are a start as any other.
            Format::Own | Format::Reference if weights.metadata.keys().any(|key| key.starts_with("ijepa.")) => {
                Some(header(&weights.metadata, &weights.origin)?)
            }
            _ => None,
        };
        // To a run without labels it is a start as any other.
        let tuned = match (&mut own, weights.has("head")) {
            (Some((progress, _)), true) => {
                tuned(&weights.metadata, &weights.origin)?.map(|t| (std::mem::take(progress), t))
            }
            _ => None,
        };
        let folder = if file.is_dir() {
            &file
        } else {
            file.parent().unwrap_or(Path::new(""))
        };
        let beside = match folder.join(CONFIG).exists() {
            true => Some(Config::from_yaml(
                &folder::config(folder)?,
                &folder.join(CONFIG).display().to_string(),
            )?),
            false => None,
        };
        Ok(Start {
            path: file,
            weights,
            own,
            tuned,
            beside,
            partial,
            alone: false,
        })
    }

    /// Its weights alone: a run that begins with them begins at step 0, with a new optimiser.
    pub fn alone(self) -> Start {
        Start { alone: true, ..self }
    }

    /// Whether a run that begins with it goes on where another one stands, with that one's configuration.
    pub fn goes_on(&self) -> bool {
        !self.alone && self.weights.has_moments() && self.progress().is_some_and(|progress| progress.step > 0)
    }

    /// The configuration that the file itself carries.
    pub fn carried(&self) -> Option<&Config> {
        self.own.as_ref()?.1.as_ref()
    }

    /// Whether a configuration is in the file or beside it.
    pub fn is_configured(&self) -> bool {
        self.beside.is_some() || self.carried().is_some()
    }

    /// Where the run stands of which this is a checkpoint.
    pub fn progress(&self) -> Option<&Progress> {
        self.own.as_ref().map(|own| &own.0)
    }

    /// The classes of fine-tuned weights and how they were trained, and where that stands.
    pub fn tuned(&self) -> Option<&(Progress, Tuned)> {
        self.tuned.as_ref()
    }

    /// What is known of the configuration: the file beside, what the weights carry, or else preset `base` with the networks'
    /// sizes as their shapes say.
    pub fn config(&self) -> Result<Config> {
        match self.beside.as_ref().or(self.carried()) {
            Some(config) => Ok(config.clone()),
            None => self.sized(Config::default()),
        }
    }

    /// A configuration with the sizes of these networks.
    ///
    /// Errors: usage, where the number of heads is not known.
    pub fn sized(&self, mut config: Config) -> Result<Config> {
        let found = &self.weights.architecture;
        let heads = found.likely_heads().ok_or_else(|| {
            Error::usage(format!(
                "{} does not say how many heads its encoder has, and no known model is {} wide: give a configuration that \
                 does (--config F.yaml with meta.model)",
                self.weights.origin, found.embed_dim
            ))
        })?;
        config.mask.patch_size = found.patch;
        if let Some(exact) = self.weights.exact {
            config.data.eval_transform = if exact { Evaluation::Exact } else { Evaluation::Margin };
        }
        if let Some(grid) = found.grid {
            config.data.crop_size = grid * found.patch;
        } else if !config.data.crop_size.is_multiple_of(found.patch) {
            config.data.crop_size = 16 * found.patch;
        }
        config.meta.model = Sizes::default();
        config.meta.model_name = found.name().unwrap_or("vit_custom").to_string();
        if config.model().is_ok_and(|named| named.num_heads != heads) {
            config.meta.model.num_heads = Some(heads);
        }
        if found.name().is_none() {
            config.meta.model = Sizes {
                depth: Some(found.depth),
                embed_dim: Some(found.embed_dim),
                mlp_ratio: Some(found.mlp_ratio()),
                num_heads: Some(heads),
            };
        }
        match found.predictor {
            Some((width, depth)) => (config.meta.pred_emb_dim, config.meta.pred_depth) = (width, depth),
            // A predictor has as many heads as the encoder.
            None if !config.meta.pred_emb_dim.is_multiple_of(heads) => config.meta.pred_emb_dim = 24 * heads,
            None => {}
        }
        Ok(config)
    }

    /// All tensors of the configuration's networks, without moments.
    ///
    /// Errors: usage, where the file's do not fit them.
    pub fn fitted(&self, config: &Config) -> Result<Fitted> {
        fit(&self.weights, &config.model()?, self.wish(config, false))
    }

    /// All tensors, AdamW's moments where the file has them for every parameter, and what is to be said.
    ///
    /// Errors: usage, where the file's do not fit the configuration's networks.
    pub fn everything(&self, config: &Config) -> Result<(Tensors, Option<Tensors>, Vec<String>)> {
        let Fitted { tensors, whole, notes } = self.fitted(config)?;
        let moments = match whole && !self.alone && self.weights.has_moments() {
            true => Some(moments(&self.weights, &config.model()?)?),
            false => None,
        };
        Ok((tensors, moments, notes))
    }

    /// For who encodes alone: both encoders, and the smallest predictor, which nobody asks.
    ///
    /// Errors: usage, where the file's encoders do not fit the configuration.
    pub fn encoders(&self, config: &Config) -> Result<(ModelConfig, Fitted)> {
        let model = config.model()?;
        let model = ModelConfig {
            pred_emb_dim: 4 * model.num_heads,
            pred_depth: 1,
            ..model
        };
        let fitted = fit(&self.weights, &model, self.wish(config, true))?;
        Ok((model, fitted))
    }

    fn wish(&self, config: &Config, encoders: bool) -> Wish {
        Wish {
            init: config.meta.init,
            seed: config.meta.seed,
            partial: self.partial,
            encoders,
        }
    }

    /// The moment at which a run begins that takes these weights: that of its checkpoint where there is one with AdamW's
    /// state, else step 0. `images` is the size of the data set. With what is to be said of it.
    ///
    /// Errors: usage, where the weights do not fit the configuration.
    pub fn snapshot(&self, config: &Config, images: usize) -> Result<(Snapshot, Vec<String>)> {
        let (mut tensors, moments, mut notes) = self.everything(config)?;
        let progress = match (&self.own, &moments) {
            (Some((progress, _)), moments) if !self.alone && (progress.step == 0 || moments.is_some()) => {
                progress.clone()
            }
            (None, Some(_)) if continues(&self.weights) => {
                let (progress, note) = self.reached(config, images);
                notes.push(note);
                progress
            }
            _ => {
                let origin = &self.weights.origin;
                notes.push(format!(
                    "a new run begins with the weights of {origin}, and with a new optimiser"
                ));
                Progress::default()
            }
        };
        if progress.step > 0 {
            tensors.extend(moments.into_iter().flatten());
        }
        let snapshot = Snapshot {
            tensors,
            progress,
            config: Some(config.portable()),
        };
        Ok((snapshot, notes))
    }

    /// Where a run of the reference stands: its file counts epochs, and these are taken to be epochs of the data at hand.
    fn reached(&self, config: &Config, images: usize) -> (Progress, String) {
        let course = Course::new(config, images);
        let contents = self.weights.torch.as_ref();
        let epoch = contents.and_then(|contents| contents.epoch).unwrap_or(0);
        let per_epoch = course.iterations_per_epoch;
        let step = epoch.saturating_mul(per_epoch);
        let origin = &self.weights.origin;
        let mut note = format!("going on with the reference's run in {origin} after epoch {epoch}");
        if let Some(steps) = self.weights.adamw_steps.filter(|steps| *steps != step) {
            note += &format!(
                ": it took {steps} steps there, and {step} would be as many epochs of these images in batches of {}; \
                 schedules go by epochs",
                config.data.batch_size
            );
        }
        let progress = Progress {
            step,
            epoch,
            iteration: 0,
            iterations_per_epoch: per_epoch,
            images: images as u64,
            of: course.of,
            loss: contents.and_then(|contents| contents.loss),
            ..Progress::default()
        };
        (progress, note)
    }
}

/// What `ijepa export --to safetensors` writes.
pub const EXPORTED: &str = "ijepa.safetensors";

/// The file that a path means: the last checkpoint of a run, of ours or of the reference.
fn file(path: &Path) -> Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    if let Some(last) = checkpoint::last(path)? {
        return Ok(last);
    }
    let entries = std::fs::read_dir(path).map_err(folder::at(path))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    let exported = |name: &&String| name.ends_with("-latest.pth.tar") || *name == EXPORTED;
    if let Some(name) = names.iter().find(exported) {
        return Ok(path.join(name));
    }
    // Whoever names a folder without any weights most likely means a run.
    match names.iter().any(|name| {
        name.starts_with("model.safetensors") || ["pytorch_model.bin", "model.onnx"].contains(&name.as_str())
    }) {
        true => Ok(path.to_path_buf()),
        false => folder::config(path).map(|_| path.join(LATEST)),
    }
}
