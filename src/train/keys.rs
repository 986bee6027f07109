//! The one table of configuration keys: reading, writing, `--set`, help and documents all come from it.

use super::config::Config;
use super::field::Field::{self, *};
use super::yaml::Value;
use crate::error::did_you_mean;
use crate::{Error, Result};

/// One key of the configuration.
pub struct Key {
    /// Section and name, joined by points.
    pub path: &'static str,
    /// What it means, with its unit.
    pub meaning: &'static str,
    /// True for keys of the reference's official files, false for this project's own.
    pub official: bool,
    /// Why the key changes nothing here, if so.
    pub no_meaning: Option<&'static str>,
    field: fn(&mut Config) -> Field<'_>,
}

const fn official(path: &'static str, meaning: &'static str, field: fn(&mut Config) -> Field<'_>) -> Key {
    Key {
        path,
        meaning,
        official: true,
        no_meaning: None,
        field,
    }
}

const fn own(path: &'static str, meaning: &'static str, field: fn(&mut Config) -> Field<'_>) -> Key {
    Key {
        path,
        meaning,
        official: false,
        no_meaning: None,
        field,
    }
}

/// A key that other tools need and that changes nothing here.
const fn idle(
    path: &'static str,
    meaning: &'static str,
    why: &'static str,
    field: fn(&mut Config) -> Field<'_>,
) -> Key {
    Key {
        path,
        meaning,
        official: true,
        no_meaning: Some(why),
        field,
    }
}

/// Every key, in the order in which [`Config::to_yaml`] writes them: keys of one section stand together.
pub const KEYS: &[Key] = &[
    official("data.batch_size", "images in a batch", |c| {
        Count(&mut c.data.batch_size)
    }),
    official(
        "data.color_jitter_strength",
        "strength s of the colour distortion",
        |c| Number(&mut c.data.color_jitter_strength),
    ),
    official(
        "data.crop_scale",
        "share of the image's area that a random crop takes, [low, high]; none: its central square",
        |c| MaybeRange(&mut c.data.crop_scale),
    ),
    official("data.crop_size", "side of the network's input in pixels", |c| {
        Count(&mut c.data.crop_size)
    }),
    own(
        "data.eval_transform",
        "margin: short side to crop_size * 256 / 224, then the centre; exact: short side to crop_size, then the centre",
        |c| Eval(&mut c.data.eval_transform),
    ),
    official(
        "data.image_folder",
        "folder below root_path that holds the images",
        |c| MaybeText(&mut c.data.image_folder),
    ),
    own("data.max_pixels", "images that claim more pixels are skipped", |c| {
        Large(&mut c.data.max_pixels)
    }),
    idle(
        "data.num_workers",
        "worker processes of the reference's loader",
        "as many threads decode as the machine has cores",
        |c| Count(&mut c.data.num_workers),
    ),
    idle(
        "data.pin_mem",
        "page-locked host memory",
        "the driver decides where upload memory lies",
        |c| Flag(&mut c.data.pin_mem),
    ),
    official(
        "data.root_path",
        "images: a folder, a tar, a packed set, or generated:glyphs (--data)",
        |c| MaybeText(&mut c.data.root_path),
    ),
    official("data.use_color_distortion", "distort colours", |c| {
        Flag(&mut c.data.use_color_distortion)
    }),
    official("data.use_gaussian_blur", "blur every second image", |c| {
        Flag(&mut c.data.use_gaussian_blur)
    }),
    official("data.use_horizontal_flip", "mirror every second image", |c| {
        Flag(&mut c.data.use_horizontal_flip)
    }),
    own(
        "logging.checkpoint_every",
        "steps between two checkpoints; 0: only at the end",
        |c| Count(&mut c.logging.checkpoint_every),
    ),
    official("logging.folder", "folder of the run (--out)", |c| {
        MaybeText(&mut c.logging.folder)
    }),
    own(
        "logging.keep_checkpoints",
        "how many step-N checkpoints stay, the newest; 0: all",
        |c| Count(&mut c.logging.keep_checkpoints),
    ),
    own(
        "logging.monitor_every",
        "steps between two looks of the collapse monitor; 0: never",
        |c| Count(&mut c.logging.monitor_every),
    ),
    own(
        "logging.monitor_images",
        "images that the collapse monitor looks at",
        |c| Count(&mut c.logging.monitor_images),
    ),
    own(
        "logging.probe_every",
        "steps between two probes (k-NN and linear accuracy on labelled images), fewer where they would take more than a twentieth of the time; 0: never",
        |c| Count(&mut c.logging.probe_every),
    ),
    official("logging.write_tag", "first part of the CSV's file name", |c| {
        Text(&mut c.logging.write_tag)
    }),
    official("mask.allow_overlap", "context blocks may cover target blocks", |c| {
        Flag(&mut c.mask.allow_overlap)
    }),
    official(
        "mask.aspect_ratio",
        "height / width of a target block, [low, high]",
        |c| Range(&mut c.mask.aspect_ratio),
    ),
    official(
        "mask.enc_mask_scale",
        "share of the grid that a context block takes, [low, high]",
        |c| Range(&mut c.mask.enc_mask_scale),
    ),
    official("mask.min_keep", "a mask must keep more patches than this", |c| {
        Count(&mut c.mask.min_keep)
    }),
    own(
        "mask.min_keep_context",
        "the same for context blocks alone; null: min_keep",
        |c| MaybeCount(&mut c.mask.min_keep_context),
    ),
    official("mask.num_enc_masks", "context blocks of an image", |c| {
        Count(&mut c.mask.num_enc_masks)
    }),
    official("mask.num_pred_masks", "target blocks of an image", |c| {
        Count(&mut c.mask.num_pred_masks)
    }),
    official("mask.patch_size", "side of a patch in pixels", |c| {
        Count(&mut c.mask.patch_size)
    }),
    official(
        "mask.pred_mask_scale",
        "share of the grid that a target block takes, [low, high]",
        |c| Range(&mut c.mask.pred_mask_scale),
    ),
    idle(
        "meta.copy_data",
        "copy the data to a local disk first",
        "images are read where they are",
        |c| Flag(&mut c.meta.copy_data),
    ),
    own(
        "meta.covariance_weight",
        "weight b of the covariance term; 0: off",
        |c| Number(&mut c.meta.covariance_weight),
    ),
    own(
        "meta.init",
        "reference: normal(0, 0.02); xavier: normal(0, sqrt(2 / (in + out)))",
        |c| Init(&mut c.meta.init),
    ),
    idle(
        "meta.load_checkpoint",
        "continue from a checkpoint",
        "use ijepa train --resume DIR",
        |c| Flag(&mut c.meta.load_checkpoint),
    ),
    own(
        "meta.model.depth",
        "blocks of the encoder, instead of model_name's",
        |c| MaybeCount(&mut c.meta.model.depth),
    ),
    own(
        "meta.model.embed_dim",
        "width of the encoder, instead of model_name's",
        |c| MaybeCount(&mut c.meta.model.embed_dim),
    ),
    own(
        "meta.model.mlp_ratio",
        "hidden width of the encoder's MLP / width, instead of model_name's",
        |c| MaybeNumber(&mut c.meta.model.mlp_ratio),
    ),
    own(
        "meta.model.num_heads",
        "heads of encoder and predictor, instead of model_name's",
        |c| MaybeCount(&mut c.meta.model.num_heads),
    ),
    official(
        "meta.model_name",
        "vit_tiny, vit_small, vit_base, vit_large, vit_huge, vit_giant, or vit_custom with meta.model",
        |c| Text(&mut c.meta.model_name),
    ),
    official("meta.pred_depth", "blocks of the predictor", |c| {
        Count(&mut c.meta.pred_depth)
    }),
    official("meta.pred_emb_dim", "width of the predictor", |c| {
        Count(&mut c.meta.pred_emb_dim)
    }),
    idle(
        "meta.read_checkpoint",
        "file to continue from",
        "use ijepa train --resume DIR",
        |c| MaybeText(&mut c.meta.read_checkpoint),
    ),
    own("meta.seed", "of every random draw: weights, order, crops, masks", |c| {
        Large(&mut c.meta.seed)
    }),
    official(
        "meta.use_bfloat16",
        "linear layers multiply in bfloat16; weights, sums and all else stay f32",
        |c| Flag(&mut c.meta.use_bfloat16),
    ),
    own(
        "meta.use_float16",
        "the same in float16, whose range is smaller: each gradient is scaled into it",
        |c| Flag(&mut c.meta.use_float16),
    ),
    own("meta.variance_weight", "weight a of the variance term; 0: off", |c| {
        Number(&mut c.meta.variance_weight)
    }),
    own(
        "optimization.accumulate",
        "parts that a batch is split into, one after the other: less memory, same gradients; auto: as few as fit",
        |c| CountOrAuto(&mut c.optimization.accumulate),
    ),
    own(
        "optimization.checkpoint_activations",
        "keep each block's input alone and compute the block again for its gradient: less memory, more time, same numbers",
        |c| Flag(&mut c.optimization.checkpoint_activations),
    ),
    own(
        "optimization.clip_grad",
        "largest norm of the whole gradient; null: no clipping",
        |c| MaybeNumber(&mut c.optimization.clip_grad),
    ),
    official("optimization.ema", "the target's momentum, [first, last]", |c| {
        Range(&mut c.optimization.ema)
    }),
    official(
        "optimization.epochs",
        "length of the run in passes over the data",
        |c| Count(&mut c.optimization.epochs),
    ),
    official("optimization.final_lr", "learning rate at the end", |c| {
        Number(&mut c.optimization.final_lr)
    }),
    official("optimization.final_weight_decay", "weight decay at the end", |c| {
        Number(&mut c.optimization.final_weight_decay)
    }),
    official(
        "optimization.ipe_scale",
        "length of the schedules / length of the run",
        |c| Number(&mut c.optimization.ipe_scale),
    ),
    official("optimization.lr", "learning rate after the warm-up", |c| {
        Number(&mut c.optimization.lr)
    }),
    official("optimization.start_lr", "learning rate before the first step", |c| {
        Number(&mut c.optimization.start_lr)
    }),
    own(
        "optimization.steps",
        "length of the run in steps, instead of epochs: schedules and warm-up stretch over it",
        |c| MaybeCount(&mut c.optimization.steps),
    ),
    official(
        "optimization.warmup",
        "length of the warm-up in epochs (of a run of `epochs`)",
        |c| Number(&mut c.optimization.warmup),
    ),
    own(
        "optimization.warmup_share",
        "length of the warm-up as a share of the run, instead of warmup",
        |c| MaybeNumber(&mut c.optimization.warmup_share),
    ),
    official("optimization.weight_decay", "weight decay at the start", |c| {
        Number(&mut c.optimization.weight_decay)
    }),
];

/// The key of this path. `place` begins the message about an unknown one.
pub fn find(path: &str, place: &str) -> Result<&'static Key> {
    if let Some(key) = KEYS.iter().find(|key| key.path == path) {
        return Ok(key);
    }
    if is_section(path) {
        return Err(Error::usage(format!(
            "{place}: \"{path}\" is a section: its keys stand below it, indented"
        )));
    }
    // A right name in a wrong section is the likelier slip than a wrong letter.
    let name = |path: &'static str| path.rsplit('.').next().unwrap_or(path);
    let last = path.rsplit('.').next().unwrap_or(path);
    let hint = match KEYS.iter().find(|key| name(key.path) == last) {
        Some(key) => format!("; did you mean \"{}\"?", key.path),
        None => did_you_mean(path, KEYS.iter().map(|key| key.path)),
    };
    Err(Error::usage(format!("{place}: unknown key \"{path}\"{hint}")))
}

/// Whether keys stand below this path.
pub fn is_section(path: &str) -> bool {
    KEYS.iter()
        .any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

impl Key {
    /// The value in `config`, as YAML writes it.
    pub fn text(&self, config: &mut Config) -> String {
        (self.field)(config).text()
    }

    /// What the key wants, in words.
    pub fn kind(&self) -> &'static str {
        (self.field)(&mut Config::default()).kind()
    }

    /// Puts a value into `config`. `place` begins the message where the type is another one.
    pub(super) fn write(&self, config: &mut Config, value: &Value, place: &str) -> Result<()> {
        (self.field)(config)
            .write(value)
            .map_err(|(kind, shown)| Error::usage(format!("{place}: {} must be {kind}, not \"{shown}\"", self.path)))
    }
}
