//! patchify: pixels to rows, one row a patch: what the convolution of the patch embedding multiplies.

use super::shape::{LANES, YES_OR_NO, each, expect};
use crate::gpu::{Access, Build, Cost, Kernel, Recorder, View};
use crate::{Error, Result};

pub(super) static PATCHIFY: Kernel = Kernel {
    name: "patchify",
    source: include_str!("../../wgsl/patchify.wgsl"),
    bindings: &[Access::Read, Access::Read, Access::Write],
    shared: &[],
    constants: &[LANES, ("BYTES", YES_OR_NO)],
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    count: u32,
    per_lane: u32,
    height: u32,
    width: u32,
    patch: u32,
}

/// How the pixels come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pixels {
    /// u8 `[B, height, width, 3]`; normalised on the way with ImageNet's mean and deviation.
    Bytes,
    /// f32 `[B, 3, height, width]`, normalised already.
    Floats,
}

/// y `[rows, 3*patch*patch]` = the listed patches; `list` `[rows, 1]` u32 holds image * patches + patch.
pub fn patchify(
    rec: &mut Recorder,
    pixels: Pixels,
    images: &View,
    list: &View,
    [height, width]: [usize; 2],
    patch: usize,
    y: &View,
) -> Result<()> {
    expect("patchify", "y", y, list.rows, 3 * patch * patch)?;
    let whole = |side: usize| side > 0 && side.is_multiple_of(patch);
    if patch == 0 || !whole(height) || !whole(width) {
        return Err(Error::run(format!(
            "patchify: {width} x {height} pixels are no whole number of patches of {patch}"
        )));
    }
    let values = match pixels {
        Pixels::Bytes => images.bytes(),
        Pixels::Floats => images.bytes() / 4,
    };
    if values < (3 * height * width) as u64 {
        return Err(Error::run(format!(
            "patchify: {values} values are no image of {width} x {height} pixels"
        )));
    }
    let each = each(rec.gpu().kind(), y.len() as u32);
    let params = Params {
        count: each.count,
        per_lane: each.per_lane,
        height: height as u32,
        width: width as u32,
        patch: patch as u32,
    };
    let build = Build {
        shared: &[],
        constants: &[("LANES", each.lanes), ("BYTES", (pixels == Pixels::Bytes).into())],
    };
    let cost = cost(y.rows, y.cols);
    rec.dispatch(&PATCHIFY, &build, &params, &[images, list, y], each.grid, cost)
}

/// Of y `[rows, cols]`.
pub fn cost(rows: usize, cols: usize) -> Cost {
    let values = rows as f64 * cols as f64;
    Cost::new(2.0 * values, 2.0 * values)
}
