//! One encoder in a folder, as Hugging Face's transformers and timm load it.

use super::super::names::to_hugging_face;
use super::{encoder, safetensors, text};
use crate::model::config::ModelConfig;
use crate::model::tensors::Tensors;
use crate::{Error, Result};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;

/// How images are cut and normalised for these weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Processor {
    /// Pixels that the short side is scaled to, before the central crop.
    pub short: usize,
    pub crop: usize,
    pub mean: [f64; 3],
    pub std: [f64; 3],
}

/// The libraries look for this; without it older ones refuse the file.
fn format() -> HashMap<String, String> {
    HashMap::from([("format".to_string(), "pt".to_string())])
}

fn pretty(value: &Value) -> Result<String> {
    let text = serde_json::to_string_pretty(value);
    text.map(|text| text + "\n")
        .map_err(|e| Error::run(format!("a configuration can't be written: {e}")))
}

/// `config.json`, `model.safetensors` and `preprocessor_config.json` of an `IJepaModel`: `network` (`encoder` or
/// `target_encoder`) of `tensors`; with classes, whose layer is `{network}.head` of the tensors, of an
/// `IJepaForImageClassification`.
///
/// Errors: run, where a file can't be written.
pub fn hugging_face(
    folder: &Path,
    model: &ModelConfig,
    tensors: &Tensors,
    network: &str,
    processor: Processor,
    classes: Option<&[String]>,
) -> Result<()> {
    let mut list = vec![];
    for (ours, tensor) in encoder(tensors, network) {
        let mut theirs = to_hugging_face(ours);
        if classes.is_some() && !ours.starts_with("head.") {
            theirs.iter_mut().for_each(|name| *name = format!("ijepa.{name}"));
        }
        let mut shape = tensor.shape.clone();
        // Query, key and value lie below each other.
        shape[0] /= theirs.len().max(1);
        let each = tensor.values.len() / theirs.len().max(1);
        for (part, name) in theirs.into_iter().enumerate() {
            list.push((name, shape.clone(), &tensor.values[part * each..(part + 1) * each]));
        }
    }
    let mut config = json!({
        "architectures": [classes.map_or("IJepaModel", |_| "IJepaForImageClassification")],
        "attention_probs_dropout_prob": 0.0,
        "dtype": "float32",
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.0,
        "hidden_size": model.embed_dim,
        "image_size": model.side()?,
        "initializer_range": 0.02,
        "intermediate_size": model.hidden(),
        "layer_norm_eps": 1e-6,
        "model_type": "ijepa",
        "num_attention_heads": model.num_heads,
        "num_channels": 3,
        "num_hidden_layers": model.depth,
        "patch_size": model.patch,
        "qkv_bias": true,
        "torch_dtype": "float32",
    });
    if let Some(classes) = classes {
        let by_number = classes.iter().enumerate();
        let names: serde_json::Map<_, _> = by_number
            .clone()
            .map(|(i, name)| (i.to_string(), json!(name)))
            .collect();
        let numbers: serde_json::Map<_, _> = by_number.map(|(i, name)| (name.clone(), json!(i))).collect();
        config["id2label"] = Value::Object(names);
        config["label2id"] = Value::Object(numbers);
        config["problem_type"] = json!("single_label_classification");
    }
    let Processor { short, crop, mean, std } = processor;
    let images = json!({
        "crop_size": {"height": crop, "width": crop},
        "do_center_crop": true,
        "do_normalize": true,
        "do_rescale": true,
        "do_resize": true,
        "image_mean": mean,
        "image_processor_type": "ViTImageProcessor",
        "image_std": std,
        "resample": 2, // bilinear
        "rescale_factor": 1.0 / 255.0,
        "size": {"shortest_edge": short},
    });
    text(&folder.join("config.json"), &pretty(&config)?)?;
    text(&folder.join("preprocessor_config.json"), &pretty(&images)?)?;
    safetensors(&folder.join("model.safetensors"), list.into_iter(), format())
}

/// The name that timm has for a model of these sizes, and whether it needs no arguments beside it.
pub fn timm_name(model: &ModelConfig) -> (&'static str, bool) {
    let sizes = (
        model.embed_dim,
        model.depth,
        model.num_heads,
        model.patch,
        model.side().unwrap_or(0),
        model.hidden(),
    );
    match sizes {
        (1280, 32, 16, 14, 224, 5120) => ("vit_huge_patch14_gap_224", true),
        (1280, 32, 16, 16, 448, 5120) => ("vit_huge_patch16_gap_448", true),
        (1408, 40, 16, 16, 224, 6144) => ("vit_giant_patch16_gap_224", true),
        (768, 12, 16, 16, 224, 3072) => ("vit_base_patch16_gap_224", true),
        _ => ("vit_base_patch16_gap_224", false),
    }
}

/// `config.json` and `model.safetensors` for timm, which makes the model of `local-dir:FOLDER`; with classes as
/// [`hugging_face`].
///
/// Errors: run, where a file can't be written.
pub fn timm(
    folder: &Path,
    model: &ModelConfig,
    tensors: &Tensors,
    network: &str,
    processor: Processor,
    classes: Option<&[String]>,
) -> Result<()> {
    let Processor { short, crop, mean, std } = processor;
    let count = classes.map_or(0, <[String]>::len);
    let mut config = json!({
        "architecture": timm_name(model).0,
        "num_classes": count,
        "num_features": model.embed_dim,
        "num_attention_heads": model.num_heads,
        "global_pool": "avg",
        "model_args": {
            "img_size": model.side()?,
            "patch_size": model.patch,
            "embed_dim": model.embed_dim,
            "depth": model.depth,
            "num_heads": model.num_heads,
            "mlp_ratio": model.mlp_ratio,
            "class_token": false,
            "global_pool": "avg",
            "fc_norm": false,
        },
        "pretrained_cfg": {
            "input_size": [3, crop, crop],
            "fixed_input_size": true,
            "interpolation": "bilinear",
            "crop_pct": crop as f64 / short as f64,
            "crop_mode": "center",
            "mean": mean,
            "std": std,
            "num_classes": count,
            "pool_size": null,
            "first_conv": "patch_embed.proj",
            "classifier": "head",
        },
    });
    if let Some(classes) = classes {
        config["label_names"] = json!(classes);
    }
    text(&folder.join("config.json"), &pretty(&config)?)?;
    let list =
        encoder(tensors, network).map(|(name, tensor)| (name.to_string(), tensor.shape.clone(), &tensor.values[..]));
    safetensors(&folder.join("model.safetensors"), list, format())
}
