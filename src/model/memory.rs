//! The memory plan: every activation of a step, sized once for the longest masks that are expected, by one list that
//! both allocates and reports.

use super::block::Saves;
use super::config::ModelConfig;
use super::parameters;
use crate::gpu::{Gpu, Kind, View};
use crate::ops::attention::{Heads, panel};
use crate::ops::{column_sum, gradient_norm, layer_norm, smooth_l1, variance_covariance};
use crate::{Error, Result};
use std::collections::HashMap;

/// What memory is for; the report sums by these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Inputs,
    ContextEncoder,
    Predictor,
    Loss,
    Working,
}

impl Part {
    pub fn name(self) -> &'static str {
        match self {
            Part::Inputs => "images and index lists",
            Part::ContextEncoder => "context encoder's activations",
            Part::Predictor => "predictor's activations",
            Part::Loss => "targets and loss",
            Part::Working => "working memory",
        }
    }
}

/// The lengths that a plan is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    pub batch: usize,
    pub num_enc: usize,
    pub num_pred: usize,
    /// Longest K_e and K_p; 0 and 0 plan for the target encoder's pass alone.
    pub k_context: usize,
    pub k_target: usize,
    /// f32 images `[B, 3, crop, crop]` instead of u8 `[B, crop, crop, 3]`.
    pub float_images: bool,
}

impl Dims {
    /// The target encoder's pass alone, for `batch` u8 images.
    pub fn encode(batch: usize) -> Dims {
        Dims {
            batch,
            num_enc: 0,
            num_pred: 0,
            k_context: 0,
            k_target: 0,
            float_images: false,
        }
    }

    /// Rows of the context batch, `E * B * K_e`.
    pub fn context_rows(&self) -> usize {
        self.num_enc * self.batch * self.k_context
    }

    /// Rows of the predictor's sequences, `M * E * B * (K_e + K_p)`.
    pub fn predictor_rows(&self) -> usize {
        self.num_pred * self.num_enc * self.batch * (self.k_context + self.k_target)
    }

    /// Rows of the predictions, `M * E * B * K_p`.
    pub fn target_rows(&self) -> usize {
        self.num_pred * self.num_enc * self.batch * self.k_target
    }
}

/// Activations of one stack of blocks: the stream before each block and after the last, and what each block saves.
pub struct Stack {
    /// `[R, D]`, one more than blocks.
    pub streams: Vec<View>,
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
    pub partial: View,
    /// Loss, regularizer, norms, flag: where which is, `ijepa.rs` says.
    pub results: View,
    /// The flag and the clipping factor; see `gradient_norm`.
    pub control: View,
}

/// Values of `Memory::results`; all are copied out at each step.
pub const RESULTS: usize = 1024;

/// One tensor of the plan.
pub struct Need {
    pub part: Part,
    pub name: String,
    pub rows: usize,
    pub cols: usize,
}

impl Need {
    pub fn bytes(&self) -> u64 {
        self.rows as u64 * self.cols as u64 * 4
    }
}

/// Every tensor of a step (of the target encoder's pass alone, where `dims` has no masks), by name.
pub fn needs(kind: Kind, config: &ModelConfig, dims: &Dims) -> Vec<Need> {
    let mut list = vec![];
    let mut ask = |part, name: &str, rows: usize, cols: usize| {
        list.push(Need {
            part,
            name: name.to_string(),
            rows: rows.max(1),
            cols: cols.max(1),
        })
    };
    let (n, d, p, heads) = (
        config.num_patches(),
        config.embed_dim,
        config.pred_emb_dim,
        config.num_heads,
    );
    let (hidden, pred_hidden, pixels) = (config.hidden(), config.pred_hidden(), config.patch_values());
    let (all, context, tokens, targets) = (
        dims.batch * n,
        dims.context_rows(),
        dims.predictor_rows(),
        dims.target_rows(),
    );
    let sequences = dims.num_pred * dims.num_enc * dims.batch;

    use Part::*;
    let values = dims.batch * 3 * config.crop * config.crop;
    ask(
        Inputs,
        "images",
        1,
        if dims.float_images { values } else { values.div_ceil(4) },
    );
    for (name, rows) in [
        ("every", all),
        ("context list", context),
        ("target list", targets),
        ("source", tokens),
        ("place", tokens),
        ("pulled list", targets),
        ("source starts", context + 1),
        ("source copies", dims.num_pred * context),
        ("pulled starts", tokens + 1),
        ("pulled copies", targets),
    ] {
        ask(Inputs, name, rows, 1);
    }

    ask(ContextEncoder, "context patches", context, pixels);
    let depth = if context == 0 { 0 } else { config.depth };
    for i in 0..=depth {
        ask(ContextEncoder, &format!("context stream {i}"), context, d);
    }
    for i in 0..depth {
        for (name, rows, cols) in saves(context, d, hidden, heads) {
            ask(ContextEncoder, &format!("context block {i} {name}"), rows, cols);
        }
    }
    ask(ContextEncoder, "context stats", context, 2);
    for name in ["context out", "dcontext out", "dcontext"] {
        ask(ContextEncoder, name, context, d);
    }

    ask(Predictor, "embedded context", context, p);
    ask(Predictor, "dembedded context", context, p);
    let depth = if tokens == 0 { 0 } else { config.pred_depth };
    for i in 0..=depth {
        ask(Predictor, &format!("predictor stream {i}"), tokens, p);
    }
    for i in 0..depth {
        for (name, rows, cols) in saves(tokens, p, pred_hidden, heads) {
            ask(Predictor, &format!("predictor block {i} {name}"), rows, cols);
        }
    }
    ask(Predictor, "dpredictor", tokens, p);
    for name in ["pulled", "pulled norm", "dpulled", "dpulled norm"] {
        ask(Predictor, name, targets, p);
    }
    ask(Predictor, "pulled stats", targets, 2);

    for name in ["predictions", "dpredictions", "targets"] {
        ask(Loss, name, targets, d);
    }
    ask(Loss, "centred context", context, d);
    ask(Loss, "covariance sums", 1, d);
    ask(Loss, "covariance products", d, d);
    ask(Loss, "covariance gradient", d, d);

    ask(Working, "patches", all, pixels);
    ask(Working, "turn 0", all, d);
    ask(Working, "turn 1", all, d);
    ask(Working, "turn middle", all, d);
    ask(Working, "turn pre", all, hidden);
    ask(Working, "turn stats", all, 2);
    ask(Working, "turn softmax", all * heads, 2);
    ask(Working, "target out", all, d);
    ask(Working, "target stats", all, 2);
    let widest = (all * d).max(context * d).max(tokens * p);
    ask(Working, "norm", 1, widest);
    ask(Working, "qkv", 1, 3 * widest);
    ask(Working, "attention", 1, widest);
    ask(
        Working,
        "hidden",
        1,
        (all * hidden).max(context * hidden).max(tokens * pred_hidden),
    );
    let shapes = [
        (dims.batch, n, d / heads),
        (dims.num_enc * dims.batch, dims.k_context, d / heads),
        (sequences, dims.k_context + dims.k_target, p / heads),
    ];
    let panels = shapes.map(|(batch, tokens, dim)| match batch * tokens {
        0 => 0,
        _ => panel(
            kind,
            &Heads {
                batch,
                tokens,
                heads,
                dim,
            },
        ),
    });
    ask(Working, "panel", 1, panels.into_iter().max().unwrap_or(0));
    ask(Working, "panel of gradients", 1, panels[1].max(panels[2]));
    let [_, gradients, ..] = parameters::sizes(config);
    // An arena and the next are together larger than a binding, of which WebGPU promises 128 MiB.
    let arenas = gradients / (64 << 20) + 4;
    let partial = [
        column_sum::scratch(kind, context, (3 * d).max(hidden)),
        column_sum::scratch(kind, tokens, (3 * p).max(pred_hidden)),
        column_sum::scratch(kind, targets, d.max(p)),
        layer_norm::scratch(kind, context, d),
        layer_norm::scratch(kind, tokens, p),
        smooth_l1::scratch(kind, targets, d),
        variance_covariance::scratch(kind, context, d),
        gradient_norm::scratch(kind, arenas, gradients / 4),
    ];
    ask(Working, "partial sums", 1, partial.into_iter().max().unwrap_or(0));
    ask(Working, "results", 1, RESULTS);
    ask(Working, "control", 1, 64);
    list
}

/// What a block saves: names, rows, columns.
fn saves(rows: usize, width: usize, hidden: usize, heads: usize) -> [(&'static str, usize, usize); 10] {
    [
        ("norm1", rows, width),
        ("stats1", rows, 2),
        ("qkv", rows, 3 * width),
        ("softmax", rows * heads, 2),
        ("attention", rows, width),
        ("middle", rows, width),
        ("norm2", rows, width),
        ("stats2", rows, 2),
        ("pre", rows, hidden),
        ("hidden", rows, hidden),
    ]
}

/// The largest batch whose every tensor fits one binding of `limit` bytes; 0 where not even one image does.
pub fn largest_batch(kind: Kind, config: &ModelConfig, dims: &Dims, limit: u64) -> usize {
    let fits = |batch: usize| {
        needs(kind, config, &Dims { batch, ..*dims })
            .iter()
            .all(|need| need.bytes() <= limit)
    };
    let (mut fit, mut too_many) = (0, dims.batch + 1);
    while fit + 1 < too_many {
        let middle = (fit + too_many) / 2;
        *(if fits(middle) { &mut fit } else { &mut too_many }) = middle;
    }
    fit
}

impl Memory {
    /// Allocates the plan, or says which tensor is too large and which batch size fits.
    pub fn new(gpu: &Gpu, config: &ModelConfig, dims: Dims) -> Result<Memory> {
        let limit = gpu.most_bytes();
        let needs = needs(gpu.kind(), config, &dims);
        let total: u64 = needs.iter().map(Need::bytes).sum();
        if let Some(need) = needs.iter().find(|need| need.bytes() > limit) {
            let fits = match largest_batch(gpu.kind(), config, &dims, limit) {
                0 => "not even one image fits: use a larger patch, a smaller crop or a smaller model".to_string(),
                batch => format!("a batch of {batch} fits (--batch {batch})"),
            };
            return Err(Error::usage(format!(
                "with a batch of {}, \"{}\" [{}, {}] takes {} MiB, but adapter \"{}\" binds at most {} MiB; {fits}",
                dims.batch,
                need.name,
                need.rows,
                need.cols,
                need.bytes() >> 20,
                gpu.info().name,
                limit >> 20
            )));
        }
        let mut views = HashMap::new();
        for need in needs {
            let view = gpu.alloc(&need.name, need.rows, need.cols)?;
            views.insert(need.name, view);
        }
        gpu.check().map_err(|e| {
            Error::usage(format!(
                "{e}: a batch of {} takes {} MiB beside the parameters; use a smaller --batch",
                dims.batch,
                total >> 20
            ))
        })?;
        let get = |name: &str| -> Result<View> {
            views
                .get(name)
                .cloned()
                .ok_or_else(|| Error::run(format!("the memory plan has no \"{name}\"")))
        };
        let stack = |name: &str, depth: usize| -> Result<Stack> {
            let depth = if views.contains_key(&format!("{name} block 0 qkv")) {
                depth
            } else {
                0
            };
            let of = |i: usize, part: &str| get(&format!("{name} block {i} {part}"));
            let saves = |i: usize| -> Result<Saves> {
                Ok(Saves {
                    norm1: of(i, "norm1")?,
                    stats1: of(i, "stats1")?,
                    qkv: of(i, "qkv")?,
                    softmax: of(i, "softmax")?,
                    attention: of(i, "attention")?,
                    middle: of(i, "middle")?,
                    norm2: of(i, "norm2")?,
                    stats2: of(i, "stats2")?,
                    pre: of(i, "pre")?,
                    hidden: of(i, "hidden")?,
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
        let (norm, qkv, attention, hidden) = (get("norm")?, get("qkv")?, get("attention")?, get("hidden")?);
        let turn_saves = Saves {
            norm1: norm.shaped(all, d)?,
            stats1: get("turn stats")?,
            qkv: qkv.shaped(all, 3 * d)?,
            softmax: get("turn softmax")?,
            attention: attention.shaped(all, d)?,
            middle: get("turn middle")?,
            norm2: norm.shaped(all, d)?,
            stats2: get("turn stats")?,
            pre: get("turn pre")?,
            hidden: hidden.shaped(all, config.hidden())?,
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
            context: stack("context", config.depth)?,
            context_stats: get("context stats")?,
            context_out: get("context out")?,
            dcontext_out: get("dcontext out")?,
            dcontext: get("dcontext")?,
            embedded: get("embedded context")?,
            dembedded: get("dembedded context")?,
            predictor: stack("predictor", config.pred_depth)?,
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
            partial: get("partial sums")?,
            results: get("results")?,
            control: get("control")?,
        })
    }
}

/// Bytes of a training step by part, parameters first: what is printed before the first step.
pub fn report(kind: Kind, config: &ModelConfig, dims: &Dims) -> Vec<(&'static str, u64)> {
    let [weights, gradients, moments, target] = parameters::sizes(config);
    let mut parts = vec![
        ("weights", weights as u64),
        ("gradients", gradients as u64),
        ("AdamW's moments", moments as u64),
        ("target encoder's weights", target as u64),
    ];
    let needs = needs(kind, config, dims);
    for part in [
        Part::Inputs,
        Part::ContextEncoder,
        Part::Predictor,
        Part::Loss,
        Part::Working,
    ] {
        let bytes = needs.iter().filter(|need| need.part == part).map(Need::bytes).sum();
        parts.push((part.name(), bytes));
    }
    parts
}
