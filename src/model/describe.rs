//! A model in words and numbers: its architecture as PyTorch prints it, its parameters and its cost.

use super::config::ModelConfig;
use super::needs::Dims;
use super::tensors::{self, Spec};
use crate::ops::attention::Heads;
use crate::ops::matmul;

/// The three networks under their names, in the text that PyTorch prints for the reference's modules.
pub fn architectures(config: &ModelConfig) -> [(&'static str, String); 3] {
    let encoder = encoder(config);
    [
        ("Target encoder", encoder.clone()),
        ("Context encoder", encoder),
        ("Predictor", predictor(config)),
    ]
}

fn encoder(config: &ModelConfig) -> String {
    let (d, patch) = (config.embed_dim, config.patch);
    let blocks = blocks("blocks", config.depth, d, config.hidden());
    format!(
        "VisionTransformer(\n  (patch_embed): PatchEmbed(\n    (proj): Conv2d(3, {d}, kernel_size=({patch}, {patch}), \
         stride=({patch}, {patch}))\n  )\n{blocks}  (norm): {}\n)\n",
        norm(d)
    )
}

fn predictor(config: &ModelConfig) -> String {
    let (d, p) = (config.embed_dim, config.pred_emb_dim);
    let blocks = blocks("predictor_blocks", config.pred_depth, p, config.pred_hidden());
    format!(
        "VisionTransformerPredictor(\n  (predictor_embed): {}\n{blocks}  (predictor_norm): {}\n  (predictor_proj): {}\n)\n",
        linear(d, p),
        norm(p),
        linear(p, d)
    )
}

fn blocks(name: &str, depth: usize, width: usize, hidden: usize) -> String {
    let which = match depth {
        1 => "(0): Block(".to_string(),
        _ => format!("(0-{}): {depth} x Block(", depth.saturating_sub(1)),
    };
    let (norm, drop) = (norm(width), "Dropout(p=0.0, inplace=False)");
    let (qkv, proj) = (linear(width, 3 * width), linear(width, width));
    let (fc1, fc2) = (linear(width, hidden), linear(hidden, width));
    format!(
        "  ({name}): ModuleList(
    {which}
      (norm1): {norm}
      (attn): Attention(
        (qkv): {qkv}
        (attn_drop): {drop}
        (proj): {proj}
        (proj_drop): {drop}
      )
      (drop_path): Identity()
      (norm2): {norm}
      (mlp): MLP(
        (fc1): {fc1}
        (act): GELU(approximate='none')
        (fc2): {fc2}
        (drop): {drop}
      )
    )
  )
"
    )
}

fn norm(width: usize) -> String {
    format!("LayerNorm(({width},), eps=1e-06, elementwise_affine=True)")
}

fn linear(inputs: usize, outputs: usize) -> String {
    format!("Linear(in_features={inputs}, out_features={outputs}, bias=True)")
}

/// Trained values of (encoder, predictor). The target encoder has as many as the encoder, and follows it.
pub fn parameters(config: &ModelConfig) -> (usize, usize) {
    let count = |specs: Vec<Spec>| specs.iter().map(Spec::len).sum();
    (count(tensors::encoder(config)), count(tensors::predictor(config)))
}

/// Operations for one image; a multiplication and its addition are two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flops {
    /// Target encoder on the whole image, forward: what encoding an image costs after training, too.
    pub target: f64,
    /// Context encoder on E * K_e patches, forward.
    pub context: f64,
    /// Predictor on M * E sequences of K_e + K_p tokens, forward.
    pub predictor: f64,
}

impl Flops {
    /// Of one training step: the backward pass costs twice the forward pass, and targets have none.
    pub fn step(&self) -> f64 {
        self.target + 3.0 * (self.context + self.predictor)
    }
}

/// Matrix products of the forward passes for one image with these numbers of masks and kept patches (`dims.batch` and
/// `dims.float_images` have no say). All else together is under 2 % of them.
pub fn flops(config: &ModelConfig, dims: &Dims) -> Flops {
    let (n, d, p) = (config.num_patches(), config.embed_dim, config.pred_emb_dim);
    let product = |m, n, k| matmul::cost(m, n, k).flops;
    let stack = |depth: usize, sequences: usize, tokens: usize, width: usize, hidden: usize| {
        let rows = sequences * tokens;
        let (heads, dim) = (config.num_heads, width / config.num_heads.max(1));
        let attention = Heads {
            batch: sequences,
            tokens,
            heads,
            dim,
        }
        .cost()
        .flops;
        let linear = product(rows, 4 * width, width) + 2.0 * product(rows, hidden, width);
        depth as f64 * (linear + attention)
    };
    let encoder = |sequences: usize, tokens: usize| {
        product(sequences * tokens, d, config.patch_values())
            + stack(config.depth, sequences, tokens, d, config.hidden())
    };
    let sequences = dims.num_pred * dims.num_enc;
    let tokens = dims.k_context + dims.k_target;
    Flops {
        target: encoder(1, n),
        context: encoder(dims.num_enc, dims.k_context),
        predictor: product(dims.num_enc * dims.k_context, p, d)
            + stack(config.pred_depth, sequences, tokens, p, config.pred_hidden())
            + product(sequences * dims.k_target, d, p),
    }
}
