//! column_sum: sums over rows: gradients of biases and of the mask token, shares of layer norm's weights.

use super::shape::{ITEMS, Item, LANES, YES_OR_NO, expect};
use crate::Result;
use crate::gpu::{Access, Build, Cost, Grid, Kernel, Kind, MOST_WORKGROUPS, Recorder, View};

pub(super) static COLUMN_SUM: Kernel = Kernel {
    name: "column_sum",
    source: include_str!("../../wgsl/column_sum.wgsl"),
    bindings: &[Access::Read, Access::Write],
    shared: &[ITEMS],
    constants: &[LANES, ("ADD", YES_OR_NO)],
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    rows: u32,
    items: u32,
    rows_per_chunk: u32,
    stride: u32,
    offset: u32,
}

/// Rows that one lane adds up in the first stage, so that no number of rows makes too many chunks for a grid.
pub(crate) fn rows_per_chunk(kind: Kind, rows: usize) -> usize {
    let usual: usize = match kind {
        Kind::Software => 128,
        Kind::Hardware => 64,
    };
    usual.max(rows.div_ceil(MOST_WORKGROUPS))
}

/// y `[1, C]` = sum over the rows of x `[rows, C]`. `scratch` holds at least [`scratch`] values.
pub fn column_sum(rec: &mut Recorder, x: &View, y: &View, scratch: &View) -> Result<()> {
    sum(rec, x, y, scratch, false)
}

/// y `[1, C]` += where `add`, else =, as [`column_sum`] otherwise.
pub fn sum(rec: &mut Recorder, x: &View, y: &View, scratch: &View, add: bool) -> Result<()> {
    expect("column_sum", "y", y, 1, x.cols)?;
    let per_chunk = rows_per_chunk(rec.gpu().kind(), x.rows);
    let chunks = x.rows.div_ceil(per_chunk);
    if chunks <= 1 {
        return stage(rec, (x, 0), y, per_chunk, add);
    }
    let partial = scratch.shaped(chunks, x.cols)?;
    stage(rec, (x, 0), &partial, per_chunk, false)?;
    stage(rec, (&partial, 0), y, chunks, add)
}

/// Values of scratch memory that `column_sum` needs for `[rows, cols]`.
pub fn scratch(kind: Kind, rows: usize, cols: usize) -> usize {
    rows.div_ceil(rows_per_chunk(kind, rows)) * cols
}

/// y `[chunks, C]` += where `add`, else =: sums of `rows_per_chunk` rows of the columns `offset .. offset + C` of x.
pub(crate) fn stage(
    rec: &mut Recorder,
    (x, offset): (&View, usize),
    y: &View,
    rows_per_chunk: usize,
    add: bool,
) -> Result<()> {
    let rows_per_chunk = rows_per_chunk.max(1);
    let item = Item::of(&[x.cols, y.cols, offset]);
    let lanes = rec.gpu().lanes();
    let params = Params {
        rows: x.rows as u32,
        items: item.count(y.cols),
        rows_per_chunk: rows_per_chunk as u32,
        stride: item.count(x.cols),
        offset: item.count(offset),
    };
    let build = Build {
        shared: &[item.shared()],
        constants: &[("LANES", lanes), ("ADD", add.into())],
    };
    // No rows: one chunk all the same, so that the sums become 0.
    let chunks = x.rows.div_ceil(rows_per_chunk).max(1) as u32;
    let grid = Grid([params.items.div_ceil(lanes), chunks, 1]);
    rec.dispatch(&COLUMN_SUM, &build, &params, &[x, y], grid, cost(x.rows, y.cols))
}

/// Of the sums over `rows` of `cols` columns, the few partial sums aside.
pub fn cost(rows: usize, cols: usize) -> Cost {
    let values = rows as f64 * cols as f64;
    Cost::new(values, values)
}
