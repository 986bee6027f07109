//! cross_entropy: the loss of a classifier with hard or soft targets (Szegedy et al. 2016 for smoothed ones), and its
//! gradient, in one pass.

use super::shape::{ITEMS, Item, ROWS, expect, row_lanes};
use crate::gpu::{Access, Build, Cost, Grid, Kernel, Recorder, View};
use crate::{Error, Result};

pub(super) static CROSS_ENTROPY: Kernel = Kernel {
    name: "cross_entropy",
    source: include_str!("../../wgsl/cross_entropy.wgsl"),
    bindings: &[Access::Read, Access::Read, Access::Write, Access::Write],
    shared: &[ITEMS, ROWS],
    constants: &[],
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    rows: u32,
    items: u32,
    heads: u32,
    scale: f32,
}

/// losses `[R, 1]` = `-sum_c t_c log softmax(z)_c` of each row of logits `[R, C]`; gradient `[R, C]` = (softmax - t) * scale.
///
/// targets t `[R / G, C]` are probabilities; G rows of logits in turn share one of theirs, so that G heads side by side
/// (logits `[B, G * C]`, seen as `[B * G, C]`) are trained together; G = 1 for one head. `scale` is 1 / B for the gradient
/// of a mean over B images. The mean itself is [`super::reduce::reduce`] of the losses. A row of targets that is all 0
/// counts for nothing: loss and gradient 0.
///
/// # Errors
/// Where the shapes don't fit, or R is no multiple of the targets' rows.
pub fn cross_entropy(
    rec: &mut Recorder,
    logits: &View,
    targets: &View,
    scale: f64,
    losses: &View,
    gradient: &View,
) -> Result<()> {
    let View { rows, cols, .. } = *logits;
    if targets.rows == 0 || cols == 0 || !rows.is_multiple_of(targets.rows) {
        return Err(Error::run(format!(
            "cross_entropy: {} rows of targets do not divide the {rows} rows [{rows}, {cols}] of logits",
            targets.rows
        )));
    }
    expect("cross_entropy", "targets", targets, targets.rows, cols)?;
    expect("cross_entropy", "losses", losses, rows, 1)?;
    expect("cross_entropy", "gradient", gradient, rows, cols)?;
    let (item, lanes) = (Item::of(&[cols]), row_lanes(rec.gpu()));
    let params = Params {
        rows: rows as u32,
        items: item.count(cols),
        heads: (rows / targets.rows) as u32,
        scale: scale as f32,
    };
    let build = Build {
        shared: &[item.shared(), lanes.shared],
        constants: &[],
    };
    rec.dispatch(
        &CROSS_ENTROPY,
        &build,
        &params,
        &[logits, targets, losses, gradient],
        Grid::linear(rows.div_ceil(lanes.rows)),
        cost(rows, cols, targets.rows),
    )
}

/// Of logits `[rows, cols]` with `targets` rows of targets.
pub fn cost(rows: usize, cols: usize, targets: usize) -> Cost {
    let [rows, cols, targets] = [rows, cols, targets].map(|size| size as f64);
    Cost::new(10.0 * rows * cols, 2.0 * rows * cols + targets * cols + rows)
}
