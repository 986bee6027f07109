//! The method in f64 (paper, section 3; official code where the two differ): gradients of one batch, and one step.

use super::{Tensors, adamw, encoder, gather, layer_norm, predictor, smooth_l1, variance_covariance};
use crate::data::masks::Masks;
use crate::model::config::ModelConfig;

/// Eps of the layer norm over target features, which has no weights.
pub const TARGET_EPS: f64 = 1e-5;

/// Weights of the two terms that are added to the loss; both 0 in the published recipe.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Terms {
    pub variance: f64,
    pub covariance: f64,
}

/// One batch, forward and backward.
pub struct Outcome {
    /// `[B, N, D]`
    pub target_encoder_out: Vec<f64>,
    /// [M * E * B, K_p, D]: normalised, gathered, repeated for each context mask.
    pub targets: Vec<f64>,
    /// `[E * B, K_e, D]`
    pub context_out: Vec<f64>,
    /// `[M * E * B, K_p, D]`
    pub predictions: Vec<f64>,
    /// Smooth-L1 alone.
    pub loss: f64,
    /// What the terms add to the loss before the gradient is taken.
    pub regularizer: f64,
    /// Of every trained tensor, by its parameter's name.
    pub gradients: Tensors,
}

/// Loss and gradients for `images` `[B, 3, height, width]`, normalised. `parameters` holds `encoder.*`, `predictor.*` and
/// `target_encoder.*` under the reference's names; a name that is missing panics.
pub fn gradients(config: &ModelConfig, parameters: &Tensors, images: &[f64], masks: &Masks, terms: Terms) -> Outcome {
    let (b, n, d) = (masks.batch, config.num_patches(), config.embed_dim);

    // Targets: the target encoder sees the whole image; its output is masked, not its input.
    let all: Vec<u32> = (0..(b * n) as u32).collect();
    let target_encoder_out = encoder::forward(config, parameters, "target_encoder", images, &all, n).out;
    let (normalised, _, _) = layer_norm::forward(&target_encoder_out, None, None, b * n, d, TARGET_EPS);
    let mut wanted = Vec::new();
    for mask in masks.targets.chunks(b * masks.k_target) {
        for _ in 0..masks.num_enc {
            wanted.extend(image_rows(mask, masks.k_target, b, n));
        }
    }
    let targets = gather::forward(&normalised, &wanted, d);

    // Context and prediction.
    let kept = image_rows(&masks.context, masks.k_context, b, n);
    let context = encoder::forward(config, parameters, "encoder", images, &kept, masks.k_context);
    let prediction = predictor::forward(config, parameters, &context.out, masks);

    // The paper says L2; the official code takes smooth-L1. We follow the code.
    let loss = smooth_l1::forward(&prediction.out, &targets);
    let dprediction = smooth_l1::backward(&prediction.out, &targets);
    let mut gradients = Tensors::new();
    let mut dcontext = predictor::backward(parameters, &dprediction, &prediction, &mut gradients);

    // Ours: variance and covariance of all context tokens. Its gradient goes into the context encoder only.
    let (rows, a, c) = (kept.len(), terms.variance, terms.covariance);
    let mut regularizer = 0.0;
    if terms != Terms::default() {
        (regularizer, _, _) = variance_covariance::forward(&context.out, rows, d, a, c);
        let dz = variance_covariance::backward(&context.out, rows, d, a, c);
        for (dcontext, dz) in dcontext.iter_mut().zip(dz) {
            *dcontext += dz;
        }
    }
    encoder::backward(parameters, "encoder", &dcontext, &context, &mut gradients);
    let (context_out, predictions) = (context.out, prediction.out);
    Outcome {
        target_encoder_out,
        targets,
        context_out,
        predictions,
        loss,
        regularizer,
        gradients,
    }
}

/// Masks of `k` patches each, image by image and starting again after `b` of them, as rows image * n + patch.
fn image_rows(masks: &[u32], k: usize, b: usize, n: usize) -> Vec<u32> {
    masks
        .iter()
        .enumerate()
        .map(|(i, patch)| (i / k % b * n) as u32 + patch)
        .collect()
}

/// Whether weight decay applies: to tensors of two axes or more that are no bias, the mask token among them.
pub fn decays(name: &str) -> bool {
    name.ends_with("mask_token") || (name.ends_with(".weight") && !name.contains("norm"))
}

/// What training carries from step to step.
#[derive(Clone, Debug)]
pub struct State {
    /// `encoder.*`, `predictor.*`, `target_encoder.*`, position embeddings included.
    pub parameters: Tensors,
    m: Tensors,
    v: Tensors,
    /// Steps taken.
    pub steps: u64,
}

impl State {
    /// The target encoder starts as an exact copy of the context encoder.
    pub fn new(encoder_and_predictor: Tensors) -> Self {
        let mut parameters = encoder_and_predictor.clone();
        for (name, values) in encoder_and_predictor {
            if let Some(rest) = name.strip_prefix("encoder.") {
                parameters.insert(format!("target_encoder.{rest}"), values);
            }
        }
        State {
            parameters,
            m: Tensors::new(),
            v: Tensors::new(),
            steps: 0,
        }
    }

    /// AdamW on encoder and predictor with the batch's `gradients`, then the target's moving average.
    pub fn update(&mut self, gradients: &Tensors, lr: f64, wd: f64, momentum: f64) {
        self.steps += 1;
        for (name, g) in gradients {
            let step = adamw::Step {
                lr,
                wd: if decays(name) { wd } else { 0.0 },
                momentum,
                t: self.steps,
            };
            let mut p = self.parameters.remove(name).expect("a gradient has its parameter");
            let m = self.m.entry(name.clone()).or_insert_with(|| vec![0.0; g.len()]);
            let v = self.v.entry(name.clone()).or_insert_with(|| vec![0.0; g.len()]);
            let target = match name.strip_prefix("encoder.") {
                Some(rest) => self.parameters.get_mut(&format!("target_encoder.{rest}")),
                None => None,
            };
            adamw::adamw(step, &mut p, g, m, v, target.map(Vec::as_mut_slice));
            self.parameters.insert(name.clone(), p);
        }
    }
}
