//! reduce: partial sums of the lanes of another kernel to one number, in one fixed order.

use crate::gpu::{Access, Build, Cost, Grid, Kernel, Recorder, View};
use crate::{Error, Result};

pub(super) static REDUCE: Kernel = Kernel {
    name: "reduce",
    source: include_str!("../../wgsl/reduce.wgsl"),
    bindings: &[Access::Read, Access::Write],
    shared: &[],
    constants: &[("LANES", &[64])],
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    slot: u32,
    factor: f32,
}

/// `results[slot]` = factor * (sum of the first `count` values of `partial`).
pub fn reduce(
    rec: &mut Recorder,
    partial: &View,
    count: usize,
    factor: f64,
    results: &View,
    slot: usize,
) -> Result<()> {
    if slot >= results.len() || count as u64 * 4 > partial.bytes() {
        return Err(Error::run(format!(
            "reduce: {count} partial sums into slot {slot} do not fit their views"
        )));
    }
    let params = Params {
        count: count as u32,
        slot: slot as u32,
        factor: factor as f32,
    };
    let build = Build {
        shared: &[],
        constants: &[("LANES", 64)],
    };
    rec.dispatch(
        &REDUCE,
        &build,
        &params,
        &[partial, results],
        Grid([1, 1, 1]),
        cost(count),
    )
}

/// Of `count` partial sums.
pub fn cost(count: usize) -> Cost {
    Cost::new(count as f64, count as f64)
}
