//! adamw: AdamW (Loshchilov & Hutter 2019) and the target's moving average in one pass.

use super::shape::{ITEMS, Item, LANES, YES_OR_NO, each, expect};
use crate::Result;
use crate::gpu::{Access, Build, Cost, Kernel, Recorder, View};

pub(super) static ADAMW: Kernel = Kernel {
    name: "adamw",
    source: include_str!("../../wgsl/adamw.wgsl"),
    bindings: &[
        Access::Read,
        Access::Read,
        Access::Write,
        Access::Write,
        Access::Write,
        Access::Write,
    ],
    shared: &[ITEMS],
    constants: &[LANES, ("EMA", YES_OR_NO)],
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    per_lane: u32,
    decay: f32,
    rate: f32,
    root: f32,
    momentum: f32,
    rest: f32,
}

/// What the schedules say for one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    pub lr: f64,
    /// Decoupled weight decay: 0 for norms and biases.
    pub wd: f64,
    /// EMA momentum m: target = m * target + (1 - m) * weight.
    pub momentum: f64,
    /// Steps taken so far, with this one: 1 at the first.
    pub t: u64,
}

/// One arena's tensors, all `[1, length]`.
pub struct Tensors<'a> {
    pub weights: &'a View,
    pub gradients: &'a View,
    pub mean: &'a View,
    pub square: &'a View,
    /// The target encoder's weights; `None` for the predictor, which has no target.
    pub target: Option<&'a View>,
}

/// Updates weights, moments and target in place, unless `control[0]` is set; gradients are scaled by `control[1]`.
/// Betas 0.9 and 0.999, eps 1e-8. Bias corrections are computed here in f64: drivers' `pow` is too coarse.
pub fn adamw(rec: &mut Recorder, step: Step, tensors: Tensors, control: &View) -> Result<()> {
    let Tensors {
        weights,
        gradients,
        mean,
        square,
        target,
    } = tensors;
    for (name, view) in [("gradients", gradients), ("mean", mean), ("square", square)] {
        expect("adamw", name, view, weights.rows, weights.cols)?;
    }
    if let Some(target) = target {
        expect("adamw", "target", target, weights.rows, weights.cols)?;
    }
    expect("adamw", "control", control, 1, control.len().max(2))?;
    let item = Item::of(&[weights.len()]);
    let each = each(rec.gpu().kind(), item.count(weights.len()));
    let params = Params {
        count: each.count,
        per_lane: each.per_lane,
        decay: (1.0 - step.lr * step.wd) as f32,
        rate: (step.lr / (1.0 - 0.9f64.powf(step.t as f64))) as f32,
        root: (1.0 / (1.0 - 0.999f64.powf(step.t as f64)).sqrt()) as f32,
        momentum: step.momentum as f32,
        rest: (1.0 - step.momentum) as f32,
    };
    let build = Build {
        shared: &[item.shared()],
        constants: &[("LANES", each.lanes), ("EMA", target.is_some().into())],
    };
    let unused = rec.gpu().unused()?;
    let views = [gradients, control, weights, mean, square, target.unwrap_or(&unused)];
    rec.dispatch(
        &ADAMW,
        &build,
        &params,
        &views,
        each.grid,
        cost(weights.len(), target.is_some()),
    )
}

/// Of `values` weights, with a target or without: each of them, its moments and its target read and written once.
pub fn cost(values: usize, target: bool) -> Cost {
    let each = if target { 9.0 } else { 7.0 };
    Cost::new(16.0 * values as f64, each * values as f64)
}
