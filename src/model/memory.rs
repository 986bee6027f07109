//! The memory plan: every activation of a step, allocated once for the longest masks that are expected.

use super::block::Saves;
use super::config::ModelConfig;
use super::needs::{Dims, Need, needs, too_large};
use super::parameters;
use super::resize::too_large_images;
use crate::gpu::{Gpu, Trouble, View, too_much};
use crate::ops::variance_covariance::Scratch;
use crate::{Error, Result};
use std::collections::HashMap;

/// Activations of one stack of blocks: the stream before each block and after the last, and what each block saves.
pub struct Stack {
    /// `[R, D]`, one more than blocks.
    pub streams: Vec<View>,
    /// One for each block; the same memory for all, where blocks are computed again.
    pub saves: Vec<Saves>,
}

/// All memory of a step but the parameters'.
pub struct Memory {
    pub dims: Dims,
    /// `[B, ...]` as `Dims::float_images` says.
    pub images: View,
    /// `[B*N, 1]` 0, 1, 2, ...
    pub every: View,
    pub context_list: View,
    pub target_list: View,
    pub source: View,
    pub place: View,
    pub pulled_list: View,
    pub source_starts: View,
    pub source_copies: View,
    pub pulled_starts: View,
    pub pulled_copies: View,
    /// Patches of the context, kept for the patch embedding's gradient, `[R, 3 * patch^2]`.
    pub context_patches: View,
    pub context: Stack,
    /// Statistics of the encoder's final norm.
    pub context_stats: View,
    /// The context encoder's output and its gradient, `[R, D]`.
    pub context_out: View,
    pub dcontext_out: View,
    pub dcontext: View,
    /// The context as the predictor sees it, `[R, P]`, and its gradient.
    pub embedded: View,
    pub dembedded: View,
    pub predictor: Stack,
    pub dpredictor: View,
    /// The mask tokens' rows before and after the predictor's norm, `[R, P]`, statistics, and a gradient.
    pub pulled: View,
    pub pulled_norm: View,
    pub pulled_stats: View,
    pub dpulled: View,
    pub dpulled_norm: View,
    /// `[R, D]`
    pub predictions: View,
    pub dpredictions: View,
    pub targets: View,
    /// Of all parts together, `[R, D]`.
    pub centred: View,
    pub covariance_sums: View,
    pub covariance_products: View,
    pub covariance_g: View,
    /// The target encoder's patches, two streams that take turns, and one set of saves that every block overwrites.
    pub patches: View,
    pub turns: [View; 2],
    pub turn_saves: Saves,
    /// `[B*N, D]`: the target encoder's output; normalised without weights, it takes the first stream's place.
    pub target_out: View,
    pub target_stats: View,
    /// Backward scratch; shared with the target's pass, which is over by then.
    pub norm: View,
    pub qkv: View,
    pub attention: View,
    pub hidden: View,
    pub panels: [View; 2],
    /// The two operands of a product, where these have 16 bits.
    pub halves: [View; 2],
    /// By what a gradient was multiplied before it became f16, see `ops::largest`.
    pub factors: View,
    pub partial: View,
    /// `[1, parts]`: each part's share of the loss.
    pub losses: View,
    /// Loss, regularizer, norms, flag: where which is, `ijepa.rs` says.
    pub results: View,
    /// The flag and the clipping factor; see `gradient_norm`.
    pub control: View,
}

impl Memory {
    /// Allocates the plan, or says which tensor is too large. (Which batch fits is for those to say who draw masks.)
    pub fn new(gpu: &Gpu, config: &ModelConfig, dims: Dims) -> Result<Memory> {
        if let Some(need) = too_large(gpu.kind(), config, &dims, gpu.most_bytes()) {
            if dims.batch == 1 && dims.num_enc == 0 {
                return Err(too_large_images(gpu, config, &dims, &need));
            }
            return Err(Error::usage(format!(
                "with a batch of {}, {}: use a smaller batch",
                dims.batch,
                need.refusal(gpu)
            )));
        }
        let needs = needs(gpu.kind(), config, &dims);
        let total: u64 = needs.iter().map(Need::bytes).sum();
        // A plan that grew on the way may ask for more than the one that was agreed on.
        let [weights, gradients, moments, target] = parameters::sizes(config);
        let all = match dims.num_enc {
            0 => total + target, // who encodes alone has nothing else
            _ => total + weights + gradients + moments + target,
        };
        if let Some(limit) = gpu.memory_limit().filter(|&limit| all > limit) {
            let (all, limit) = too_much(all, limit);
            gpu.fail(
                Trouble::OutOfMemory,
                &format!("a step takes {all}, more than the {limit} that it may take"),
            );
        }
        let refused = |e: Error| {
            Error::usage(format!(
                "{e}: a batch of {} takes {} MiB beside the parameters; use a smaller batch (data.batch_size)",
                dims.batch,
                total >> 20
            ))
        };
        gpu.check().map_err(refused)?;
        let mut views = HashMap::new();
        for need in needs {
            let view = gpu.alloc(&need.name, need.rows as usize, need.cols as usize)?;
            views.insert(need.name, view);
        }
        gpu.check().map_err(refused)?;
        let get = |name: &str| -> Result<View> {
            views
                .get(name)
                .cloned()
                .ok_or_else(|| Error::run(format!("the memory plan has no \"{name}\"")))
        };
        let (norm, qkv, attention, hidden) = (get("norm")?, get("qkv")?, get("attention")?, get("hidden")?);
        let stack = |name: &str, depth: usize, width: usize, mlp: usize| -> Result<Stack> {
            let depth = if views.contains_key(&format!("{name} block 0 qkv")) {
                depth
            } else {
                0
            };
            let of = |i: usize, part: &str| get(&format!("{name} block {i} {part}"));
            let saves = |i: usize| -> Result<Saves> {
                let i = if dims.recompute { 0 } else { i };
                let inputs = [of(i, "norm1")?, of(i, "norm2")?, of(i, "hidden")?];
                let ([norm1, norm2, in_hidden], kept) = match dims.bits {
                    None => (inputs, None),
                    Some(_) => {
                        let scratch = norm.shaped(1, width)?;
                        ([scratch.clone(), scratch, hidden.shaped(1, mlp)?], Some(inputs))
                    }
                };
                Ok(Saves {
                    norm1,
                    stats1: of(i, "stats1")?,
                    qkv: of(i, "qkv")?,
                    softmax: of(i, "softmax")?,
                    attention: of(i, "attention")?,
                    middle: of(i, "middle")?,
                    norm2,
                    stats2: of(i, "stats2")?,
                    pre: Some(of(i, "pre")?),
                    hidden: in_hidden,
                    kept,
                    scales: None,
                })
            };
            Ok(Stack {
                streams: (0..=depth)
                    .map(|i| get(&format!("{name} stream {i}")))
                    .collect::<Result<_>>()?,
                saves: (0..depth).map(saves).collect::<Result<_>>()?,
            })
        };
        let (all, d) = (dims.batch * config.num_patches(), config.embed_dim);
        let every: Vec<u32> = (0..all as u32).collect();
        gpu.write(&get("every")?, &every)?;
        let turn_saves = Saves {
            norm1: norm.shaped(all, d)?,
            stats1: get("turn stats")?,
            qkv: qkv.shaped(all, 3 * d)?,
            softmax: get("turn softmax")?,
            attention: attention.shaped(all, d)?,
            middle: get("turn middle")?,
            norm2: norm.shaped(all, d)?,
            stats2: get("turn stats")?,
            pre: None,
            hidden: hidden.shaped(all, config.hidden())?,
            kept: None,
            scales: None,
        };
        Ok(Memory {
            dims,
            images: get("images")?,
            every: get("every")?,
            context_list: get("context list")?,
            target_list: get("target list")?,
            source: get("source")?,
            place: get("place")?,
            pulled_list: get("pulled list")?,
            source_starts: get("source starts")?,
            source_copies: get("source copies")?,
            pulled_starts: get("pulled starts")?,
            pulled_copies: get("pulled copies")?,
            context_patches: get("context patches")?,
            context: stack("context", config.depth, d, config.hidden())?,
            context_stats: get("context stats")?,
            context_out: get("context out")?,
            dcontext_out: get("dcontext out")?,
            dcontext: get("dcontext")?,
            embedded: get("embedded context")?,
            dembedded: get("dembedded context")?,
            predictor: stack(
                "predictor",
                config.pred_depth,
                config.pred_emb_dim,
                config.pred_hidden(),
            )?,
            dpredictor: get("dpredictor")?,
            pulled: get("pulled")?,
            pulled_norm: get("pulled norm")?,
            pulled_stats: get("pulled stats")?,
            dpulled: get("dpulled")?,
            dpulled_norm: get("dpulled norm")?,
            predictions: get("predictions")?,
            dpredictions: get("dpredictions")?,
            targets: get("targets")?,
            centred: get("centred context")?,
            covariance_sums: get("covariance sums")?,
            covariance_products: get("covariance products")?,
            covariance_g: get("covariance gradient")?,
            patches: get("patches")?,
            turns: [get("turn 0")?, get("turn 1")?],
            turn_saves,
            target_out: get("target out")?,
            target_stats: get("target stats")?,
            norm,
            qkv,
            attention,
            hidden,
            panels: [get("panel")?, get("panel of gradients")?],
            factors: get("gradient's factors")?,
            halves: [get("left operand")?, get("right operand")?],
            partial: get("partial sums")?,
            losses: get("losses")?,
            results: get("results")?,
            control: get("control")?,
        })
    }

    /// The regularizer's scratch memory, with the rows `[R, D]` that it centres.
    pub fn scratch<'a>(&'a self, centred: &'a View) -> Scratch<'a> {
        Scratch {
            centred,
            sums: &self.covariance_sums,
            products: &self.covariance_products,
            g: &self.covariance_g,
            partial: &self.partial,
        }
    }
}
