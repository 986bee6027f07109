//! Multi-block masks (paper section 3, "Targets" and "Context"; every quirk of the reference kept).
//!
//! Block sizes are drawn once per batch, by the reference's own generator seeded with the batch's number, so they are the
//! reference's. Places are drawn for each mask of each image from a stream of (seed, batch number).

use std::collections::BTreeSet;
use std::ops::Range;

use crate::data::draw::Draw;
use crate::error::{Error, Result};

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

/// Height and width of a block in patches.
pub type Size = (usize, usize);

/// Rejected places before one more target block is no longer subtracted.
const PATIENCE: usize = 20;

/// Values that the reference's uniform draw can take: u = k / 2^24.
const DRAWS: u32 = 1 << 24;

impl MaskConfig {
    /// Refuses what cannot be drawn, among it every configuration in which the reference would loop for ever.
    pub fn validate(&self) -> Result<()> {
        let ranges = [
            ("mask.enc_mask_scale", self.enc_mask_scale, "0 or more"),
            ("mask.pred_mask_scale", self.pred_mask_scale, "0 or more"),
            ("mask.aspect_ratio", self.aspect_ratio, "above 0"),
        ];
        for (key, [low, high], floor) in ranges {
            let fits = |x: f64| x.is_finite() && if floor == "above 0" { x > 0.0 } else { x >= 0.0 };
            if !fits(low) || !fits(high) || low > high {
                return Err(Error::usage(format!(
                    "{key} is [{low}, {high}], but needs two numbers {floor}, the smaller one first"
                )));
            }
        }
        if self.num_enc_masks == 0 || self.num_pred_masks == 0 {
            return Err(Error::usage(format!(
                "mask.num_enc_masks is {} and mask.num_pred_masks is {}, but an image needs at least one of each",
                self.num_enc_masks, self.num_pred_masks
            )));
        }
        if self.grid < 2 {
            return Err(Error::usage(format!(
                "an image has {0}x{0} patches, but masks need 2x2 or more: take a larger data.crop_size or a smaller \
                 mask.patch_size",
                self.grid
            )));
        }
        let smallest = |sizes: BTreeSet<Size>| sizes.into_iter().min_by_key(|(h, w)| h * w).unwrap_or((0, 0));
        let kinds = [
            (
                "target",
                smallest(self.target_sizes()),
                "mask.min_keep",
                self.min_keep,
                "mask.pred_mask_scale",
            ),
            (
                "context",
                smallest(self.context_sizes()),
                "mask.min_keep_context (mask.min_keep where it is not given)",
                self.min_keep_context,
                "mask.enc_mask_scale",
            ),
        ];
        for (kind, (h, w), key, min_keep, scale) in kinds {
            if h * w <= min_keep {
                return Err(Error::usage(format!(
                    "masks cannot be drawn: on a {grid}x{grid} grid the smallest {kind} block has {h}x{w} = {area} \
                     patches, but {key} is {min_keep} and a block must keep more: lower it, raise {scale}, or take \
                     smaller patches",
                    grid = self.grid,
                    area = h * w,
                )));
            }
        }
        Ok(())
    }

    fn target_size(&self, u: f64) -> Size {
        block_size(self.grid, self.pred_mask_scale, self.aspect_ratio, u)
    }

    fn context_size(&self, u: f64) -> Size {
        block_size(self.grid, self.enc_mask_scale, [1.0, 1.0], u)
    }

    fn target_sizes(&self) -> BTreeSet<Size> {
        all_sizes(|u| (area(self.grid, self.pred_mask_scale, u), self.target_size(u)))
    }

    fn context_sizes(&self) -> BTreeSet<Size> {
        all_sizes(|u| (area(self.grid, self.enc_mask_scale, u), self.context_size(u)))
    }
}

/// Patches that a block should have: int(N * (lo + u * (hi - lo))).
fn area(grid: usize, [low, high]: [f64; 2], u: f64) -> f64 {
    ((grid * grid) as f64 * (low + u * (high - low))).trunc()
}

/// One u sets both scale and aspect. Never as large as the grid.
fn block_size(grid: usize, scale: [f64; 2], aspect: [f64; 2], u: f64) -> Size {
    let area = area(grid, scale, u);
    let aspect = aspect[0] + u * (aspect[1] - aspect[0]);
    let side = |x: f64| (x.sqrt().round_ties_even() as usize).min(grid.saturating_sub(1));
    (side(area * aspect), side(area / aspect))
}

/// Every size that some u in [0, 1) gives. Where the area is the same at both ends of a range of u, it is the same within,
/// so height only rises there and width only falls: equal ends mean that nothing changes between them.
fn all_sizes(at: impl Fn(f64) -> (f64, Size)) -> BTreeSet<Size> {
    let at = |k: u32| at(k as f64 / DRAWS as f64);
    let mut sizes = BTreeSet::new();
    let mut ranges = vec![(0, DRAWS - 1)];
    while let Some((first, last)) = ranges.pop() {
        sizes.insert(at(first).1);
        sizes.insert(at(last).1);
        if at(first) != at(last) && last - first > 1 {
            let middle = first + (last - first) / 2;
            ranges.extend([(first, middle), (middle, last)]);
        }
    }
    sizes
}

/// Sizes (height, width) of this batch's target and context blocks: the first and second draw of an MT19937 generator
/// seeded with the batch's number since the start of training, as in the reference with no loader workers.
pub fn block_sizes(config: &MaskConfig, batch_number: u64) -> (Size, Size) {
    let mut generator = rand_mt::Mt::new(batch_number as u32);
    let mut uniform = || (generator.next_u32() & (DRAWS - 1)) as f64 / DRAWS as f64;
    let target = config.target_size(uniform());
    (target, config.context_size(uniform()))
}

/// Upper bounds of K_e and K_p over everything that can be drawn. The bound of K_p is reached; typical K_e are far below
/// theirs (on a 16x16 grid 82 of 190), see [`longest`].
pub fn max_lengths(config: &MaskConfig) -> (usize, usize) {
    let targets = config.target_sizes();
    let k_target = targets.iter().map(|(h, w)| h * w).max().unwrap_or(0);
    let mut k_context = 0;
    for &(ch, cw) in &config.context_sizes() {
        for &(th, tw) in &targets {
            // Both kinds of block live in the first grid - 1 rows and columns: the last place is never drawn.
            let least = |c: usize, t: usize| (c + t).saturating_sub(config.grid - 1);
            let always_hidden = least(ch, th) * least(cw, tw);
            let most_hidden = ch.min(th) * cw.min(tw);
            let never_fully_relaxed = ch * cw - most_hidden > config.min_keep_context;
            let hidden = if !config.allow_overlap && never_fully_relaxed {
                always_hidden
            } else {
                0
            };
            k_context = k_context.max(ch * cw - hidden);
        }
    }
    (k_context, k_target)
}

/// The largest K_e and K_p among the given batches of a run: what a plan of memory can expect.
pub fn longest(config: &MaskConfig, seed: u64, batch: usize, batches: Range<u64>) -> (usize, usize) {
    batches.fold((0, 0), |(k_context, k_target), number| {
        let masks = sample(config, seed, number, batch);
        (k_context.max(masks.k_context), k_target.max(masks.k_target))
    })
}

#[derive(Clone, Copy)]
struct Block {
    top: usize,
    left: usize,
    height: usize,
    width: usize,
}

impl Block {
    /// The last possible place is never drawn, as in the reference.
    fn place(draw: &mut Draw, (height, width): Size, grid: usize) -> Self {
        Block {
            top: draw.below(grid - height),
            left: draw.below(grid - width),
            height,
            width,
        }
    }

    fn holds(&self, row: usize, col: usize) -> bool {
        (self.top..self.top + self.height).contains(&row) && (self.left..self.left + self.width).contains(&col)
    }

    /// Ascending patch indices of this block without those of `hidden`.
    fn patches(&self, grid: usize, hidden: &[Block]) -> Vec<u32> {
        let rows = self.top..self.top + self.height;
        let cells = rows.flat_map(|row| (self.left..self.left + self.width).map(move |col| (row, col)));
        cells
            .filter(|&(row, col)| !hidden.iter().any(|block| block.holds(row, col)))
            .map(|(row, col)| (row * grid + col) as u32)
            .collect()
    }
}

/// The masks of batch `batch_number` (since the start of training) with `batch` images: a pure function of its arguments.
/// For a configuration that [`MaskConfig::validate`] accepts.
pub fn sample(config: &MaskConfig, seed: u64, batch_number: u64, batch: usize) -> Masks {
    let (target_size, context_size) = block_sizes(config, batch_number);
    let mut draw = Draw::keyed("masks", seed, batch_number, 0);
    let mut targets = vec![Vec::new(); config.num_pred_masks * batch];
    let mut context = vec![Vec::new(); config.num_enc_masks * batch];
    for image in 0..batch {
        let mut blocks = Vec::with_capacity(config.num_pred_masks);
        for mask in 0..config.num_pred_masks {
            let block = Block::place(&mut draw, target_size, config.grid);
            targets[mask * batch + image] = block.patches(config.grid, &[]);
            blocks.push(block);
        }
        if config.allow_overlap {
            blocks.clear();
        }
        for mask in 0..config.num_enc_masks {
            context[mask * batch + image] = context_mask(config, &mut draw, context_size, &blocks);
        }
    }
    let (k_context, context) = cut(context);
    let (k_target, targets) = cut(targets);
    let (num_enc, num_pred) = (config.num_enc_masks, config.num_pred_masks);
    Masks {
        batch,
        num_enc,
        num_pred,
        k_context,
        k_target,
        context,
        targets,
    }
}

/// A context block without the targets; after every 20 rejections the last target still subtracted is let go.
fn context_mask(config: &MaskConfig, draw: &mut Draw, size: Size, targets: &[Block]) -> Vec<u32> {
    for subtracted in (0..=targets.len()).rev() {
        for _ in 0..PATIENCE {
            let kept = Block::place(draw, size, config.grid).patches(config.grid, &targets[..subtracted]);
            if kept.len() > config.min_keep_context {
                return kept;
            }
        }
    }
    // Only for a configuration that `validate` refuses: there the reference would loop for ever.
    Block::place(draw, size, config.grid).patches(config.grid, &[])
}

/// All masks cut to the shortest one's length, keeping the lowest indices.
fn cut(masks: Vec<Vec<u32>>) -> (usize, Vec<u32>) {
    let length = masks.iter().map(Vec::len).min().unwrap_or(0);
    let kept = masks.iter().flat_map(|mask| &mask[..length]).copied().collect();
    (length, kept)
}
