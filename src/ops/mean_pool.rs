//! mean_pool: one vector for each sequence, the mean over its tokens, and the gradient that goes back to them.

use super::shape::{ITEMS, Item, LANES, each, expect};
use crate::gpu::{Access, Build, Cost, Grid, Kernel, Recorder, View};
use crate::{Error, Result};

pub(super) static FORWARD: Kernel = Kernel {
    name: "mean_pool",
    source: include_str!("../../wgsl/mean_pool.wgsl"),
    bindings: &[Access::Read, Access::Write],
    shared: &[ITEMS],
    constants: &[LANES],
};
pub(super) static BACKWARD: Kernel = Kernel {
    name: "mean_pool_backward",
    source: include_str!("../../wgsl/mean_pool_backward.wgsl"),
    bindings: &[Access::Read, Access::Write],
    shared: &[ITEMS],
    constants: &[LANES],
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    items: u32,
    tokens: u32,
    inverse: f32,
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct BackwardParams {
    count: u32,
    per_lane: u32,
    items: u32,
    tokens: u32,
    inverse: f32,
}

/// How many tokens each of y's rows is the mean of.
fn tokens(x: &View, y: &View) -> Result<usize> {
    let tokens = x.rows.checked_div(y.rows).unwrap_or(0);
    if tokens == 0 {
        return Err(Error::run(format!(
            "mean_pool: {} rows are no sequences of which {} means can be taken",
            x.rows, y.rows
        )));
    }
    expect("mean_pool", "x", x, y.rows * tokens, y.cols)?;
    Ok(tokens)
}

/// y `[B, C]` = the mean over the tokens of each sequence of x `[B * tokens, C]`.
pub fn forward(rec: &mut Recorder, x: &View, y: &View) -> Result<()> {
    let tokens = tokens(x, y)?;
    let (item, lanes) = (Item::of(&[x.cols]), rec.gpu().lanes());
    let params = Params {
        items: item.count(x.cols),
        tokens: tokens as u32,
        inverse: (1.0 / tokens as f64) as f32,
    };
    let build = Build {
        shared: &[item.shared()],
        constants: &[("LANES", lanes)],
    };
    let grid = Grid([params.items.div_ceil(lanes), y.rows as u32, 1]);
    rec.dispatch(&FORWARD, &build, &params, &[x, y], grid, cost(x.rows, x.cols))
}

/// dx `[B * tokens, C]` = the gradient of what `forward` saw, from dy `[B, C]`.
pub fn backward(rec: &mut Recorder, dy: &View, dx: &View) -> Result<()> {
    let tokens = tokens(dx, dy)?;
    let item = Item::of(&[dx.cols]);
    let each = each(rec.gpu().kind(), item.count(dx.len()));
    let params = BackwardParams {
        count: each.count,
        per_lane: each.per_lane,
        items: item.count(dx.cols),
        tokens: tokens as u32,
        inverse: (1.0 / tokens as f64) as f32,
    };
    let build = Build {
        shared: &[item.shared()],
        constants: &[("LANES", each.lanes)],
    };
    let cost = cost(dx.rows, dx.cols);
    rec.dispatch(&BACKWARD, &build, &params, &[dy, dx], each.grid, cost)
}

/// Of tokens `[rows, cols]`, either way.
pub fn cost(rows: usize, cols: usize) -> Cost {
    let values = rows as f64 * cols as f64;
    Cost::new(values, values)
}
