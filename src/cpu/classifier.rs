//! The encoder with a linear head in f64: loss and gradients of a batch with soft labels.

use super::{Tensors, block, cross_entropy, encoder, mean_pool};
use crate::model::config::ModelConfig;

/// What one batch gives.
pub struct Outcome {
    /// The mean cross-entropy.
    pub loss: f64,
    /// `[B, C]`
    pub logits: Vec<f64>,
    /// Of `encoder.*` and `head.*`.
    pub gradients: Tensors,
}

/// Of `images` `[B, 3, height, width]` (normalised) with targets `[B, C]`: all patches through the encoder, averaged after the
/// final norm, a linear layer, softmax. `scales` `[2 * depth, B]` multiply the blocks' branches (see [`encoder::forward_scaled`]).
pub fn gradients(
    config: &ModelConfig,
    parameters: &Tensors,
    images: &[f64],
    targets: &[f64],
    scales: &[f64],
) -> Outcome {
    let (tokens, width, classes) = (config.num_patches(), config.embed_dim, parameters["head.bias"].len());
    let batch = targets.len() / classes;
    let every: Vec<u32> = (0..(batch * tokens) as u32).collect();

    let features = encoder::forward_scaled(config, parameters, "encoder", images, &every, tokens, scales);
    let pooled = mean_pool::forward(&features.out, tokens, width);
    let logits = block::linear(parameters, "head", &pooled, batch);
    let losses = cross_entropy::forward(&logits, targets, batch, classes, 1);
    let loss = losses.iter().sum::<f64>() / batch as f64;

    let mut gradients = Tensors::new();
    let dlogits = cross_entropy::backward(&logits, targets, batch, classes, 1, 1.0 / batch as f64);
    let dpooled = block::linear_backward(parameters, "head", &dlogits, &pooled, batch, &mut gradients);
    let dfeatures = mean_pool::backward(&dpooled, tokens, width);
    encoder::backward(parameters, "encoder", &dfeatures, &features, &mut gradients);
    Outcome {
        loss,
        logits,
        gradients,
    }
}
