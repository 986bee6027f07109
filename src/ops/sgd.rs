//! sgd: gradient descent with momentum (Sutskever et al. 2013, as PyTorch writes it), for heads side by side that have a
//! learning rate and a weight decay each.

use super::shape::{ITEMS, Item, LANES, each, expect};
use crate::gpu::{Access, Build, Cost, Kernel, Recorder, View};
use crate::{Error, Result};

pub(super) static SGD: Kernel = Kernel {
    name: "sgd",
    source: include_str!("../../wgsl/sgd.wgsl"),
    bindings: &[Access::Read, Access::Read, Access::Write, Access::Write],
    shared: &[ITEMS],
    constants: &[LANES],
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    per_lane: u32,
    head: u32,
    momentum: f32,
    schedule: f32,
    decays: f32,
}

/// What all heads of a step share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    pub momentum: f64,
    /// What the schedule multiplies every head's rate with.
    pub schedule: f64,
    /// Whether these values decay: weights do, biases don't.
    pub decays: bool,
}

/// weights = weights - schedule * rate * velocity, after velocity = momentum * velocity + gradient + decay * weights; both in
/// place, of one shape `[rows, cols]`. `settings` `[H, 2]` has each head's (rate, decay); the values of head h are the h-th of H
/// equal parts.
///
/// # Errors
/// Where the shapes don't fit, or the values are no H equal parts.
pub fn sgd(
    rec: &mut Recorder,
    step: Step,
    gradient: &View,
    settings: &View,
    weights: &View,
    velocity: &View,
) -> Result<()> {
    let heads = settings.rows;
    if heads == 0 || !weights.len().is_multiple_of(heads) {
        return Err(Error::run(format!(
            "sgd: {heads} heads can't share {} values equally",
            weights.len()
        )));
    }
    expect("sgd", "settings", settings, heads, 2)?;
    for (name, view) in [("gradient", gradient), ("velocity", velocity)] {
        expect("sgd", name, view, weights.rows, weights.cols)?;
    }
    let item = Item::of(&[weights.len() / heads]);
    let each = each(rec.gpu().kind(), item.count(weights.len()));
    let params = Params {
        count: each.count,
        per_lane: each.per_lane,
        head: item.count(weights.len() / heads),
        momentum: step.momentum as f32,
        schedule: step.schedule as f32,
        decays: f32::from(u8::from(step.decays)),
    };
    let build = Build {
        shared: &[item.shared()],
        constants: &[("LANES", each.lanes)],
    };
    let views = [gradient, settings, weights, velocity];
    rec.dispatch(&SGD, &build, &params, &views, each.grid, cost(weights.len()))
}

/// Of `values` weights: each with its velocity read and written once.
pub fn cost(values: usize) -> Cost {
    Cost::new(7.0 * values as f64, 5.0 * values as f64)
}
