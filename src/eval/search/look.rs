//! Whether two images are one picture: small versions of both, compared pixel by pixel. Features tell what is alike, and how alike
//! copies are by them depends on the encoder; pixels tell a copy from what merely looks like it, once features have found the two.

use crate::data::image::Image;

/// Pixels that a version is wide and high, whatever the image's shape is.
const SIDE: usize = 16;
/// Versions are made of one of these pixels wide and high: large images are scaled once.
const FIRST: usize = 64;
/// Shares of width and height that are cut off at each side: one may be the other without its margin.
const MARGINS: [f64; 6] = [0.0, 0.02, 0.04, 0.06, 0.08, 0.1];
const VALUES: usize = 3 * SIDE * SIDE;

/// What is compared of an image.
pub struct Look {
    /// `[MARGINS, SIDE, SIDE, 3]`
    pixels: Vec<u8>,
}

impl Look {
    pub fn of(image: &Image) -> Look {
        let first = image.resized(FIRST, FIRST);
        let versions = MARGINS.iter().map(|&margin| first.within_resized(margin, SIDE).pixels);
        Look {
            pixels: versions.collect::<Vec<_>>().concat(),
        }
    }

    /// Correlation of two images' values, at most 1: it doesn't change with brightness and contrast. The best one over what
    /// margin one of them may have lost.
    pub fn likeness(&self, other: &Look) -> f32 {
        // `whole`, as all of it is, in whichever version of the other.
        let within = |whole: &Look, other: &Look| -> f32 {
            let versions = other.pixels.chunks_exact(VALUES);
            let each = versions.map(|version| correlation(&whole.pixels[..VALUES], version));
            each.fold(-1.0, f32::max)
        };
        within(self, other).max(within(other, self))
    }
}

/// Of two lists as long as each other, in whole numbers: the same on every machine. What is all of one value is like what is of
/// the same value alone.
fn correlation(a: &[u8], b: &[u8]) -> f32 {
    let n = a.len() as i64;
    let (mut sums, mut squares, mut products) = ([0i64; 2], [0i64; 2], 0i64);
    for (&a, &b) in a.iter().zip(b) {
        let (a, b) = (i64::from(a), i64::from(b));
        sums = [sums[0] + a, sums[1] + b];
        squares = [squares[0] + a * a, squares[1] + b * b];
        products += a * b;
    }
    let spread = |i: usize| n * squares[i] - sums[i] * sums[i];
    match (spread(0), spread(1)) {
        (0, 0) => f32::from(u8::from(sums[0] == sums[1])),
        (0, _) | (_, 0) => 0.0,
        (x, y) => ((n * products - sums[0] * sums[1]) as f64 / (x as f64 * y as f64).sqrt()) as f32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of `side` pixels in some waves, of `phase`; `zoom` cuts off a margin, `gain` changes the contrast.
    fn picture(side: usize, phase: f64, margin: f64, gain: f64) -> Image {
        let at = |i: usize| margin + (1.0 - 2.0 * margin) * (i as f64 + 0.5) / side as f64;
        let value = |x: f64, y: f64, c: usize| {
            let waves =
                (7.0 * x + phase).sin() + (9.0 * y + 2.0 * phase + c as f64).cos() + (5.0 * (x + y) * phase).sin();
            (128.0 + gain * 30.0 * waves) as u8
        };
        let pixels = (0..3 * side * side).map(|i| value(at(i / 3 % side), at(i / 3 / side), i % 3));
        Image {
            width: side,
            height: side,
            pixels: pixels.collect(),
        }
    }

    #[test]
    fn a_picture_is_known_at_any_size_and_without_its_margin_and_others_are_not_it() {
        let look = |side, phase, margin, gain| Look::of(&picture(side, phase, margin, gain));
        let one = look(96, 1.0, 0.0, 1.0);
        for (side, margin, gain) in [
            (96, 0.0, 1.0),
            (40, 0.0, 1.0),
            (200, 0.0, 1.3),
            (90, 0.05, 1.0),
            (77, 0.09, 0.8),
        ] {
            let likeness = one.likeness(&look(side, 1.0, margin, gain));
            assert!(likeness > 0.99, "{side} {margin} {gain}: {likeness}");
            assert_eq!(likeness, look(side, 1.0, margin, gain).likeness(&one));
        }
        for phase in [0.5, 1.5, 2.0, 3.0] {
            let likeness = one.likeness(&look(96, phase, 0.0, 1.0));
            assert!(likeness < 0.9, "{phase}: {likeness}");
        }
    }

    #[test]
    fn uniform_images_are_like_those_of_their_colour_alone() {
        let of = |level| {
            Look::of(&Image {
                width: 5,
                height: 1,
                pixels: vec![level; 15],
            })
        };
        assert_eq!(of(9).likeness(&of(9)), 1.0);
        assert_eq!(of(9).likeness(&of(10)), 0.0);
        assert_eq!(of(9).likeness(&Look::of(&picture(20, 1.0, 0.0, 1.0))), 0.0);
    }
}
