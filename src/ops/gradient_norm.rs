//! gradient_norm: the norm of all gradients, whether a step may change weights, and by how much gradients are clipped.

use super::reduce::reduce;
use super::shape::{ITEMS, Item, LANES, each_sum, expect, most_partials};
use crate::gpu::{Access, Build, Cost, Grid, Kernel, Kind, Recorder, View};
use crate::{Error, Result};

pub(super) static SQUARES: Kernel = Kernel {
    name: "gradient_norm",
    source: include_str!("../../wgsl/gradient_norm.wgsl"),
    bindings: &[Access::Read, Access::Write],
    shared: &[ITEMS],
    constants: &[LANES],
};
pub(super) static CHECK: Kernel = Kernel {
    name: "gradient_norm_check",
    source: include_str!("../../wgsl/gradient_norm_check.wgsl"),
    bindings: &[Access::Read, Access::Write],
    shared: &[],
    constants: &[],
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    per_lane: u32,
    first: u32,
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct CheckParams {
    loss_slot: u32,
    norm_slot: u32,
    clip: f32,
}

/// `results[slot]` = the sum of squares over all `gradients`. `partial` is scratch of [`scratch`] values for them.
pub fn sum_of_squares(
    rec: &mut Recorder,
    gradients: &[&View],
    partial: &View,
    results: &View,
    slot: usize,
) -> Result<()> {
    let mut first = 0;
    let all = gradients.iter().map(|g| items(g.len())).sum();
    for g in gradients {
        let item = Item::of(&[g.len()]);
        let each = each_sum(rec.gpu().kind(), items(g.len()), all);
        let params = Params {
            count: each.count,
            per_lane: each.per_lane,
            first,
        };
        let build = Build {
            shared: &[item.shared()],
            constants: &[("LANES", each.lanes)],
        };
        partial.shaped(1, first as usize + each.partials())?;
        rec.dispatch(&SQUARES, &build, &params, &[g, partial], each.grid, cost(g.len()))?;
        first += each.partials() as u32;
    }
    reduce(rec, partial, first as usize, 1.0, results, slot)
}

/// Of `values` gradients.
pub fn cost(values: usize) -> Cost {
    Cost::new(2.0 * values as f64, values as f64)
}

fn items(length: usize) -> u32 {
    Item::of(&[length]).count(length)
}

/// Values of scratch memory that so many gradients, of `values` values together, need.
pub fn scratch(kind: Kind, gradients: usize, values: usize) -> usize {
    most_partials(kind, values) + gradients * kind.lanes() as usize
}

/// control `[1, 2 or more]`: `[0]` becomes 1 (and stays so) where the loss, the regularizer after it or the sum of squares in
/// results is not finite; `[1]` = the factor that brings the norm down to `clip`, or 1 where `clip` is `None`.
pub fn check(
    rec: &mut Recorder,
    results: &View,
    loss_slot: usize,
    norm_slot: usize,
    clip: Option<f64>,
    control: &View,
) -> Result<()> {
    expect("gradient_norm", "control", control, 1, control.len().max(2))?;
    if loss_slot + 1 >= results.len() || norm_slot >= results.len() {
        return Err(Error::run(format!(
            "gradient_norm: slots {loss_slot}, {} and {norm_slot} asked of {} results",
            loss_slot + 1,
            results.len()
        )));
    }
    let params = CheckParams {
        loss_slot: loss_slot as u32,
        norm_slot: norm_slot as u32,
        clip: clip.unwrap_or(0.0) as f32,
    };
    rec.dispatch(
        &CHECK,
        &Build::default(),
        &params,
        &[results, control],
        Grid([1, 1, 1]),
        Cost::new(4.0, 8.0),
    )
}
