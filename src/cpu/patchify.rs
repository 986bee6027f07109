//! patchify in f64: pixels of the listed patches to rows. Slow on purpose.

/// ImageNet mean of the red, green and blue channel, for pixels in `[0, 1]`.
pub const MEAN: [f64; 3] = [0.485, 0.456, 0.406];
/// ImageNet standard deviation of the three channels.
pub const STD: [f64; 3] = [0.229, 0.224, 0.225];

/// `images` `[B, height, width, 3]` bytes, `rows` `[R]` = image * N + patch (N = height * width / patch², row by row).
/// Returns `[R, 3 * patch * patch]`, normalised: `(byte / 255 - mean) / std`; a row is ordered channel, y, x, as the
/// weight `[D, 3, patch, patch]` of the patch convolution.
pub fn from_u8(images: &[u8], rows: &[u32], [height, width]: [usize; 2], patch: usize) -> Vec<f64> {
    let (columns, patches) = (width / patch, (height / patch) * (width / patch));
    let mut out = Vec::with_capacity(rows.len() * 3 * patch * patch);
    for &row in rows {
        let (image, place) = (row as usize / patches, row as usize % patches);
        let (top, left) = (place / columns * patch, place % columns * patch);
        for c in 0..3 {
            for y in 0..patch {
                for x in 0..patch {
                    let byte = images[((image * height + top + y) * width + left + x) * 3 + c];
                    out.push((f64::from(byte) / 255.0 - MEAN[c]) / STD[c]);
                }
            }
        }
    }
    out
}

/// The same for `images` `[B, 3, height, width]` that are normalised already: only moves values.
pub fn from_f32(images: &[f64], rows: &[u32], [height, width]: [usize; 2], patch: usize) -> Vec<f64> {
    let (columns, patches) = (width / patch, (height / patch) * (width / patch));
    let mut out = Vec::with_capacity(rows.len() * 3 * patch * patch);
    for &row in rows {
        let (image, place) = (row as usize / patches, row as usize % patches);
        let (top, left) = (place / columns * patch, place % columns * patch);
        for c in 0..3 {
            for y in 0..patch {
                for x in 0..patch {
                    out.push(images[((image * 3 + c) * height + top + y) * width + left + x]);
                }
            }
        }
    }
    out
}
