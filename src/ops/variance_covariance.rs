//! variance_covariance: the recipe's weak regularizer on the context encoder's output (VICReg, Bardes et al. 2022).

use super::column_sum::column_sum;
use super::matmul::{Epilogue, Form, product};
use super::reduce::reduce;
use super::shape::{ITEMS, Item, LANES, each, each_sum, expect, most_partials};
use crate::Result;
use crate::gpu::{Access, Build, Cost, Kernel, Kind, Recorder, View};

pub(super) static CENTER: Kernel = Kernel {
    name: "variance_covariance_center",
    source: include_str!("../../wgsl/variance_covariance_center.wgsl"),
    bindings: &[Access::Read, Access::Write],
    shared: &[ITEMS],
    constants: &[LANES],
};
pub(super) static TERMS: Kernel = Kernel {
    name: "variance_covariance",
    source: include_str!("../../wgsl/variance_covariance.wgsl"),
    bindings: &[Access::Read, Access::Write, Access::Write],
    shared: &[],
    constants: &[LANES],
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct CenterParams {
    count: u32,
    per_lane: u32,
    items: u32,
    inverse: f32,
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct TermParams {
    count: u32,
    per_lane: u32,
    width: u32,
    inverse: f32,
    variance_weight: f32,
    covariance_weight: f32,
}

/// Scratch memory: all of it is written before it is read.
pub struct Scratch<'a> {
    /// `[n, D]`
    pub centred: &'a View,
    /// `[1, D]`
    pub sums: &'a View,
    /// `[D, D]`
    pub products: &'a View,
    /// `[D, D]`
    pub g: &'a View,
    /// [`scratch`] values
    pub partial: &'a View,
}

/// `results[slot]` = a * mean_d max(0, 1 - sqrt(C_dd + 1e-4)) + b / D * sum_{i!=j} C_ij^2, with C the covariance of
/// z `[n, D]` (divisor n - 1); dz `[n, D]` += its gradient. `weights` = (a, b).
pub fn variance_covariance(
    rec: &mut Recorder,
    z: &View,
    weights: (f64, f64),
    dz: &View,
    scratch: Scratch,
    results: &View,
    slot: usize,
) -> Result<()> {
    rec.copy(z, scratch.centred)?;
    let (centred, g) = (scratch.centred, scratch.g);
    terms(rec, weights, scratch, results, slot)?;
    gradient(rec, centred, g, dz)
}

/// `results[slot]` = the terms of the z that `scratch.centred` `[n, D]` holds, which becomes z less its mean; `scratch.g`
/// is what [`gradient`] takes for all rows, or for some at a time.
pub fn terms(rec: &mut Recorder, weights: (f64, f64), scratch: Scratch, results: &View, slot: usize) -> Result<()> {
    let z = scratch.centred;
    let (n, width) = (z.rows, z.cols);
    for (name, view) in [("products", scratch.products), ("g", scratch.g)] {
        expect("variance_covariance", name, view, width, width)?;
    }
    let item = Item::of(&[width]);
    let lanes = each(rec.gpu().kind(), item.count(z.len()));
    let params = CenterParams {
        count: lanes.count,
        per_lane: lanes.per_lane,
        items: item.count(width),
        inverse: (1.0 / n as f64) as f32,
    };
    let build = Build {
        shared: &[item.shared()],
        constants: &[("LANES", lanes.lanes)],
    };
    // Twice: what rounding of the first mean leaves over would be the same for all rows, and add up over them in the
    // gradients of biases, where the exact sum is 0.
    for _ in 0..2 {
        column_sum(rec, scratch.centred, scratch.sums, scratch.partial)?;
        let views = [scratch.sums, scratch.centred];
        rec.dispatch(&CENTER, &build, &params, &views, lanes.grid, center_cost(n, width))?;
    }
    product(
        rec,
        Form::Tn,
        scratch.centred,
        scratch.centred,
        scratch.products,
        Epilogue::Plain,
    )?;

    let values = (width * width) as u32;
    let lanes = each_sum(rec.gpu().kind(), values, values);
    let count = lanes.partials();
    let partial = scratch.partial.shaped(1, count)?;
    let params = TermParams {
        count: lanes.count,
        per_lane: lanes.per_lane,
        width: width as u32,
        // One token has no variance; the reference divides by n - 1, too, and gets NaN.
        inverse: (1.0 / (n as f64 - 1.0)) as f32,
        variance_weight: (weights.0 / width as f64) as f32,
        covariance_weight: (weights.1 / width as f64) as f32,
    };
    let build = Build {
        shared: &[],
        constants: &[("LANES", lanes.lanes)],
    };
    rec.dispatch(
        &TERMS,
        &build,
        &params,
        &[scratch.products, scratch.g, &partial],
        lanes.grid,
        terms_cost(width),
    )?;
    reduce(rec, &partial, count, 1.0, results, slot)
}

/// dz `[rows, D]` += the gradient of the terms with respect to rows of z, of which `centred` `[rows, D]` are the centred ones.
pub fn gradient(rec: &mut Recorder, centred: &View, g: &View, dz: &View) -> Result<()> {
    expect("variance_covariance", "dz", dz, centred.rows, centred.cols)?;
    product(rec, Form::Nn, centred, g, dz, Epilogue::Accumulate)
}

/// Of taking the mean off z `[n, width]`, once.
pub fn center_cost(n: usize, width: usize) -> Cost {
    let values = n as f64 * width as f64;
    Cost::new(values, 2.0 * values)
}

/// Of both terms and their gradients, from the covariance `[width, width]`; the two products beside it are matmul's.
pub fn terms_cost(width: usize) -> Cost {
    let values = width as f64 * width as f64;
    Cost::new(6.0 * values, 2.0 * values)
}

/// Values of `Scratch::partial` that z `[n, D]` needs.
pub fn scratch(kind: Kind, n: usize, width: usize) -> usize {
    super::column_sum::scratch(kind, n, width).max(most_partials(kind, width * width))
}
