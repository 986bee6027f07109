//! layer_norm: over the features of each row, with weight and bias or without (the targets).

use super::column_sum;
use super::shape::{ITEMS, Item, LANES, ROWS, YES_OR_NO, expect, row_lanes};
use crate::Result;
use crate::gpu::{Access, Build, Cost, Grid, Kernel, Kind, Recorder, View};

pub(super) static FORWARD: Kernel = Kernel {
    name: "layer_norm",
    source: include_str!("../../wgsl/layer_norm.wgsl"),
    bindings: &[Access::Read, Access::Read, Access::Read, Access::Write, Access::Write],
    shared: &[ITEMS, ROWS],
    constants: &[("AFFINE", YES_OR_NO)],
};
pub(super) static BACKWARD: Kernel = Kernel {
    name: "layer_norm_backward",
    source: include_str!("../../wgsl/layer_norm_backward.wgsl"),
    bindings: &[Access::Read, Access::Read, Access::Read, Access::Read, Access::Write],
    shared: &[ITEMS, ROWS],
    constants: &[("ADD", YES_OR_NO)],
};
pub(super) static BACKWARD_WEIGHTS: Kernel = Kernel {
    name: "layer_norm_backward_weights",
    source: include_str!("../../wgsl/layer_norm_backward_weights.wgsl"),
    bindings: &[Access::Read, Access::Read, Access::Read, Access::Write],
    shared: &[ITEMS],
    constants: &[LANES],
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    rows: u32,
    items: u32,
    eps: f32,
    inverse: f32,
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct WeightParams {
    rows: u32,
    items: u32,
    rows_per_chunk: u32,
}

/// Weight and bias of a norm, `[1, C]` each; or their gradients.
#[derive(Clone, Debug)]
pub struct Affine {
    pub weight: View,
    pub bias: View,
}

/// y = layer_norm(x) * weight + bias; keeps `stats` `[rows, 2]` (mean, rstd) for `backward`. x, y `[rows, C]`.
pub fn forward(rec: &mut Recorder, x: &View, affine: Option<&Affine>, eps: f64, y: &View, stats: &View) -> Result<()> {
    expect("layer_norm", "y", y, x.rows, x.cols)?;
    expect("layer_norm", "stats", stats, x.rows, 2)?;
    if let Some(affine) = affine {
        expect("layer_norm", "weight", &affine.weight, 1, x.cols)?;
        expect("layer_norm", "bias", &affine.bias, 1, x.cols)?;
    }
    let (item, rows) = (Item::of(&[x.cols]), row_lanes(rec.gpu()));
    let build = Build {
        shared: &[item.shared(), rows.shared],
        constants: &[("AFFINE", affine.is_some().into())],
    };
    let params = params(x, item, eps);
    let (weight, bias) = affine.map_or((x, x), |a| (&a.weight, &a.bias));
    let views = [x, weight, bias, y, stats];
    rec.dispatch(
        &FORWARD,
        &build,
        &params,
        &views,
        Grid::linear(x.rows.div_ceil(rows.rows)),
        cost(x.rows, x.cols),
    )
}

fn params(x: &View, item: Item, eps: f64) -> Params {
    Params {
        rows: x.rows as u32,
        items: item.count(x.cols),
        eps: eps as f32,
        inverse: (1.0 / x.cols as f64) as f32,
    }
}

/// What `backward` starts from: the upstream gradient and what `forward` saw and saved.
pub struct Saved<'a> {
    pub dy: &'a View,
    pub x: &'a View,
    pub stats: &'a View,
}

/// dx `[rows, C]` += where `add` begins with true, else =; dweight, dbias `[1, C]` += where it ends so, else =. `scratch`
/// holds at least [`scratch`] values.
pub fn backward(
    rec: &mut Recorder,
    saved: Saved,
    weight: &View,
    dx: &View,
    add: [bool; 2],
    gradients: &Affine,
    scratch: &View,
) -> Result<()> {
    let Saved { dy, x, stats } = saved;
    for (name, view) in [("dy", dy), ("dx", dx)] {
        expect("layer_norm backward", name, view, x.rows, x.cols)?;
    }
    expect("layer_norm backward", "stats", stats, x.rows, 2)?;
    for (name, view) in [
        ("weight", weight),
        ("dweight", &gradients.weight),
        ("dbias", &gradients.bias),
    ] {
        expect("layer_norm backward", name, view, 1, x.cols)?;
    }
    let (item, rows, lanes) = (Item::of(&[x.cols]), row_lanes(rec.gpu()), rec.gpu().lanes());
    let build = Build {
        shared: &[item.shared(), rows.shared],
        constants: &[("ADD", add[0].into())],
    };
    let grid = Grid::linear(x.rows.div_ceil(rows.rows));
    rec.dispatch(
        &BACKWARD,
        &build,
        &params(x, item, 0.0),
        &[dy, x, weight, stats, dx],
        grid,
        backward_cost(x.rows, x.cols),
    )?;

    let per_chunk = column_sum::rows_per_chunk(rec.gpu().kind(), x.rows);
    let chunks = x.rows.div_ceil(per_chunk);
    let partial = scratch.shaped(chunks, 2 * x.cols)?;
    let build = Build {
        shared: &[item.shared()],
        constants: &[("LANES", lanes)],
    };
    let params = WeightParams {
        rows: x.rows as u32,
        items: item.count(x.cols),
        rows_per_chunk: per_chunk as u32,
    };
    let grid = Grid([params.items.div_ceil(lanes), chunks as u32, 1]);
    rec.dispatch(
        &BACKWARD_WEIGHTS,
        &build,
        &params,
        &[dy, x, stats, &partial],
        grid,
        backward_weights_cost(x.rows, x.cols),
    )?;
    column_sum::stage(rec, (&partial, 0), &gradients.weight, chunks, add[1])?;
    column_sum::stage(rec, (&partial, x.cols), &gradients.bias, chunks, add[1])
}

/// Of `forward` on `[rows, cols]`.
pub fn cost(rows: usize, cols: usize) -> Cost {
    let (rows, values) = (rows as f64, rows as f64 * cols as f64);
    Cost::new(8.0 * values, 2.0 * values + 2.0 * rows)
}

/// Of `backward`'s part for dx.
pub fn backward_cost(rows: usize, cols: usize) -> Cost {
    let values = rows as f64 * cols as f64;
    Cost::new(14.0 * values, 4.0 * values)
}

/// Of `backward`'s part for dweight and dbias, the sums over chunks aside.
pub fn backward_weights_cost(rows: usize, cols: usize) -> Cost {
    let values = rows as f64 * cols as f64;
    Cost::new(5.0 * values, 2.0 * values)
}

/// Values of scratch memory that `backward` needs for `[rows, cols]`.
pub fn scratch(kind: Kind, rows: usize, cols: usize) -> usize {
    2 * column_sum::scratch(kind, rows, cols)
}
