//! gather: rows by index, and the gradient that goes back to them.

use super::shape::{EACH_ROW, ITEMS, Item, LANES, each_row, expect};
use crate::Result;
use crate::gpu::{Access, Build, Cost, Kernel, Recorder, View};

pub(super) static FORWARD: Kernel = Kernel {
    name: "gather",
    source: include_str!("../../wgsl/gather.wgsl"),
    bindings: &[Access::Read, Access::Read, Access::Write],
    shared: &[ITEMS],
    constants: &[LANES, EACH_ROW],
};
pub(super) static BACKWARD: Kernel = Kernel {
    name: "gather_backward",
    source: include_str!("../../wgsl/gather_backward.wgsl"),
    bindings: &[Access::Read, Access::Read, Access::Read, Access::Write],
    shared: &[ITEMS],
    constants: &[LANES, EACH_ROW],
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    rows: u32,
    per_group: u32,
    items: u32,
}

/// y `[rows, C]` = `x[list]`; `list` `[rows, 1]` u32.
pub fn forward(rec: &mut Recorder, x: &View, list: &View, y: &View) -> Result<()> {
    expect("gather", "list", list, y.rows, 1)?;
    expect("gather", "x", x, x.rows, y.cols)?;
    record(rec, &FORWARD, &[x, list, y], y)
}

/// dx `[rows, C]` = sums of the rows of dy that `forward` made from each row of x. `starts` `[rows + 1, 1]` and
/// `copies` are the list turned round by [`invert`].
pub fn backward(rec: &mut Recorder, dy: &View, starts: &View, copies: &View, dx: &View) -> Result<()> {
    expect("gather backward", "starts", starts, dx.rows + 1, 1)?;
    expect("gather backward", "dy", dy, dy.rows, dx.cols)?;
    record(rec, &BACKWARD, &[dy, starts, copies, dx], dx)
}

fn record(rec: &mut Recorder, kernel: &Kernel, views: &[&View], y: &View) -> Result<()> {
    let item = Item::of(&[y.cols]);
    let items = item.count(y.cols);
    let each = each_row(rec.gpu().kind(), y.rows, items);
    let params = Params {
        rows: y.rows as u32,
        per_group: each.per_group,
        items,
    };
    let build = Build {
        shared: &[item.shared()],
        constants: &[("LANES", rec.gpu().lanes()), ("ROW_LANES", each.row_lanes)],
    };
    rec.dispatch(kernel, &build, &params, views, each.grid, cost(y.rows, y.cols))
}

/// Of `forward` to `[rows, cols]`, and of `backward` from there, where each row was gathered once.
pub fn cost(rows: usize, cols: usize) -> Cost {
    Cost::new(0.0, 2.0 * rows as f64 * cols as f64)
}

/// Turns a list round: `copies[starts[r] .. starts[r + 1]]` are the places where `list` says r, ascending. What is
/// not below `rows` (a mask token's source, say) comes from no row.
pub fn invert(list: &[u32], rows: usize) -> (Vec<u32>, Vec<u32>) {
    let mut starts = vec![0u32; rows + 1];
    let kept = || list.iter().enumerate().filter(|&(_, &r)| (r as usize) < rows);
    for (_, &r) in kept() {
        starts[r as usize + 1] += 1;
    }
    for r in 0..rows {
        starts[r + 1] += starts[r];
    }
    let mut next = starts.clone();
    let mut copies = vec![0u32; starts[rows] as usize];
    for (place, &r) in kept() {
        copies[next[r as usize] as usize] = place as u32;
        next[r as usize] += 1;
    }
    (starts, copies)
}
