//! Colour distortion with Pillow's arithmetic, so that bytes are those that torchvision gives on PIL images.
//! All functions work in place on interleaved RGB bytes.

use crate::data::draw::Draw;

/// Brightness, contrast, saturation (0.8 * strength) and hue (0.2 * strength) in random order with probability 0.8, then
/// grey with probability 0.2, which holds for strength 0 too.
pub fn distort(pixels: &mut [u8], strength: f64, draw: &mut Draw) {
    if draw.unit() < 0.8 {
        let order = draw.permutation(4);
        let mut factor = || draw.between((1.0 - 0.8 * strength).max(0.0), 1.0 + 0.8 * strength);
        let factors = [factor(), factor(), factor()];
        let turn = draw.between(-0.2 * strength, 0.2 * strength);
        for step in order.into_iter().filter(|_| strength > 0.0) {
            match step {
                0 => brightness(pixels, factors[0]),
                1 => contrast(pixels, factors[1]),
                2 => saturation(pixels, factors[2]),
                _ => hue(pixels, turn),
            }
        }
    }
    if draw.unit() < 0.2 {
        grey(pixels);
    }
}

/// Towards black by `factor`.
pub fn brightness(pixels: &mut [u8], factor: f64) {
    pixels.iter_mut().for_each(|value| *value = blend(0, *value, factor));
}

/// Towards the mean grey of the image.
pub fn contrast(pixels: &mut [u8], factor: f64) {
    let count = (pixels.len() / 3).max(1);
    let sum: u64 = pixels.chunks_exact(3).map(|rgb| luma(rgb) as u64).sum();
    let mean = (sum as f64 / count as f64 + 0.5) as u8;
    pixels.iter_mut().for_each(|value| *value = blend(mean, *value, factor));
}

/// Towards each pixel's grey.
pub fn saturation(pixels: &mut [u8], factor: f64) {
    for rgb in pixels.chunks_exact_mut(3) {
        let grey = luma(rgb);
        rgb.iter_mut().for_each(|value| *value = blend(grey, *value, factor));
    }
}

/// Turns the hue by `turn` of a full circle, -0.5 ... 0.5.
pub fn hue(pixels: &mut [u8], turn: f64) {
    let turn = (turn * 255.0) as i32 as u8;
    for rgb in pixels.chunks_exact_mut(3) {
        let [h, s, v] = to_hsv([rgb[0], rgb[1], rgb[2]]);
        rgb.copy_from_slice(&to_rgb([h.wrapping_add(turn), s, v]));
    }
}

/// Every channel becomes the pixel's grey.
pub fn grey(pixels: &mut [u8]) {
    pixels.chunks_exact_mut(3).for_each(|rgb| rgb.fill(luma(rgb)));
}

/// ITU-R 601-2 luma in Pillow's fixed point.
fn luma(rgb: &[u8]) -> u8 {
    let [r, g, b] = [rgb[0], rgb[1], rgb[2]].map(u32::from);
    ((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16) as u8
}

/// from + factor * (to - from), cut to 0 ... 255 and truncated.
fn blend(from: u8, to: u8, factor: f64) -> u8 {
    (from as f32 + factor as f32 * (to as f32 - from as f32)) as u8
}

fn to_hsv(rgb: [u8; 3]) -> [u8; 3] {
    let (most, least) = (rgb.into_iter().max().unwrap_or(0), rgb.into_iter().min().unwrap_or(0));
    if most == least {
        return [0, 0, most];
    }
    let range = (most - least) as f32;
    let saturation = range / most as f32;
    let [r, g, b] = rgb.map(|value| (most - value) as f32 / range);
    let hue = if rgb[0] == most {
        b - g
    } else if rgb[1] == most {
        (2.0 + r as f64 - b as f64) as f32
    } else {
        (4.0 + g as f64 - r as f64) as f32
    };
    let hue = ((hue as f64 / 6.0 + 1.0) % 1.0) as f32;
    [(hue as f64 * 255.0) as u8, (saturation as f64 * 255.0) as u8, most]
}

fn to_rgb([h, s, v]: [u8; 3]) -> [u8; 3] {
    if s == 0 {
        return [v; 3];
    }
    let (sector, s) = ((h as f64 * 6.0 / 255.0) as f32, (s as f64 / 255.0) as f32);
    let part = sector - sector.floor();
    let value = |x: f64| (v as f64 * x).round() as u8;
    let (s, part) = (s as f64, part as f64);
    let (p, q, t) = (value(1.0 - s), value(1.0 - s * part), value(1.0 - s * (1.0 - part)));
    match sector as u32 % 6 {
        0 => [v, t, p],
        1 => [q, v, p],
        2 => [p, v, t],
        3 => [p, q, v],
        4 => [t, p, v],
        _ => [v, p, q],
    }
}
