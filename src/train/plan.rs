//! How much memory a run asks for: the lengths of its masks, and the batch that an adapter has room for.

use super::config::Config;
use super::host;
use crate::data::masks;
use crate::gpu::Gpu;
use crate::model::config::ModelConfig;
use crate::model::needs::{Dims, largest_batch, too_large};
use crate::model::parameters;
use crate::{Error, Result};

/// Per cent more than the longest masks of the first batches: what memory is planned for, and what must fit where it has to.
/// (ViT-B/14's batches of 42 draw masks up to 1.11 times as long within 800 steps.)
const MARGIN: usize = 10;
const RESERVE: usize = 30;
/// Batches from which the longest masks are taken for the plan.
const BATCHES: u64 = 64;
/// Patches that are looked at to find them: on very fine grids fewer batches have to do.
const PATCHES: u64 = 1 << 28;
/// Images of a batch whose masks are drawn; masks are cut to the shortest, which more images hardly change.
const IMAGES: usize = 1 << 16;

/// Numbers of kept patches over the first batches of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lengths {
    /// The longest K_e and K_p.
    pub longest: (usize, usize),
    /// Their means.
    pub mean: (f64, f64),
}

/// What the first `steps` batches of a run draw, as far as a plan looks.
pub fn lengths(config: &Config, steps: u64) -> Lengths {
    let masks = config.masks();
    // Where targets crowd the grid, a context is drawn again and again, each time against all of them.
    let again = masks.num_pred_masks.pow(3) / 64;
    let blocks = masks.num_pred_masks + masks.num_enc_masks * (1 + again);
    let patches = (masks.grid * masks.grid) as u64 * blocks as u64;
    let images = config
        .data
        .batch_size
        .min(IMAGES)
        .min((PATCHES / patches.max(1)).max(1) as usize);
    let patches = images as u64 * patches;
    let batches = steps.min(BATCHES).min(PATCHES / patches.max(1)).max(1);
    let (mut longest, mut sum) = ((0, 0), (0, 0));
    for batch in 0..batches {
        let drawn = masks::sample(&masks, config.meta.seed, batch, images);
        longest = (drawn.k_context.max(longest.0), drawn.k_target.max(longest.1));
        sum = (sum.0 + drawn.k_context, sum.1 + drawn.k_target);
    }
    let mean = |sum: usize| sum as f64 / batches as f64;
    Lengths {
        longest,
        mean: (mean(sum.0), mean(sum.1)),
    }
}

/// Lengths for which memory is planned: the longest of the run's first batches, and a tenth more, as far as such masks
/// can be drawn at all.
pub fn dims(config: &Config, steps: u64) -> Dims {
    with_margin(config, lengths(config, steps), MARGIN)
}

fn with_margin(config: &Config, lengths: Lengths, percent: usize) -> Dims {
    let masks = config.masks();
    let (k_context, k_target) = lengths.longest;
    let (most_context, most_target) = masks::max_lengths(&masks);
    let longer = |length: usize| length + (length * percent).div_ceil(100);
    Dims {
        batch: config.data.batch_size,
        num_enc: masks.num_enc_masks,
        num_pred: masks.num_pred_masks,
        k_context: longer(k_context).min(most_context),
        k_target: longer(k_target).min(most_target),
        float_images: false,
        recompute: config.optimization.checkpoint_activations,
    }
}

/// [`dims`], where this adapter has room for them, and for the longer masks that a long run comes to draw.
///
/// Errors: usage, where the program's own memory can't hold the run, or a tensor is larger than what the adapter binds at
/// once, with what fits.
pub fn fitting(gpu: &Gpu, config: &Config, steps: u64) -> Result<Dims> {
    let model = config.model()?;
    host::require(&model, None)?;
    parameters::require(gpu, &model)?;
    let own = lengths(config, steps);
    let rarest = |batch: usize| {
        if batch == config.data.batch_size {
            return with_margin(config, own, RESERVE); // drawn already
        }
        let mut smaller = config.clone();
        smaller.data.batch_size = batch;
        with_margin(&smaller, lengths(&smaller, steps), RESERVE)
    };
    require(gpu, &model, config.data.batch_size, rarest)?;
    let dims = with_margin(config, own, MARGIN);
    host::require(&model, Some(&dims))?;
    Ok(dims)
}

/// Refuses a batch for whose lengths, `of` it, the adapter has no room, and says which batch fits. The masks of a smaller
/// batch are cut less, so they are longer: what fits is looked for with its own.
pub fn require(gpu: &Gpu, model: &ModelConfig, batch: usize, of: impl Fn(usize) -> Dims) -> Result<()> {
    let (kind, limit) = (gpu.kind(), gpu.most_bytes());
    let dims = of(batch);
    let Some(need) = too_large(kind, model, &dims, limit) else {
        return Ok(());
    };
    let mut fits = largest_batch(kind, model, &dims, limit);
    while fits > 0 {
        match largest_batch(kind, model, &of(fits), limit) {
            all if all == fits => break,
            fewer => fits = fewer,
        }
    }
    let advice = match fits {
        0 => "not even one image fits: use a larger patch, a smaller crop or a smaller model".to_string(),
        batch => format!("a batch of {batch} fits (data.batch_size)"),
    };
    Err(Error::usage(format!(
        "with a batch of {batch}, {}; {advice}",
        need.refusal(gpu)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_without_number_and_fine_grids_are_planned_in_no_time() {
        let mut config = Config::preset("base").unwrap();
        config.data.batch_size = 1 << 30;
        let (many, k) = (lengths(&config, 1), lengths(&config, 1).longest);
        assert!(many.mean == (k.0 as f64, k.1 as f64) && k.0 > 0);
        config.data.batch_size = 2;
        (config.data.crop_size, config.mask.patch_size) = (4096, 4);
        assert!(lengths(&config, u64::MAX).longest.0 > 100_000);
        let mut config = Config::preset("demo").unwrap();
        config.data.batch_size = 4000;
        (config.mask.num_enc_masks, config.mask.num_pred_masks) = (64, 64);
        assert!(lengths(&config, u64::MAX).longest.0 > 0);
    }
}
