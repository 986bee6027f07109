//! ceiling: what an adapter can do at most: memory that is only copied, arithmetic that stays in registers, matrix units that are
//! fed from there. For benchmarks.

use super::fragments::{COUNTS, SHARED, shared};
use super::shape::{ITEMS, Item, LANES, each, expect};
use crate::gpu::{Access, Build, Cost, Grid, Kernel, Recorder, View, WIDTHS};
use crate::{Error, Result};

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

pub(super) static FRAGMENTS: Kernel = Kernel {
    name: "ceiling_fragments",
    source: include_str!("../../wgsl/ceiling_fragments.wgsl"),
    bindings: &[Access::Write],
    shared: &[SHARED],
    constants: &[("COUNT", COUNTS), ("WIDTH", &WIDTHS)],
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

/// Subgroups of a workgroup of [`fragments`].
const SUBGROUPS: usize = 4;

/// Multiplies `count` by `count` fragments `rounds` times by the device's matrix units, in each of four subgroups of each workgroup,
/// in f16 with sums in f32: y `[subgroups, side * side]` = the sum of them all, in each row the same. `a` and `b` scale what is
/// multiplied.
///
/// Errors: run, where the device has no matrix units that were found to compute right.
pub fn fragments(rec: &mut Recorder, y: &View, count: u32, rounds: u32, (a, b): (f32, f32)) -> Result<()> {
    let Some(units) = rec.gpu().units() else {
        return Err(Error::run("ceiling: the device has no matrix units"));
    };
    let side = units.side as usize;
    expect("ceiling", "y", y, y.rows / SUBGROUPS * SUBGROUPS, side * side)?;
    let params = Chain { rounds, a, b };
    let build = Build {
        shared: &[shared(units)],
        constants: &[("COUNT", count), ("WIDTH", units.width)],
    };
    let products = y.rows as f64 * f64::from(rounds) * f64::from(count * count);
    let cost = Cost::new(products * 2.0 * (side * side * side) as f64, y.len() as f64);
    let grid = Grid([(y.rows / SUBGROUPS) as u32, 1, 1]);
    rec.dispatch(&FRAGMENTS, &build, &params, &[y], grid, cost)
}
