//! drop_path: residual branches that are left out for some sequences of a batch (stochastic depth, Huang et al. 2016).

use super::shape::{ITEMS, Item, LANES, YES_OR_NO, each, expect};
use crate::gpu::{Access, Build, Cost, Kernel, Recorder, View};
use crate::{Error, Result};

pub(super) static DROP_PATH: Kernel = Kernel {
    name: "drop_path",
    source: include_str!("../../wgsl/drop_path.wgsl"),
    bindings: &[Access::Read, Access::Read, Access::Read, Access::Write],
    shared: &[ITEMS],
    constants: &[LANES, ("ADD", YES_OR_NO)],
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    per_lane: u32,
    items: u32,
    tokens: u32,
}

/// y `[B * tokens, C]` = shortcut + scale * branch, with the scale of each sequence: `scales` `[B, 1]` has 0 where the branch
/// is dropped, and 1 / (1 - p) where it is kept with probability 1 - p.
pub fn forward(rec: &mut Recorder, branch: &View, scales: &View, shortcut: &View, y: &View) -> Result<()> {
    expect("drop_path", "shortcut", shortcut, branch.rows, branch.cols)?;
    record(rec, branch, scales, Some(shortcut), y)
}

/// The branch's gradient `[B * tokens, C]` = scale * dy.
pub fn backward(rec: &mut Recorder, dy: &View, scales: &View, dbranch: &View) -> Result<()> {
    record(rec, dy, scales, None, dbranch)
}

fn record(rec: &mut Recorder, x: &View, scales: &View, shortcut: Option<&View>, y: &View) -> Result<()> {
    expect("drop_path", "y", y, x.rows, x.cols)?;
    let sequences = scales.rows.max(1);
    if !x.rows.is_multiple_of(sequences) || scales.cols != 1 {
        return Err(Error::run(format!(
            "drop_path: scales [{}, {}] for {} rows: one for each sequence is wanted",
            scales.rows, scales.cols, x.rows
        )));
    }
    let item = Item::of(&[x.cols]);
    let each = each(rec.gpu().kind(), item.count(x.len()));
    let params = Params {
        count: each.count,
        per_lane: each.per_lane,
        items: item.count(x.cols),
        tokens: (x.rows / sequences) as u32,
    };
    let build = Build {
        shared: &[item.shared()],
        constants: &[("LANES", each.lanes), ("ADD", shortcut.is_some().into())],
    };
    let ones = rec.gpu().ones()?;
    let cost = cost(x.rows, x.cols, shortcut.is_some());
    let views = [x, scales, shortcut.unwrap_or(&ones), y];
    rec.dispatch(&DROP_PATH, &build, &params, &views, each.grid, cost)
}

/// Of `[rows, cols]`, with a shortcut or without.
pub fn cost(rows: usize, cols: usize, shortcut: bool) -> Cost {
    let values = rows as f64 * cols as f64;
    match shortcut {
        true => Cost::new(2.0 * values, 3.0 * values),
        false => Cost::new(values, 2.0 * values),
    }
}
