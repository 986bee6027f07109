//! matmul: C = A·B, A·Bᵀ or Aᵀ·B, one matrix or a batch, with what follows a linear layer fused at the store. Operands are f32,
//! or 16 bits a value; sums, C and what is beside it are f32.

use super::broadcast;
use super::cast::{Bits, Half};
use super::fragments;
use super::shape::{Item, LANES, SCALAR, VEC4, expect};
use super::tiles::{self, TILES};
use super::ways::by_four;
pub use super::ways::{Way, choose, default_way, may, variant, way};
use crate::gpu::{Access, Build, Cost, Gpu, Grid, Kernel, MOST_WORKGROUPS, Recorder, Shared, View};
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

impl<'a> Epilogue<'a> {
    fn bias(&self) -> Option<&'a View> {
        match *self {
            Epilogue::Bias(bias) | Epilogue::BiasGelu { bias, .. } | Epilogue::BiasResidual { bias, .. } => Some(bias),
            Epilogue::Plain | Epilogue::GeluBackward { .. } | Epilogue::Accumulate => None,
        }
    }
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
    /// Matrix units, for operands in f16.
    Fragments,
}

impl Variant {
    /// The word that `--variant` takes, but for `Fragments`, which the operands decide.
    pub fn name(self) -> &'static str {
        match self {
            Variant::Any => "any",
            Variant::Tile => "tile",
            Variant::Broadcast => "broadcast",
            Variant::Quad => "quad",
            Variant::Fragments => "fragments",
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
pub(super) const F32: Shared = ("operands_f32", include_str!("../../wgsl/shared/operands_f32.wgsl"));
const F32_BY_FOUR: Shared = (
    "operands_f32_vec4",
    include_str!("../../wgsl/shared/operands_f32_vec4.wgsl"),
);
const BF16_BY_ONE: Shared = (
    "bf16+operands_16_scalar",
    concat!(
        include_str!("../../wgsl/shared/bf16.wgsl"),
        include_str!("../../wgsl/shared/operands_16_scalar.wgsl")
    ),
);
const BF16_BY_FOUR: Shared = (
    "bf16+operands_16_vec4",
    concat!(
        include_str!("../../wgsl/shared/bf16.wgsl"),
        include_str!("../../wgsl/shared/operands_16_vec4.wgsl")
    ),
);
const F16_BY_ONE: Shared = (
    "f16+operands_16_scalar",
    concat!(
        include_str!("../../wgsl/shared/f16.wgsl"),
        include_str!("../../wgsl/shared/operands_16_scalar.wgsl")
    ),
);
pub(super) const F16_BY_FOUR: Shared = (
    "f16+operands_16_vec4",
    concat!(
        include_str!("../../wgsl/shared/f16.wgsl"),
        include_str!("../../wgsl/shared/operands_16_vec4.wgsl")
    ),
);

/// What all variants have: a, b, bias; c and the tensor beside it; and what is written in front of them.
pub(super) const BINDINGS: &[Access] = &[Access::Read, Access::Read, Access::Read, Access::Write, Access::Write];
pub(super) const BY_ONE: &[&[Shared]] = &[&[SCALAR], &[F32, BF16_BY_ONE, F16_BY_ONE], &[GELU], &[SHARED]];
pub(super) const BY_FOUR: &[&[Shared]] = &[&[VEC4], &[F32, BF16_BY_FOUR, F16_BY_FOUR], &[GELU], &[SHARED]];
/// Operands that come in fours, of which rows are no whole number: C and what is beside it is touched one by one.
pub(super) const OPERANDS_BY_FOUR: &[&[Shared]] =
    &[&[SCALAR], &[F32_BY_FOUR, BF16_BY_FOUR, F16_BY_FOUR], &[GELU], &[SHARED]];
pub(super) const EPILOGUE: (&str, &[u32]) = ("EPILOGUE", &[0, 1, 2, 3, 4, 5, 6]);
/// What each value of it does to a sum, as people read it.
pub const EPILOGUES: [&str; 7] = [
    "",
    "+bias",
    "+bias GELU kept",
    "+bias +residual",
    "*GELU'",
    "ADD",
    "+bias GELU",
];

pub(super) static ANY: Kernel = Kernel {
    name: "matmul_any",
    source: include_str!("../../wgsl/matmul_any.wgsl"),
    bindings: BINDINGS,
    shared: BY_ONE,
    constants: &[("FORM", &[0, 1, 2]), EPILOGUE, LANES],
};
pub(super) static QUAD: Kernel = Kernel {
    name: "matmul_quad",
    source: include_str!("../../wgsl/matmul_quad.wgsl"),
    bindings: BINDINGS,
    shared: BY_FOUR,
    constants: &[("FORM", &[0, 1, 2]), EPILOGUE],
};

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
    let batch = fitting(form, [a.rows, a.cols], [b.rows, b.cols], c)?;
    let way = way(rec.gpu(), None, form, batch.m, batch.n, batch.k);
    record(rec, (way, None), form, &batch, [a, b, c], epilogue, true)
}

/// [`product`], computed in this way, whatever the adapter would choose.
///
/// Errors: run, also where the adapter or the shape can't have it that way ([`may`]).
pub fn product_by(rec: &mut Recorder, way: Way, form: Form, [a, b, c]: [&View; 3], epilogue: Epilogue) -> Result<()> {
    let batch = fitting(form, [a.rows, a.cols], [b.rows, b.cols], c)?;
    able(rec.gpu(), way, None, form, &batch)?;
    record(rec, (way, None), form, &batch, [a, b, c], epilogue, true)
}

fn able(gpu: &Gpu, way: Way, bits: Option<Bits>, form: Form, batch: &Batch) -> Result<()> {
    let &Batch { m, n, k, .. } = batch;
    match may(gpu, way, bits, form, m, n, k) {
        true => Ok(()),
        false => Err(Error::run(format!(
            "matmul: {way} can't compute [{m}, {k}] by [{k}, {n}] here"
        ))),
    }
}

/// The same with operands in 16 bits, both of one kind: they are widened, multiplied and summed in f32.
pub fn product16(rec: &mut Recorder, form: Form, a: &Half, b: &Half, c: &View, epilogue: Epilogue) -> Result<()> {
    if a.bits != b.bits {
        return Err(Error::run(format!("matmul: a is {:?}, b {:?}", a.bits, b.bits)));
    }
    let ones = rec.gpu().ones()?;
    let inverse = match (&a.factors, &b.factors, epilogue.bias()) {
        (None, None, _) => &ones,
        (Some(factors), None, None) => factors,
        _ => {
            return Err(Error::run(
                "matmul: only a may have a factor, and only where no bias is added",
            ));
        }
    };
    let batch = fitting(form, [a.rows, a.cols], [b.rows, b.cols], c)?;
    let way = way(rec.gpu(), Some(a.bits), form, batch.m, batch.n, batch.k);
    let views = [a.words(), b.words(), c];
    let how = (way, Some((a.bits, inverse)));
    record(rec, how, form, &batch, views, epilogue, true)
}

/// C = the product of operands in 16 bits that have no factors, computed in this way, as [`product_by`].
pub fn product16_by(rec: &mut Recorder, way: Way, form: Form, [a, b]: [&Half; 2], c: &View) -> Result<()> {
    let batch = fitting(form, [a.rows, a.cols], [b.rows, b.cols], c)?;
    able(rec.gpu(), way, Some(a.bits), form, &batch)?;
    product16_untried(rec, way, form, [a, b], c)
}

/// The same, trusted or not.
pub(super) fn product16_untried(rec: &mut Recorder, way: Way, form: Form, [a, b]: [&Half; 2], c: &View) -> Result<()> {
    let ones = rec.gpu().ones()?;
    let batch = fitting(form, [a.rows, a.cols], [b.rows, b.cols], c)?;
    let (how, views) = ((way, Some((a.bits, &ones))), [a.words(), b.words(), c]);
    record(rec, how, form, &batch, views, Epilogue::Plain, true)
}

/// The product of packed matrices of these shapes as a batch of one.
fn fitting(form: Form, a: [usize; 2], b: [usize; 2], c: &View) -> Result<Batch> {
    let (m, n) = (c.rows, c.cols);
    let k = if form == Form::Tn { a[0] } else { a[1] };
    let (name, of_a, of_b) = match form {
        Form::Nn => ("matmul nn", [m, k], [k, n]),
        Form::Nt => ("matmul nt", [m, k], [n, k]),
        Form::Tn => ("matmul tn", [k, m], [k, n]),
    };
    for (operand, is, asked) in [("a", a, of_a), ("b", b, of_b)] {
        if is != asked {
            return Err(Error::run(format!(
                "{name}: {operand} is {is:?}, but the other tensors ask for {asked:?}"
            )));
        }
    }
    Ok(packed(form, m, n, k))
}

/// One product of packed matrices as a batch.
pub(super) fn packed(form: Form, m: usize, n: usize, k: usize) -> Batch {
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

/// A batch of products with strides, plain. Where N or (in form NN) K is no multiple of four, but C's or A's rows are
/// padded to one, C's padding may be written and A's must be zero.
pub fn batched(rec: &mut Recorder, form: Form, batch: &Batch, a: &View, b: &View, c: &View) -> Result<()> {
    let way = choose(rec.gpu(), form, batch);
    record(rec, (way, None), form, batch, [a, b, c], Epilogue::Plain, false)
}

/// Shaders are compiled without bounds checks: no matrix of the batch, `[rows, cols]` each of values of `size` bytes that are read
/// `width` at a time, may reach beyond its view.
fn within(
    (name, view, size): (&str, &View, u64),
    place: &Place,
    batch: &Batch,
    [rows, cols]: [usize; 2],
    width: usize,
) -> Result<()> {
    let inner = batch.inner.max(1);
    let outermost = (batch.count - 1) / inner * place.outer + (batch.count.min(inner) - 1) * place.inner;
    let end = (place.offset + outermost + (rows - 1) * place.row + cols).next_multiple_of(width);
    if end as u64 * size > view.bytes() {
        return Err(Error::run(format!(
            "matmul: {} matrices [{rows}, {cols}] of {name} end at value {end}, but its view has {}",
            batch.count,
            view.bytes() / size
        )));
    }
    Ok(())
}

/// Operations, and values read and written once.
pub fn cost(m: usize, n: usize, k: usize) -> Cost {
    cost_in(None, m, n, k)
}

/// The same with operands in 16 bits, or in f32 (`None`).
pub fn cost_in(bits: Option<Bits>, m: usize, n: usize, k: usize) -> Cost {
    let [m, n, k] = [m, n, k].map(|size| size as f64);
    let share = if bits.is_some() { 0.5 } else { 1.0 };
    Cost::new(2.0 * m * n * k, share * (m * k + k * n) + m * n)
}

fn record(
    rec: &mut Recorder,
    (way, half): (Way, Option<(Bits, &View)>),
    form: Form,
    batch: &Batch,
    [a, b, c]: [&View; 3],
    epilogue: Epilogue,
    packed: bool,
) -> Result<()> {
    let &Batch { count, m, n, k, .. } = batch;
    let bits = half.map(|(bits, _)| bits);
    if count == 0 || m == 0 || n == 0 || k == 0 {
        return Err(Error::run(format!(
            "matmul: {count} products of [{m}, {k}] and [{k}, {n}]"
        )));
    }
    let item = match way {
        Way::Quad | Way::Fragments(..) => Item::Vec4,
        Way::Broadcast | Way::Tile(_) if by_four(form, batch) => Item::Vec4,
        Way::Any | Way::Broadcast | Way::Tile(_) => Item::Scalar,
    };
    let (by_a, by_b) = match form {
        Form::Nn => ([m, k], [k, n]),
        Form::Nt => ([m, k], [n, k]),
        Form::Tn => ([k, m], [k, n]),
    };
    let size = if bits.is_some() { 2 } else { 4 };
    // What is read at once; of odd widths, too, where matrices are packed.
    let width = match way {
        Way::Broadcast if packed => 4,
        _ => item.width(),
    };
    within(("a", a, size), &batch.a, batch, by_a, width)?;
    within(("b", b, size), &batch.b, batch, by_b, width)?;
    within(("c", c, 4), &batch.c, batch, [m, n], item.width())?;
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
    let (kind, aux) = match epilogue {
        Epilogue::Plain => (0, None),
        Epilogue::Bias(_) => (1, None),
        Epilogue::BiasGelu { pre, .. } => (if pre.is_some() { 2 } else { 6 }, pre),
        Epilogue::BiasResidual { x, .. } => (3, Some(x)),
        Epilogue::GeluBackward { pre } => (4, Some(pre)),
        Epilogue::Accumulate => (5, None),
    };
    let bias = epilogue.bias();
    if let Some(bias) = bias {
        expect("matmul", "bias", bias, 1, n)?;
    }
    if let Some(aux) = aux {
        expect("matmul", "the tensor beside c", aux, m, n)?;
    }
    let mut constants = vec![("FORM", form as u32), ("EPILOGUE", kind)];
    let (kernel, tile) = match way {
        Way::Any => {
            constants.push(("LANES", rec.gpu().lanes()));
            (&ANY, [0, 0])
        }
        Way::Tile(number) => {
            let tile = &TILES[number];
            constants.extend(tile.constants());
            (tiles::kernel(number, item), [tile.m as usize, tile.n as usize])
        }
        Way::Fragments(units, count) => {
            constants.extend([("COUNT", count), ("WIDTH", units.width)]);
            let side = fragments::tile(units, count);
            (&fragments::FRAGMENTS, [side, side])
        }
        Way::Quad => (&QUAD, [32, 32]),
        Way::Broadcast => {
            // Alone, and added to what is there, sums go straight to memory.
            let followed = !matches!(epilogue, Epilogue::Plain | Epilogue::Accumulate);
            constants.extend(match item {
                Item::Vec4 => broadcast::constants(form, [m, n, k], packed, followed),
                Item::Scalar if packed => broadcast::odd_constants(form, [m, n, k]).to_vec(),
                Item::Scalar => vec![],
            });
            (broadcast::kernel(form, item, packed), broadcast::TILE)
        }
    };
    let unused = rec.gpu().unused()?;
    let beside = bias.unwrap_or(half.map_or(b, |(_, inverse)| inverse));
    let views = [a, b, beside, c, aux.unwrap_or(&unused)];
    let operands = match (bits, width) {
        (None, 4) if item == Item::Scalar => F32_BY_FOUR,
        (None, _) => F32,
        (Some(Bits::Bf16), 4) => BF16_BY_FOUR,
        (Some(Bits::Bf16), _) => BF16_BY_ONE,
        (Some(Bits::F16), 4) => F16_BY_FOUR,
        (Some(Bits::F16), _) => F16_BY_ONE,
    };
    let mut shared = vec![item.shared(), operands, GELU, SHARED];
    match way {
        Way::Broadcast if item == Item::Vec4 => shared.push(broadcast::ROWS),
        Way::Fragments(units, _) => shared.push(fragments::shared(units)),
        _ => {}
    }
    let build = Build {
        shared: &shared,
        constants: &constants,
    };
    // The grid's third dimension counts matrices: long batches go in parts.
    let part = MOST_WORKGROUPS / batch.inner.max(1) * batch.inner.max(1);
    if part == 0 {
        let inner = batch.inner;
        return Err(Error::run(format!(
            "matmul: {inner} matrices for each image are more than a grid's {MOST_WORKGROUPS}"
        )));
    }
    for first in (0..count).step_by(part) {
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
        let one = cost_in(bits, m, n, k);
        let total = Cost {
            flops: one.flops * now as f64,
            bytes: one.bytes * now as f64,
        };
        rec.dispatch(kernel, &build, &params, &views, grid, total)?;
    }
    Ok(())
}
