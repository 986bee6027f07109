//! The predictor: a narrow transformer that guesses the target encoder's output in hidden blocks, from the context
//! tokens and one mask token for each hidden patch (paper section 3, "Prediction").

use super::block::{Block, EPS, affine};
use super::config::ModelConfig;
use super::linear::{Input, Into, Linear, Then};
use super::memory::Memory;
use super::parameters::{Copy, Parameters};
use crate::Result;
use crate::gpu::{Recorder, View};
use crate::ops::attention::Heads;
use crate::ops::column_sum;
use crate::ops::gather;
use crate::ops::layer_norm::{self, Affine, Saved};
use crate::ops::predictor_tokens::{self, Rows};

/// The predictor's parameters; or their gradients.
pub struct Predictor {
    pub embed: Linear,
    pub mask_token: View,
    pub blocks: Vec<Block>,
    pub norm: Affine,
    pub proj: Linear,
}

/// The lengths of one batch.
#[derive(Clone, Copy, Debug)]
pub struct Lengths {
    /// Sequences of the context batch, `E * B`.
    pub contexts: usize,
    /// Target masks, M.
    pub masks: usize,
    pub k_context: usize,
    pub k_target: usize,
}

impl Lengths {
    fn sequences(&self) -> usize {
        self.masks * self.contexts
    }

    fn context_rows(&self) -> usize {
        self.contexts * self.k_context
    }

    fn rows(&self) -> usize {
        self.sequences() * (self.k_context + self.k_target)
    }

    pub fn target_rows(&self) -> usize {
        self.sequences() * self.k_target
    }

    fn heads(&self, config: &ModelConfig) -> Heads {
        Heads {
            batch: self.sequences(),
            tokens: self.k_context + self.k_target,
            heads: config.num_heads,
            dim: config.pred_emb_dim / config.num_heads,
        }
    }
}

impl Predictor {
    pub fn of(parameters: &Parameters, config: &ModelConfig, copy: Copy) -> Result<Predictor> {
        let block = |i| Block::of(parameters, &format!("predictor.predictor_blocks.{i}"), copy);
        Ok(Predictor {
            embed: Linear::of(parameters, "predictor.predictor_embed", copy)?,
            mask_token: parameters.view("predictor.mask_token", copy)?,
            blocks: (0..config.pred_depth).map(block).collect::<Result<_>>()?,
            norm: affine(parameters, "predictor.predictor_norm", copy)?,
            proj: Linear::of(parameters, "predictor.predictor_proj", copy)?,
        })
    }

    /// From `context` `[E*B*K_e, D]` to predictions `[M*E*B*K_p, D]`.
    pub fn forward(
        &self,
        rec: &mut Recorder,
        config: &ModelConfig,
        lengths: Lengths,
        context: &View,
        positions: &View,
        memory: &Memory,
    ) -> Result<View> {
        let (rows, width, kept) = (lengths.rows(), config.pred_emb_dim, lengths.target_rows());
        let embedded = memory.embedded.shaped(lengths.context_rows(), width)?;
        self.embed
            .forward(rec, Input::of(context), &embedded, Then::Nothing, memory)?;
        let mut x = memory.predictor.streams[0].shaped(rows, width)?;
        let list = Rows {
            source: &memory.source.shaped(rows, 1)?,
            place: &memory.place.shaped(rows, 1)?,
        };
        predictor_tokens::forward(rec, &embedded, &self.mask_token, positions, list, &x)?;
        for (i, block) in self.blocks.iter().enumerate() {
            let saves = memory.predictor.saves[i].shaped(rows, config.num_heads)?;
            let out = memory.predictor.streams[i + 1].shaped(rows, width)?;
            block.forward(rec, lengths.heads(config), &x, &saves, &out, memory)?;
            x = out;
        }
        // The reference norms all tokens and then keeps the mask tokens; a norm works row by row, so keep first.
        let pulled = memory.pulled.shaped(kept, width)?;
        gather::forward(rec, &x, &memory.pulled_list.shaped(kept, 1)?, &pulled)?;
        let normed = memory.pulled_norm.shaped(kept, width)?;
        layer_norm::forward(
            rec,
            &pulled,
            Some(&self.norm),
            EPS,
            &normed,
            &memory.pulled_stats.shaped(kept, 2)?,
        )?;
        let predictions = memory.predictions.shaped(kept, config.embed_dim)?;
        self.proj
            .forward(rec, Input::of(&normed), &predictions, Then::Nothing, memory)?;
        Ok(predictions)
    }

    /// From `memory.dpredictions` to the gradients of all parameters, and of `context` into `memory.dcontext_out` (=).
    pub fn backward(
        &self,
        rec: &mut Recorder,
        gradients: &Predictor,
        config: &ModelConfig,
        lengths: Lengths,
        context: &View,
        memory: &Memory,
    ) -> Result<()> {
        let (rows, width, kept) = (lengths.rows(), config.pred_emb_dim, lengths.target_rows());
        let dpredictions = memory.dpredictions.shaped(kept, config.embed_dim)?;
        let normed = memory.pulled_norm.shaped(kept, width)?;
        let dnormed = memory.dpulled_norm.shaped(kept, width)?;
        let (input, dinput) = (Input::of(&normed), Into::Gradient(&dnormed));
        self.proj
            .backward(rec, &gradients.proj, (input, &dpredictions), dinput, memory)?;
        let dpulled = memory.dpulled.shaped(kept, width)?;
        let saved = Saved {
            dy: &dnormed,
            x: &memory.pulled.shaped(kept, width)?,
            stats: &memory.pulled_stats.shaped(kept, 2)?,
        };
        layer_norm::backward(
            rec,
            saved,
            &self.norm.weight,
            &dpulled,
            [false, gradients.embed.add],
            &gradients.norm,
            &memory.partial,
        )?;
        // Context tokens of the last block's output lead nowhere: their gradient starts at 0.
        let dx = memory.dpredictor.shaped(rows, width)?;
        let (starts, copies) = (memory.pulled_starts.shaped(rows + 1, 1)?, &memory.pulled_copies);
        gather::backward(rec, &dpulled, &starts, copies, &dx)?;
        for (i, block) in self.blocks.iter().enumerate().rev() {
            let x = memory.predictor.streams[i].shaped(rows, width)?;
            let saves = memory.predictor.saves[i].shaped(rows, config.num_heads)?;
            if memory.dims.recompute && i + 1 < self.blocks.len() {
                let out = memory.predictor.streams[i + 1].shaped(rows, width)?;
                block.forward(rec, lengths.heads(config), &x, &saves, &out, memory)?;
            }
            block.backward(
                rec,
                &gradients.blocks[i],
                lengths.heads(config),
                [&x, &dx],
                &saves,
                memory,
            )?;
        }
        // The mask token is in every row that was pulled; a context token in one row for each target mask.
        gather::forward(rec, &dx, &memory.pulled_list.shaped(kept, 1)?, &dpulled)?;
        column_sum::sum(
            rec,
            &dpulled,
            &gradients.mask_token,
            &memory.partial,
            gradients.embed.add,
        )?;
        let embedded_rows = lengths.context_rows();
        let dembedded = memory.dembedded.shaped(embedded_rows, width)?;
        let (starts, copies) = (
            memory.source_starts.shaped(embedded_rows + 1, 1)?,
            &memory.source_copies,
        );
        gather::backward(rec, &dx, &starts, copies, &dembedded)?;
        let dcontext = memory.dcontext_out.shaped(embedded_rows, config.embed_dim)?;
        let (input, dinput) = (Input::of(context), Into::Gradient(&dcontext));
        self.embed
            .backward(rec, &gradients.embed, (input, &dembedded), dinput, memory)
    }
}
