//! Pictures: masks over an image, patch features as colours.

use super::write;
use ijepa::data::image::Size;
use ijepa::data::masks::Masks;
use ijepa::data::source::Dataset;
use ijepa::data::transform::EvalTransform;
use ijepa::eval::pca;
use ijepa::eval::samples::Features;
use ijepa::gpu::Gpu;
use ijepa::model::config::ModelConfig;
use ijepa::model::ijepa::{Ijepa, Images};
use ijepa::model::tensors::Tensors;
use ijepa::{Error, Result};
use image::{ImageFormat, Rgb, RgbImage};
use std::path::Path;

/// About the side of a panel in pixels.
const PANEL: usize = 224;
const GAP: usize = 8;
/// What is not kept fades towards this grey.
const VEIL: u8 = 226;

/// Side in pixels of the panels for a grid of patches: every patch covers the same number of whole pixels.
pub fn side(grid: usize) -> usize {
    grid * (PANEL / grid.max(1)).max(1)
}

/// What is kept in each panel of an image of a batch: all of it, each context mask, each target mask; `[panels][grid²]`.
pub fn kept(grid: usize, masks: &Masks, index: usize) -> Vec<Vec<bool>> {
    let mut panels = vec![vec![true; grid * grid]];
    for (list, count, kept) in [
        (&masks.context, masks.num_enc, masks.k_context),
        (&masks.targets, masks.num_pred, masks.k_target),
    ] {
        for mask in 0..count {
            let mut shown = vec![false; grid * grid];
            let start = (mask * masks.batch + index) * kept;
            list[start..start + kept].iter().for_each(|&i| shown[i as usize] = true);
            panels.push(shown);
        }
    }
    panels
}

/// `pixels` `[side, side, 3]` with the patches that are not kept faded; `side` is a multiple of the grid.
pub fn veiled(pixels: &[u8], grid: usize, kept: &[bool]) -> Vec<u8> {
    let side = ((pixels.len() / 3) as f64).sqrt().round() as usize;
    let patch = side / grid;
    let tone = |(at, &value): (usize, &u8)| {
        let (row, column) = (at / 3 / side, at / 3 % side);
        match kept[row / patch * grid + column / patch] {
            true => value,
            false => VEIL - (VEIL - value.min(VEIL)) / 8,
        }
    };
    pixels.iter().enumerate().map(tone).collect()
}

/// One row of panels: the image, then each context mask, then each target mask, hidden patches faded. `pixels` is
/// `[side, side, 3]` with the side that [`side`] says; `index` is the image's place in the batch.
pub fn masks(pixels: &[u8], grid: usize, masks: &Masks, index: usize) -> RgbImage {
    let side = side(grid);
    let panels = kept(grid, masks, index);
    let width = panels.len() * (side + GAP) + GAP;
    let mut picture = RgbImage::from_pixel(width as u32, (side + 2 * GAP) as u32, Rgb([255; 3]));
    for (number, shown) in panels.iter().enumerate() {
        let left = GAP + number * (side + GAP);
        for (at, pixel) in veiled(pixels, grid, shown).chunks_exact(3).enumerate() {
            let (row, column) = (at / side, at % side);
            let color = Rgb([pixel[0], pixel[1], pixel[2]]);
            picture.put_pixel((left + column) as u32, (GAP + row) as u32, color);
        }
    }
    picture
}

/// Writes a PNG. It is encoded first, so that a failure leaves an earlier file as it was.
pub fn save(picture: &RgbImage, path: &Path) -> Result<()> {
    let failed = |e: String| Error::run(format!("{}: the picture could not be written: {e}", path.display()));
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(|e| failed(e.to_string()))?;
    write::whole(path, bytes.get_ref())
}

/// One column for each of the first `count` images, above each other the image and, for each encoder, its patch features
/// as colours (the first three principal components).
pub fn features(
    gpu: &Gpu,
    model: &ModelConfig,
    encoders: &[(&Tensors, &str)],
    data: &Dataset,
    count: usize,
) -> Result<RgbImage> {
    let grid = model.side()? / model.patch;
    let scale = (PANEL / 2 / grid.max(1)).max(1);
    let side = grid * scale;
    let (width, height) = (count * (side + GAP) + GAP, (encoders.len() + 1) * (side + GAP) + GAP);
    let mut sheet = RgbImage::from_pixel(width as u32, height as u32, Rgb([255; 3]));
    let mut paste = |pixels: &[u8], column: usize, row: usize| {
        let (left, top) = (GAP + column * (side + GAP), GAP + row * (side + GAP));
        for (at, pixel) in pixels.chunks_exact(3).enumerate() {
            let place = ((left + at % side) as u32, (top + at / side) as u32);
            sheet.put_pixel(place.0, place.1, Rgb([pixel[0], pixel[1], pixel[2]]));
        }
    };
    let mut inputs = vec![];
    for column in 0..count {
        let image = data.image(column).map_err(Error::run)?;
        paste(&EvalTransform::Exact.apply(&image, Size::square(side)), column, 0);
        inputs.extend(EvalTransform::Exact.apply(&image, model.image));
    }
    for (row, (tensors, origin)) in encoders.iter().enumerate() {
        let mut net = Ijepa::encoder(gpu, model, tensors, origin, count)?;
        let tokens = pollster::block_on(net.encode(Images::Bytes(&inputs), count))?;
        let colours = pca::patch_colours(&Features::new(tokens, model.embed_dim)?);
        for (column, image) in colours.chunks_exact(grid * grid).enumerate() {
            paste(&pca::patch_picture(image, grid, scale), column, row + 1);
        }
    }
    Ok(sheet)
}
