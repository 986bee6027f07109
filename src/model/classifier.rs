//! The encoder with a linear head, trained with labels: images, features, logits, loss, gradients, update.

use super::config::ModelConfig;
use super::encoder::Encoder;
use super::ijepa::Images;
use super::linear::Linear;
use super::memory::Memory;
use super::needs::{self, Dims, Need, Part};
use super::parameters::{Copy, Group, Parameters};
use super::positions::sine_cosine;
use super::tensors::{self, Spec, Tensor, Tensors};
use crate::gpu::{Gpu, Kind, Readback, Recorder, View};
use crate::ops::cross_entropy::cross_entropy;
use crate::ops::matmul::{Epilogue, Form, product};
use crate::ops::patchify::Pixels;
use crate::ops::reduce::reduce;
use crate::ops::{adamw, column_sum, gradient_norm, mean_pool};
use crate::{Error, Result};

/// Where `Own::report` holds what: the loss and a 0, the squares of all gradients, the flag, and then the logits.
const LOSS: usize = 0;
const SQUARES: usize = 2;
const CONTROL: usize = 64;
const LOGITS: usize = 128;

/// What a classifier is beside its encoder, and how it learns.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub classes: usize,
    /// Images that go through it at once.
    pub batch: usize,
    /// By how much less each layer learns than the one after it: 1 for all alike (Bao et al. 2022).
    pub layer_decay: f64,
    /// Blocks keep their input alone, and are computed again for their gradient.
    pub recompute: bool,
}

/// A batch with labels.
#[derive(Clone, Copy)]
pub struct Examples<'a> {
    pub images: Images<'a>,
    /// `[B, C]`: what share of an image is of which class.
    pub targets: &'a [f32],
    /// `[2 * depth, B]`: what the branch of attention and that of the MLP of each block are multiplied by; `None`: by nothing.
    pub scales: Option<&'a [f32]>,
}

/// What one step gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The mean cross-entropy over the batch.
    pub loss: f32,
    /// Norm of all gradients together.
    pub gradient_norm: f32,
    /// False when this step or one before it was not finite: weights are as they were before that step.
    pub finite: bool,
    /// `[B, C]`, before the update.
    pub logits: Vec<f32>,
}

/// A step's results on their way.
pub struct Pending {
    readback: Readback,
    values: usize,
}

impl Pending {
    pub async fn outcome(self) -> Result<Outcome> {
        let values: Vec<f32> = self.readback.values().await?;
        Ok(Outcome {
            loss: values[LOSS],
            gradient_norm: values[SQUARES].sqrt(),
            finite: values[CONTROL].to_bits() == 0,
            logits: values[LOGITS..LOGITS + self.values].to_vec(),
        })
    }
}

/// Encoder and head on one GPU, with all that a step needs.
pub struct Classifier {
    pub config: ModelConfig,
    pub classes: usize,
    gpu: Gpu,
    rec: Recorder,
    parameters: Parameters,
    /// The encoder's.
    memory: Memory,
    own: Own,
    encoder: Encoder,
    dencoder: Encoder,
    head: Linear,
    dhead: Linear,
    positions: View,
    /// The same `[1, N, D]`; they are not trained.
    fixed: Tensor,
}

/// Memory behind the encoder. B images, C classes.
struct Own {
    /// `[B, D]`
    pooled: View,
    dpooled: View,
    /// `[B, C]`
    logits: View,
    dlogits: View,
    targets: View,
    /// `[B, 1]`
    losses: View,
    /// `[B, 1]` for each branch of each block.
    scales: Vec<[View; 2]>,
    partial: View,
    report: View,
}

/// Parameters by layers: patch embedding, each block, final norm and head. The last learns at the full rate, each one before
/// it at `decay` of the next.
pub fn layers(config: &ModelConfig, classes: usize, decay: f64) -> Vec<Group> {
    let last = config.depth + 1;
    let layer = |spec: &Spec| match spec.name.strip_prefix("encoder.blocks.") {
        Some(rest) => rest
            .split('.')
            .next()
            .and_then(|i| i.parse().ok())
            .map_or(last, |i: usize| i + 1),
        None if spec.name.starts_with("encoder.patch_embed.") => 0,
        None => last,
    };
    let all = specs(config, classes);
    let group = |i: usize| Group {
        specs: all.iter().filter(|spec| layer(spec) == i).cloned().collect(),
        rate: decay.powi((last - i) as i32),
        averaged: false,
    };
    (0..=last).map(group).collect()
}

/// Every trained parameter: `encoder.*` and `head.*`.
pub fn specs(config: &ModelConfig, classes: usize) -> Vec<Spec> {
    let encoder = tensors::encoder(config).into_iter();
    encoder.chain(tensors::head(config.embed_dim, classes)).collect()
}

/// What the encoder's memory is planned for: all patches of all images, and no predictor.
pub fn dims(config: &ModelConfig, plan: &Plan) -> Dims {
    Dims {
        num_enc: 1,
        k_context: config.num_patches(),
        recompute: plan.recompute,
        ..Dims::encode(plan.batch)
    }
}

/// Every tensor of a step behind the encoder, by name.
fn needs(kind: Kind, config: &ModelConfig, plan: &Plan) -> Vec<Need> {
    let (batch, classes, width) = (plan.batch, plan.classes, config.embed_dim);
    let values: usize = specs(config, classes)
        .iter()
        .map(|spec| spec.len().next_multiple_of(64))
        .sum();
    // Two for each layer, and one more for each 64 MiB, half of the smallest binding that WebGPU promises.
    let arenas = 2 * (config.depth + 2) + values / (16 << 20);
    let partial = gradient_norm::scratch(kind, arenas, values).max(column_sum::scratch(kind, batch, classes));
    let need = |(name, rows, cols): (&str, usize, usize)| Need {
        part: Part::Loss,
        name: name.to_string(),
        rows: rows as u64,
        cols: cols as u64,
    };
    let list = [
        ("pooled", batch, width),
        ("dpooled", batch, width),
        ("logits", batch, classes),
        ("dlogits", batch, classes),
        ("desired", batch, classes),
        ("losses of images", batch, 1),
        ("scales", 2 * config.depth, batch.next_multiple_of(64)),
        ("partial sums of the head", 1, partial),
        ("report", 1, LOGITS + batch * classes),
    ];
    list.into_iter().map(need).collect()
}

/// Bytes of a step, parameters and all; of its gradients, moments and activations.
pub fn total(kind: Kind, config: &ModelConfig, plan: &Plan) -> u64 {
    let values: u64 = specs(config, plan.classes).iter().map(|spec| spec.len() as u64).sum();
    let encoder = needs::needs(kind, config, &dims(config, plan));
    let own = needs(kind, config, plan);
    16 * values + encoder.iter().chain(&own).map(Need::bytes).sum::<u64>()
}

impl Own {
    fn new(gpu: &Gpu, config: &ModelConfig, plan: &Plan) -> Result<Own> {
        let mut views = std::collections::HashMap::new();
        for need in needs(gpu.kind(), config, plan) {
            if need.bytes() > gpu.most_bytes() {
                let refusal = need.refusal(gpu);
                return Err(Error::usage(format!("{refusal}: use a smaller batch")));
            }
            let view = gpu.alloc(&need.name, need.rows as usize, need.cols as usize)?;
            views.insert(need.name, view);
        }
        gpu.check()?;
        let mut get = |name: &str| {
            let missing = || Error::run(format!("the classifier's memory has no \"{name}\""));
            views.remove(name).ok_or_else(missing)
        };
        let scales = get("scales")?;
        let of = |row: usize| scales.part(row * scales.cols, plan.batch, 1);
        Ok(Own {
            pooled: get("pooled")?,
            dpooled: get("dpooled")?,
            logits: get("logits")?,
            dlogits: get("dlogits")?,
            targets: get("desired")?,
            losses: get("losses of images")?,
            scales: (0..config.depth)
                .map(|i| Ok([of(2 * i)?, of(2 * i + 1)?]))
                .collect::<Result<_>>()?,
            partial: get("partial sums of the head")?,
            report: get("report")?,
        })
    }
}

impl Classifier {
    /// Uploads `encoder.*` and `head.*` of `tensors` (and `mean.*` and `square.*` of both, where they are) and plans memory.
    /// `origin` names the tensors in messages.
    ///
    /// Errors: usage, where a tensor is missing or misshapen, or the batch takes more than the adapter has.
    pub fn new(gpu: &Gpu, config: &ModelConfig, tensors: &Tensors, origin: &str, plan: &Plan) -> Result<Classifier> {
        let groups = layers(config, plan.classes, plan.layer_decay);
        let parameters = Parameters::of(gpu, &groups, tensors, origin)?;
        let mut memory = Memory::new(gpu, config, dims(config, plan))?;
        let own = Own::new(gpu, config, plan)?;
        // The encoder keeps the patches that are listed: all of them.
        let every: Vec<u32> = (0..(plan.batch * config.num_patches()) as u32).collect();
        gpu.write(&memory.context_list, &every)?;
        for (saves, scales) in memory.context.saves.iter_mut().zip(&own.scales) {
            saves.scales = Some(scales.clone());
        }
        let (n, width) = (config.num_patches(), config.embed_dim);
        let fixed = match tensors.contains_key(POSITIONS) {
            true => tensors::find(tensors, POSITIONS, &[1, n, width], origin)?.clone(),
            false => Tensor {
                shape: vec![1, n, width],
                values: sine_cosine(width, config.grid()),
            },
        };
        Ok(Classifier {
            classes: plan.classes,
            encoder: Encoder::of(&parameters, config, Copy::Weights)?,
            dencoder: Encoder::of(&parameters, config, Copy::Gradients)?,
            head: Linear::of(&parameters, "head", Copy::Weights)?,
            dhead: Linear::of(&parameters, "head", Copy::Gradients)?,
            positions: gpu.upload(POSITIONS, n, width, &fixed.values)?,
            fixed,
            rec: Recorder::new(gpu),
            gpu: gpu.clone(),
            config: config.clone(),
            parameters,
            memory,
            own,
        })
    }

    /// Records and submits one step; waits for nothing. `rates.t` is 1 at the first step.
    pub fn step(&mut self, examples: Examples, batch: usize, rates: adamw::Step) -> Result<Pending> {
        let logits = self.forward_and_backward(examples, batch)?;
        let (own, control, rec) = (&self.own, &self.memory.control, &mut self.rec);
        let gradients = self.parameters.gradients();
        gradient_norm::sum_of_squares(rec, &gradients, &own.partial, &own.report, SQUARES)?;
        gradient_norm::check(rec, &own.report, LOSS, SQUARES, None, control)?;
        self.parameters.update(rec, rates, control)?;
        rec.copy(control, &own.report.part(CONTROL, 1, 64)?)?;
        rec.copy(&logits, &own.report.part(LOGITS, 1, logits.len())?)?;
        Ok(Pending {
            values: logits.len(),
            readback: Readback::start(rec, &own.report)?,
        })
    }

    /// Loss and gradients of one batch, nothing updated; the logits `[B, C]`.
    pub fn forward_and_backward(&mut self, examples: Examples, batch: usize) -> Result<View> {
        let pixels = self.put(examples, batch)?;
        let (config, memory, own, rec) = (&self.config, &self.memory, &self.own, &mut self.rec);
        let (tokens, width, classes) = (config.num_patches(), config.embed_dim, self.classes);

        // Features: the encoder over every patch, the patches averaged; then a score for each class.
        let features = self
            .encoder
            .forward(rec, config, pixels, [batch, tokens], &self.positions, memory)?;
        let pooled = own.pooled.shaped(batch, width)?;
        mean_pool::forward(rec, &features, &pooled)?;
        let logits = own.logits.shaped(batch, classes)?;
        score(rec, &self.head, &pooled, &logits)?;

        // Loss: cross-entropy with what the images are, or partly are.
        let (targets, dlogits) = (own.targets.shaped(batch, classes)?, own.dlogits.shaped(batch, classes)?);
        let (losses, mean) = (own.losses.shaped(batch, 1)?, 1.0 / batch as f64);
        cross_entropy(rec, &logits, &targets, mean, &losses, &dlogits)?;
        reduce(rec, &losses, batch, mean, &own.report, LOSS)?;

        // Gradients, in the opposite order.
        let dpooled = own.dpooled.shaped(batch, width)?;
        product(rec, Form::Tn, &dlogits, &pooled, &self.dhead.weight, Epilogue::Plain)?;
        column_sum::column_sum(rec, &dlogits, &self.dhead.bias, &own.partial)?;
        product(rec, Form::Nn, &dlogits, &self.head.weight, &dpooled, Epilogue::Plain)?;
        mean_pool::backward(rec, &dpooled, &memory.dcontext_out.shaped(batch * tokens, width)?)?;
        self.encoder
            .backward(rec, &self.dencoder, config, [batch, tokens], memory)?;
        Ok(logits)
    }

    /// What it takes images for: logits `[B, C]`, nothing dropped and nothing kept for a gradient.
    pub async fn predict(&mut self, images: Images<'_>, batch: usize) -> Result<Vec<f32>> {
        self.require(batch)?;
        let pixels = self.memory.put_images(&self.gpu, &self.config, images, batch)?;
        let (config, memory, own, rec) = (&self.config, &self.memory, &self.own, &mut self.rec);
        let features = self
            .encoder
            .forward_all(rec, config, pixels, batch, &self.positions, memory)?;
        let pooled = own.pooled.shaped(batch, config.embed_dim)?;
        mean_pool::forward(rec, &features, &pooled)?;
        let logits = own.logits.shaped(batch, self.classes)?;
        score(rec, &self.head, &pooled, &logits)?;
        rec.read(&logits).await
    }

    /// Weights and positions, and AdamW's state where `moments`, by name.
    pub async fn tensors(&mut self, moments: bool) -> Result<Tensors> {
        let mut tensors = self.parameters.read(&mut self.rec, moments).await?;
        tensors.insert(POSITIONS.to_string(), self.fixed.clone());
        Ok(tensors)
    }

    /// The gradients of the last step.
    pub async fn gradients(&mut self) -> Result<Tensors> {
        self.parameters.read_gradients(&mut self.rec).await
    }

    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Images, targets and scales into memory; what is submitted later reads them.
    fn put(&mut self, examples: Examples, batch: usize) -> Result<Pixels> {
        self.require(batch)?;
        let Examples {
            images,
            targets,
            scales,
        } = examples;
        let blocks = self.config.depth;
        let expected = [batch * self.classes, 2 * blocks * batch];
        if targets.len() != expected[0] || scales.is_some_and(|scales| scales.len() != expected[1]) {
            let scales = scales.map_or(expected[1], <[f32]>::len);
            return Err(Error::run(format!(
                "a batch of {batch} images has {} targets and {} scales, but {} and {scales} came",
                expected[0],
                expected[1],
                targets.len()
            )));
        }
        let pixels = self.memory.put_images(&self.gpu, &self.config, images, batch)?;
        self.gpu.write(&self.own.targets, targets)?;
        for (i, saves) in self.memory.context.saves.iter_mut().enumerate() {
            saves.scales = None;
            if let Some(scales) = scales {
                let views = self.own.scales[i].each_ref().map(|view| view.shaped(batch, 1));
                let [attention, mlp] = views;
                let views = [attention?, mlp?];
                for (branch, view) in views.iter().enumerate() {
                    self.gpu.write(view, &scales[(2 * i + branch) * batch..][..batch])?;
                }
                saves.scales = Some(views);
            }
        }
        Ok(pixels)
    }

    fn require(&self, batch: usize) -> Result<()> {
        let most = self.memory.dims.batch;
        if batch == 0 || batch > most {
            return Err(Error::run(format!(
                "{batch} images came, but memory is planned for {most}"
            )));
        }
        Ok(())
    }
}

const POSITIONS: &str = "encoder.pos_embed";

/// logits `[B, C]` = pooled `[B, D]` · weightᵀ + bias, always in f32.
fn score(rec: &mut Recorder, head: &Linear, pooled: &View, logits: &View) -> Result<()> {
    product(rec, Form::Nt, pooled, &head.weight, logits, Epilogue::Bias(&head.bias))
}
