//! What a step needs memory for: every tensor by name, in one list that allocation, the reports and the search for the
//! batch that fits all go through.

use super::block::saved;
use super::config::ModelConfig;
use super::parameters;
use crate::gpu::{Gpu, Kind, OWN_BYTES, too_much};
use crate::ops::attention::{Heads, panel};
use crate::ops::cast::Bits;
use crate::ops::{column_sum, gradient_norm, largest, layer_norm, smooth_l1, variance_covariance};

/// Values of `Memory::results`; all are copied out at each step.
pub const RESULTS: usize = 1024;

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
    /// Images that go through the networks at once: all of a step's, or the largest part of them.
    pub batch: usize,
    /// Parts that a step's images are split into, one after the other, their gradients summed.
    pub parts: usize,
    pub num_enc: usize,
    pub num_pred: usize,
    /// Longest K_e and K_p; 0 and 0 plan for the target encoder's pass alone.
    pub k_context: usize,
    pub k_target: usize,
    /// f32 images `[B, 3, height, width]` instead of u8 `[B, height, width, 3]`.
    pub float_images: bool,
    /// Blocks keep their input alone, and are computed again for their gradient.
    pub recompute: bool,
    /// The regularizer looks at the context of all parts together.
    pub regularized: bool,
    /// Linear layers multiply in these 16 bits; `None`: in f32.
    pub bits: Option<Bits>,
}

impl Dims {
    /// The target encoder's pass alone, for `batch` u8 images.
    pub fn encode(batch: usize) -> Dims {
        Dims {
            batch,
            parts: 1,
            num_enc: 0,
            num_pred: 0,
            k_context: 0,
            k_target: 0,
            float_images: false,
            recompute: false,
            regularized: false,
            bits: None,
        }
    }

    /// Sets of what a block saves, for a stack of `depth` blocks.
    pub fn saved(&self, depth: usize) -> usize {
        if self.recompute { depth.min(1) } else { depth }
    }

    /// Rows of the context batch, `E * B * K_e`.
    pub fn context_rows(&self) -> usize {
        self.num_enc * self.batch * self.k_context
    }

    /// Rows of context whose covariance is asked for at once: those of all parts.
    pub fn regularized_rows(&self) -> usize {
        match self.regularized {
            true => self.parts * self.context_rows(),
            false => 0,
        }
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

/// One tensor of the plan.
pub struct Need {
    pub part: Part,
    pub name: String,
    pub rows: u64,
    pub cols: u64,
}

impl Need {
    pub fn bytes(&self) -> u64 {
        self.rows * self.cols * 4
    }

    /// That this tensor is larger than what the adapter binds at once.
    pub fn refusal(&self, gpu: &Gpu) -> String {
        let (taken, bound) = too_much(self.bytes(), gpu.most_bytes());
        format!(
            "\"{}\" [{}, {}] takes {taken}, but adapter \"{}\" binds at most {bound}",
            self.name,
            self.rows,
            self.cols,
            gpu.info().name,
        )
    }
}

/// Every tensor of a step (of the target encoder's pass alone, where `dims` has no masks), by name.
pub fn needs(kind: Kind, config: &ModelConfig, dims: &Dims) -> Vec<Need> {
    let mut list = vec![];
    let mut ask = |part, name: &str, rows: usize, cols: usize| {
        list.push(Need {
            part,
            name: name.to_string(),
            rows: rows.max(1) as u64,
            cols: cols.max(1) as u64,
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
    let values = dims.batch * config.image.values();
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
    for i in 0..dims.saved(depth) {
        for (name, rows, cols) in saved(context, [d, hidden, heads], dims.bits) {
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
    for i in 0..dims.saved(depth) {
        for (name, rows, cols) in saved(tokens, [p, pred_hidden, heads], dims.bits) {
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
    let regularized = dims.regularized_rows();
    let square = if regularized == 0 { 0 } else { d };
    ask(Loss, "centred context", regularized, d);
    ask(Loss, "covariance sums", 1, square);
    ask(Loss, "covariance products", square, d);
    ask(Loss, "covariance gradient", square, d);

    ask(Working, "patches", all, pixels);
    ask(Working, "turn 0", all, d);
    ask(Working, "turn 1", all, d);
    ask(Working, "turn middle", all, d);
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
    // Either operand of a product may be a layer's rows or its weight.
    let operands = [
        all * pixels.max(3 * d).max(hidden),
        context * pixels.max(3 * d).max(hidden),
        tokens * (3 * p).max(pred_hidden),
        targets * d.max(p),
        d * pixels.max(3 * d).max(hidden).max(p),
        p * (3 * p).max(pred_hidden),
    ];
    let halves = match dims.bits {
        Some(_) => operands.into_iter().max().unwrap_or(0).div_ceil(2),
        None => 0,
    };
    ask(Working, "left operand", 1, halves);
    ask(Working, "right operand", 1, halves);
    ask(Working, "gradient's factors", 1, largest::FACTORS_LEN);
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
    let gradients = gradients as usize;
    let arenas = gradients / (64 << 20) + 4;
    let partial = [
        column_sum::scratch(kind, context, (3 * d).max(hidden)),
        column_sum::scratch(kind, tokens, (3 * p).max(pred_hidden)),
        column_sum::scratch(kind, targets, d.max(p)),
        layer_norm::scratch(kind, context, d),
        layer_norm::scratch(kind, tokens, p),
        smooth_l1::scratch(kind, targets, d),
        variance_covariance::scratch(kind, regularized, square),
        gradient_norm::scratch(kind, arenas, gradients / 4),
        largest::scratch(kind, 2 * halves),
    ];
    ask(Working, "partial sums", 1, partial.into_iter().max().unwrap_or(0));
    ask(Working, "losses", 1, dims.parts);
    ask(Working, "results", 1, RESULTS);
    ask(Working, "control", 1, 64);
    list
}

/// A tensor that needs more than one binding of `limit` bytes, if there is one.
pub fn too_large(kind: Kind, config: &ModelConfig, dims: &Dims, limit: u64) -> Option<Need> {
    let giant = giants(config, dims).into_iter().find(|need| need.bytes() > limit);
    giant.or_else(|| needs(kind, config, dims).into_iter().find(|need| need.bytes() > limit))
}

/// The largest tensors of [`needs`], counted in 64 bits: where these fit a binding, which has no 4 GiB, a 32-bit machine
/// can count all others in its own words.
fn giants(config: &ModelConfig, dims: &Dims) -> Vec<Need> {
    let sizes = [dims.batch, dims.num_enc, dims.num_pred, dims.k_context, dims.k_target];
    let [batch, num_enc, num_pred, k_context, k_target] = sizes.map(|size| size as u64);
    let parts = dims.parts as u64;
    let sizes = [
        config.num_patches(),
        config.patch_values(),
        config.embed_dim,
        config.hidden(),
    ];
    let [n, pixels, d, hidden] = sizes.map(|size| size as u64);
    let [p, pred_hidden] = [config.pred_emb_dim, config.pred_hidden()].map(|size| size as u64);
    let [heads, height, width] = [config.num_heads, config.image.height, config.image.width].map(|size| size as u64);
    let (all, context) = (batch * n, num_enc * batch * k_context);
    let tokens = num_pred * num_enc * batch * (k_context + k_target);
    let widest = (all * d).max(context * d).max(tokens * p);
    let values = batch * 3 * height * width;
    let mut list = vec![
        (
            Part::Inputs,
            "images",
            1,
            if dims.float_images { values } else { values.div_ceil(4) },
        ),
        (Part::Inputs, "source copies", num_pred * context, 1),
        (Part::Working, "patches", all, pixels),
        (Part::Working, "turn softmax", all * heads, 2),
        (Part::Working, "qkv", 1, 3 * widest),
        (
            Part::Working,
            "hidden",
            1,
            (all * hidden).max(context * hidden).max(tokens * pred_hidden),
        ),
    ];
    if dims.regularized {
        list.push((Part::Loss, "centred context", parts * context, d));
    }
    if config.pred_depth > 0 && tokens > 0 {
        list.push((Part::Predictor, "predictor block 0 softmax", tokens * heads, 2));
    }
    // A panel has one head's scores at least, of the sequence that is longest.
    let longest = [(all, n), (context, k_context), (tokens, k_context + k_target)];
    let scores = longest.map(|(rows, length)| {
        if rows == 0 {
            0
        } else {
            length * length.next_multiple_of(4)
        }
    });
    list.push((Part::Working, "panel", 1, scores.into_iter().max().unwrap_or(0)));
    let need = |(part, name, rows, cols): (Part, &str, u64, u64)| Need {
        part,
        name: name.to_string(),
        rows: rows.max(1),
        cols: cols.max(1),
    };
    list.into_iter().map(need).collect()
}

/// The largest batch, up to that of `dims`, whose every tensor fits one binding of `limit` bytes at masks of these
/// lengths; 0 where not even one image does.
pub fn largest_batch(kind: Kind, config: &ModelConfig, dims: &Dims, limit: u64) -> usize {
    let fits = |batch: usize| too_large(kind, config, &Dims { batch, ..*dims }, limit).is_none();
    let (mut fit, mut too_many) = (0, dims.batch + 1);
    while fit + 1 < too_many {
        let middle = (fit + too_many) / 2;
        *(if fits(middle) { &mut fit } else { &mut too_many }) = middle;
    }
    fit
}

/// Bytes of a training step by part, parameters first: what is printed before the first step.
pub fn report(kind: Kind, config: &ModelConfig, dims: &Dims) -> Vec<(&'static str, u64)> {
    let [weights, gradients, moments, target] = parameters::sizes(config);
    let mut parts = vec![
        ("weights", weights),
        ("gradients", gradients),
        ("AdamW's moments", moments),
        ("target encoder's weights", target),
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
    // The images and lists of the step that is computed and of the one after it, in the driver's copies of what was written.
    let inputs = needs.iter().filter(|need| need.part == Part::Inputs);
    parts.push((
        "what is on its way there",
        OWN_BYTES + 2 * inputs.map(Need::bytes).sum::<u64>(),
    ));
    parts
}

/// Bytes of a training step, parameters and all: the sum of [`report`].
pub fn total(kind: Kind, config: &ModelConfig, dims: &Dims) -> u64 {
    report(kind, config, dims).iter().map(|(_, bytes)| bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::image::Size;

    /// What is counted in 64 bits first is what the list holds, so that both refuse the same.
    #[test]
    fn giants_are_tensors_of_the_list() {
        let model = ModelConfig {
            image: Size::square(224),
            patch: 16,
            embed_dim: 384,
            depth: 2,
            num_heads: 6,
            mlp_ratio: 4.0,
            pred_emb_dim: 192,
            pred_depth: 1,
        };
        let step = Dims {
            batch: 8,
            num_enc: 1,
            num_pred: 4,
            k_context: 120,
            k_target: 40,
            float_images: false,
            recompute: false,
            parts: 3,
            regularized: true,
            bits: Some(Bits::Bf16),
        };
        let floats = Dims {
            float_images: true,
            ..step
        };
        for dims in [step, floats, Dims::encode(8)] {
            let list = needs(Kind::Hardware, &model, &dims);
            for giant in giants(&model, &dims) {
                let need = list.iter().find(|need| need.name == giant.name).unwrap();
                match giant.name.as_str() {
                    "panel" => assert!(giant.bytes() <= need.bytes()),
                    name => assert_eq!((giant.rows, giant.cols), (need.rows, need.cols), "{name}"),
                }
            }
        }
    }

    #[test]
    fn what_leaves_32_bits_is_too_large_and_not_taken_modulo() {
        let model = ModelConfig {
            image: Size::square(1 << 16),
            patch: 64,
            embed_dim: 64,
            depth: 1,
            num_heads: 1,
            mlp_ratio: 4.0,
            pred_emb_dim: 64,
            pred_depth: 1,
        };
        // 3 * 2^32 bytes of images: 0 in 32 bits.
        let need = giants(&model, &Dims::encode(1))
            .into_iter()
            .find(|need| need.bytes() > 4 << 30);
        assert!(need.is_some_and(|need| need.bytes() == 3 << 32));
        assert_eq!(
            largest_batch(Kind::Hardware, &model, &Dims::encode(4), u32::MAX.into()),
            0
        );
    }
}
