//! cast: f32 to 16 bits a value, for products that read their operands in 16 bits.

use super::largest::{self, FACTORS_LEN};
use super::shape::{LANES, YES_OR_NO, each, expect};
use crate::gpu::{Access, Build, Cost, Kernel, Recorder, Shared, View};
use crate::{Error, Result};

pub(super) static CAST: Kernel = Kernel {
    name: "cast",
    source: include_str!("../../wgsl/cast.wgsl"),
    bindings: &[Access::Read, Access::Read, Access::Write],
    shared: &[&[TWO, FOUR], &[BF16, F16]],
    constants: &[("SCALED", YES_OR_NO), LANES],
};

const TWO: Shared = ("cast_two", include_str!("../../wgsl/shared/cast_two.wgsl"));
const FOUR: Shared = ("cast_four", include_str!("../../wgsl/shared/cast_four.wgsl"));
const BF16: Shared = ("bf16", include_str!("../../wgsl/shared/bf16.wgsl"));
const F16: Shared = ("f16", include_str!("../../wgsl/shared/f16.wgsl"));

/// What 16 bits mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bits {
    /// bfloat16: f32's range with 8 bits of precision.
    Bf16,
    /// IEEE half precision: 11 bits of precision, nothing above 65,504.
    F16,
}

/// A matrix `[rows, cols]` of 16-bit values, row behind row, two to a word of some view.
#[derive(Clone, Debug)]
pub struct Half {
    pub(super) words: View,
    pub bits: Bits,
    pub rows: usize,
    pub cols: usize,
    /// Where the values were multiplied before they were rounded: `largest::factors`. Products divide by it.
    pub(super) factors: Option<View>,
}

impl Half {
    /// The memory of `view` as `[rows, cols]`; what is bound stays the same.
    pub fn of(view: &View, bits: Bits, rows: usize, cols: usize) -> Result<Half> {
        let shape = if cols.is_multiple_of(2) {
            [rows, cols / 2]
        } else {
            [1, (rows * cols).div_ceil(2)]
        };
        let words = view.shaped(shape[0], shape[1]).map_err(|_| {
            Error::run(format!(
                "a view of {} bytes can't hold [{rows}, {cols}] in 16 bits; the memory plan is too small",
                view.bytes()
            ))
        })?;
        Ok(Half {
            words,
            bits,
            rows,
            cols,
            factors: None,
        })
    }

    /// The values as they lie in memory, two to a word: u32.
    pub fn words(&self) -> &View {
        &self.words
    }
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    per_lane: u32,
    values: u32,
}

/// y = x `[R, C]`, rounded to the nearest.
pub fn cast(rec: &mut Recorder, x: &View, y: &Half) -> Result<()> {
    record(rec, x, y)
}

/// y = x `[R, C]` times a power of two, rounded to the nearest: for gradients in f16, which are often smaller than what f16
/// has. `factors` `[1, 8]` is where the power is kept until products have divided by it; `partial` is scratch of
/// [`largest::scratch`] values. (PyTorch multiplies the loss, by one power for all gradients, and skips steps where it was too
/// large; here each gradient has its own, found before it is rounded.)
pub fn cast_scaled(rec: &mut Recorder, x: &View, y: Half, partial: &View, factors: &View) -> Result<Half> {
    largest::factors(rec, x, partial, factors)?;
    let y = Half {
        factors: Some(factors.shaped(1, FACTORS_LEN)?),
        ..y
    };
    record(rec, x, &y)?;
    Ok(y)
}

fn record(rec: &mut Recorder, x: &View, y: &Half) -> Result<()> {
    expect("cast", "x", x, y.rows, y.cols)?;
    let values = x.len();
    let (shared, at_once) = if values.is_multiple_of(4) { (FOUR, 4) } else { (TWO, 2) };
    let each = each(rec.gpu().kind(), values.div_ceil(at_once) as u32);
    let params = Params {
        count: each.count,
        per_lane: each.per_lane,
        values: values as u32,
    };
    let bits = match y.bits {
        Bits::Bf16 => BF16,
        Bits::F16 => F16,
    };
    let build = Build {
        shared: &[shared, bits],
        constants: &[("SCALED", y.factors.is_some().into()), ("LANES", each.lanes)],
    };
    let views = [x, y.factors.as_ref().unwrap_or(x), &y.words];
    rec.dispatch(&CAST, &build, &params, &views, each.grid, cost(y.rows, y.cols))
}

/// Of a matrix `[rows, cols]`: four bytes of each value are read, two written.
pub fn cost(rows: usize, cols: usize) -> Cost {
    Cost::new(0.0, 1.5 * rows as f64 * cols as f64)
}
