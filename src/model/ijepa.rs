//! One step of I-JEPA, in the paper's order (section 3): targets, context, predictions, loss, gradients, update.

use super::config::ModelConfig;
use super::encoder::Encoder;
use super::memory::Memory;
use super::needs::{self, Dims, RESULTS};
use super::parameters::{Copy, Parameters};
use super::parts;
use super::positions::Positions;
use super::predictor::{Lengths, Predictor};
use super::tensors::{Tensor, Tensors};
use crate::data::masks::Masks;
use crate::gpu::{Gpu, Readback, Recorder, Timed, View};
use crate::ops::patchify::Pixels;
use crate::ops::reduce::reduce;
use crate::ops::variance_covariance::{self, variance_covariance};
use crate::ops::{adamw, gather, gradient_norm, layer_norm, smooth_l1};
use crate::{Error, Result};

/// The targets' norm has no weights, and its own eps.
pub const TARGET_EPS: f64 = 1e-5;

/// Where `Memory::results` holds what.
const LOSS: usize = 0;
const REGULARIZER: usize = 1;
const SQUARES: usize = 2;
/// The first of the norms of single gradients, asked for with [`Ijepa::measure`].
const MEASURED: usize = 64;
/// The flag and the clipping factor, copied here to be read with the rest.
const CONTROL: usize = RESULTS - 64;

/// What is added to smooth-L1, and what limits gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Terms {
    /// Weight of the variance term (`meta.variance_weight`).
    pub variance: f64,
    /// Weight of the covariance term (`meta.covariance_weight`).
    pub covariance: f64,
    /// The largest norm of all gradients together (`optimization.clip_grad`).
    pub clip: Option<f64>,
}

impl Terms {
    /// Is there a regularizer?
    pub fn regularized(&self) -> bool {
        self.variance != 0.0 || self.covariance != 0.0
    }
}

/// The pixels of one batch.
#[derive(Clone, Copy, Debug)]
pub enum Images<'a> {
    /// `[B, height, width, 3]`
    Bytes(&'a [u8]),
    /// `[B, 3, height, width]`, normalised
    Floats(&'a [f32]),
}

/// What one step gave; read a step or more later.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The smooth-L1 part.
    pub loss: f32,
    /// What is added to it; 0 without the terms.
    pub regularizer: f32,
    /// Norm of all gradients together, before clipping.
    pub gradient_norm: f32,
    /// False when this step or one before it was not finite: weights are as they were before that step.
    pub finite: bool,
    /// Norms of the gradients that `measure` listed, in its order.
    pub measured: Vec<f32>,
}

/// A step's results on their way.
pub struct Pending {
    readback: Readback,
    measured: usize,
}

impl Pending {
    pub async fn outcome(self) -> Result<Outcome> {
        let values: Vec<f32> = self.readback.values().await?;
        Ok(Outcome {
            loss: values[LOSS],
            regularizer: values[REGULARIZER],
            gradient_norm: values[SQUARES].sqrt(),
            finite: values[CONTROL].to_bits() == 0,
            measured: values[MEASURED..MEASURED + self.measured]
                .iter()
                .map(|square| square.sqrt())
                .collect(),
        })
    }
}

/// The three networks on one GPU, with all that a step needs.
pub struct Ijepa {
    pub config: ModelConfig,
    pub terms: Terms,
    pub(super) gpu: Gpu,
    pub(super) rec: Recorder,
    pub(super) parameters: Parameters,
    pub(super) memory: Memory,
    /// `None` where there is the target encoder alone.
    pub(super) trained: Option<Trained>,
    pub(super) target: Encoder,
    pub(super) positions: Positions,
    pub(super) measured: Vec<View>,
}

/// What a step trains, and its gradients.
pub(super) struct Trained {
    weights: (Encoder, Predictor),
    gradients: (Encoder, Predictor),
    sums: (Encoder, Predictor),
}

/// What a batch, or a part of it, has to do with the whole.
#[derive(Clone, Copy)]
struct Share {
    /// The part's number; `None` for all of the batch.
    part: Option<usize>,
    /// Values that the whole batch's loss is the mean of.
    values: usize,
    /// Where the part's rows begin in `memory.centred`.
    row: usize,
}

/// What the forward pass of one batch leaves in memory. Rows by sequence, as `Lengths` counts them.
pub(super) struct Forward {
    pub lengths: Lengths,
    /// `[E*B*K_e, D]`
    pub context: View,
    /// `[M*E*B*K_p, D]`
    pub predictions: View,
    /// `[M*E*B*K_p, D]`, normalised
    pub targets: View,
}

impl Ijepa {
    /// Uploads `tensors` (see [`Parameters::new`]) and plans memory for `dims` (and for the regularizer, where `terms` has
    /// one). `origin` names them in messages.
    pub fn new(
        gpu: &Gpu,
        config: &ModelConfig,
        tensors: &Tensors,
        origin: &str,
        terms: Terms,
        dims: Dims,
    ) -> Result<Ijepa> {
        let dims = Dims {
            regularized: dims.regularized || terms.regularized(),
            ..dims
        };
        let parameters = Parameters::new(gpu, config, tensors, origin)?;
        let both = |copy| {
            Ok::<_, Error>((
                Encoder::of(&parameters, config, copy)?,
                Predictor::of(&parameters, config, copy)?,
            ))
        };
        let trained = Trained {
            weights: both(Copy::Weights)?,
            gradients: both(Copy::Gradients)?,
            sums: both(Copy::Sums)?,
        };
        Ok(Ijepa {
            trained: Some(trained),
            target: Encoder::of(&parameters, config, Copy::Target)?,
            positions: Positions::new(gpu, config, tensors, origin)?,
            memory: Memory::new(gpu, config, dims)?,
            rec: Recorder::new(gpu),
            gpu: gpu.clone(),
            config: config.clone(),
            parameters,
            terms,
            measured: vec![],
        })
    }

    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// The lengths that memory is planned for.
    pub fn dims(&self) -> Dims {
        self.memory.dims
    }

    /// Does the plan hold these masks? If not, `step` makes one new, larger plan.
    pub fn holds(&self, masks: &Masks) -> bool {
        let dims = self.memory.dims;
        dims.num_enc == masks.num_enc
            && dims.num_pred == masks.num_pred
            && dims.batch >= masks.batch.div_ceil(dims.parts.max(1))
            && dims.k_context >= masks.k_context
            && dims.k_target >= masks.k_target
    }

    /// Records and submits one step; waits for nothing. `rates.t` is 1 at the first step.
    pub fn step(&mut self, images: Images, masks: &Masks, rates: adamw::Step) -> Result<Pending> {
        self.forward_and_backward(images, masks)?;
        let memory = &self.memory;
        let gradients = self.parameters.gradients();
        gradient_norm::sum_of_squares(&mut self.rec, &gradients, &memory.partial, &memory.results, SQUARES)?;
        gradient_norm::check(
            &mut self.rec,
            &memory.results,
            LOSS,
            SQUARES,
            self.terms.clip,
            &memory.control,
        )?;
        self.parameters.update(&mut self.rec, rates, &memory.control)?;
        for (i, gradient) in self.measured.iter().enumerate() {
            let flat = gradient.shaped(1, gradient.len())?;
            gradient_norm::sum_of_squares(&mut self.rec, &[&flat], &memory.partial, &memory.results, MEASURED + i)?;
        }
        let tail = memory.results.part(CONTROL, 1, 64)?;
        self.rec.copy(&memory.control, &tail)?;
        let readback = Readback::start(&mut self.rec, &memory.results)?;
        Ok(Pending {
            readback,
            measured: self.measured.len(),
        })
    }

    /// Which gradients' norms the following steps report: names of parameters, the first 896 of them.
    pub fn measure(&mut self, names: &[String]) -> Result<()> {
        let views = names
            .iter()
            .take(CONTROL - MEASURED)
            .map(|name| self.parameters.view(name, Copy::Gradients));
        self.measured = views.collect::<Result<_>>()?;
        Ok(())
    }

    /// Loss and gradients of one batch (paper section 3), nothing updated. Where the plan has parts, they are taken one after
    /// the other: masks keep the lengths of the whole batch, and what comes is the sum of the parts' shares.
    pub fn forward_and_backward(&mut self, images: Images, masks: &Masks) -> Result<()> {
        if !self.holds(masks) {
            self.plan(masks)?;
        }
        let count = self.memory.dims.parts.min(masks.batch);
        let predicted = masks.num_pred * masks.num_enc * masks.batch * masks.k_target;
        let mut share = Share {
            part: None,
            values: predicted * self.config.embed_dim,
            row: 0,
        };
        if count <= 1 {
            return self.part(images, masks, share);
        }
        let parts = parts::of(images, masks, count, &self.config)?;
        if self.terms.regularized() {
            self.regularize(&parts)?;
        }
        for (part, (images, masks)) in parts.iter().enumerate() {
            self.rec.submit()?; // so far images and lists are those of the part before
            share.part = Some(part);
            self.part(*images, masks, share)?;
            share.row += masks.num_enc * masks.batch * masks.k_context;
        }
        let memory = &self.memory;
        reduce(&mut self.rec, &memory.losses, count, 1.0, &memory.results, LOSS)
    }

    /// Before the parts of a batch: its regularizer, which looks at the context of all of them. `memory.centred`
    /// `[E*B*K_e, D]` keeps that, less its mean, part by part.
    fn regularize(&mut self, parts: &[(Images, Masks)]) -> Result<()> {
        let (mut row, width) = (0, self.config.embed_dim);
        for (images, masks) in parts {
            self.rec.submit()?;
            let (pixels, lengths) = self.put(*images, masks)?;
            let context = self.context(pixels, lengths)?;
            let place = self.memory.centred.rows_from(row, context.rows, width)?;
            self.rec.copy(&context, &place)?;
            row += context.rows;
        }
        let (memory, rec) = (&self.memory, &mut self.rec);
        let centred = memory.centred.shaped(row, width)?;
        let weights = (self.terms.variance, self.terms.covariance);
        variance_covariance::terms(rec, weights, memory.scratch(&centred), &memory.results, REGULARIZER)
    }

    /// Loss and gradients of a batch, or of a part of it.
    fn part(&mut self, images: Images, masks: &Masks, share: Share) -> Result<()> {
        let Forward {
            lengths,
            context,
            predictions,
            targets,
        } = self.forward(images, masks)?;
        let (config, memory, rec) = (&self.config, &self.memory, &mut self.rec);
        let (kept, width) = (lengths.target_rows(), config.embed_dim);

        // "Loss": the paper says L2; the official code, and we, smooth-L1.
        let dpredictions = memory.dpredictions.shaped(kept, width)?;
        let compared = [&predictions, &targets, &dpredictions];
        let (losses, slot) = share
            .part
            .map_or((&memory.results, LOSS), |part| (&memory.losses, part));
        smooth_l1::share(rec, compared, share.values, &memory.partial, losses, slot)?;

        // Gradients, in the opposite order; none flows into the targets. From the second part on they are added up.
        let trained = self.trained.as_ref().ok_or_else(encodes_alone)?;
        let (encoder, predictor) = &trained.weights;
        let (dencoder, dpredictor) = match share.part {
            None | Some(0) => &trained.gradients,
            Some(_) => &trained.sums,
        };
        predictor.backward(rec, dpredictor, config, lengths, &context, memory)?;
        if self.terms.regularized() {
            let dcontext = memory.dcontext_out.shaped(context.rows, width)?;
            match share.part {
                None => {
                    let centred = memory.centred.shaped(context.rows, width)?;
                    let (scratch, results) = (memory.scratch(&centred), &memory.results);
                    let weights = (self.terms.variance, self.terms.covariance);
                    variance_covariance(rec, &context, weights, &dcontext, scratch, results, REGULARIZER)?;
                }
                Some(_) => {
                    let centred = memory.dcontext.shaped(context.rows, width)?; // free until the encoder's gradient
                    rec.copy(&memory.centred.rows_from(share.row, context.rows, width)?, &centred)?;
                    variance_covariance::gradient(rec, &centred, &memory.covariance_g, &dcontext)?;
                }
            }
        }
        let contexts = [lengths.contexts, lengths.k_context];
        encoder.backward(rec, dencoder, config, contexts, memory)
    }

    /// Targets, context and predictions of one batch (paper section 3), or of a part of it.
    pub(super) fn forward(&mut self, images: Images, masks: &Masks) -> Result<Forward> {
        if !self.holds(masks) {
            self.plan(masks)?;
        }
        let (pixels, lengths) = self.put(images, masks)?;
        let (config, memory, rec) = (&self.config, &self.memory, &mut self.rec);
        let (kept, width) = (lengths.target_rows(), config.embed_dim);

        // "Targets": the slowly averaged encoder sees the whole image; its output is normalised, then masked.
        let out = self
            .target
            .forward_all(rec, config, pixels, masks.batch, &self.positions.target, memory)?;
        let normed = memory.turns[0].shaped(out.rows, width)?; // free again
        layer_norm::forward(
            rec,
            &out,
            None,
            TARGET_EPS,
            &normed,
            &memory.target_stats.shaped(out.rows, 2)?,
        )?;
        let targets = memory.targets.shaped(kept, width)?;
        gather::forward(rec, &normed, &memory.target_list.shaped(kept, 1)?, &targets)?;

        // "Context": the encoder sees the context block alone.
        let context = self.context(pixels, lengths)?;

        // "Prediction": a mask token and a position for each hidden patch.
        let (config, memory, rec) = (&self.config, &self.memory, &mut self.rec);
        let predictor = &self.trained.as_ref().ok_or_else(encodes_alone)?.weights.1;
        let predictions = predictor.forward(rec, config, lengths, &context, &self.positions.predictor, memory)?;
        Ok(Forward {
            lengths,
            context,
            predictions,
            targets,
        })
    }

    /// The context encoder's output for the images and lists that lie in memory, `[E*B*K_e, D]`.
    fn context(&mut self, pixels: Pixels, lengths: Lengths) -> Result<View> {
        let (config, memory, rec) = (&self.config, &self.memory, &mut self.rec);
        let contexts = [lengths.contexts, lengths.k_context];
        let encoder = &self.trained.as_ref().ok_or_else(encodes_alone)?.weights.0;
        encoder.forward(rec, config, pixels, contexts, &self.positions.encoder, memory)
    }

    /// Weights, target and position embeddings by the reference's names; with `moments` AdamW's state, too.
    pub async fn tensors(&mut self, moments: bool) -> Result<Tensors> {
        let mut tensors = self.parameters.read(&mut self.rec, moments).await?;
        tensors.extend(self.positions.tensors.clone());
        Ok(tensors)
    }

    /// The gradients of the last step.
    pub async fn gradients(&mut self) -> Result<Tensors> {
        self.parameters.read_gradients(&mut self.rec).await
    }

    /// The tensors on the way of the last step, which was taken as a whole, by the golden files' names, with shapes.
    pub async fn activations(&mut self, masks: &Masks) -> Result<Tensors> {
        let (memory, d) = (&self.memory, self.config.embed_dim);
        let n = self.config.num_patches();
        let targets = masks.num_pred * masks.num_enc * masks.batch;
        let mut tensors = Tensors::new();
        for (name, view, shape) in [
            ("target_encoder_out", &memory.target_out, [masks.batch, n, d]),
            ("targets", &memory.targets, [targets, masks.k_target, d]),
            (
                "context_out",
                &memory.context_out,
                [masks.num_enc * masks.batch, masks.k_context, d],
            ),
            ("predictions", &memory.predictions, [targets, masks.k_target, d]),
        ] {
            let view = view.shaped(shape[0] * shape[1], d)?;
            let values = self.rec.read(&view).await?;
            tensors.insert(
                name.into(),
                Tensor {
                    shape: shape.to_vec(),
                    values,
                },
            );
        }
        Ok(tensors)
    }

    /// Forgets a step that was not finite: steps change weights again. For those who have read the flag.
    pub fn clear_flag(&mut self) -> Result<()> {
        self.gpu.write(&self.memory.control, &[0u32])
    }

    /// Dispatches and cost recorded so far.
    pub fn recorded(&self) -> (usize, crate::gpu::Cost) {
        (self.rec.dispatches, self.rec.total)
    }

    /// Times every dispatch of the following steps by the GPU's clock, for benchmarks: [`Ijepa::times`] reads them.
    ///
    /// Errors: usage, where the adapter has no timestamps.
    pub fn start_timing(&mut self) -> Result<()> {
        self.rec.start_timing()
    }

    /// What was timed since the last call, in the order of the dispatches.
    pub async fn times(&mut self) -> Result<Vec<Timed>> {
        self.rec.times().await
    }

    /// One new, larger plan, for masks that the old one can't hold: with a tenth to spare again, where there is room.
    fn plan(&mut self, masks: &Masks) -> Result<()> {
        let old = self.memory.dims;
        let patches = self.config.num_patches();
        let dims = |spare: fn(usize) -> usize| {
            let grown = |old: usize, new: usize| match new > old {
                true => new.max(patches.min(new + spare(new))),
                false => old,
            };
            Dims {
                batch: old.batch.max(masks.batch.div_ceil(old.parts.max(1))),
                num_enc: masks.num_enc,
                num_pred: masks.num_pred,
                k_context: grown(old.k_context, masks.k_context),
                k_target: grown(old.k_target, masks.k_target),
                ..old
            }
        };
        let (kind, limit) = (self.gpu.kind(), self.gpu.most_bytes());
        let mut roomy = dims(|length| length.div_ceil(10));
        if needs::too_large(kind, &self.config, &roomy, limit).is_some() {
            roomy = dims(|_| 0);
        }
        self.replan(roomy)
            .map_err(|e| Error::run(format!("masks became longer than planned, and there is no room: {e}")))
    }
}

fn encodes_alone() -> Error {
    Error::run("this network has its target encoder alone: it encodes, and can't be trained")
}
