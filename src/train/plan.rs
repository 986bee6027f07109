//! How much memory a run asks for: the lengths of its masks, and the batch that an adapter has room for.

use super::config::Config;
use super::host;
use crate::data::masks;
use crate::gpu::{Gpu, too_much};
use crate::model::config::ModelConfig;
use crate::model::needs::{Dims, largest_batch, needs, too_large, total};
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
/// can be drawn at all. Where `optimization.accumulate` leaves the parts open, there is one.
pub fn dims(config: &Config, steps: u64) -> Dims {
    let parts = config.optimization.accumulate.unwrap_or(1);
    with_margin(config, lengths(config, steps), MARGIN, parts)
}

fn with_margin(config: &Config, lengths: Lengths, percent: usize, parts: usize) -> Dims {
    let masks = config.masks();
    let (k_context, k_target) = lengths.longest;
    let (most_context, most_target) = masks::max_lengths(&masks);
    let longer = |length: usize| length + (length * percent).div_ceil(100);
    Dims {
        batch: config.data.batch_size.div_ceil(parts.max(1)),
        parts: parts.max(1),
        num_enc: masks.num_enc_masks,
        num_pred: masks.num_pred_masks,
        k_context: longer(k_context).min(most_context),
        k_target: longer(k_target).min(most_target),
        float_images: false,
        recompute: config.optimization.checkpoint_activations,
        regularized: config.regularized(),
        bits: config.bits(),
    }
}

/// [`dims`], where this adapter has room for them, and for the longer masks that a long run comes to draw; in the fewest
/// parts that fit, where `optimization.accumulate` is left open.
///
/// Errors: usage, where the program's own memory can't hold the run, a tensor is larger than what the adapter binds at
/// once, or a step takes more than [`Gpu::memory_limit`], with what fits.
pub fn fitting(gpu: &Gpu, config: &Config, steps: u64) -> Result<Dims> {
    let model = config.model()?;
    host::require(&model, None)?;
    parameters::require(gpu, &model)?;
    let room = Room {
        gpu,
        config,
        model: &model,
        steps,
        own: lengths(config, steps),
    };
    let dims = match config.optimization.accumulate {
        Some(parts) => room.checked(parts)?,
        None => room.fewest(gpu.memory_budget())?,
    };
    host::require(&model, Some(&dims))?;
    Ok(dims)
}

/// [`fitting`], and tried on the device where the number of parts is open: it is doubled until the driver gives all that
/// the plan asks for.
pub async fn tried(gpu: &Gpu, config: &Config, steps: u64) -> Result<Dims> {
    let mut dims = fitting(gpu, config, steps)?;
    if config.optimization.accumulate.is_some() {
        return Ok(dims); // asked for: what the driver says to it is known soon enough
    }
    let model = config.model()?;
    while !gpu.has_room(&buffers(gpu, &model, &dims)).await? {
        if dims.batch == 1 {
            let text = "the GPU has no memory for even one image at a time";
            return Err(Error::usage(format!("{text}: {}", smaller(config))));
        }
        dims.parts = (2 * dims.parts).min(config.data.batch_size);
        dims.batch = config.data.batch_size.div_ceil(dims.parts);
    }
    Ok(dims)
}

/// The largest batch, of `most` images at most, that fits, as [`fitting`] judges it, and that the driver has room for; each
/// of its parts, where `optimization.accumulate` splits it.
///
/// Errors: usage, where not even one image fits.
pub async fn largest(gpu: &Gpu, config: &Config, most: usize) -> Result<usize> {
    let model = config.model()?;
    parameters::require(gpu, &model)?;
    let parts = config.optimization.accumulate.unwrap_or(1);
    if parts > most {
        return Err(Error::usage(format!(
            "optimization.accumulate splits a batch into {parts} parts, but there are no more than {most} images: use at most {most}"
        )));
    }
    let of = |batch: usize| {
        let mut config = config.clone();
        config.data.batch_size = batch * parts;
        config
    };
    let mut batch = most / parts; // of a part
    while batch > 0 {
        // The masks of a smaller batch are cut less, so they are longer: what fits is looked for with its own.
        let own = lengths(&of(batch), BATCHES);
        let fits = |batch: usize| {
            let config = of(batch);
            let room = Room {
                gpu,
                config: &config,
                model: &model,
                steps: BATCHES,
                own,
            };
            room.fits(parts, gpu.memory_budget())
        };
        let found = last(batch, fits);
        if found < batch {
            batch = found;
            continue;
        }
        let dims = with_margin(&of(batch), own, MARGIN, parts);
        if gpu.has_room(&buffers(gpu, &model, &dims)).await? {
            return Ok(batch * parts);
        }
        batch = batch / 8 * 7 + batch % 8 * 7 / 8;
    }
    Err(Error::usage(format!("not even one image fits: {}", smaller(config))))
}

/// The last of 1, 2, ..., `most` that passes, where all before it do; 0 where none does.
fn last(most: usize, passes: impl Fn(usize) -> bool) -> usize {
    let (mut good, mut bad) = (0, most + 1);
    while good + 1 < bad {
        let middle = good + (bad - good) / 2;
        *(if passes(middle) { &mut good } else { &mut bad }) = middle;
    }
    good
}

/// Bytes of every buffer of a run, the parameters' in pieces.
fn buffers(gpu: &Gpu, model: &ModelConfig, dims: &Dims) -> Vec<u64> {
    let piece = gpu.most_bytes().min(256 << 20) & !15;
    let mut list: Vec<u64> = needs(gpu.kind(), model, dims)
        .iter()
        .map(|need| need.bytes().next_multiple_of(16))
        .collect();
    for bytes in parameters::sizes(model) {
        list.extend((0..bytes.div_ceil(piece)).map(|i| piece.min(bytes - i * piece).next_multiple_of(16)));
    }
    list
}

fn smaller(config: &Config) -> &'static str {
    match config.optimization.checkpoint_activations {
        false => "use optimization.checkpoint_activations: true, a larger patch, a smaller crop or a smaller model",
        true => "use a larger patch, a smaller crop or a smaller model",
    }
}

/// What is asked of an adapter: a run's step, in one part or in several.
struct Room<'a> {
    gpu: &'a Gpu,
    config: &'a Config,
    model: &'a ModelConfig,
    steps: u64,
    own: Lengths,
}

impl Room<'_> {
    fn dims(&self, parts: usize) -> Dims {
        with_margin(self.config, self.own, MARGIN, parts)
    }

    /// Bytes of a step, parameters and all.
    fn bytes(&self, parts: usize) -> u64 {
        total(self.gpu.kind(), self.model, &self.dims(parts))
    }

    fn fits(&self, parts: usize, memory: Option<u64>) -> bool {
        let rarest = with_margin(self.config, self.own, RESERVE, parts);
        let bound = too_large(self.gpu.kind(), self.model, &rarest, self.gpu.most_bytes()).is_none();
        bound && memory.is_none_or(|memory| self.bytes(parts) <= memory)
    }

    fn fewest(&self, memory: Option<u64>) -> Result<Dims> {
        match self.parts(memory) {
            Some(parts) => Ok(self.dims(parts)),
            None => Err(Error::usage(format!(
                "not even one image at a time fits: {}",
                smaller(self.config)
            ))),
        }
    }

    /// The fewest parts that fit.
    fn parts(&self, memory: Option<u64>) -> Option<usize> {
        let most = self.config.data.batch_size;
        let too_few = last(most, |parts| !self.fits(parts, memory));
        (too_few < most).then_some(too_few + 1)
    }

    /// How the batch would fit, in words; `None` where no number of parts helps.
    fn in_parts(&self) -> Option<String> {
        let parts = self.parts(self.gpu.memory_limit())?;
        let images = self.config.data.batch_size.div_ceil(parts);
        Some(format!(
            "optimization.accumulate: {parts} takes it in parts of {images}, with the same gradients"
        ))
    }

    fn advice(&self) -> String {
        let none = || format!("not even one image at a time fits: {}", smaller(self.config));
        self.in_parts().unwrap_or_else(none)
    }

    fn checked(&self, parts: usize) -> Result<Dims> {
        let (batch, limit) = (self.config.data.batch_size, self.gpu.most_bytes());
        let rarest = |batch: usize| {
            if batch == self.config.data.batch_size {
                return with_margin(self.config, self.own, RESERVE, parts); // drawn already
            }
            let mut smaller = self.config.clone();
            smaller.data.batch_size = batch;
            with_margin(&smaller, lengths(&smaller, self.steps), RESERVE, parts)
        };
        let dims = self.dims(parts);
        if parts == 1 {
            let refused = |e: Error| match self.in_parts() {
                Some(way) => Error::usage(format!("{e}, or {way}")),
                None => e,
            };
            require(self.gpu, self.model, batch, rarest).map_err(refused)?;
        } else if let Some(need) = too_large(self.gpu.kind(), self.model, &rarest(batch), limit) {
            let (images, refusal, advice) = (dims.batch, need.refusal(self.gpu), self.advice());
            return Err(Error::usage(format!(
                "with parts of {images} images, {refusal}; {advice}"
            )));
        }
        match self.gpu.memory_limit() {
            Some(memory) if self.bytes(parts) > memory => {
                let (taken, held) = too_much(self.bytes(parts), memory);
                Err(Error::usage(format!(
                    "with {} images at a time a step takes {taken}, more than the {held} that it may take; {}",
                    dims.batch,
                    self.advice()
                )))
            }
            _ => Ok(dims),
        }
    }
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
