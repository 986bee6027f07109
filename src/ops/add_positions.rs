//! add_positions: the fixed sine/cosine embedding of each token's place.

use super::shape::{ITEMS, Item, LANES, each, expect};
use crate::Result;
use crate::gpu::{Access, Build, Cost, Kernel, Recorder, View};

pub(super) static ADD_POSITIONS: Kernel = Kernel {
    name: "add_positions",
    source: include_str!("../../wgsl/add_positions.wgsl"),
    bindings: &[Access::Read, Access::Read, Access::Write],
    shared: &[ITEMS],
    constants: &[LANES],
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    per_lane: u32,
    items: u32,
    patches: u32,
}

/// x `[rows, C]` += positions `[patches, C]` of each row's patch; `list` `[rows, 1]` u32 holds image * patches + patch.
pub fn add_positions(rec: &mut Recorder, positions: &View, list: &View, x: &View) -> Result<()> {
    expect("add_positions", "list", list, x.rows, 1)?;
    expect("add_positions", "positions", positions, positions.rows.max(1), x.cols)?;
    let item = Item::of(&[x.cols]);
    let each = each(rec.gpu().kind(), item.count(x.len()));
    let params = Params {
        count: each.count,
        per_lane: each.per_lane,
        items: item.count(x.cols),
        patches: positions.rows as u32,
    };
    let build = Build {
        shared: &[item.shared()],
        constants: &[("LANES", each.lanes)],
    };
    let cost = cost(x.rows, x.cols);
    rec.dispatch(&ADD_POSITIONS, &build, &params, &[positions, list, x], each.grid, cost)
}

/// Of x `[rows, cols]`.
pub fn cost(rows: usize, cols: usize) -> Cost {
    let values = rows as f64 * cols as f64;
    Cost::new(values, 3.0 * values)
}
