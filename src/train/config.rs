//! The configuration of a run: everything that decides its numbers, read from the reference's YAML files as they are.

use super::keys::{self, KEYS};
use super::yaml::{self, Value};
use crate::data::batch::BatchConfig;
use crate::data::image::Size;
use crate::data::masks::MaskConfig;
use crate::data::transform::{EvalTransform, TrainTransform};
use crate::model::config::{Init, ModelConfig};
use crate::ops::cast::Bits;
use crate::{Error, Result};

/// A whole configuration. Sections and fields are named as in the YAML; [`KEYS`] says what each means, with units.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub data: Data,
    pub logging: Logging,
    pub mask: Mask,
    pub meta: Meta,
    pub optimization: Optimization,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    pub batch_size: usize,
    pub color_jitter_strength: f64,
    /// None: the central square, the same in each epoch; of a square image, all of it.
    pub crop_scale: Option<[f64; 2]>,
    pub crop_size: usize,
    pub eval_transform: Evaluation,
    pub image_folder: Option<String>,
    pub max_pixels: u64,
    pub num_workers: usize,
    pub pin_mem: bool,
    pub root_path: Option<String>,
    pub use_color_distortion: bool,
    pub use_gaussian_blur: bool,
    pub use_horizontal_flip: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Logging {
    pub checkpoint_every: usize,
    pub folder: Option<String>,
    pub keep_checkpoints: usize,
    pub monitor_every: usize,
    pub monitor_images: usize,
    pub probe_every: usize,
    pub write_tag: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Mask {
    pub allow_overlap: bool,
    pub aspect_ratio: [f64; 2],
    pub enc_mask_scale: [f64; 2],
    pub min_keep: usize,
    pub min_keep_context: Option<usize>,
    pub num_enc_masks: usize,
    pub num_pred_masks: usize,
    pub patch_size: usize,
    pub pred_mask_scale: [f64; 2],
}

#[derive(Clone, Debug, PartialEq)]
pub struct Meta {
    pub copy_data: bool,
    pub covariance_weight: f64,
    pub init: Init,
    pub load_checkpoint: bool,
    pub model: Sizes,
    pub model_name: String,
    pub pred_depth: usize,
    pub pred_emb_dim: usize,
    pub read_checkpoint: Option<String>,
    pub seed: u64,
    pub use_bfloat16: bool,
    pub use_float16: bool,
    pub variance_weight: f64,
}

/// Sizes of one's own; what is not given comes from `meta.model_name`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sizes {
    pub depth: Option<usize>,
    pub embed_dim: Option<usize>,
    pub mlp_ratio: Option<f64>,
    pub num_heads: Option<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Optimization {
    /// Parts that a batch is split into; `None`: as few as fit.
    pub accumulate: Option<usize>,
    pub checkpoint_activations: bool,
    pub clip_grad: Option<f64>,
    pub ema: [f64; 2],
    pub epochs: usize,
    pub final_lr: f64,
    pub final_weight_decay: f64,
    pub ipe_scale: f64,
    pub lr: f64,
    pub start_lr: f64,
    pub steps: Option<usize>,
    pub warmup: f64,
    pub warmup_share: Option<f64>,
    pub weight_decay: f64,
}

/// How images are cut for evaluation (`data.eval_transform`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evaluation {
    /// Short side to crop * 256 / 224, then the centre crop: as published by the reference's authors.
    Margin,
    /// Short side to crop, then the centre crop: small images are scored whole.
    Exact,
}

impl Config {
    /// Reads YAML text over the defaults (those of preset `base`). `source` names the text in messages, a file's path.
    ///
    /// Errors: usage; an unknown key with the nearest known one, a value of another type, a syntax error, each with
    /// line and column. Whether the values fit together is what [`Config::validate`] says.
    ///
    /// ```
    /// use ijepa::train::config::Config;
    ///
    /// let mut config = Config::from_yaml("data:\n  batch_size: 64\nmeta:\n  model_name: vit_small\n", "small.yaml")?;
    /// config.set("optimization.lr=1e-4")?;
    /// assert_eq!(config.model()?.embed_dim, 384);
    /// assert_eq!(Config::from_yaml(&config.to_yaml(), "again")?, config);
    ///
    /// let error = Config::from_yaml("data:\n  batch_sise: 64\n", "small.yaml").unwrap_err();
    /// assert_eq!(error.to_string(), "small.yaml: line 2, column 3: unknown key \"data.batch_sise\"; \
    ///     did you mean \"data.batch_size\"?");
    /// # Ok::<(), ijepa::Error>(())
    /// ```
    pub fn from_yaml(text: &str, source: &str) -> Result<Self> {
        let mut config = Self::default();
        let mut seen: Vec<String> = Vec::new();
        for entry in yaml::entries(text, source)? {
            let place = format!("{source}: line {}, column {}", entry.line, entry.column);
            if seen.contains(&entry.path) {
                return Err(Error::usage(format!(
                    "{place}: \"{}\" is given twice; keep one",
                    entry.path
                )));
            }
            let empty_section = entry.value.is_none() && keys::is_section(&entry.path);
            if !empty_section {
                keys::find(&entry.path, &place)?.write(&mut config, &entry.value, &place)?;
            }
            seen.push(entry.path);
        }
        Ok(config)
    }

    /// One override in the form `key.path=value`, with the checks of a file. `optimization.epochs` and `warmup`
    /// also take away the `steps` and `warmup_share` that would hold instead of them.
    pub fn set(&mut self, assignment: &str) -> Result<()> {
        let place = assignment;
        let Some((path, text)) = assignment.split_once('=') else {
            return Err(Error::usage(format!(
                "{place}: write key=value, such as optimization.lr=0.002"
            )));
        };
        let path = path.trim();
        let key = keys::find(path, place)?;
        let value: Value = yaml::value(text.trim(), place)?;
        key.write(self, &value, place)?;
        // What a preset gives instead of these two would silently win over them.
        match path {
            "optimization.epochs" => self.optimization.steps = None,
            "optimization.warmup" => self.optimization.warmup_share = None,
            _ => {}
        }
        Ok(())
    }

    /// The whole configuration in the reference's key layout; [`Config::from_yaml`] gives back the very same one.
    pub fn to_yaml(&self) -> String {
        self.yaml_of(|_| true)
    }

    /// The same of the keys with these paths.
    pub fn yaml_of(&self, keep: impl Fn(&str) -> bool) -> String {
        let mut out = String::new();
        let mut open: Vec<&str> = Vec::new();
        // Reading goes through the same accessors as writing, which want a mutable configuration.
        let mut copy = self.clone();
        for key in KEYS.iter().filter(|key| keep(key.path)) {
            let value = key.text(&mut copy);
            // Sizes of one's own appear only where they are given: `meta.model` is an exception, not the rule.
            if value == "null" && key.path.starts_with("meta.model.") {
                continue;
            }
            let mut sections: Vec<&str> = key.path.split('.').collect();
            let name = sections.pop().unwrap_or(key.path);
            let common = open.iter().zip(&sections).take_while(|(a, b)| a == b).count();
            for (depth, section) in sections.iter().enumerate().skip(common) {
                out += &format!("{}{section}:\n", "  ".repeat(depth));
            }
            out += &format!("{}{name}: {value}\n", "  ".repeat(sections.len()));
            open = sections;
        }
        out
    }

    /// What the configuration asks for that has no meaning here: one sentence for each such key.
    pub fn notices(&self) -> Vec<String> {
        let (mut copy, mut neutral) = (self.clone(), Self::default());
        let asked = KEYS.iter().filter_map(|key| key.no_meaning.map(|why| (key, why)));
        asked
            .filter(|(key, _)| key.text(&mut copy) != key.text(&mut neutral))
            .map(|(key, why)| format!("{} has no meaning here: {why}", key.path))
            .collect()
    }

    /// The sizes of the networks.
    ///
    /// Errors: usage, where `meta.model_name` is unknown and `meta.model` does not give all four sizes.
    pub fn model(&self) -> Result<ModelConfig> {
        let own = &self.meta.model;
        let named = super::preset::sizes(&self.meta.model_name);
        if let (
            None,
            Sizes {
                depth,
                embed_dim,
                mlp_ratio,
                num_heads,
            },
        ) = (&named, own)
            && (depth.is_none() || embed_dim.is_none() || mlp_ratio.is_none() || num_heads.is_none())
        {
            let name = &self.meta.model_name;
            let names = super::preset::MODEL_NAMES;
            let hint = crate::error::did_you_mean(name, names);
            return Err(Error::usage(format!(
                "meta.model_name: no model \"{name}\": use one of {}, or give embed_dim, depth, num_heads and mlp_ratio \
                 under meta.model{hint}",
                names.join(", ")
            )));
        }
        let of = |own: Option<usize>, named: Option<usize>| own.or(named).unwrap_or(0);
        Ok(ModelConfig {
            image: Size::square(self.data.crop_size),
            patch: self.mask.patch_size,
            embed_dim: of(own.embed_dim, named.map(|n| n.0)),
            depth: of(own.depth, named.map(|n| n.1)),
            num_heads: of(own.num_heads, named.map(|n| n.2)),
            mlp_ratio: own.mlp_ratio.or(named.map(|n| n.3)).unwrap_or(0.0),
            pred_emb_dim: self.meta.pred_emb_dim,
            pred_depth: self.meta.pred_depth,
        })
    }

    /// What the mask sampler needs; the grid is crop / patch.
    pub fn masks(&self) -> MaskConfig {
        let mask = &self.mask;
        MaskConfig {
            grid: self.data.crop_size.checked_div(mask.patch_size).unwrap_or(0),
            num_enc_masks: mask.num_enc_masks,
            num_pred_masks: mask.num_pred_masks,
            enc_mask_scale: mask.enc_mask_scale,
            pred_mask_scale: mask.pred_mask_scale,
            aspect_ratio: mask.aspect_ratio,
            min_keep: mask.min_keep,
            min_keep_context: mask.min_keep_context.unwrap_or(mask.min_keep),
            allow_overlap: mask.allow_overlap,
        }
    }

    /// What training batches are made of.
    pub fn batches(&self) -> BatchConfig {
        BatchConfig {
            batch: self.data.batch_size,
            crop: self.data.crop_size,
            transform: self.train_transform(),
            masks: self.masks(),
            seed: self.meta.seed,
        }
    }

    /// What happens to an image on its way into a training batch.
    pub fn train_transform(&self) -> TrainTransform {
        let data = &self.data;
        TrainTransform {
            crop_scale: data.crop_scale,
            horizontal_flip: data.use_horizontal_flip,
            color_distortion: data.use_color_distortion.then_some(data.color_jitter_strength),
            gaussian_blur: data.use_gaussian_blur,
        }
    }

    /// How images are cut for monitor, probe and pictures.
    pub fn eval_transform(&self) -> EvalTransform {
        match self.data.eval_transform {
            Evaluation::Margin => EvalTransform::Margin,
            Evaluation::Exact => EvalTransform::Exact,
        }
    }

    /// What the numbers of a run hang on, and what its monitor sees; not where its images and files are, nor how often it
    /// is saved: weight files of two runs of a seed are equal.
    pub fn portable(&self) -> Config {
        let mut config = self.clone();
        config.data.root_path = None;
        config.data.image_folder = None;
        config.logging = Logging {
            monitor_every: self.logging.monitor_every,
            monitor_images: self.logging.monitor_images,
            ..Config::default().logging
        };
        config
    }

    /// Whether the variance-covariance term is on.
    pub fn regularized(&self) -> bool {
        self.meta.variance_weight != 0.0 || self.meta.covariance_weight != 0.0
    }

    /// The 16 bits that linear layers multiply in; `None`: f32.
    pub fn bits(&self) -> Option<Bits> {
        match (self.meta.use_bfloat16, self.meta.use_float16) {
            (true, _) => Some(Bits::Bf16),
            (_, true) => Some(Bits::F16),
            _ => None,
        }
    }

    /// Makes the run E epochs long; the warm-up keeps its share of it.
    pub fn set_epochs(&mut self, epochs: usize) {
        let optimization = &mut self.optimization;
        optimization.warmup *= epochs as f64 / optimization.epochs.max(1) as f64;
        optimization.epochs = epochs;
        optimization.steps = None;
    }

    /// Takes the images from `path` (`--data`), in place of the file's root and folder.
    pub fn set_data(&mut self, path: &str) {
        self.data.root_path = Some(path.to_string());
        self.data.image_folder = None;
    }

    /// Where the images are: `data.root_path`, joined with `data.image_folder` where that is given.
    ///
    /// Errors: usage, where it is not given or a placeholder (the official files begin theirs with `$`).
    pub fn data_path(&self) -> Result<String> {
        let root = real("data.root_path", self.data.root_path.as_deref(), "--data PATH")?;
        match &self.data.image_folder {
            None => Ok(root),
            Some(folder) => Ok(format!("{}/{folder}", root.trim_end_matches('/'))),
        }
    }

    /// The run's folder, `logging.folder`. Errors as for [`Config::data_path`].
    pub fn out_path(&self) -> Result<String> {
        real("logging.folder", self.logging.folder.as_deref(), "--out DIR")
    }
}

fn real(key: &str, value: Option<&str>, flag: &str) -> Result<String> {
    match value {
        None | Some("") => Err(Error::usage(format!("{key} is not given: add {flag}"))),
        Some(text) if text.starts_with('$') => Err(Error::usage(format!(
            "{key} is the placeholder \"{text}\": add {flag}, or put a path into the file"
        ))),
        Some(text) => Ok(text.to_string()),
    }
}
