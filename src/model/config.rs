//! The sizes of the three networks (encoder, target encoder, predictor).

use crate::data::image::Size;
use crate::{Error, Result};

/// Mean and deviation of ImageNet's pixels in [0, 1], by which images are normalised (`wgsl/patchify.wgsl` has the same).
pub const PIXELS: [[f64; 3]; 2] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];

/// Patches of an image, counted row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Grid {
    pub rows: usize,
    pub columns: usize,
}

impl Grid {
    pub const fn square(side: usize) -> Grid {
        Grid {
            rows: side,
            columns: side,
        }
    }

    /// N: all of them.
    pub const fn patches(self) -> usize {
        self.rows * self.columns
    }
}

/// As images are measured: across x down.
impl std::fmt::Display for Grid {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} x {}", self.columns, self.rows)
    }
}

/// Sizes of one I-JEPA model. Symbols as in the paper and in ARCHITECTURE.md.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// Images in pixels. Those of a training run are squares (`data.crop_size`).
    pub image: Size,
    /// Side of a patch in pixels; divides both sides of an image.
    pub patch: usize,
    /// Encoder width D.
    pub embed_dim: usize,
    /// Encoder blocks.
    pub depth: usize,
    /// Heads of encoder and predictor (the reference gives both the same number).
    pub num_heads: usize,
    /// Hidden width of the encoder's MLP = int(mlp_ratio * D).
    pub mlp_ratio: f64,
    /// Predictor width P.
    pub pred_emb_dim: usize,
    /// Predictor blocks.
    pub pred_depth: usize,
}

impl ModelConfig {
    /// Patches of an image, down and across.
    pub fn grid(&self) -> Grid {
        Grid {
            rows: self.image.height / self.patch,
            columns: self.image.width / self.patch,
        }
    }

    /// N: patches of an image.
    pub fn num_patches(&self) -> usize {
        self.grid().patches()
    }

    /// Side of the images, for what knows squares alone: training, and the formats of others.
    ///
    /// Errors: run, where they are not square.
    pub fn side(&self) -> Result<usize> {
        let Size { height, width } = self.image;
        match height == width {
            true => Ok(width),
            false => Err(Error::run(format!("images of {} pixels are not square", self.image))),
        }
    }

    /// Values of one patch: 3 * patch * patch.
    pub fn patch_values(&self) -> usize {
        3 * self.patch * self.patch
    }

    /// Hidden width of the encoder's MLP.
    pub fn hidden(&self) -> usize {
        (self.mlp_ratio * self.embed_dim as f64) as usize
    }

    /// Hidden width of the predictor's MLP: its ratio is always 4.
    pub fn pred_hidden(&self) -> usize {
        4 * self.pred_emb_dim
    }
}

/// How weights are drawn (`meta.init`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// normal(0, 0.02), the reference's.
    Reference,
    /// normal(0, sqrt(2 / (in + out))) for linear layers and the patch convolution; the mask token stays at 0.02.
    Xavier,
}
