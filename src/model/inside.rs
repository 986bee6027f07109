//! A network that is looked into: where its blocks attend, what its predictor expects, and every tensor on the way of an
//! iteration. Nothing here changes a weight.

use super::ijepa::{Ijepa, Images};
use super::{lists, parts};
use crate::data::masks::Masks;
use crate::gpu::View;
use crate::ops::gather;
use crate::{Error, Result};

/// What the predictor makes of hidden patches, beside what the target encoder makes of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// `[K, D]`
    pub predictions: Vec<f32>,
    /// `[K, D]`, normalised as in the loss
    pub targets: Vec<f32>,
}

/// One tensor of the last iteration: its shape for the whole batch, and the rows of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    pub name: &'static str,
    pub shape: [usize; 3],
    /// The image's rows, of `shape[2]` values each.
    pub values: Vec<f32>,
}

impl Ijepa {
    /// How the heads of the target encoder's block `block` spread their attention over one image `[height, width, 3]`:
    /// `[H, N, N]`, each query's row summing to 1.
    ///
    /// Errors: usage, where there is no such block; run, where the image has another size.
    pub async fn attention(&mut self, image: &[u8], block: usize) -> Result<Vec<f32>> {
        if block >= self.config.depth {
            return Err(Error::usage(format!(
                "there is no block {block}: the encoder has {}, counted from 0",
                self.config.depth
            )));
        }
        let (n, heads) = (self.config.num_patches(), self.config.num_heads);
        let pitch = super::encoder::heads(&self.config, 1, n).pitch();
        let maps = self.gpu.alloc("attention maps", heads * n, pitch)?;
        let pixels = self.put_images(Images::Bytes(image), 1)?;
        self.target.attention_weights(
            &mut self.rec,
            &self.config,
            pixels,
            &self.positions.target,
            &self.memory,
            (block, &maps),
        )?;
        let values = self.rec.read::<f32>(&maps).await?;
        self.rec.forget_bindings(); // the maps are not kept
        Ok(values.chunks_exact(pitch).flat_map(|row| &row[..n]).copied().collect())
    }

    /// What the last `blocks` blocks of the target encoder (or all, where there are fewer) put out for `batch` images, each after
    /// the encoder's norm and averaged over patches, side by side: `[B, blocks * D]`, the last block's last.
    ///
    /// Errors: run, where these are no such images, or more than memory is planned for.
    pub async fn pooled(&mut self, images: Images<'_>, batch: usize, blocks: usize) -> Result<Vec<f32>> {
        if batch > self.memory.dims.batch {
            return Err(Error::run(format!(
                "{batch} images to encode, but memory is planned for {}",
                self.memory.dims.batch
            )));
        }
        let (width, blocks) = (self.config.embed_dim, blocks.min(self.config.depth));
        let pixels = self.put_images(images, batch)?;
        // A block's means begin where bindings may.
        let apart = (batch * width).next_multiple_of(64);
        let all = self.gpu.alloc("averages of patches", blocks, apart)?;
        let means: Vec<View> = (0..blocks)
            .map(|block| all.part(block * apart, batch, width))
            .collect::<Result<_>>()?;
        let positions = &self.positions.target;
        self.target
            .forward_means(&mut self.rec, &self.config, pixels, positions, &self.memory, &means)?;
        let means: Vec<f32> = self.rec.read(&all).await?;
        self.rec.forget_bindings(); // they are not kept
        let mut features = Vec::with_capacity(batch * blocks * width);
        for image in 0..batch {
            for block in means.chunks_exact(apart) {
                features.extend(&block[image * width..][..width]);
            }
        }
        Ok(features)
    }

    /// The predictor's guess at the `hidden` patches of one image `[height, width, 3]` of which only the patches `seen` are
    /// shown (paper section 3); both lists ascending, of patches below N.
    ///
    /// Errors: usage, where a list is empty or names a patch that is not there.
    pub async fn expect(&mut self, image: &[u8], seen: &[u32], hidden: &[u32]) -> Result<Expectation> {
        let masks = Masks {
            batch: 1,
            num_enc: 1,
            num_pred: 1,
            k_context: seen.len(),
            k_target: hidden.len(),
            context: seen.to_vec(),
            targets: hidden.to_vec(),
        };
        let forward = self.forward(Images::Bytes(image), &masks)?;
        Ok(Expectation {
            predictions: self.rec.read(&forward.predictions).await?,
            targets: self.rec.read(&forward.targets).await?,
        })
    }

    /// The tensors on the way of one batch in the order of an iteration, each with the rows of image `image`. Block by
    /// block where there is one for each target block, and for the first context mask.
    pub async fn trail(&mut self, images: Images<'_>, masks: &Masks, image: usize) -> Result<Vec<Stage>> {
        if image >= masks.batch {
            let text = format!("there is no image {image}: the batch has {}", masks.batch);
            return Err(Error::usage(text));
        }
        // Where the batch is split, its part with this image.
        let all = masks.batch;
        let parts = parts::split(all, self.dims().parts);
        let part = parts.into_iter().find(|part| part.contains(&image)).unwrap_or(0..all);
        images.check(all, &self.config)?;
        lists::check(masks, self.config.num_patches())?;
        let images = parts::images_of(images, &part, &self.config)?;
        let (masks, image) = (&parts::masks_of(masks, &part), image - part.start);
        self.forward(images, masks)?;
        let (config, memory) = (&self.config, &self.memory);
        let (n, d, p, pixels) = (
            config.num_patches(),
            config.embed_dim,
            config.pred_emb_dim,
            config.patch_values(),
        );
        let contexts = masks.num_enc * masks.batch;
        let (k_e, k_p) = (masks.k_context, masks.k_target);
        let sequences = masks.num_pred * contexts;
        let stages: [(&str, &View, [usize; 3]); 10] = [
            ("patches", &memory.patches, [masks.batch, n, pixels]),
            ("positions", &self.positions.encoder, [1, n, d]),
            ("target_encoder_out", &memory.target_out, [masks.batch, n, d]),
            ("targets", &memory.targets, [sequences, k_p, d]),
            ("context_patches", &memory.context_patches, [contexts, k_e, pixels]),
            ("context_embedded", &memory.context.streams[0], [contexts, k_e, d]),
            ("context_out", &memory.context_out, [contexts, k_e, d]),
            ("predictor_in", &memory.predictor.streams[0], [sequences, k_e + k_p, p]),
            ("predictor_out", &memory.pulled_norm, [sequences, k_p, p]),
            ("predictions", &memory.predictions, [sequences, k_p, d]),
        ];
        let mut trail = vec![];
        for (name, view, shape) in stages {
            let [sequences, rows, cols] = shape;
            // Sequences of an image: its first context mask, then one for each target block.
            let first = if sequences == 1 { 0 } else { image };
            let mine = (first..sequences).step_by(contexts);
            let list: Vec<u32> = mine
                .flat_map(|sequence| sequence * rows..(sequence + 1) * rows)
                .map(|row| row as u32)
                .collect();
            // Only these are read: a batch of a large network has hundreds of MB.
            let picked = self.gpu.alloc("one image's rows", list.len(), cols)?;
            let list = self.gpu.upload("their list", list.len(), 1, &list)?;
            gather::forward(&mut self.rec, &view.shaped(sequences * rows, cols)?, &list, &picked)?;
            let values = self.rec.read(&picked).await?;
            // All but the positions, which are the same for all images, has rows for each image of the whole batch.
            let sequences = match name {
                "positions" => 1,
                _ => sequences / masks.batch * all,
            };
            let shape = [sequences, rows, cols];
            trail.push(Stage { name, shape, values });
        }
        self.rec.forget_bindings(); // of buffers that are not kept
        Ok(trail)
    }
}

impl Stage {
    /// Rows of the image.
    pub fn rows(&self) -> usize {
        self.values.len() / self.shape[2]
    }
}
