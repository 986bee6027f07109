//! The parameters by the reference's names: what there is, of which shape, and which of them decay.

use super::config::ModelConfig;
use crate::{Error, Result};
use std::collections::BTreeMap;

/// One parameter's values, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// Tensors by name: `encoder.*`, `target_encoder.*`, `predictor.*`, and `mean.*`, `square.*` for AdamW's moments.
pub type Tensors = BTreeMap<String, Tensor>;

/// A trained parameter: its name without the network's prefix changes nothing about its shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    pub name: String,
    pub shape: Vec<usize>,
}

impl Spec {
    fn new(name: impl Into<String>, shape: &[usize]) -> Spec {
        Spec {
            name: name.into(),
            shape: shape.to_vec(),
        }
    }

    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Decay applies to every tensor with two axes or more whose name lacks "bias": so also to the mask token.
    pub fn decays(&self) -> bool {
        self.shape.len() >= 2 && !self.name.contains("bias")
    }

    /// The matrix `[rows, cols]` that kernels see: `[out, in]` for weights, `[1, length]` for vectors.
    pub fn matrix(&self) -> (usize, usize) {
        match self.shape.len() {
            1 => (1, self.shape[0]),
            _ => (self.shape[0], self.len() / self.shape[0]),
        }
    }
}

fn linear(specs: &mut Vec<Spec>, name: &str, inputs: usize, outputs: usize) {
    specs.push(Spec::new(format!("{name}.weight"), &[outputs, inputs]));
    specs.push(Spec::new(format!("{name}.bias"), &[outputs]));
}

fn norm(specs: &mut Vec<Spec>, name: &str, width: usize) {
    specs.push(Spec::new(format!("{name}.weight"), &[width]));
    specs.push(Spec::new(format!("{name}.bias"), &[width]));
}

fn block(specs: &mut Vec<Spec>, name: &str, width: usize, hidden: usize) {
    norm(specs, &format!("{name}.norm1"), width);
    linear(specs, &format!("{name}.attn.qkv"), width, 3 * width);
    linear(specs, &format!("{name}.attn.proj"), width, width);
    norm(specs, &format!("{name}.norm2"), width);
    linear(specs, &format!("{name}.mlp.fc1"), width, hidden);
    linear(specs, &format!("{name}.mlp.fc2"), hidden, width);
}

/// The context encoder's parameters; the target encoder has the same under `target_encoder.`.
pub fn encoder(config: &ModelConfig) -> Vec<Spec> {
    let mut specs = vec![];
    let (width, patch) = (config.embed_dim, config.patch);
    specs.push(Spec::new("encoder.patch_embed.proj.weight", &[width, 3, patch, patch]));
    specs.push(Spec::new("encoder.patch_embed.proj.bias", &[width]));
    for i in 0..config.depth {
        block(&mut specs, &format!("encoder.blocks.{i}"), width, config.hidden());
    }
    norm(&mut specs, "encoder.norm", width);
    specs
}

/// The predictor's parameters.
pub fn predictor(config: &ModelConfig) -> Vec<Spec> {
    let mut specs = vec![];
    let width = config.pred_emb_dim;
    linear(&mut specs, "predictor.predictor_embed", config.embed_dim, width);
    specs.push(Spec::new("predictor.mask_token", &[1, 1, width]));
    for i in 0..config.pred_depth {
        block(
            &mut specs,
            &format!("predictor.predictor_blocks.{i}"),
            width,
            config.pred_hidden(),
        );
    }
    norm(&mut specs, "predictor.predictor_norm", width);
    linear(&mut specs, "predictor.predictor_proj", width, config.embed_dim);
    specs
}

/// A classifier's last layer, over the encoder's mean-pooled output: `head.weight` `[classes, width]`, `head.bias`.
pub fn head(width: usize, classes: usize) -> Vec<Spec> {
    let mut specs = vec![];
    linear(&mut specs, "head", width, classes);
    specs
}

/// The tensor of this name and shape, or the sentence that says what is wrong with `origin`.
pub fn find<'a>(tensors: &'a Tensors, name: &str, shape: &[usize], origin: &str) -> Result<&'a Tensor> {
    let Some(tensor) = tensors.get(name) else {
        return Err(Error::usage(format!("{origin} has no tensor \"{name}\"")));
    };
    if tensor.shape == shape {
        return Ok(tensor);
    }
    Err(Error::usage(format!(
        "{origin}: \"{name}\" is {}, but the configuration asks for {}: take weights and configuration of one run",
        dims(&tensor.shape),
        dims(shape)
    )))
}

/// `[2, 3]`
pub fn dims(shape: &[usize]) -> String {
    let list: Vec<String> = shape.iter().map(usize::to_string).collect();
    format!("[{}]", list.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_and_the_mask_token_decay_and_nothing_else_does() {
        let model = ModelConfig {
            image: crate::data::image::Size::square(8),
            patch: 4,
            embed_dim: 4,
            depth: 2,
            num_heads: 1,
            mlp_ratio: 4.0,
            pred_emb_dim: 8,
            pred_depth: 1,
        };
        let linear = [
            "patch_embed.proj",
            "predictor_embed",
            "attn.qkv",
            "attn.proj",
            "mlp.fc1",
            "mlp.fc2",
            "predictor_proj",
        ];
        let mut decayed = 0;
        for spec in encoder(&model).into_iter().chain(predictor(&model)) {
            let weight = linear.iter().any(|name| spec.name.ends_with(&format!("{name}.weight")));
            let expected = weight || spec.name == "predictor.mask_token";
            assert_eq!(spec.decays(), expected, "{}", spec.name);
            decayed += usize::from(expected);
        }
        assert_eq!(decayed, 1 + 2 * 4 + 1 + 1 + 4 + 1);
    }
}
