//! A small model with weights that differ everywhere, and files of it.

use ijepa::data::image::Size;
use ijepa::model::config::{Init, ModelConfig};
use ijepa::model::init;
use ijepa::model::tensors::{Tensor, Tensors};
use ijepa::weights::fit::{Wish, fit, moments};
use ijepa::weights::open::{Weights, open};
use ijepa::weights::write::hub::Processor;
use ijepa::weights::write::reference::Moment;
use std::io::Write;
use std::path::Path;
use zip::write::SimpleFileOptions;

pub const PROCESSOR: Processor = Processor {
    short: 18,
    crop: 16,
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
};

pub fn model() -> ModelConfig {
    ModelConfig {
        image: Size::square(16),
        patch: 4,
        embed_dim: 16,
        depth: 2,
        num_heads: 2,
        mlp_ratio: 3.0,
        pred_emb_dim: 8,
        pred_depth: 1,
    }
}

/// Three networks that share no value, with positions and moments.
pub fn tensors() -> Tensors {
    let model = model();
    let mut tensors = init::draw(&model, Init::Reference, 1);
    let other = init::draw(&model, Init::Reference, 2);
    for (name, tensor) in &mut tensors {
        if name.starts_with("target_encoder.") {
            *tensor = other[name].clone();
        }
    }
    let moments: Vec<(String, Tensor)> = ["mean", "square"]
        .iter()
        .flat_map(|kind| {
            let trained = tensors.iter().filter(|(name, _)| !name.starts_with("target_encoder."));
            trained.map(move |(name, tensor)| (format!("{kind}.{name}"), tensor.clone()))
        })
        .collect();
    tensors.extend(moments);
    for (name, width) in [
        ("encoder.pos_embed", model.embed_dim),
        ("target_encoder.pos_embed", model.embed_dim),
        ("predictor.predictor_pos_embed", model.pred_emb_dim),
    ] {
        let shape = vec![1, model.num_patches(), width];
        let values = vec![0.0; model.num_patches() * width];
        tensors.insert(name.to_string(), Tensor { shape, values });
    }
    // Each value says whose it is.
    for (i, tensor) in tensors.values_mut().enumerate() {
        for (j, value) in tensor.values.iter_mut().enumerate() {
            *value += i as f32 + j as f32 / 1024.0;
        }
    }
    tensors
}

pub fn moment() -> Moment {
    Moment {
        epoch: 3,
        step: 21,
        loss: 0.125,
        batch_size: 8,
        lr: 1e-3,
        weight_decay: 0.04,
        heads: Some(2),
        texts: vec![("note".into(), "ours".into())],
    }
}

pub fn wish() -> Wish {
    Wish {
        init: Init::Reference,
        seed: 7,
        partial: false,
        encoders: false,
    }
}

/// All that can be read of a file: the three networks, and moments where they are in it.
pub fn read(path: &Path) -> (Weights, Tensors) {
    let weights = open(path).unwrap();
    let mut tensors = fit(&weights, &model(), wish()).unwrap().tensors;
    if weights.has_moments() {
        tensors.extend(moments(&weights, &model()).unwrap());
    }
    (weights, tensors)
}

/// What is said of a file that must be refused.
#[track_caller]
pub fn refused(path: &Path) -> String {
    match open(path) {
        Ok(weights) => panic!("{} was taken for {}", path.display(), weights.format.name()),
        Err(error) => {
            assert_eq!(error.exit_code(), 2, "{error}");
            error.to_string()
        }
    }
}

/// An archive as torch.save makes it, with this pickle and a file `data/0` of so many bytes.
pub fn archive(path: &Path, pickle: &[u8], bytes: usize) {
    let mut zip = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    let plain = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in [("a/data.pkl", pickle), ("a/data/0", &vec![0; bytes])] {
        zip.start_file(name, plain).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

/// A safetensors file with this header and so many bytes of data.
pub fn safetensors(path: &Path, header: &str, data: usize) {
    let length = (header.len() as u64).to_le_bytes();
    std::fs::write(path, [&length, header.as_bytes(), &vec![0; data]].concat()).unwrap();
}
