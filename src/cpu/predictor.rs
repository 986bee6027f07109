//! The predictor in f64, both ways: context features and target places to guesses of the target features.

use super::block::{self, Block, Norm, Shape};
use super::predictor_tokens::MASK;
use super::{Tensors, gather, predictor_tokens};
use crate::data::masks::Masks;
use crate::model::config::ModelConfig;

/// Output and what the backward needs.
pub struct Predictor {
    /// [M * E * B, K_p, D]: target mask by target mask, then context mask, then image.
    pub out: Vec<f64>,
    context: Vec<f64>,
    source: Vec<u32>,
    blocks: Vec<Block>,
    norm: Norm,
    kept: Vec<u32>,
    guesses: Vec<f64>,
    shape: Shape,
}

/// `context` `[E * B, K_e, D]` is the context encoder's output.
pub fn forward(config: &ModelConfig, parameters: &Tensors, context: &[f64], masks: &Masks) -> Predictor {
    let (e, b, k_context, k_target) = (masks.num_enc, masks.batch, masks.k_context, masks.k_target);
    let shape = Shape {
        sequences: masks.num_pred * e * b,
        tokens: k_context + k_target,
        heads: config.num_heads,
    };

    // Each sequence: the image's context tokens, then one mask token per target patch.
    let (mut source, mut place) = (Vec::new(), Vec::new());
    for m in 0..masks.num_pred {
        for sequence in 0..e * b {
            source.extend((0..k_context).map(|k| (sequence * k_context + k) as u32));
            place.extend_from_slice(&masks.context[sequence * k_context..][..k_context]);
            source.extend([MASK].repeat(k_target));
            place.extend_from_slice(&masks.targets[(m * b + sequence % b) * k_target..][..k_target]);
        }
    }
    let embedded = block::linear(parameters, "predictor.predictor_embed", context, e * b * k_context);
    let (token, positions) = (
        &parameters["predictor.mask_token"],
        &parameters["predictor.predictor_pos_embed"],
    );
    let mut x = predictor_tokens::forward(&embedded, token, positions, &source, &place);

    let mut blocks = Vec::new();
    for i in 0..config.pred_depth {
        let saved;
        (x, saved) = block::forward(parameters, &format!("predictor.predictor_blocks.{i}"), x, shape);
        blocks.push(saved);
    }
    let norm = block::norm(parameters, "predictor.predictor_norm", x, shape.rows());
    let kept: Vec<u32> = (0..source.len())
        .filter(|row| source[*row] == MASK)
        .map(|row| row as u32)
        .collect();
    let guesses = gather::forward(&norm.y, &kept, config.pred_emb_dim);
    let out = block::linear(parameters, "predictor.predictor_proj", &guesses, kept.len());
    Predictor {
        out,
        context: context.to_vec(),
        source,
        blocks,
        norm,
        kept,
        guesses,
        shape,
    }
}

/// Gradient of `forward` for `dout` [M * E * B, K_p, D]: adds the weights' to `gradients`, returns dcontext.
pub fn backward(parameters: &Tensors, dout: &[f64], predictor: &Predictor, gradients: &mut Tensors) -> Vec<f64> {
    let Predictor {
        context,
        source,
        kept,
        guesses,
        shape,
        ..
    } = predictor;
    let width = guesses.len() / kept.len();
    let proj = "predictor.predictor_proj";
    let dguesses = block::linear_backward(parameters, proj, dout, guesses, kept.len(), gradients);
    let dnorm = gather::backward(&dguesses, kept, shape.rows(), width);
    let mut dx = block::norm_backward(
        parameters,
        "predictor.predictor_norm",
        &dnorm,
        &predictor.norm,
        gradients,
    );
    for (i, saved) in predictor.blocks.iter().enumerate().rev() {
        dx = block::backward(
            parameters,
            &format!("predictor.predictor_blocks.{i}"),
            dx,
            saved,
            *shape,
            gradients,
        );
    }
    let context_rows = context.len() / (dout.len() / kept.len());
    let (dembedded, dtoken) = predictor_tokens::backward(&dx, source, context_rows);
    block::add(gradients, "predictor.mask_token", &dtoken);
    block::linear_backward(
        parameters,
        "predictor.predictor_embed",
        &dembedded,
        context,
        context_rows,
        gradients,
    )
}
