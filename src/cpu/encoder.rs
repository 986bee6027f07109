//! The ViT encoder in f64, both ways: patches to features (context and target encoder alike).

use super::block::{self, Block, Norm, Shape};
use super::{Tensors, add_positions, patchify};
use crate::model::config::ModelConfig;

/// Output and what the backward needs.
pub struct Encoder {
    /// `[sequences, tokens, D]`, after the final norm.
    pub out: Vec<f64>,
    /// The output of each block, `[sequences, tokens, D]`.
    pub blocks_out: Vec<Vec<f64>>,
    patches: Vec<f64>,
    blocks: Vec<Block>,
    norm: Norm,
    shape: Shape,
}

/// Embeds the patches of `images` `[B, 3, height, width]` (normalised) that `rows` lists as image * N + patch, adds their
/// positions, and runs blocks and final norm. `rows` is [sequences, tokens]: tokens that attend to each other.
/// `name` is `encoder` or `target_encoder`. (Embedding all patches and then keeping some, as the reference does,
/// gives the same: the embedding looks at one patch at a time.)
pub fn forward(
    config: &ModelConfig,
    parameters: &Tensors,
    name: &str,
    images: &[f64],
    rows: &[u32],
    tokens: usize,
) -> Encoder {
    let ones = vec![1.0; 2 * config.depth * (rows.len() / tokens)];
    forward_scaled(config, parameters, name, images, rows, tokens, &ones)
}

/// The same with the branches of each block times `scales` `[2 * depth, sequences]` (`drop_path`): first that of attention, then
/// that of the MLP.
pub fn forward_scaled(
    config: &ModelConfig,
    parameters: &Tensors,
    name: &str,
    images: &[f64],
    rows: &[u32],
    tokens: usize,
    scales: &[f64],
) -> Encoder {
    let shape = Shape {
        sequences: rows.len() / tokens,
        tokens,
        heads: config.num_heads,
    };
    let places: Vec<u32> = rows.iter().map(|row| row % config.num_patches() as u32).collect();

    let patches = patchify::from_f32(images, rows, [config.image.height, config.image.width], config.patch);
    let x = block::linear(parameters, &format!("{name}.patch_embed.proj"), &patches, rows.len());
    let positions = &parameters[&format!("{name}.pos_embed")];
    let mut x = add_positions::add_positions(positions, &places, &x, config.embed_dim);

    let (mut blocks, mut blocks_out) = (Vec::new(), Vec::new());
    for i in 0..config.depth {
        let saved;
        let scales = [2 * i, 2 * i + 1].map(|row| scales[row * shape.sequences..][..shape.sequences].to_vec());
        (x, saved) = block::forward_scaled(parameters, &format!("{name}.blocks.{i}"), x, shape, scales);
        blocks.push(saved);
        blocks_out.push(x.clone());
    }
    let norm = block::norm(parameters, &format!("{name}.norm"), x, rows.len());
    Encoder {
        out: norm.y.clone(),
        blocks_out,
        patches,
        blocks,
        norm,
        shape,
    }
}

/// Gradient of `forward` with respect to all weights called `name`, for `dout` of the output's shape: added to
/// `gradients`. (Pixels and positions are not trained.)
pub fn backward(parameters: &Tensors, name: &str, dout: &[f64], encoder: &Encoder, gradients: &mut Tensors) {
    let rows = encoder.shape.rows();
    let mut dx = block::norm_backward(parameters, &format!("{name}.norm"), dout, &encoder.norm, gradients);
    for (i, saved) in encoder.blocks.iter().enumerate().rev() {
        dx = block::backward(
            parameters,
            &format!("{name}.blocks.{i}"),
            dx,
            saved,
            encoder.shape,
            gradients,
        );
    }
    let embedding = format!("{name}.patch_embed.proj");
    block::linear_backward(parameters, &embedding, &dx, &encoder.patches, rows, gradients);
}
