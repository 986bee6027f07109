//! The encoder (a vision transformer without class token): the context encoder with its gradient, and the target
//! encoder, which sees every patch and has none.

use super::block::{Block, EPS, affine};
use super::config::ModelConfig;
use super::linear::{Input, Into, Linear, Then};
use super::memory::Memory;
use super::parameters::{Copy, Parameters};
use crate::Result;
use crate::gpu::{Recorder, View};
use crate::ops::add_positions::add_positions;
use crate::ops::attention::{self, Heads};
use crate::ops::layer_norm::{self, Affine, Saved};
use crate::ops::mean_pool;
use crate::ops::patchify::{Pixels, patchify};

/// The encoder's parameters; or their gradients; or the target's copy.
pub struct Encoder {
    pub patch_embed: Linear,
    pub blocks: Vec<Block>,
    pub norm: Affine,
}

impl Encoder {
    pub fn of(parameters: &Parameters, config: &ModelConfig, copy: Copy) -> Result<Encoder> {
        let block = |i| Block::of(parameters, &format!("encoder.blocks.{i}"), copy);
        Ok(Encoder {
            patch_embed: Linear::of(parameters, "encoder.patch_embed.proj", copy)?,
            blocks: (0..config.depth).map(block).collect::<Result<_>>()?,
            norm: affine(parameters, "encoder.norm", copy)?,
        })
    }

    /// Every patch of `batch` images, nothing kept: `memory.target_out` `[B*N, D]`.
    pub fn forward_all(
        &self,
        rec: &mut Recorder,
        config: &ModelConfig,
        pixels: Pixels,
        batch: usize,
        positions: &View,
        memory: &Memory,
    ) -> Result<View> {
        let (images, all) = ((pixels, batch), self.blocks.len());
        let x = self.blocks_over_all(rec, config, images, positions, memory, all, &mut |_, _, _| Ok(()))?;
        let out = memory.target_out.shaped(x.rows, config.embed_dim)?;
        let stats = memory.target_stats.shaped(x.rows, 2)?;
        layer_norm::forward(rec, &x, Some(&self.norm), EPS, &out, &stats)?;
        Ok(out)
    }

    /// Every patch of a batch, after each of the last `means.len()` blocks: means `[B, D]` over each image's patches of what the
    /// block put out, after the encoder's norm; the last block's come last.
    pub fn forward_means(
        &self,
        rec: &mut Recorder,
        config: &ModelConfig,
        pixels: Pixels,
        positions: &View,
        memory: &Memory,
        means: &[View],
    ) -> Result<()> {
        let (all, batch) = (self.blocks.len(), means.first().map_or(0, |means| means.rows));
        let first = all.saturating_sub(means.len());
        let mut after = |rec: &mut Recorder, block: usize, x: &View| {
            let Some(means) = block.checked_sub(first).and_then(|place| means.get(place)) else {
                return Ok(());
            };
            let out = memory.target_out.shaped(x.rows, config.embed_dim)?;
            let stats = memory.target_stats.shaped(x.rows, 2)?;
            layer_norm::forward(rec, x, Some(&self.norm), EPS, &out, &stats)?;
            mean_pool::forward(rec, &out, means)
        };
        self.blocks_over_all(rec, config, (pixels, batch), positions, memory, all, &mut after)?;
        Ok(())
    }

    /// The stream after the first `blocks` blocks over every patch, `[B*N, D]`: two streams take turns, and
    /// `memory.turn_saves` is the last block's. `after` sees what each block put out.
    #[allow(clippy::too_many_arguments)]
    fn blocks_over_all(
        &self,
        rec: &mut Recorder,
        config: &ModelConfig,
        (pixels, batch): (Pixels, usize),
        positions: &View,
        memory: &Memory,
        blocks: usize,
        after: &mut dyn FnMut(&mut Recorder, usize, &View) -> Result<()>,
    ) -> Result<View> {
        let rows = batch * config.num_patches();
        let list = memory.every.shaped(rows, 1)?;
        let patches = memory.patches.shaped(rows, config.patch_values())?;
        let turns = [
            memory.turns[0].shaped(rows, config.embed_dim)?,
            memory.turns[1].shaped(rows, config.embed_dim)?,
        ];
        let sides = config.image.sides();
        patchify(rec, pixels, &memory.images, &list, sides, config.patch, &patches)?;
        self.patch_embed
            .forward(rec, Input::of(&patches), &turns[0], Then::Nothing, memory)?;
        add_positions(rec, positions, &list, &turns[0])?;
        let heads = heads(config, batch, config.num_patches());
        let saves = memory.turn_saves.shaped(rows, config.num_heads)?;
        for (i, block) in self.blocks.iter().take(blocks).enumerate() {
            block.forward(rec, heads, &turns[i % 2], &saves, &turns[(i + 1) % 2], memory)?;
            after(rec, i, &turns[(i + 1) % 2])?;
        }
        let [even, odd] = turns;
        Ok(if blocks.is_multiple_of(2) { even } else { odd })
    }

    /// What the queries of block `block` weigh each patch with, over every patch of one image: maps `[H*N, pitch]` (see
    /// `attention::weights`).
    pub fn attention_weights(
        &self,
        rec: &mut Recorder,
        config: &ModelConfig,
        pixels: Pixels,
        positions: &View,
        memory: &Memory,
        (block, maps): (usize, &View),
    ) -> Result<()> {
        let (images, blocks) = ((pixels, 1), block + 1);
        self.blocks_over_all(rec, config, images, positions, memory, blocks, &mut |_, _, _| Ok(()))?;
        let saves = memory.turn_saves.shaped(config.num_patches(), config.num_heads)?;
        attention::weights(
            rec,
            heads(config, 1, config.num_patches()),
            &saves.qkv,
            maps,
            &saves.softmax,
        )
    }

    /// The patches of `memory.context_list`, `sequences` times `kept` of them: `memory.context_out` `[R, D]`.
    pub fn forward(
        &self,
        rec: &mut Recorder,
        config: &ModelConfig,
        pixels: Pixels,
        [sequences, kept]: [usize; 2],
        positions: &View,
        memory: &Memory,
    ) -> Result<View> {
        let (rows, width) = (sequences * kept, config.embed_dim);
        let list = memory.context_list.shaped(rows, 1)?;
        let patches = memory.context_patches.shaped(rows, config.patch_values())?;
        // The mask is applied first: patches that are not kept are never embedded.
        let sides = config.image.sides();
        patchify(rec, pixels, &memory.images, &list, sides, config.patch, &patches)?;
        let mut x = memory.context.streams[0].shaped(rows, width)?;
        self.patch_embed
            .forward(rec, Input::of(&patches), &x, Then::Nothing, memory)?;
        add_positions(rec, positions, &list, &x)?;
        for (i, block) in self.blocks.iter().enumerate() {
            let saves = memory.context.saves[i].shaped(rows, config.num_heads)?;
            let out = memory.context.streams[i + 1].shaped(rows, width)?;
            block.forward(rec, heads(config, sequences, kept), &x, &saves, &out, memory)?;
            x = out;
        }
        let out = memory.context_out.shaped(rows, width)?;
        layer_norm::forward(
            rec,
            &x,
            Some(&self.norm),
            EPS,
            &out,
            &memory.context_stats.shaped(rows, 2)?,
        )?;
        Ok(out)
    }

    /// From `memory.dcontext_out` to the gradients of all parameters.
    pub fn backward(
        &self,
        rec: &mut Recorder,
        gradients: &Encoder,
        config: &ModelConfig,
        [sequences, kept]: [usize; 2],
        memory: &Memory,
    ) -> Result<()> {
        let (rows, width) = (sequences * kept, config.embed_dim);
        let stream = |i: usize| memory.context.streams[i].shaped(rows, width);
        let dx = memory.dcontext.shaped(rows, width)?;
        let saved = Saved {
            dy: &memory.dcontext_out.shaped(rows, width)?,
            x: &stream(self.blocks.len())?,
            stats: &memory.context_stats.shaped(rows, 2)?,
        };
        layer_norm::backward(
            rec,
            saved,
            &self.norm.weight,
            &dx,
            [false, gradients.patch_embed.add],
            &gradients.norm,
            &memory.partial,
        )?;
        for (i, block) in self.blocks.iter().enumerate().rev() {
            let saves = memory.context.saves[i].shaped(rows, config.num_heads)?;
            let heads = heads(config, sequences, kept);
            if memory.dims.recompute && i + 1 < self.blocks.len() {
                // What it saved was overwritten by the blocks behind it: the very same values once more.
                block.forward(rec, heads, &stream(i)?, &saves, &stream(i + 1)?, memory)?;
            }
            block.backward(rec, &gradients.blocks[i], heads, [&stream(i)?, &dx], &saves, memory)?;
        }
        // Positions are fixed, pixels have no gradient: the patch embedding's parameters are the end.
        let patches = memory.context_patches.shaped(rows, config.patch_values())?;
        let embed = &self.patch_embed;
        embed.backward(
            rec,
            &gradients.patch_embed,
            (Input::of(&patches), &dx),
            Into::Nothing,
            memory,
        )
    }
}

pub(super) fn heads(config: &ModelConfig, batch: usize, tokens: usize) -> Heads {
    Heads {
        batch,
        tokens,
        heads: config.num_heads,
        dim: config.embed_dim / config.num_heads,
    }
}
