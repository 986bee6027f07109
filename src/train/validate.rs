//! Refuses, before anything is written, a configuration whose values do not fit together.

use super::config::Config;
use super::field::number;
use crate::{Error, Result};

/// Sizes beyond any network or image that fits a machine; below them no product of sizes leaves 64 bits.
const MOST: usize = 1 << 16;
const MOST_PATCHES: usize = 1 << 10;
const MOST_MASKS: usize = 64;
/// For shapes alone.
const MOST_IMAGES: usize = 1 << 30;

impl Config {
    /// Whether a run with this configuration can begin.
    ///
    /// Errors: usage; the first of the things that do not fit, in one sentence with both values and what to do.
    pub fn validate(&self) -> Result<()> {
        self.check_data()?;
        self.check_schedules()?;
        within("data.batch_size", self.data.batch_size)?;
        self.check_shapes()
    }

    /// All that shapes follow from: what `info` and `trace --dry-run` need, which train nothing and so refuse no batch
    /// for its size.
    pub fn check_shapes(&self) -> Result<()> {
        let mask = &self.mask;
        match self.data.batch_size {
            0 => return Err(Error::usage("data.batch_size is 0: it must be 1 or more")),
            1..=MOST_IMAGES => {}
            many => {
                return Err(Error::usage(format!(
                    "data.batch_size is {many}: the most is {MOST_IMAGES}"
                )));
            }
        }
        if self.meta.use_bfloat16 && self.meta.use_float16 {
            return Err(Error::usage(
                "meta.use_bfloat16 and meta.use_float16 are both true: linear layers multiply in one of them, so set one to false",
            ));
        }
        let (batch, parts) = (self.data.batch_size, self.optimization.accumulate);
        if let Some(parts) = parts.filter(|&parts| parts == 0 || parts > batch) {
            return Err(Error::usage(format!(
                "optimization.accumulate splits a batch into {parts} parts, but data.batch_size is {batch}: use 1 to {batch}"
            )));
        }
        for (key, masks) in [
            ("mask.num_enc_masks", mask.num_enc_masks),
            ("mask.num_pred_masks", mask.num_pred_masks),
        ] {
            match masks {
                0 => within(key, 0)?,
                1..=MOST_MASKS => {}
                _ => return Err(Error::usage(format!("{key} is {masks}: the most is {MOST_MASKS}"))),
            }
        }
        self.check_model()?;
        self.masks().validate()
    }

    /// Networks and patches: what `replay` needs, which draws no masks.
    pub fn check_model(&self) -> Result<()> {
        let (crop, patch) = (self.data.crop_size, self.mask.patch_size);
        let model = self.model()?;
        within("data.crop_size", crop)?;
        within("mask.patch_size", patch)?;
        within("the encoder's depth", model.depth)?;
        within("the encoder's width", model.embed_dim)?;
        within("the number of heads", model.num_heads)?;
        within("meta.pred_depth", model.pred_depth)?;
        within("meta.pred_emb_dim", model.pred_emb_dim)?;
        if crop % patch != 0 {
            let below = crop / patch * patch;
            let near = if below == 0 {
                patch.to_string()
            } else {
                format!("{below} or {}", below + patch)
            };
            return Err(Error::usage(format!(
                "data.crop_size {crop} is no multiple of mask.patch_size {patch}: use crop_size {near}, or another patch"
            )));
        }
        let grid = crop / patch;
        if grid > MOST_PATCHES {
            return Err(Error::usage(format!(
                "data.crop_size {crop} with mask.patch_size {patch} makes {grid} patches a side: the most is {MOST_PATCHES}"
            )));
        }
        let heads = model.num_heads;
        for (what, width) in [
            ("encoder", model.embed_dim),
            ("predictor (meta.pred_emb_dim)", model.pred_emb_dim),
        ] {
            if width % heads != 0 {
                return Err(Error::usage(format!(
                    "the {what} is {width} wide, which its {heads} heads do not divide: use a multiple of {heads}"
                )));
            }
            if width % 4 != 0 {
                return Err(Error::usage(format!(
                    "the {what} is {width} wide, which is no multiple of 4, as the position embedding needs it"
                )));
            }
        }
        let ratio = model.mlp_ratio;
        if !(0.0..=64.0).contains(&ratio) || model.hidden() == 0 {
            let ratio = number(ratio);
            return Err(Error::usage(format!(
                "meta.model.mlp_ratio {ratio} must give a hidden width of 1 or more and be at most 64"
            )));
        }
        Ok(())
    }

    fn check_data(&self) -> Result<()> {
        let (data, logging) = (&self.data, &self.logging);
        // The strength is looked at even where no colour is distorted: a value that can't be meant is better said early.
        crate::data::transform::TrainTransform {
            color_distortion: Some(data.color_jitter_strength),
            ..self.train_transform()
        }
        .validate()?;
        if data.max_pixels == 0 {
            return Err(Error::usage("data.max_pixels 0 would skip every image: use 1 or more"));
        }
        if logging.monitor_every > 0 && !(2..=MOST).contains(&logging.monitor_images) {
            let images = logging.monitor_images;
            return Err(Error::usage(format!(
                "logging.monitor_images {images} must be from 2 to {MOST}; logging.monitor_every 0 turns the monitor off"
            )));
        }
        let tag = &logging.write_tag;
        if tag.len() > 100 {
            return Err(Error::usage(format!(
                "logging.write_tag has {} characters and begins file names: use at most 100",
                tag.len()
            )));
        }
        if tag.is_empty() || !tag.chars().all(|c| c.is_alphanumeric() || "._-".contains(c)) || tag.starts_with('.') {
            return Err(Error::usage(format!(
                "logging.write_tag \"{tag}\" begins file names: use letters, digits, \".\", \"_\" and \"-\""
            )));
        }
        Ok(())
    }

    fn check_schedules(&self) -> Result<()> {
        let o = &self.optimization;
        for (key, value) in [
            ("optimization.lr", o.lr),
            ("optimization.start_lr", o.start_lr),
            ("optimization.final_lr", o.final_lr),
            ("optimization.weight_decay", o.weight_decay),
            ("optimization.final_weight_decay", o.final_weight_decay),
            ("optimization.warmup", o.warmup),
            ("meta.variance_weight", self.meta.variance_weight),
            ("meta.covariance_weight", self.meta.covariance_weight),
        ] {
            not_negative(key, value)?;
        }
        if o.epochs == 0 || o.steps == Some(0) {
            let key = if o.epochs == 0 {
                "optimization.epochs"
            } else {
                "optimization.steps"
            };
            return Err(Error::usage(format!("{key} is 0: a run has at least 1")));
        }
        if o.ipe_scale <= 0.0 {
            return Err(Error::usage(format!(
                "optimization.ipe_scale {} must be above 0",
                number(o.ipe_scale)
            )));
        }
        if o.ema.iter().any(|m| !(0.0..=1.0).contains(m)) {
            let [first, last] = o.ema.map(number);
            return Err(Error::usage(format!(
                "optimization.ema [{first}, {last}] must be two numbers from 0 to 1"
            )));
        }
        if let Some(share) = o.warmup_share
            && !(0.0..=1.0).contains(&share)
        {
            return Err(Error::usage(format!(
                "optimization.warmup_share {} must be from 0 to 1",
                number(share)
            )));
        }
        if let Some(norm) = o.clip_grad
            && norm <= 0.0
        {
            let norm = number(norm);
            return Err(Error::usage(format!(
                "optimization.clip_grad {norm} must be above 0; null clips nothing"
            )));
        }
        Ok(())
    }
}

fn within(what: &str, value: usize) -> Result<()> {
    match value {
        0 => Err(Error::usage(format!("{what} is 0: it must be 1 or more"))),
        1..=MOST => Ok(()),
        _ => Err(Error::usage(format!("{what} is {value}: the most is {MOST}"))),
    }
}

fn not_negative(key: &str, value: f64) -> Result<()> {
    if value >= 0.0 {
        return Ok(());
    }
    Err(Error::usage(format!("{key} {} must not be negative", number(value))))
}
