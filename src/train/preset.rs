//! The presets, each a complete configuration. Sizes: `ijepa.md` of the reference; `demo` and `nano`: our small recipe.

use super::config::{Config, Data, Evaluation, Logging, Mask, Meta, Optimization, Sizes};
use crate::error::did_you_mean;
use crate::model::config::Init;
use crate::{Error, Result};

/// The presets' names, smallest first.
pub const PRESETS: [&str; 8] = ["demo", "nano", "tiny", "small", "base", "large", "huge", "giant"];

/// What `meta.model_name` may be, besides `vit_custom`.
pub const MODEL_NAMES: [&str; 6] = [
    "vit_tiny",
    "vit_small",
    "vit_base",
    "vit_large",
    "vit_huge",
    "vit_giant",
];

/// Width, blocks, heads and MLP ratio of a named model, as in the reference.
pub(super) fn sizes(model_name: &str) -> Option<(usize, usize, usize, f64)> {
    Some(match model_name {
        "vit_tiny" => (192, 12, 3, 4.0),
        "vit_small" => (384, 12, 6, 4.0),
        "vit_base" => (768, 12, 12, 4.0),
        "vit_large" => (1024, 24, 16, 4.0),
        "vit_huge" => (1280, 32, 16, 4.0),
        "vit_giant" => (1408, 40, 16, 48.0 / 11.0),
        _ => return None,
    })
}

impl Default for Config {
    /// Preset `base`: the settings of the reference's in1k_vith14_ep300.yaml around a ViT-B/16.
    fn default() -> Self {
        Config {
            data: Data {
                batch_size: 128,
                color_jitter_strength: 0.0,
                crop_scale: Some([0.3, 1.0]),
                crop_size: 224,
                eval_transform: Evaluation::Margin,
                image_folder: None,
                max_pixels: 100_000_000,
                num_workers: 0,
                pin_mem: false,
                root_path: None,
                use_color_distortion: false,
                use_gaussian_blur: false,
                use_horizontal_flip: false,
            },
            logging: Logging {
                checkpoint_every: 1000,
                folder: None,
                keep_checkpoints: 2,
                monitor_every: 500,
                probe_every: 0,
                monitor_images: 256,
                write_tag: "jepa".to_string(),
            },
            mask: Mask {
                allow_overlap: false,
                aspect_ratio: [0.75, 1.5],
                enc_mask_scale: [0.85, 1.0],
                min_keep: 10,
                min_keep_context: None,
                num_enc_masks: 1,
                num_pred_masks: 4,
                patch_size: 16,
                pred_mask_scale: [0.15, 0.2],
            },
            meta: Meta {
                copy_data: false,
                covariance_weight: 0.0,
                init: Init::Reference,
                load_checkpoint: false,
                model: Sizes::default(),
                model_name: "vit_base".to_string(),
                pred_depth: 12,
                pred_emb_dim: 384,
                read_checkpoint: None,
                seed: 0,
                use_bfloat16: false,
                use_float16: false,
                variance_weight: 0.0,
            },
            optimization: Optimization {
                accumulate: Some(1),
                checkpoint_activations: false,
                clip_grad: None,
                ema: [0.996, 1.0],
                epochs: 300,
                final_lr: 1e-6,
                final_weight_decay: 0.4,
                ipe_scale: 1.0,
                lr: 1e-3,
                start_lr: 2e-4,
                steps: None,
                warmup: 40.0,
                warmup_share: None,
                weight_decay: 0.04,
            },
        }
    }
}

impl Config {
    /// A preset by its name.
    ///
    /// Errors: usage, with the nearest name, where there is none of this name.
    pub fn preset(name: &str) -> Result<Self> {
        let mut config = Self::default();
        let model_name = format!("vit_{name}");
        match name {
            "demo" => {
                recipe(&mut config, [64, 4, 4], [32, 2], 0.015);
                config.data.crop_scale = None;
                config.optimization.lr = 3e-3;
                // 16,000 presentations: four passes over an epoch of the generated set.
                config.optimization.epochs = 4;
                config.optimization.steps = Some(500);
                config.logging.checkpoint_every = 250;
                config.logging.monitor_every = 100;
            }
            "nano" => {
                recipe(&mut config, [96, 4, 3], [48, 2], 0.1);
                config.data.crop_scale = Some([0.6, 1.0]);
                config.optimization.lr = 2e-3;
                // 40,000 presentations, whatever the number of images.
                config.optimization.epochs = 8;
                config.optimization.steps = Some(1250);
                config.logging.checkpoint_every = 250;
                config.logging.monitor_every = 125;
            }
            "tiny" => {
                config.meta.model_name = model_name;
                settled(&mut config, 0.1);
                config.data.batch_size = 64;
                config.optimization.epochs = 100;
                config.logging.monitor_every = 250;
            }
            "small" | "base" | "large" => config.meta.model_name = model_name,
            "huge" => {
                config.meta.model_name = model_name;
                config.mask.patch_size = 14;
            }
            "giant" => {
                // As in22k_vitg16_ep44.yaml.
                config.meta.model_name = model_name;
                config.meta.pred_depth = 16;
                config.data.batch_size = 16;
                config.optimization.epochs = 44;
                config.optimization.warmup = 3.0;
            }
            _ => {
                let (names, hint) = (PRESETS.join(", "), did_you_mean(name, PRESETS));
                return Err(Error::usage(format!("no preset \"{name}\": use one of {names}{hint}")));
            }
        }
        Ok(config)
    }
}

/// What lets a model learn from few images: the variance-covariance term, xavier weights, a target that keeps up,
/// mirrored images, and a warm-up of a tenth of the run.
fn settled(config: &mut Config, variance_weight: f64) {
    config.meta.init = Init::Xavier;
    config.meta.variance_weight = variance_weight;
    config.meta.covariance_weight = variance_weight / 10.0;
    config.data.use_horizontal_flip = true;
    let optimization = &mut config.optimization;
    optimization.ema = [0.98, 0.995];
    optimization.weight_decay = 0.05;
    optimization.final_weight_decay = 0.05;
    optimization.warmup_share = Some(0.1);
}

/// The whole small recipe: 32-pixel images, patch 4, masks that leave something to see. `encoder` is width, blocks and
/// heads, `predictor` width and blocks.
fn recipe(config: &mut Config, encoder: [usize; 3], predictor: [usize; 2], variance_weight: f64) {
    settled(config, variance_weight);
    config.data.batch_size = 32;
    config.data.crop_size = 32;
    config.data.eval_transform = Evaluation::Exact;
    config.mask.patch_size = 4;
    config.mask.pred_mask_scale = [0.10, 0.15];
    config.mask.min_keep = 4;
    config.mask.min_keep_context = Some(12);
    config.meta.model_name = "vit_custom".to_string();
    let [embed_dim, depth, num_heads] = encoder.map(Some);
    config.meta.model = Sizes {
        depth,
        embed_dim,
        mlp_ratio: Some(4.0),
        num_heads,
    };
    [config.meta.pred_emb_dim, config.meta.pred_depth] = predictor;
}
