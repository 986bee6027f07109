//! ceiling: what an adapter can do at most: memory that is only copied, arithmetic that stays in registers. For benchmarks.

use super::shape::{ITEMS, Item, LANES, each, expect};
use crate::Result;
use crate::gpu::{Access, Build, Cost, Grid, Kernel, Recorder, View};

pub(super) static COPY: Kernel = Kernel {
    name: "ceiling_copy",
    source: include_str!("../../wgsl/ceiling_copy.wgsl"),
    bindings: &[Access::Read, Access::Write],
    shared: &[ITEMS],
    constants: &[LANES],
};
pub(super) static ARITHMETIC: Kernel = Kernel {
    name: "ceiling_arithmetic",
    source: include_str!("../../wgsl/ceiling_arithmetic.wgsl"),
    bindings: &[Access::Write],
    shared: &[],
    constants: &[LANES],
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Count {
    count: u32,
    per_lane: u32,
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Chain {
    rounds: u32,
    a: f32,
    b: f32,
}

/// y = x, of one shape.
pub fn copy(rec: &mut Recorder, x: &View, y: &View) -> Result<()> {
    expect("ceiling", "y", y, x.rows, x.cols)?;
    let item = Item::of(&[x.len()]);
    let each = each(rec.gpu().kind(), item.count(x.len()));
    let params = Count {
        count: each.count,
        per_lane: each.per_lane,
    };
    let build = Build {
        shared: &[item.shared()],
        constants: &[("LANES", each.lanes)],
    };
    let cost = Cost::new(0.0, 2.0 * x.len() as f64);
    rec.dispatch(&COPY, &build, &params, &[x, y], each.grid, cost)
}

/// Products and sums of a lane in one round: four vec4, eight times.
const OPERATIONS: f64 = 2.0 * 16.0 * 8.0;

/// Runs `rounds` of x = x * a + b in each lane of `y`'s rows, sixteen chains at once; y `[lanes, 4]` = their sums. Lanes
/// beyond the last whole workgroup are left out.
pub fn arithmetic(rec: &mut Recorder, y: &View, rounds: u32, (a, b): (f32, f32)) -> Result<()> {
    let lanes = rec.gpu().lanes() as usize;
    expect("ceiling", "y", y, y.rows, 4)?;
    let groups = y.rows / lanes;
    let params = Chain { rounds, a, b };
    let build = Build {
        shared: &[],
        constants: &[("LANES", lanes as u32)],
    };
    let cost = Cost::new(
        (groups * lanes) as f64 * f64::from(rounds) * OPERATIONS,
        4.0 * y.rows as f64,
    );
    rec.dispatch(&ARITHMETIC, &build, &params, &[y], Grid([groups as u32, 1, 1]), cost)
}
