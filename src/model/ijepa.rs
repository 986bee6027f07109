//! One step of I-JEPA, in the paper's order (section 3): targets, context, predictions, loss, gradients, update.

use super::config::ModelConfig;
use super::encoder::Encoder;
use super::lists::Lists;
use super::memory::Memory;
use super::needs::{self, Dims, RESULTS};
use super::parameters::{Copy, Parameters};
use super::positions::sine_cosine;
use super::predictor::{Lengths, Predictor};
use super::tensors::{self, Tensor, Tensors};
use crate::data::masks::Masks;
use crate::gpu::{Gpu, Readback, Recorder, Timed, View};
use crate::ops::patchify::Pixels;
use crate::ops::variance_covariance::{Scratch, variance_covariance};
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
    /// `[B, crop, crop, 3]`
    Bytes(&'a [u8]),
    /// `[B, 3, crop, crop]`, normalised
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
    parameters: Parameters,
    pub(super) memory: Memory,
    weights: (Encoder, Predictor),
    gradients: (Encoder, Predictor),
    pub(super) target: Encoder,
    pub(super) positions: Positions,
    measured: Vec<View>,
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

/// Fixed position embeddings; the target's own, since the reference lets its copy drift.
pub(super) struct Positions {
    pub encoder: View,
    pub target: View,
    predictor: View,
    tensors: Tensors,
}

impl Ijepa {
    /// Uploads `tensors` (see [`Parameters::new`]) and plans memory for `dims`. `origin` names them in messages.
    pub fn new(
        gpu: &Gpu,
        config: &ModelConfig,
        tensors: &Tensors,
        origin: &str,
        terms: Terms,
        dims: Dims,
    ) -> Result<Ijepa> {
        let parameters = Parameters::new(gpu, config, tensors, origin)?;
        let both = |copy| {
            Ok::<_, Error>((
                Encoder::of(&parameters, config, copy)?,
                Predictor::of(&parameters, config, copy)?,
            ))
        };
        Ok(Ijepa {
            weights: both(Copy::Weights)?,
            gradients: both(Copy::Gradients)?,
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
            && dims.batch >= masks.batch
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

    /// Loss and gradients of one batch (paper section 3), nothing updated.
    pub fn forward_and_backward(&mut self, images: Images, masks: &Masks) -> Result<()> {
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
        let (partial, results) = (&memory.partial, &memory.results);
        smooth_l1::smooth_l1(rec, &predictions, &targets, &dpredictions, partial, results, LOSS)?;

        // Gradients, in the opposite order; none flows into the targets.
        let (encoder, predictor) = &self.weights;
        let (dencoder, dpredictor) = &self.gradients;
        predictor.backward(rec, dpredictor, config, lengths, &context, memory)?;
        if self.terms.regularized() {
            let scratch = Scratch {
                centred: &memory.centred.shaped(context.rows, width)?,
                sums: &memory.covariance_sums,
                products: &memory.covariance_products,
                g: &memory.covariance_g,
                partial,
            };
            let dcontext = memory.dcontext_out.shaped(context.rows, width)?;
            let weights = (self.terms.variance, self.terms.covariance);
            variance_covariance(rec, &context, weights, &dcontext, scratch, results, REGULARIZER)?;
        }
        let contexts = [lengths.contexts, lengths.k_context];
        encoder.backward(rec, dencoder, config, contexts, memory)
    }

    /// Targets, context and predictions of one batch (paper section 3).
    pub(super) fn forward(&mut self, images: Images, masks: &Masks) -> Result<Forward> {
        if !self.holds(masks) {
            self.plan(masks)?;
        }
        let pixels = self.put_images(images, masks.batch)?;
        self.put_lists(&Lists::new(masks, self.config.num_patches())?)?;
        let (config, memory, rec) = (&self.config, &self.memory, &mut self.rec);
        let contexts = [masks.num_enc * masks.batch, masks.k_context];
        let lengths = Lengths {
            contexts: contexts[0],
            masks: masks.num_pred,
            k_context: masks.k_context,
            k_target: masks.k_target,
        };
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
        let (encoder, predictor) = &self.weights;
        let context = encoder.forward(rec, config, pixels, contexts, &self.positions.encoder, memory)?;

        // "Prediction": a mask token and a position for each hidden patch.
        let predictions = predictor.forward(rec, config, lengths, &context, &self.positions.predictor, memory)?;
        Ok(Forward {
            lengths,
            context,
            predictions,
            targets,
        })
    }

    /// The target encoder's output for whole images, `[B*N, D]`.
    pub async fn encode(&mut self, images: Images<'_>, batch: usize) -> Result<Vec<f32>> {
        if batch > self.memory.dims.batch {
            return Err(Error::run(format!(
                "{batch} images to encode, but memory is planned for {}",
                self.memory.dims.batch
            )));
        }
        let pixels = self.put_images(images, batch)?;
        let positions = &self.positions.target;
        let out = self
            .target
            .forward_all(&mut self.rec, &self.config, pixels, batch, positions, &self.memory)?;
        self.rec.read(&out).await
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

    /// The tensors on the way of the last step, by the golden files' names, with shapes.
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
                batch: old.batch.max(masks.batch),
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
        self.rec.submit()?;
        self.rec.forget_bindings();
        let control = self.memory.control.clone();
        // The old plan goes first: both together may be more than there is.
        self.memory = Memory::new(&self.gpu, &self.config, Dims::encode(1))?;
        self.gpu.reclaim()?;
        self.memory = Memory::new(&self.gpu, &self.config, roomy)
            .map_err(|e| Error::run(format!("masks became longer than planned, and there is no room: {e}")))?;
        // The flag outlives the plan.
        self.rec.copy(&control, &self.memory.control)
    }

    pub(super) fn put_images(&mut self, images: Images, batch: usize) -> Result<Pixels> {
        let expected = batch * 3 * self.config.crop * self.config.crop;
        let (pixels, length, floats) = match images {
            Images::Bytes(bytes) => (Pixels::Bytes, bytes.len(), false),
            Images::Floats(values) => (Pixels::Floats, values.len(), true),
        };
        if length != expected {
            return Err(Error::run(format!(
                "{batch} images of {0} x {0} pixels have {expected} values, but {length} came",
                self.config.crop
            )));
        }
        if floats && !self.memory.dims.float_images {
            return Err(Error::run("memory is planned for 8-bit images, but floats came"));
        }
        match images {
            Images::Bytes(bytes) => self.gpu.write(&self.memory.images, bytes)?,
            Images::Floats(values) => self.gpu.write(&self.memory.images, values)?,
        }
        Ok(pixels)
    }

    fn put_lists(&mut self, lists: &Lists) -> Result<()> {
        let memory = &self.memory;
        for (view, list) in [
            (&memory.context_list, &lists.context),
            (&memory.target_list, &lists.targets),
            (&memory.source, &lists.source),
            (&memory.place, &lists.place),
            (&memory.pulled_list, &lists.pulled),
            (&memory.source_starts, &lists.source_inverse.0),
            (&memory.source_copies, &lists.source_inverse.1),
            (&memory.pulled_starts, &lists.pulled_inverse.0),
            (&memory.pulled_copies, &lists.pulled_inverse.1),
        ] {
            self.gpu.write(view, list)?;
        }
        Ok(())
    }
}

impl Positions {
    fn new(gpu: &Gpu, config: &ModelConfig, given: &Tensors, origin: &str) -> Result<Positions> {
        let (n, grid) = (config.num_patches(), config.grid());
        let mut tensors = Tensors::new();
        for (name, width) in [
            ("encoder.pos_embed", config.embed_dim),
            ("target_encoder.pos_embed", config.embed_dim),
            ("predictor.predictor_pos_embed", config.pred_emb_dim),
        ] {
            let shape = vec![1, n, width];
            let tensor = match given.contains_key(name) {
                true => tensors::find(given, name, &shape, origin)?.clone(),
                false => Tensor {
                    shape,
                    values: sine_cosine(width, grid),
                },
            };
            tensors.insert(name.into(), tensor);
        }
        let upload = |name: &str| gpu.upload(name, n, tensors[name].shape[2], &tensors[name].values);
        Ok(Positions {
            encoder: upload("encoder.pos_embed")?,
            target: upload("target_encoder.pos_embed")?,
            predictor: upload("predictor.predictor_pos_embed")?,
            tensors,
        })
    }
}
