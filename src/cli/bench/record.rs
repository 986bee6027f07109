//! What the measured steps are fed, as a file from which other programs can take the same steps: `benches/peers`.

use super::super::write;
use super::step::{BATCHES, Bench, RATES};
use ijepa::cpu::patchify::{MEAN, STD};
use ijepa::data::image::Size;
use ijepa::data::masks::Masks;
use ijepa::model::config::ModelConfig;
use ijepa::{Error, Result};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::collections::HashMap;
use std::path::Path;

/// Refuses a place where nothing can be written, and one where there is anything but such a recording.
pub fn possible(path: &Path) -> Result<()> {
    replaceable(path)?;
    write::possible(path, OTHER)
}

const OTHER: &str = "choose another file";

fn replaceable(path: &Path) -> Result<()> {
    write::only_over(path, "recording of `ijepa bench --record`", is_ours, OTHER)
}

/// Weights, which someone may have trained for days, are files of this kind, too: only the header tells.
fn is_ours(start: &[u8]) -> bool {
    let length = start
        .get(..8)
        .and_then(|length| length.try_into().ok())
        .map(u64::from_le_bytes);
    let header = length.and_then(|length| start.get(8..)?.get(..usize::try_from(length).ok()?));
    let header = header.and_then(|header| serde_json::from_slice::<serde_json::Value>(header).ok());
    header.is_some_and(|header| header["__metadata__"][CASE].is_string())
}

/// Under which the header says what was recorded.
const CASE: &str = "case";

/// A tensor as it lies in the file.
struct Stored {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// Writes weights, the images and masks of all batches (names as `ijepa replay` reads them), and in the header, as JSON under
/// "case", sizes and rates.
pub fn record(path: &Path, bench: &mut Bench) -> Result<()> {
    let weights = pollster::block_on(bench.net.tensors(false))?;
    let model = &bench.net.config;
    let mut stored: Vec<Stored> = weights
        .iter()
        .filter(|(name, _)| !name.starts_with("target_encoder.")) // starts as the encoder's copy
        .map(|(name, tensor)| floats(name.clone(), tensor.shape.clone(), &tensor.values))
        .collect();
    let images = normalised(&bench.images, model.image);
    for (step, masks) in bench.masks.iter().enumerate() {
        let shape = vec![masks.batch, 3, model.image.height, model.image.width];
        stored.push(floats(format!("step.{step}.images"), shape, &images));
        stored.extend(lists(step, "enc", masks.num_enc, &masks.context, masks));
        stored.extend(lists(step, "pred", masks.num_pred, &masks.targets, masks));
    }
    let failed = |e: &dyn std::fmt::Display| Error::run(format!("--record {}: {e}", path.display()));
    let mut views = vec![];
    for tensor in &stored {
        let view = TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.bytes).map_err(|e| failed(&e))?;
        views.push((tensor.name.as_str(), view));
    }
    let header = HashMap::from([(CASE.to_string(), case(model, &bench.masks[0]).to_string())]);
    let bytes = safetensors::serialize(views, Some(header)).map_err(|e| failed(&e))?;
    write::whole_where(path, &bytes, &|| replaceable(path))
}

fn case(model: &ModelConfig, masks: &Masks) -> serde_json::Value {
    serde_json::json!({
        "batch": masks.batch, "crop": model.image.width, "patch": model.patch, "patches": model.num_patches(),
        "dim": model.embed_dim, "depth": model.depth, "heads": model.num_heads, "hidden": model.hidden(),
        "pred_dim": model.pred_emb_dim, "pred_depth": model.pred_depth,
        "num_enc": masks.num_enc, "num_pred": masks.num_pred, "steps": BATCHES,
        "lr": RATES.lr, "wd": RATES.wd, "momentum": RATES.momentum,
    })
}

fn floats(name: String, shape: Vec<usize>, values: &[f32]) -> Stored {
    Stored {
        name,
        dtype: Dtype::F32,
        shape,
        bytes: bytemuck::cast_slice(values).to_vec(),
    }
}

/// Masks `[count, B, K]` as one tensor `[B, K]` each.
fn lists(step: usize, kind: &str, count: usize, patches: &[u32], masks: &Masks) -> Vec<Stored> {
    let one = patches.len() / count.max(1);
    let list = |(k, list): (usize, &[u32])| Stored {
        name: format!("step.{step}.masks_{kind}.{k}"),
        dtype: Dtype::I32,
        shape: vec![masks.batch, one / masks.batch.max(1)],
        bytes: bytemuck::cast_slice(list).to_vec(),
    };
    patches.chunks_exact(one.max(1)).enumerate().map(list).collect()
}

/// Bytes `[B, height, width, 3]` as `[B, 3, height, width]`, normalised as the networks see them.
fn normalised(bytes: &[u8], size: Size) -> Vec<f32> {
    let pixels = size.height * size.width;
    let mut floats = vec![0.0; bytes.len()];
    for (i, &byte) in bytes.iter().enumerate() {
        let (image, at, channel) = (i / (3 * pixels), i / 3 % pixels, i % 3);
        let value = (f64::from(byte) / 255.0 - MEAN[channel]) / STD[channel];
        floats[(image * 3 + channel) * pixels + at] = value as f32;
    }
    floats
}
