//! Gaussian blur as Pillow computes it: three box blurs with fractional edges along rows, then along columns, in fixed
//! point.

const PASSES: f32 = 3.0;

/// Blurs `[height, width, 3]` bytes in place; `radius` is the Gaussian's deviation in pixels.
pub fn gaussian(pixels: &mut [u8], width: usize, height: usize, radius: f64) {
    let reach = box_radius(radius as f32);
    if reach == 0.0 {
        return;
    }
    for channel in 0..3 {
        for row in 0..height {
            box_blurs(pixels, row * width * 3 + channel, 3, width, reach);
        }
        for col in 0..width {
            box_blurs(pixels, col * 3 + channel, width * 3, height, reach);
        }
    }
}

/// The box radius, with a fraction, for which three passes have the Gaussian's variance (Gwosdek et al. 2011).
fn box_radius(radius: f32) -> f32 {
    let variance = radius * radius / PASSES;
    let length = (12.0 * variance as f64 + 1.0).sqrt() as f32;
    let whole = ((length as f64 - 1.0) / 2.0).floor() as f32;
    let part = (2.0 * whole + 1.0) * (whole * (whole + 1.0) - 3.0 * variance);
    whole + part / (6.0 * (variance - (whole + 1.0) * (whole + 1.0)))
}

/// Three passes over the line of `length` bytes that starts at `start`, `step` bytes apart; its ends are repeated outwards.
fn box_blurs(pixels: &mut [u8], start: usize, step: usize, length: usize, reach: f32) {
    let whole = reach as i64;
    let inner = ((1u32 << 24) as f32 / (reach * 2.0 + 1.0)) as u32;
    let edge = ((1 << 24) - (whole as u32 * 2 + 1) * inner) / 2;
    let mut line: Vec<u8> = (0..length).map(|i| pixels[start + i * step]).collect();
    let mut blurred = line.clone();
    for _ in 0..PASSES as usize {
        let at = |i: i64| line[i.clamp(0, length as i64 - 1) as usize] as u32;
        let mut sum: u32 = (-whole - 1..whole).map(at).sum();
        for i in 0..length as i64 {
            sum = sum + at(i + whole) - at(i - whole - 1);
            let total = sum * inner + (at(i - whole - 1) + at(i + whole + 1)) * edge;
            blurred[i as usize] = ((total + (1 << 23)) >> 24) as u8;
        }
        core::mem::swap(&mut line, &mut blurred);
    }
    line.iter()
        .enumerate()
        .for_each(|(i, value)| pixels[start + i * step] = *value);
}
