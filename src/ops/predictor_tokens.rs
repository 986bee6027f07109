//! predictor_tokens: the predictor's input, context tokens and mask tokens with their positions. Its gradient is
//! gather's (to the context tokens) and column_sum's (to the mask token).

use super::shape::{ITEMS, Item, LANES, each, expect};
use crate::Result;
use crate::gpu::{Access, Build, Cost, Kernel, Recorder, View};

pub(super) static PREDICTOR_TOKENS: Kernel = Kernel {
    name: "predictor_tokens",
    source: include_str!("../../wgsl/predictor_tokens.wgsl"),
    bindings: &[
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Write,
    ],
    shared: &[ITEMS],
    constants: &[LANES],
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    per_lane: u32,
    items: u32,
}

/// A source that is no row of the context: the mask token.
pub const MASK_TOKEN: u32 = u32::MAX;

/// Where each row of the predictor's input comes from: u32 `[rows, 1]` each.
pub struct Rows<'a> {
    /// A row of the context, or [`MASK_TOKEN`].
    pub source: &'a View,
    /// The patch whose position is added.
    pub place: &'a View,
}

/// y `[rows, P]` = (context `[any, P]` at source, or mask_token `[1, P]`) + positions `[patches, P]` at place.
pub fn forward(
    rec: &mut Recorder,
    context: &View,
    mask_token: &View,
    positions: &View,
    rows: Rows,
    y: &View,
) -> Result<()> {
    expect("predictor_tokens", "mask_token", mask_token, 1, y.cols)?;
    expect("predictor_tokens", "context", context, context.rows, y.cols)?;
    expect("predictor_tokens", "positions", positions, positions.rows, y.cols)?;
    expect("predictor_tokens", "source", rows.source, y.rows, 1)?;
    expect("predictor_tokens", "place", rows.place, y.rows, 1)?;
    let item = Item::of(&[y.cols]);
    let each = each(rec.gpu().kind(), item.count(y.len()));
    let params = Params {
        count: each.count,
        per_lane: each.per_lane,
        items: item.count(y.cols),
    };
    let build = Build {
        shared: &[item.shared()],
        constants: &[("LANES", each.lanes)],
    };
    let views = [context, mask_token, positions, rows.source, rows.place, y];
    rec.dispatch(
        &PREDICTOR_TOKENS,
        &build,
        &params,
        &views,
        each.grid,
        cost(y.rows, y.cols),
    )
}

/// Of y `[rows, cols]`.
pub fn cost(rows: usize, cols: usize) -> Cost {
    let values = rows as f64 * cols as f64;
    Cost::new(values, 3.0 * values)
}
