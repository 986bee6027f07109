//! The matrix product on matrix units (`wgsl/matmul_fragments.wgsl`): which products it takes, and the test that units must pass
//! on a device before any does.

use super::cast::{Bits, Half, cast};
use super::matmul::{BINDINGS, Batch, EPILOGUE, F16_BY_FOUR, Form, GELU, SHARED as MATMUL, product16_untried};
use super::shape::VEC4;
use super::ways::{Way, by_four};
use crate::Result;
use crate::gpu::{Gpu, Kernel, MOST_WORKGROUPS, Recorder, Shared, Units, WIDTHS};

const OF_16: Shared = ("fragments_16", include_str!("../../wgsl/shared/fragments_16.wgsl"));
const OF_8: Shared = ("fragments_8", include_str!("../../wgsl/shared/fragments_8.wgsl"));
const PLAIN: Shared = (
    "fragments_plain",
    include_str!("../../wgsl/shared/fragments_plain.wgsl"),
);
/// What fragments are, by their side; or what stands in for them.
pub(super) const SHARED: &[Shared] = &[OF_16, OF_8, PLAIN];

/// Rows and columns of fragments that a subgroup has.
pub(super) const COUNTS: &[u32] = &[2, 4];
/// Workgroups that a product should have before they get the larger tiles.
const MANY: usize = 128;

pub(super) static FRAGMENTS: Kernel = Kernel {
    name: "matmul_fragments",
    source: include_str!("../../wgsl/matmul_fragments.wgsl"),
    bindings: BINDINGS,
    shared: &[&[VEC4], &[F16_BY_FOUR], &[GELU], &[MATMUL], SHARED],
    constants: &[("FORM", &[0, 1, 2]), EPILOGUE, ("COUNT", COUNTS), ("WIDTH", &WIDTHS)],
};

pub(super) fn shared(units: Units) -> Shared {
    match (units.plain, units.side) {
        (true, _) => PLAIN,
        (false, 16) => OF_16,
        (false, _) => OF_8,
    }
}

/// Rows and columns of C that a workgroup of four subgroups makes.
pub(super) fn tile(units: Units, count: u32) -> usize {
    (2 * count * units.side) as usize
}

/// The ways that these units have.
pub(super) fn ways(units: Units) -> impl Iterator<Item = Way> {
    let counts = if units.plain { &COUNTS[..1] } else { COUNTS };
    counts.iter().map(move |&count| Way::Fragments(units, count))
}

/// Rows and columns of fragments that each subgroup gets of a product.
pub(super) fn count(units: Units, batch: &Batch) -> u32 {
    let groups = |count: u32| {
        let side = tile(units, count);
        batch.m.div_ceil(side) * batch.n.div_ceil(side) * batch.count
    };
    if units.plain {
        return COUNTS[0]; // compiled quickly
    }
    if groups(COUNTS[1]) >= MANY {
        COUNTS[1]
    } else {
        COUNTS[0]
    }
}

/// The units that compute this product, where there are some for it.
pub(super) fn units(gpu: &Gpu, bits: Option<Bits>, form: Form, batch: &Batch) -> Option<Units> {
    let units = gpu.units().filter(|_| gpu.variant().is_none())?;
    let rows = batch.m.div_ceil(tile(units, COUNTS[0]));
    (bits == Some(Bits::F16) && by_four(form, batch) && rows <= MOST_WORKGROUPS).then_some(units)
}

/// Sizes of the test: more than a tile, no multiple of one, and sums that no f16 holds.
const TRIED: [usize; 3] = [140, 268, 8204];
/// The same for what stands in for units, which is slow and no one's to be tried.
const TRIED_PLAIN: [usize; 3] = [36, 44, 516];
/// Values of C that are compared.
const COMPARED: usize = 1000;
/// Of the sum of all products' sizes: what rounding may leave, also where a unit cuts sums off instead. What is wrong differs by
/// per cents.
const TOLERANCE: f64 = 2e-4;

/// Tries the units that a device offers, in each form and with each number of fragments, and says to the device whether they
/// compute right. What is wrong, in words for whoever runs it; `None` where nothing is, or there are no units.
///
/// Errors: run, where the device failed over it; then it is of no more use, and has to be opened without units.
pub async fn try_units(gpu: &Gpu) -> Result<Option<String>> {
    let Some(units) = gpu.units_offered().filter(|_| !gpu.units_tried()) else {
        return Ok(None);
    };
    let mut rec = Recorder::new(gpu);
    for form in [Form::Nn, Form::Nt, Form::Tn] {
        for way in ways(units) {
            if !right(&mut rec, units, form, way).await? {
                gpu.trust_units(false);
                return Ok(Some(format!(
                    "matrix units of {} multiply wrongly ({form:?}, fragments of {}): f16 is multiplied without them",
                    gpu.info().name,
                    units.side
                )));
            }
        }
    }
    gpu.trust_units(true);
    Ok(None)
}

async fn right(rec: &mut Recorder, units: Units, form: Form, way: Way) -> Result<bool> {
    let sizes @ [m, n, k] = if units.plain { TRIED_PLAIN } else { TRIED };
    // Nothing in them is like its neighbour or its mirror image, all of it is in f16, and sums grow.
    let values = |seed: usize, rows: usize, cols: usize| -> Vec<f32> {
        let value = |i: usize| ((i + seed).wrapping_mul(2_654_435_761) >> 11) % 2048;
        (0..rows * cols).map(|i| value(i) as f32 / 128.0 - 4.0).collect()
    };
    let ([ar, ac], [br, bc]) = match form {
        Form::Nn => ([m, k], [k, n]),
        Form::Nt => ([m, k], [n, k]),
        Form::Tn => ([k, m], [k, n]),
    };
    let (a, b) = (values(1, ar, ac), values(7, br, bc));
    let half = |rec: &mut Recorder, values: &[f32], rows: usize, cols: usize| -> Result<Half> {
        let gpu = rec.gpu().clone();
        let wide = gpu.upload("operand", rows, cols, values)?;
        let half = Half::of(&gpu.alloc("operand", 1, rows * cols / 2)?, Bits::F16, rows, cols)?;
        cast(rec, &wide, &half)?;
        Ok(half)
    };
    let (half_a, half_b) = (half(rec, &a, ar, ac)?, half(rec, &b, br, bc)?);
    let c = rec.gpu().upload("product", m, n, &vec![f32::NAN; m * n])?;
    product16_untried(rec, way, form, [&half_a, &half_b], &c)?;
    let found: Vec<f32> = rec.read(&c).await?;
    rec.forget_bindings(); // of buffers that are not kept
    Ok(agrees(form, sizes, &a, &b, &found))
}

/// Whether values of C, spread over all of it, are what A and B give in f64, and all others numbers.
fn agrees(form: Form, [m, n, k]: [usize; 3], a: &[f32], b: &[f32], found: &[f32]) -> bool {
    let near = |number: usize| {
        let (row, column) = (number / n, number % n);
        let (mut sum, mut size) = (0.0, 0.0);
        for i in 0..k {
            let (at_a, at_b) = match form {
                Form::Nn => (row * k + i, i * n + column),
                Form::Nt => (row * k + i, column * k + i),
                Form::Tn => (i * m + row, i * n + column),
            };
            let product = f64::from(a[at_a]) * f64::from(b[at_b]);
            (sum, size) = (sum + product, size + product.abs());
        }
        (f64::from(found[number]) - sum).abs() <= TOLERANCE * size
    };
    let last = m * n - 1;
    let compared = (0..COMPARED).map(|i| i * last / (COMPARED - 1)); // not a multiple of a row's length apart
    found.iter().all(|value| value.is_finite()) && { compared }.all(near)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What drivers were seen to do wrong: other layouts, sums in f16, sums that come doubled.
    #[test]
    fn wrong_products_are_seen() {
        let sizes @ [m, n, k] = [24, 40, 300];
        let a: Vec<f32> = (0..m * k).map(|i| (i * 37 % 101) as f32 - 20.0).collect();
        let b: Vec<f32> = (0..k * n).map(|i| (i * 53 % 97) as f32 - 30.0).collect();
        let product = |a: &dyn Fn(usize, usize) -> f32| -> Vec<f32> {
            let sum = |row: usize, column: usize| -> f32 { (0..k).map(|i| a(row, i) * b[i * n + column]).sum() };
            (0..m * n).map(|at| sum(at / n, at % n)).collect()
        };
        let right = product(&|row, i| a[row * k + i]);
        let agrees = |found: &[f32]| agrees(Form::Nn, sizes, &a, &b, found);
        assert!(agrees(&right));
        let turned = product(&|row, i| a[(i * m + row) % (m * k)]);
        let doubled: Vec<f32> = right.iter().map(|sum| 2.0 * sum).collect();
        let of_f16: Vec<f32> = right.iter().map(|sum| (sum / 1024.0).round() * 1024.0).collect();
        let mut nan = right.clone();
        nan[17] = f32::NAN;
        let swapped: Vec<f32> = (0..m * n)
            .map(|at| right[(at / n) * n + (at % n) / 8 * 8 + (at + 4) % 8])
            .collect();
        for wrong in [turned, doubled, of_f16, nan, swapped] {
            assert!(!agrees(&wrong));
        }
    }
}
