//! largest: by which power of two a gradient is multiplied before it is cast to f16, whose numbers end at 6e-8 and 65,504.

use super::shape::{ITEMS, Item, LANES, each_sum, expect, most_partials};
use crate::Result;
use crate::gpu::{Access, Build, Cost, Grid, Kernel, Kind, Recorder, View};

pub(super) static LARGEST: Kernel = Kernel {
    name: "largest",
    source: include_str!("../../wgsl/largest.wgsl"),
    bindings: &[Access::Read, Access::Write],
    shared: &[ITEMS],
    constants: &[LANES],
};
pub(super) static FACTORS: Kernel = Kernel {
    name: "largest_factors",
    source: include_str!("../../wgsl/largest_factors.wgsl"),
    bindings: &[Access::Read, Access::Write],
    shared: &[],
    constants: &[("LANES", &[64])],
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    per_lane: u32,
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct FactorsParams {
    count: u32,
}

/// Values of `factors`: the inverse four times, the factor four times.
pub const FACTORS_LEN: usize = 8;

/// factors `[1, 8]` = a power of two's inverse (four times) and itself (four times): x `[R, C]` times that power has its
/// largest value between 2^14 and 2^15. `partial` is scratch of [`scratch`] values.
pub fn factors(rec: &mut Recorder, x: &View, partial: &View, factors: &View) -> Result<()> {
    expect("largest", "factors", factors, 1, FACTORS_LEN)?;
    let item = Item::of(&[x.len()]);
    let items = item.count(x.len());
    let each = each_sum(rec.gpu().kind(), items, items);
    let params = Params {
        count: each.count,
        per_lane: each.per_lane,
    };
    let build = Build {
        shared: &[item.shared()],
        constants: &[("LANES", each.lanes)],
    };
    let count = each.partials();
    let partial = partial.shaped(1, count)?;
    let cost = Cost::new(x.len() as f64, x.len() as f64);
    rec.dispatch(&LARGEST, &build, &params, &[x, &partial], each.grid, cost)?;
    let params = FactorsParams { count: count as u32 };
    let build = Build {
        shared: &[],
        constants: &[("LANES", 64)],
    };
    let cost = Cost::new(count as f64, count as f64);
    rec.dispatch(&FACTORS, &build, &params, &[&partial, factors], Grid([1, 1, 1]), cost)
}

/// Values of scratch memory that a matrix of so many values needs, and smaller ones.
pub fn scratch(kind: Kind, values: usize) -> usize {
    most_partials(kind, values)
}
