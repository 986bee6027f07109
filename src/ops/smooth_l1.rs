//! smooth_l1: the loss between predictions and targets, and its gradient, in one pass.

use super::reduce::reduce;
use super::shape::{ITEMS, Item, LANES, each_sum, expect, most_partials};
use crate::Result;
use crate::gpu::{Access, Build, Cost, Kernel, Kind, Recorder, View};

pub(super) static SMOOTH_L1: Kernel = Kernel {
    name: "smooth_l1",
    source: include_str!("../../wgsl/smooth_l1.wgsl"),
    bindings: &[Access::Read, Access::Read, Access::Write, Access::Write],
    shared: &[ITEMS],
    constants: &[LANES],
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    per_lane: u32,
    inverse: f32,
}

/// `results[slot]` = mean smooth-L1 (beta 1) of prediction - target; gradient `[rows, C]` = its gradient with respect
/// to the prediction. `partial` is scratch of [`scratch`] values.
pub fn smooth_l1(
    rec: &mut Recorder,
    prediction: &View,
    target: &View,
    gradient: &View,
    partial: &View,
    results: &View,
    slot: usize,
) -> Result<()> {
    share(
        rec,
        [prediction, target, gradient],
        prediction.len(),
        partial,
        results,
        slot,
    )
}

/// These rows' share of a mean over `values` values: what [`smooth_l1`] gives for all rows is the sum of the shares.
pub fn share(
    rec: &mut Recorder,
    [prediction, target, gradient]: [&View; 3],
    values: usize,
    partial: &View,
    results: &View,
    slot: usize,
) -> Result<()> {
    expect("smooth_l1", "target", target, prediction.rows, prediction.cols)?;
    expect("smooth_l1", "gradient", gradient, prediction.rows, prediction.cols)?;
    let item = Item::of(&[prediction.cols]);
    let items = item.count(prediction.len());
    let each = each_sum(rec.gpu().kind(), items, items);
    let inverse = 1.0 / values as f64;
    let params = Params {
        count: each.count,
        per_lane: each.per_lane,
        inverse: inverse as f32,
    };
    let build = Build {
        shared: &[item.shared()],
        constants: &[("LANES", each.lanes)],
    };
    let count = each.partials();
    let partial = partial.shaped(1, count)?;
    rec.dispatch(
        &SMOOTH_L1,
        &build,
        &params,
        &[prediction, target, gradient, &partial],
        each.grid,
        cost(prediction.rows, prediction.cols),
    )?;
    reduce(rec, &partial, count, inverse, results, slot)
}

/// Of predictions `[rows, cols]`, loss and gradient.
pub fn cost(rows: usize, cols: usize) -> Cost {
    let values = rows as f64 * cols as f64;
    Cost::new(8.0 * values, 3.0 * values)
}

/// Values of scratch memory that `[rows, cols]` needs, and fewer rows.
pub fn scratch(kind: Kind, rows: usize, cols: usize) -> usize {
    most_partials(kind, rows * cols / Item::of(&[cols]).width())
}
