//! layer_norm: over the features of each row, with weight and bias or without (the targets).

use super::column_sum;
use super::shape::{ITEMS, Item, LANES, ROWS, YES_OR_NO, expect, row_lanes};
use crate::Result;
use crate::gpu::{Access, Build, Cost, Gpu, Grid, Kernel, Kind, Recorder, Shared, View};

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
pub(super) static SUBGROUP: Kernel = Kernel {
    name: "layer_norm_subgroup",
    source: include_str!("../../wgsl/layer_norm_subgroup.wgsl"),
    bindings: &[Access::Read, Access::Read, Access::Read, Access::Write, Access::Write],
    shared: &[&[SUBGROUP_ROW]],
    constants: &[SUBGROUP_LANES, MOST_ITEMS, ("TAIL", YES_OR_NO), ("AFFINE", YES_OR_NO)],
};
pub(super) static SUBGROUP_BACKWARD: Kernel = Kernel {
    name: "layer_norm_subgroup_backward",
    source: include_str!("../../wgsl/layer_norm_subgroup_backward.wgsl"),
    bindings: &[
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Write,
        Access::Write,
    ],
    shared: &[&[SUBGROUP_ROW]],
    constants: &[SUBGROUP_LANES, MOST_ITEMS, ("TAIL", YES_OR_NO), ("ADD", YES_OR_NO)],
};

const SUBGROUP_ROW: Shared = ("row_subgroup", include_str!("../../wgsl/shared/row_subgroup.wgsl"));
const SUBGROUP_LANES: (&str, &[u32]) = ("LANES", &[4, 8]);
/// vec4 of a row that a lane keeps in registers: with twice as many, compiling takes four times as long (6 and 11 s), and the rate is
/// hardly above that of the kernels without subgroups.
const MOST_ITEMS: (&str, &[u32]) = ("ITEMS", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
/// Rows of a workgroup of [`SUBGROUP`].
const SUBGROUP_ROWS: usize = 64;

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
struct SubgroupParams {
    rows: u32,
    items: u32,
    per_group: u32,
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
    let (weight, bias) = affine.map_or((x, x), |a| (&a.weight, &a.bias));
    let views = [x, weight, bias, y, stats];
    if let Some([lanes, items, tail]) = subgroup(rec.gpu(), x.cols) {
        let build = Build {
            shared: &[SUBGROUP_ROW],
            constants: &[lanes, items, tail, ("AFFINE", affine.is_some().into())],
        };
        let params = subgroup_params(x, SUBGROUP_ROWS, eps);
        let grid = Grid::linear(x.rows.div_ceil(SUBGROUP_ROWS));
        return rec.dispatch(&SUBGROUP, &build, &params, &views, grid, cost(x.rows, x.cols));
    }
    let (item, rows) = (Item::of(&[x.cols]), row_lanes(rec.gpu()));
    let build = Build {
        shared: &[item.shared(), rows.shared],
        constants: &[("AFFINE", affine.is_some().into())],
    };
    let params = params(x, item, eps);
    rec.dispatch(
        &FORWARD,
        &build,
        &params,
        &views,
        Grid::linear(x.rows.div_ceil(rows.rows)),
        cost(x.rows, x.cols),
    )
}

/// Whether rows of so many columns are kept in a subgroup's registers, by kernels of their own.
pub fn by_subgroup(gpu: &Gpu, cols: usize) -> bool {
    subgroup(gpu, cols).is_some()
}

/// The constants of these kernels, where this adapter has them.
fn subgroup(gpu: &Gpu, cols: usize) -> Option<[(&'static str, u32); 3]> {
    let lanes = match (gpu.kind(), gpu.variant(), gpu.subgroup_width()?) {
        (Kind::Hardware, ..) | (_, Some("any" | "tile"), _) => return None,
        (_, Some("quad"), 4..) | (_, _, 4) => 4,
        (_, _, 8) => 8,
        _ => return None,
    };
    let row = (cols / 4) as u32;
    let items = row.div_ceil(lanes);
    let (name, possible) = MOST_ITEMS;
    (cols.is_multiple_of(4) && possible.contains(&items)).then_some([
        ("LANES", lanes),
        (name, items),
        ("TAIL", (!row.is_multiple_of(lanes)).into()),
    ])
}

fn subgroup_params(x: &View, per_group: usize, eps: f64) -> SubgroupParams {
    SubgroupParams {
        rows: x.rows as u32,
        items: (x.cols / 4) as u32,
        per_group: per_group as u32,
        eps: eps as f32,
        inverse: (1.0 / x.cols as f64) as f32,
    }
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
    let per_chunk = column_sum::rows_per_chunk(rec.gpu().kind(), x.rows);
    let chunks = x.rows.div_ceil(per_chunk);
    let partial = scratch.shaped(chunks, 2 * x.cols)?;
    match subgroup(rec.gpu(), x.cols) {
        Some(constants) => backward_together(rec, &saved, weight, (dx, add[0]), (&partial, per_chunk), constants)?,
        None => backward_apart(rec, &saved, weight, (dx, add[0]), (&partial, per_chunk))?,
    }
    column_sum::stage(rec, (&partial, 0), &gradients.weight, chunks, add[1])?;
    column_sum::stage(rec, (&partial, x.cols), &gradients.bias, chunks, add[1])
}

/// Both parts in one kernel: dx, and the chunks' shares of dweight and dbias in `partial` `[chunks, 2 C]`.
fn backward_together(
    rec: &mut Recorder,
    Saved { dy, x, stats }: &Saved,
    weight: &View,
    (dx, add): (&View, bool),
    (partial, per_chunk): (&View, usize),
    [lanes, items, tail]: [(&'static str, u32); 3],
) -> Result<()> {
    let build = Build {
        shared: &[SUBGROUP_ROW],
        constants: &[lanes, items, tail, ("ADD", add.into())],
    };
    let params = subgroup_params(x, per_chunk, 0.0);
    let views = [dy, x, weight, stats, dx, partial];
    let grid = Grid([partial.rows as u32, 1, 1]); // no more than a grid has: column_sum::rows_per_chunk
    rec.dispatch(
        &SUBGROUP_BACKWARD,
        &build,
        &params,
        &views,
        grid,
        together_cost(x.rows, x.cols),
    )
}

/// The same in a kernel for each part.
fn backward_apart(
    rec: &mut Recorder,
    Saved { dy, x, stats }: &Saved,
    weight: &View,
    (dx, add): (&View, bool),
    (partial, per_chunk): (&View, usize),
) -> Result<()> {
    let (item, rows, lanes) = (Item::of(&[x.cols]), row_lanes(rec.gpu()), rec.gpu().lanes());
    let build = Build {
        shared: &[item.shared(), rows.shared],
        constants: &[("ADD", add.into())],
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

    let build = Build {
        shared: &[item.shared()],
        constants: &[("LANES", lanes)],
    };
    let params = WeightParams {
        rows: x.rows as u32,
        items: item.count(x.cols),
        rows_per_chunk: per_chunk as u32,
    };
    let grid = Grid([params.items.div_ceil(lanes), partial.rows as u32, 1]);
    rec.dispatch(
        &BACKWARD_WEIGHTS,
        &build,
        &params,
        &[dy, x, stats, partial],
        grid,
        backward_weights_cost(x.rows, x.cols),
    )
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

/// Of both parts in one kernel.
pub fn together_cost(rows: usize, cols: usize) -> Cost {
    let values = rows as f64 * cols as f64;
    Cost::new(17.0 * values, 4.0 * values)
}

/// Values of scratch memory that `backward` needs for `[rows, cols]`.
pub fn scratch(kind: Kind, rows: usize, cols: usize) -> usize {
    2 * column_sum::scratch(kind, rows, cols)
}
