//! Random augmentation for training with labels, after RandAugment (Cubuk et al. 2020) in the form usual for vision
//! transformers: two operations, each with probability one half, at a magnitude that is the same for all. Colours are those of
//! [`super::color`]; what a turned image leaves open is filled with grey. `[side, side, 3]` bytes, RGB interleaved.

use crate::data::color;
use crate::data::draw::Draw;

/// The strongest magnitude.
pub const MOST: f64 = 10.0;

/// Operations that are drawn for an image.
const DRAWN: usize = 2;
/// ImageNet's mean, which is 0 once pixels are normalised.
const FILL: [u8; 3] = [124, 116, 104];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    AutoContrast,
    Equalize,
    Invert,
    Rotate,
    Posterize,
    Solarize,
    SolarizeAdd,
    Saturation,
    Contrast,
    Brightness,
    Sharpness,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
}

const OPERATIONS: [Operation; 15] = [
    Operation::AutoContrast,
    Operation::Equalize,
    Operation::Invert,
    Operation::Rotate,
    Operation::Posterize,
    Operation::Solarize,
    Operation::SolarizeAdd,
    Operation::Saturation,
    Operation::Contrast,
    Operation::Brightness,
    Operation::Sharpness,
    Operation::ShearX,
    Operation::ShearY,
    Operation::TranslateX,
    Operation::TranslateY,
];

/// Two random operations at about `magnitude`, 0 to 10: it varies by half a step, as timm's `rand-m9-mstd0.5-inc1` does.
pub fn augment(pixels: &mut [u8], side: usize, magnitude: f64, draw: &mut Draw) {
    for _ in 0..DRAWN {
        let operation = OPERATIONS[draw.below(OPERATIONS.len())];
        let [noise, _] = draw.normals();
        let (left_out, strength, negative) = (draw.unit() < 0.5, (magnitude + 0.5 * noise) / MOST, draw.unit() < 0.5);
        if !left_out {
            apply(pixels, side, operation, strength.clamp(0.0, 1.0), negative);
        }
    }
}

/// One operation at a strength of 0 to 1; more of it is always further from the image.
fn apply(pixels: &mut [u8], side: usize, operation: Operation, strength: f64, negative: bool) {
    let signed = |most: f64| if negative { -most * strength } else { most * strength };
    match operation {
        Operation::AutoContrast => each_channel(pixels, stretched),
        Operation::Equalize => each_channel(pixels, equalized),
        Operation::Invert => pixels.iter_mut().for_each(|value| *value = 255 - *value),
        Operation::Posterize => {
            let dropped = (4.0 * strength) as u32; // 4 to 8 bits stay
            pixels
                .iter_mut()
                .for_each(|value| *value = *value >> dropped << dropped);
        }
        Operation::Solarize => {
            let threshold = 256.0 * (1.0 - strength);
            let above = pixels.iter_mut().filter(|value| f64::from(**value) >= threshold);
            above.for_each(|value| *value = 255 - *value);
        }
        Operation::SolarizeAdd => {
            let more = (110.0 * strength) as u8;
            let below = pixels.iter_mut().filter(|value| **value < 128);
            below.for_each(|value| *value = value.saturating_add(more));
        }
        Operation::Saturation => color::saturation(pixels, 1.0 + signed(0.9)),
        Operation::Contrast => color::contrast(pixels, 1.0 + signed(0.9)),
        Operation::Brightness => color::brightness(pixels, 1.0 + signed(0.9)),
        Operation::Sharpness => sharpen(pixels, side, 1.0 + signed(0.9)),
        Operation::Rotate => {
            let (sin, cos) = libm::sincos(signed(30.0).to_radians());
            warp(pixels, side, [[cos, -sin], [sin, cos]], [0.0, 0.0]);
        }
        Operation::ShearX => warp(pixels, side, [[1.0, signed(0.3)], [0.0, 1.0]], [0.0, 0.0]),
        Operation::ShearY => warp(pixels, side, [[1.0, 0.0], [signed(0.3), 1.0]], [0.0, 0.0]),
        Operation::TranslateX => warp(
            pixels,
            side,
            [[1.0, 0.0], [0.0, 1.0]],
            [signed(0.45) * side as f64, 0.0],
        ),
        Operation::TranslateY => warp(
            pixels,
            side,
            [[1.0, 0.0], [0.0, 1.0]],
            [0.0, signed(0.45) * side as f64],
        ),
    }
}

/// Each channel through the table that its own histogram gives.
fn each_channel(pixels: &mut [u8], table: fn(&[u32; 256]) -> [u8; 256]) {
    for channel in 0..3 {
        let mut histogram = [0u32; 256];
        pixels
            .iter()
            .skip(channel)
            .step_by(3)
            .for_each(|&value| histogram[usize::from(value)] += 1);
        let table = table(&histogram);
        let values = pixels.iter_mut().skip(channel).step_by(3);
        values.for_each(|value| *value = table[usize::from(*value)]);
    }
}

/// The darkest value becomes 0, the brightest 255.
fn stretched(histogram: &[u32; 256]) -> [u8; 256] {
    let used = || (0..256).filter(|&value| histogram[value] > 0);
    let (low, high) = (used().min().unwrap_or(0), used().max().unwrap_or(0));
    std::array::from_fn(|value| match high > low {
        true => (255 * value.saturating_sub(low) / (high - low)).min(255) as u8,
        false => value as u8,
    })
}

/// Every value becomes about as frequent, by Pillow's arithmetic.
fn equalized(histogram: &[u32; 256]) -> [u8; 256] {
    let last = (0..256)
        .rev()
        .map(|value| histogram[value])
        .find(|&count| count > 0)
        .unwrap_or(0);
    let step = (histogram.iter().sum::<u32>() - last) / 255;
    let mut sum = step / 2;
    std::array::from_fn(|value| {
        let place = sum.checked_div(step).map_or(value as u8, |place| place.min(255) as u8);
        sum += histogram[value];
        place
    })
}

/// Away from (`factor` above 1) or towards (below 1) a version blurred over 3 x 3 pixels; the border stays.
fn sharpen(pixels: &mut [u8], side: usize, factor: f64) {
    let source = pixels.to_vec();
    let at = |row: usize, col: usize, channel: usize| f64::from(source[(row * side + col) * 3 + channel]);
    for row in 1..side.saturating_sub(1) {
        for col in 1..side - 1 {
            for channel in 0..3 {
                let around: f64 = (row - 1..=row + 1)
                    .flat_map(|r| (col - 1..=col + 1).map(move |c| (r, c)))
                    .map(|(r, c)| at(r, c, channel))
                    .sum();
                let (own, blurred) = (at(row, col, channel), (around + 4.0 * at(row, col, channel)) / 13.0);
                let value = (blurred + factor * (own - blurred)).clamp(0.0, 255.0);
                pixels[(row * side + col) * 3 + channel] = value.round() as u8;
            }
        }
    }
}

/// Takes each pixel from where `matrix`, about the centre, and then `shift` point (column, row), between four others.
fn warp(pixels: &mut [u8], side: usize, matrix: [[f64; 2]; 2], shift: [f64; 2]) {
    let source = pixels.to_vec();
    let center = (side as f64 - 1.0) / 2.0;
    let at = |row: f64, col: f64, channel: usize| {
        let inside = |place: f64| (0.0..side as f64).contains(&place);
        match inside(row) && inside(col) {
            true => f64::from(source[(row as usize * side + col as usize) * 3 + channel]),
            false => f64::from(FILL[channel]),
        }
    };
    for row in 0..side {
        for col in 0..side {
            let (x, y) = (col as f64 - center, row as f64 - center);
            let from_col = matrix[0][0] * x + matrix[0][1] * y + center + shift[0];
            let from_row = matrix[1][0] * x + matrix[1][1] * y + center + shift[1];
            let (left, top) = (from_col.floor(), from_row.floor());
            let (right, below) = (from_col - left, from_row - top);
            for channel in 0..3 {
                let upper = (1.0 - right) * at(top, left, channel) + right * at(top, left + 1.0, channel);
                let lower = (1.0 - right) * at(top + 1.0, left, channel) + right * at(top + 1.0, left + 1.0, channel);
                pixels[(row * side + col) * 3 + channel] = ((1.0 - below) * upper + below * lower).round() as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Split, glyphs};

    fn picture() -> Vec<u8> {
        glyphs::image(0, Split::Train, 3)
    }

    #[test]
    fn without_strength_an_image_stays_and_with_it_it_changes() {
        let side = glyphs::SIDE;
        for operation in OPERATIONS {
            for negative in [false, true] {
                let (mut weak, mut strong) = (picture(), picture());
                apply(&mut weak, side, operation, 0.0, negative);
                apply(&mut strong, side, operation, 1.0, negative);
                let always = [Operation::AutoContrast, Operation::Equalize, Operation::Invert];
                assert_eq!(weak == picture(), !always.contains(&operation), "{operation:?}");
                assert_ne!(strong, picture(), "{operation:?}");
            }
        }
    }

    #[test]
    fn shifts_go_by_pixels_and_leave_grey() {
        let mut pixels: Vec<u8> = (0..4 * 4 * 3).map(|i| i as u8).collect();
        warp(&mut pixels, 4, [[1.0, 0.0], [0.0, 1.0]], [1.0, 0.0]);
        assert_eq!(pixels[..12], [3, 4, 5, 6, 7, 8, 9, 10, 11, 124, 116, 104]);
        // A quarter turn and three more lead back.
        let mut turned = picture();
        for _ in 0..4 {
            warp(&mut turned, glyphs::SIDE, [[0.0, -1.0], [1.0, 0.0]], [0.0, 0.0]);
        }
        assert_eq!(turned, picture());
    }

    #[test]
    fn histograms_are_stretched_and_evened() {
        let mut histogram = [0u32; 256];
        (histogram[100], histogram[150], histogram[200]) = (10, 20, 30);
        let table = stretched(&histogram);
        assert_eq!([table[100], table[150], table[200]], [0, 127, 255]);
        let mut even = [4u32; 256];
        even[255] = 4;
        let table = equalized(&even);
        assert_eq!([table[0], table[128], table[255]], [0, 128, 255]);
        let mut one = [0u32; 256];
        one[77] = 9;
        assert_eq!((stretched(&one)[77], equalized(&one)[77]), (77, 77));
    }

    #[test]
    fn the_same_draws_give_the_same_bytes() {
        let made = |index: u64| {
            let mut pixels = picture();
            augment(&mut pixels, glyphs::SIDE, 9.0, &mut Draw::keyed("augment", 1, 2, index));
            pixels
        };
        let different = (0..40).filter(|&index| made(index) != picture()).count();
        assert!(
            (20..40).contains(&different),
            "three of four images change: {different} of 40"
        );
        assert_eq!(made(7), made(7));
    }
}
