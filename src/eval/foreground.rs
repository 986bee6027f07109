//! Patch features as colours with the background taken away first, as DINOv2's pictures are made (Oquab et al. 2023, section
//! 7.5): a first principal component of all patches splits fore- from background, and three components of the foreground alone
//! become red, green and blue.
//!
//! A component has no sign of its own. The side on which the patches at the border of the images lie is the background.

use super::pca::{self, Axes};
use super::samples::Features;
use crate::Result;
use crate::model::config::Grid;

/// The share of the foreground that may lie beyond either end of a colour's scale: single patches stretch no scale.
pub const BEYOND: f64 = 0.02;
/// Fewer patches have no three components of their own.
const LEAST: usize = 8;

/// What the first component says of each patch.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// The first component, in deviations from the mean of all patches; the foreground is above. One for each patch.
    pub first: Vec<f64>,
    /// Whether a patch belongs to the foreground.
    pub inside: Vec<bool>,
}

impl Split {
    /// Patches of the foreground.
    pub fn count(&self) -> usize {
        self.inside.iter().filter(|inside| **inside).count()
    }
}

/// Splits the patches `tokens` `[patches, D]` of images with these grids, one after the other, at `threshold` deviations of the
/// first component (0: at its mean).
pub fn split(tokens: &Features, grids: &[Grid], threshold: f64) -> Split {
    let axes = pca::axes(tokens);
    let mut first = pca::along(tokens, &axes[..1]).concat();
    let (mut border, mut middle) = ((0.0, 0usize), (0.0, 0usize));
    for (edge, value) in grids.iter().flat_map(|grid| edges(*grid)).zip(&first) {
        let sum = if edge { &mut border } else { &mut middle };
        *sum = (sum.0 + value, sum.1 + 1);
    }
    let mean = |(sum, count): (f64, usize)| sum / count.max(1) as f64;
    let deviation = (first.iter().map(|value| value * value).sum::<f64>() / first.len() as f64).sqrt();
    let sign = if mean(border) > mean(middle) { -1.0 } else { 1.0 };
    let scale = if deviation > 0.0 { sign / deviation } else { 0.0 };
    first.iter_mut().for_each(|value| *value *= scale);
    let inside = first.iter().map(|value| *value > threshold).collect();
    Split { first, inside }
}

/// Whether each patch of a grid lies at its edge.
fn edges(grid: Grid) -> impl Iterator<Item = bool> {
    let outer = |at: usize, count: usize| at == 0 || at + 1 == count;
    (0..grid.patches()).map(move |patch| {
        let (row, column) = (patch / grid.columns, patch % grid.columns);
        outer(row, grid.rows) || outer(column, grid.columns)
    })
}

/// One colour for each patch: of the foreground's three components, each stretched between its own ends but for [`BEYOND`];
/// `None` for the background. Everything is foreground where there is too little of it, and then the answer says so.
///
/// Errors: run, where features are not finite.
pub fn colours(tokens: &Features, split: &Split) -> Result<(Vec<Option<[u8; 3]>>, bool)> {
    let whole = split.count() < LEAST;
    let inside = |patch: usize| whole || split.inside[patch];
    let kept: Vec<usize> = (0..tokens.len()).filter(|&patch| inside(patch)).collect();
    let values = kept.iter().flat_map(|&patch| tokens.row(patch)).copied().collect();
    let kept_tokens = Features::new(values, tokens.dims())?;
    let axes: Axes = pca::axes(&kept_tokens);
    let channels: Vec<Vec<u8>> = pca::along(&kept_tokens, &axes)
        .iter()
        .map(|one| stretched(one))
        .collect();
    let mut colours = vec![None; tokens.len()];
    for (at, &patch) in kept.iter().enumerate() {
        let channel = |which: usize| channels.get(which).map_or(128, |values| values[at]);
        colours[patch] = Some([channel(0), channel(1), channel(2)]);
    }
    Ok((colours, whole))
}

/// Values as bytes between two of their own quantiles; mid-grey where there is no spread.
fn stretched(values: &[f64]) -> Vec<u8> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| sorted[(share * (sorted.len() - 1) as f64).round() as usize];
    let (low, high) = (at(BEYOND), at(1.0 - BEYOND));
    let byte = |value: &f64| match high > low {
        true => (((value - low) / (high - low)).clamp(0.0, 1.0) * 255.0).round() as u8,
        false => 128,
    };
    values.iter().map(byte).collect()
}
