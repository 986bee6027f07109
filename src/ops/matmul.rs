//! matmul: C = A·B, A·Bᵀ or Aᵀ·B, one matrix or a batch, with what follows a linear layer fused at the store.

use super::shape::{Item, LANES, SCALAR, VEC4, YES_OR_NO, expect};
use super::tiles::{self, TILES, WAYS, Way};
use crate::gpu::{Access, Build, Cost, Gpu, Grid, Kernel, Kind, MOST_WORKGROUPS, Recorder, Shared, View};
use crate::{Error, Result};

/// How A and B lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A `[M, K]`, B `[K, N]`: the gradient of a linear layer's input.
    Nn = 0,
    /// A `[M, K]`, B `[N, K]`: a linear layer (weights are `[out, in]`).
    Nt = 1,
    /// A `[K, M]`, B `[K, N]`: the gradient of a linear layer's weight.
    Tn = 2,
}

/// What becomes of a sum before it is stored.
#[derive(Clone, Copy)]
pub enum Epilogue<'a> {
    /// c = sum
    Plain,
    /// c = sum + bias; bias `[1, N]`
    Bias(&'a View),
    /// pre = sum + bias, c = gelu(pre); pre `[M, N]` is kept where a gradient will ask for it
    BiasGelu { bias: &'a View, pre: Option<&'a View> },
    /// c = x + sum + bias; x `[M, N]`
    BiasResidual { bias: &'a View, x: &'a View },
    /// c = sum * gelu'(pre); pre `[M, N]`
    GeluBackward { pre: &'a View },
    /// c += sum
    Accumulate,
}

/// Kernels of the same sums for adapters of different kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// One sum a lane; any shape, any adapter.
    Any,
    /// Tiles in workgroup memory; any shape, for GPUs.
    Tile,
    /// Subgroups of exactly 8 that pass A round; for drivers that run shaders on the processor.
    Broadcast,
    /// Quads of lanes that pass B round; for such drivers with subgroups of 4, as browsers have.
    Quad,
}

impl Variant {
    /// The word that `--variant` takes.
    pub fn name(self) -> &'static str {
        match self {
            Variant::Any => "any",
            Variant::Tile => "tile",
            Variant::Broadcast => "broadcast",
            Variant::Quad => "quad",
        }
    }
}

/// Where the matrices of a batch lie in a view, in values: number z starts at
/// `offset + (z / inner) * outer + (z % inner) * inner_stride`, its rows are `row` apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub offset: usize,
    pub row: usize,
    pub outer: usize,
    pub inner: usize,
}

/// A batch of products of one size. `inner` matrices (heads) per outer step (image).
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    pub count: usize,
    pub inner: usize,
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub a: Place,
    pub b: Place,
    pub c: Place,
}

pub(super) const GELU: Shared = ("gelu", include_str!("../../wgsl/shared/gelu.wgsl"));
pub(super) const SHARED: Shared = ("matmul", include_str!("../../wgsl/shared/matmul.wgsl"));

/// What all variants have: a, b, bias; c and the tensor beside it; and what is written in front of them.
pub(super) const BINDINGS: &[Access] = &[Access::Read, Access::Read, Access::Read, Access::Write, Access::Write];
const BY_ONE: &[&[Shared]] = &[&[SCALAR], &[GELU], &[SHARED]];
const BY_FOUR: &[&[Shared]] = &[&[VEC4], &[GELU], &[SHARED]];
pub(super) const EPILOGUE: (&str, &[u32]) = ("EPILOGUE", &[0, 1, 2, 3, 4, 5, 6]);

pub(super) static ANY: Kernel = Kernel {
    name: "matmul_any",
    source: include_str!("../../wgsl/matmul_any.wgsl"),
    bindings: BINDINGS,
    shared: BY_ONE,
    constants: &[("FORM", &[0, 1, 2]), EPILOGUE, LANES],
};
pub(super) static BROADCAST: Kernel = Kernel {
    name: "matmul_broadcast",
    source: include_str!("../../wgsl/matmul_broadcast.wgsl"),
    bindings: BINDINGS,
    shared: BY_FOUR,
    constants: &[
        ("FORM", &[0, 1]),
        EPILOGUE,
        ("FIXED_N", &[]),
        ("FIXED_K", &[]),
        ("TAIL", YES_OR_NO),
    ],
};
pub(super) static BROADCAST_TN: Kernel = Kernel {
    name: "matmul_broadcast_tn",
    source: include_str!("../../wgsl/matmul_broadcast_tn.wgsl"),
    bindings: BINDINGS,
    shared: BY_FOUR,
    constants: &[
        ("FORM", &[2]),
        EPILOGUE,
        ("FIXED_M", &[]),
        ("FIXED_N", &[]),
        ("TAIL", YES_OR_NO),
    ],
};

pub(super) static QUAD: Kernel = Kernel {
    name: "matmul_quad",
    source: include_str!("../../wgsl/matmul_quad.wgsl"),
    bindings: BINDINGS,
    shared: BY_FOUR,
    constants: &[("FORM", &[0, 1, 2]), EPILOGUE],
};

/// Weights of this many values and more get pipelines with their sizes as constants: a sixth faster on the software
/// driver, but each costs a fraction of a second to compile.
const WORTH_CONSTANTS: usize = 100_000;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    m: u32,
    n: u32,
    k: u32,
    inner: u32,
    a: [u32; 4],
    b: [u32; 4],
    c: [u32; 4],
}

/// One product of packed matrices: a, b, c as `form` says, with an epilogue.
pub fn product(rec: &mut Recorder, form: Form, a: &View, b: &View, c: &View, epilogue: Epilogue) -> Result<()> {
    let (m, n, k) = check(form, a, b, c)?;
    let way = way(rec.gpu(), form, m, n, k);
    record(rec, way, form, &packed(form, m, n, k), [a, b, c], epilogue, true)
}

/// [`product`], computed in this way, whatever the adapter would choose.
///
/// Errors: run, also where the adapter or the shape can't have it that way ([`may`]).
pub fn product_by(rec: &mut Recorder, way: Way, form: Form, [a, b, c]: [&View; 3], epilogue: Epilogue) -> Result<()> {
    let (m, n, k) = check(form, a, b, c)?;
    if !may(rec.gpu(), way, form, m, n, k) {
        return Err(Error::run(format!(
            "matmul: {way} can't compute [{m}, {k}] by [{k}, {n}] here"
        )));
    }
    record(rec, way, form, &packed(form, m, n, k), [a, b, c], epilogue, true)
}

/// M, N and K, where the views go together.
fn check(form: Form, a: &View, b: &View, c: &View) -> Result<(usize, usize, usize)> {
    let (m, n) = (c.rows, c.cols);
    let k = if form == Form::Tn { a.rows } else { a.cols };
    match form {
        Form::Nn => expect("matmul nn", "a", a, m, k).and(expect("matmul nn", "b", b, k, n))?,
        Form::Nt => expect("matmul nt", "a", a, m, k).and(expect("matmul nt", "b", b, n, k))?,
        Form::Tn => expect("matmul tn", "a", a, k, m).and(expect("matmul tn", "b", b, k, n))?,
    }
    Ok((m, n, k))
}

/// One product of packed matrices as a batch.
fn packed(form: Form, m: usize, n: usize, k: usize) -> Batch {
    let [a, b] = match form {
        Form::Nn => [k, n],
        Form::Nt => [k, k],
        Form::Tn => [m, n],
    };
    let [a, b, c] = [a, b, n].map(|row| Place {
        row,
        ..Place::default()
    });
    let (count, inner) = (1, 1);
    Batch {
        count,
        inner,
        m,
        n,
        k,
        a,
        b,
        c,
    }
}

/// The variant that [`product`] takes for these sizes.
pub fn variant(gpu: &Gpu, form: Form, m: usize, n: usize, k: usize) -> Variant {
    way(gpu, form, m, n, k).variant()
}

/// The same with its configuration: what `ijepa tune` found where it did and `--variant` has no other say.
pub fn way(gpu: &Gpu, form: Form, m: usize, n: usize, k: usize) -> Way {
    let found = gpu
        .tuned(&tiles::product(form, m, n, k))
        .and_then(|number| WAYS.get(number).copied());
    match found {
        Some(way) if gpu.variant().is_none() && may(gpu, way, form, m, n, k) => way,
        _ => choose(gpu, form, &packed(form, m, n, k)),
    }
}

/// Whether this adapter can compute a product of packed matrices in this way.
pub fn may(gpu: &Gpu, way: Way, form: Form, m: usize, n: usize, k: usize) -> bool {
    able(gpu, way, form, &packed(form, m, n, k))
}

/// A batch of products with strides, plain. Where N or (in form NN) K is no multiple of four, but C's or A's rows are
/// padded to one, C's padding may be written and A's must be zero.
pub fn batched(rec: &mut Recorder, form: Form, batch: &Batch, a: &View, b: &View, c: &View) -> Result<()> {
    let way = choose(rec.gpu(), form, batch);
    record(rec, way, form, batch, [a, b, c], Epilogue::Plain, false)
}

/// The way for this adapter and these shapes; `--variant` overrides the adapter's say, and what can't do a shape gives
/// way to what can.
pub fn choose(gpu: &Gpu, form: Form, batch: &Batch) -> Way {
    let wanted = match (gpu.variant(), gpu.kind()) {
        (Some("any"), _) => Variant::Any,
        (Some("tile"), _) => Variant::Tile,
        (Some("broadcast"), _) => Variant::Broadcast,
        (Some("quad"), _) => Variant::Quad,
        (_, Kind::Hardware) => Variant::Tile,
        (_, Kind::Software) if gpu.subgroup_width() == Some(4) => Variant::Quad,
        (_, Kind::Software) => Variant::Broadcast,
    };
    match wanted {
        Variant::Broadcast if able(gpu, Way::Broadcast, form, batch) => Way::Broadcast,
        Variant::Quad if able(gpu, Way::Quad, form, batch) => Way::Quad,
        Variant::Any => Way::Any,
        Variant::Broadcast | Variant::Quad if gpu.kind() == Kind::Software => Way::Any,
        _ => tiles::standard(gpu, batch).map_or(Way::Any, Way::Tile),
    }
}

fn able(gpu: &Gpu, way: Way, form: Form, batch: &Batch) -> bool {
    let grid_holds = |rows: usize| batch.m.div_ceil(rows) <= MOST_WORKGROUPS;
    let width = gpu.subgroup_width();
    match way {
        Way::Broadcast => width == Some(8) && by_four(form, batch) && grid_holds(16),
        // A quad is four lanes of a subgroup of whatever width.
        Way::Quad => width.is_some_and(|width| width >= 4) && by_four(form, batch) && grid_holds(32),
        Way::Tile(number) => TILES.get(number).is_some_and(|tile| tile.holds(batch)),
        // It alone folds its grid, so that no number of rows is too many for it.
        Way::Any => true,
    }
}

/// Four values at a time: strides must be multiples of four, and ragged ends need padding.
fn by_four(form: Form, batch: &Batch) -> bool {
    let fits = |p: &Place| [p.offset, p.row, p.outer, p.inner].iter().all(|v| v.is_multiple_of(4));
    let padded = |length: usize, row: usize| length.next_multiple_of(4) <= row;
    let ends = match form {
        Form::Nn => batch.n.is_multiple_of(4) && padded(batch.k, batch.a.row),
        Form::Nt => batch.k.is_multiple_of(4) && padded(batch.n, batch.c.row),
        Form::Tn => batch.n.is_multiple_of(4) && padded(batch.m, batch.a.row),
    };
    ends && fits(&batch.a) && fits(&batch.b) && fits(&batch.c)
}

/// Shaders are compiled without bounds checks: no matrix of the batch, `[rows, cols]` each, may reach beyond its view.
fn within(name: &str, view: &View, place: &Place, batch: &Batch, [rows, cols]: [usize; 2], item: Item) -> Result<()> {
    let inner = batch.inner.max(1);
    let outermost = (batch.count - 1) / inner * place.outer + (batch.count.min(inner) - 1) * place.inner;
    let end = place.offset + outermost + (rows - 1) * place.row + cols.next_multiple_of(item.width());
    if end as u64 * 4 > view.bytes() {
        return Err(Error::run(format!(
            "matmul: {} matrices [{rows}, {cols}] of {name} end at value {end}, but its view has {}",
            batch.count,
            view.bytes() / 4
        )));
    }
    Ok(())
}

/// Operations, and values read and written once.
pub fn cost(m: usize, n: usize, k: usize) -> Cost {
    let [m, n, k] = [m, n, k].map(|size| size as f64);
    Cost::new(2.0 * m * n * k, m * k + k * n + m * n)
}

fn record(
    rec: &mut Recorder,
    way: Way,
    form: Form,
    batch: &Batch,
    [a, b, c]: [&View; 3],
    epilogue: Epilogue,
    packed: bool,
) -> Result<()> {
    let &Batch { count, m, n, k, .. } = batch;
    if count == 0 || m == 0 || n == 0 || k == 0 {
        return Err(Error::run(format!(
            "matmul: {count} products of [{m}, {k}] and [{k}, {n}]"
        )));
    }
    let item = match way {
        Way::Broadcast | Way::Quad => Item::Vec4,
        Way::Tile(_) if by_four(form, batch) => Item::Vec4,
        Way::Any | Way::Tile(_) => Item::Scalar,
    };
    let (by_a, by_b) = match form {
        Form::Nn => ([m, k], [k, n]),
        Form::Nt => ([m, k], [n, k]),
        Form::Tn => ([k, m], [k, n]),
    };
    within("a", a, &batch.a, batch, by_a, item)?;
    within("b", b, &batch.b, batch, by_b, item)?;
    within("c", c, &batch.c, batch, [m, n], item)?;
    let place = |p: &Place| [p.offset, p.row, p.outer, p.inner].map(|v| item.count(v));
    let mut params = Params {
        m: m as u32,
        n: n as u32,
        k: k as u32,
        inner: batch.inner as u32,
        a: place(&batch.a),
        b: place(&batch.b),
        c: place(&batch.c),
    };
    let (kind, bias, aux) = match epilogue {
        Epilogue::Plain => (0, None, None),
        Epilogue::Bias(bias) => (1, Some(bias), None),
        Epilogue::BiasGelu { bias, pre } => (if pre.is_some() { 2 } else { 6 }, Some(bias), pre),
        Epilogue::BiasResidual { bias, x } => (3, Some(bias), Some(x)),
        Epilogue::GeluBackward { pre } => (4, None, Some(pre)),
        Epilogue::Accumulate => (5, None, None),
    };
    if let Some(bias) = bias {
        expect("matmul", "bias", bias, 1, n)?;
    }
    if let Some(aux) = aux {
        expect("matmul", "the tensor beside c", aux, m, n)?;
    }
    let mut constants = vec![("FORM", form as u32), ("EPILOGUE", kind)];
    // K of form TN and M of the others count tokens, which change from batch to batch; a weight's sizes stay.
    let weight = if form == Form::Tn { m * n } else { n * k };
    let fixed = |size: usize| {
        if packed && weight >= WORTH_CONSTANTS {
            size as u32
        } else {
            0
        }
    };
    let (kernel, tile) = match (way, form) {
        (Way::Any, _) => {
            constants.push(("LANES", rec.gpu().lanes()));
            (&ANY, [0, 0])
        }
        (Way::Tile(number), _) => {
            let tile = &TILES[number];
            constants.extend(tile.constants());
            (&tiles::KERNELS[number], [tile.m as usize, tile.n as usize])
        }
        (Way::Quad, _) => (&QUAD, [32, 32]),
        (Way::Broadcast, Form::Tn) => {
            constants.push(("FIXED_M", fixed(m)));
            constants.push(("FIXED_N", fixed(n)));
            constants.push(("TAIL", (!k.is_multiple_of(4)).into()));
            (&BROADCAST_TN, [16, 32])
        }
        (Way::Broadcast, _) => {
            constants.push(("FIXED_N", fixed(n)));
            constants.push(("FIXED_K", fixed(k)));
            constants.push(("TAIL", (!k.is_multiple_of(4)).into()));
            (&BROADCAST, [16, 32])
        }
    };
    let unused = rec.gpu().unused()?;
    let views = [a, b, bias.unwrap_or(b), c, aux.unwrap_or(&unused)];
    let build = Build {
        shared: &[item.shared(), GELU, SHARED],
        constants: &constants,
    };
    // The grid's third dimension counts matrices: long batches go in parts.
    let part = MOST_WORKGROUPS / batch.inner.max(1) * batch.inner.max(1);
    for first in (0..count).step_by(part.max(1)) {
        let now = part.min(count - first);
        let steps = first / batch.inner.max(1);
        for (place, all) in [
            (&mut params.a, &batch.a),
            (&mut params.b, &batch.b),
            (&mut params.c, &batch.c),
        ] {
            place[0] = item.count(all.offset + steps * all.outer);
        }
        let mut grid = match tile {
            [0, 0] => Grid::linear((m * n).div_ceil(rec.gpu().lanes() as usize)),
            [rows, cols] => Grid([n.div_ceil(cols) as u32, m.div_ceil(rows) as u32, 1]),
        };
        grid.0[2] = now as u32;
        let one = cost(m, n, k);
        let total = Cost {
            flops: one.flops * now as f64,
            bytes: one.bytes * now as f64,
        };
        rec.dispatch(kernel, &build, &params, &views, grid, total)?;
    }
    Ok(())
}
