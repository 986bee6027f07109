//! Multi-block masks (paper section 3, "Targets" and "Context"; every quirk of the reference kept).

/// What the mask sampler needs to know. `grid` is crop / patch: a grid x grid image of patches.
#[derive(Clone, Debug, PartialEq)]
pub struct MaskConfig {
    pub grid: usize,
    pub num_enc_masks: usize,
    pub num_pred_masks: usize,
    pub enc_mask_scale: [f64; 2],
    pub pred_mask_scale: [f64; 2],
    pub aspect_ratio: [f64; 2],
    /// A target block must keep more than this many patches.
    pub min_keep: usize,
    /// The same for context blocks (`mask.min_keep_context`; equals `min_keep` where it is not given).
    pub min_keep_context: usize,
    pub allow_overlap: bool,
}

/// The masks of one batch, cut to equal lengths; patch indices ascending within each mask.
#[derive(Clone, Debug, PartialEq)]
pub struct Masks {
    pub batch: usize,
    pub num_enc: usize,
    pub num_pred: usize,
    /// Patches kept in every context mask (K_e).
    pub k_context: usize,
    /// Patches kept in every target mask (K_p).
    pub k_target: usize,
    /// `[E, B, K_e]`: mask 0 of all images, then mask 1 of all images, ...
    pub context: Vec<u32>,
    /// `[M, B, K_p]`
    pub targets: Vec<u32>,
}
