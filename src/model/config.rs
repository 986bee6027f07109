//! The sizes of the three networks (encoder, target encoder, predictor).

/// Mean and deviation of ImageNet's pixels in [0, 1], by which images are normalised (`wgsl/patchify.wgsl` has the same).
pub const PIXELS: [[f64; 3]; 2] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];

/// Sizes of one I-JEPA model. Symbols as in the paper and in ARCHITECTURE.md.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// Side of the square input in pixels.
    pub crop: usize,
    /// Side of a patch in pixels; divides `crop`.
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
    /// Patches along one side.
    pub fn grid(&self) -> usize {
        self.crop / self.patch
    }

    /// N: patches of an image.
    pub fn num_patches(&self) -> usize {
        self.grid() * self.grid()
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
