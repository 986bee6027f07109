//! `generated:glyphs`: seeded, labelled 32x32 images that raw pixels solve badly and an encoder solves well.
//!
//! An image is a grid of glyphs of one class with random colours and rotations: what is shared across the image, and can be
//! predicted from its context, is the kind of glyph alone. Drawn with ChaCha8 and `libm`, so every platform makes the same
//! bytes.

use core::f64::consts::TAU;

use crate::data::Split;
use crate::data::draw::Draw;

/// Pixels along a side.
pub const SIDE: usize = 32;
/// Images of the training split; an epoch.
pub const TRAIN: usize = 4000;
/// Images of the test split, from streams of their own.
pub const TEST: usize = 1000;
/// Class names; the class of image `index` is `index % 10`.
pub const CLASSES: [&str; 10] = [
    "disc",
    "ring",
    "square",
    "frame",
    "triangle",
    "plus",
    "bar",
    "two bars",
    "half disc",
    "two dots",
];

const CELL: f64 = 8.0;
const BACKGROUND: f64 = 0.5;
const NOISE: f64 = 0.02;

/// Images of a split.
pub fn count(split: Split) -> usize {
    match split {
        Split::Train => TRAIN,
        Split::Test => TEST,
    }
}

/// The class of an image of either split.
pub fn label(index: usize) -> u32 {
    (index % CLASSES.len()) as u32
}

/// Image `index` of a split: `[32, 32, 3]` bytes, RGB interleaved.
pub fn image(seed: u64, split: Split, index: usize) -> Vec<u8> {
    let stream = match split {
        Split::Train => 0,
        Split::Test => 1,
    };
    let mut draw = Draw::keyed("glyphs", seed, stream, index as u64);
    let mut canvas = vec![BACKGROUND; SIDE * SIDE * 3];
    let offset = [draw.between(0.0, CELL), draw.between(0.0, CELL)];
    for row in -1..=4 {
        for col in -1..=4 {
            Glyph::draw(&mut draw, offset, [col as f64, row as f64]).paint(&mut canvas, label(index));
        }
    }
    for pair in canvas.chunks_exact_mut(2) {
        let [a, b] = draw.normals();
        pair[0] += NOISE * a;
        pair[1] += NOISE * b;
    }
    canvas
        .iter()
        .map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8)
        .collect()
}

/// Place and look of one glyph, in pixels.
struct Glyph {
    center: [f64; 2],
    radius: f64,
    cos: f64,
    sin: f64,
    color: [f64; 3],
}

impl Glyph {
    fn draw(draw: &mut Draw, offset: [f64; 2], cell: [f64; 2]) -> Self {
        let mut place = |axis: usize| offset[axis] + (cell[axis] + 0.5) * CELL + draw.between(-0.8, 0.8);
        let center = [place(0), place(1)];
        let radius = CELL / 2.0 * draw.between(0.85, 1.0);
        let angle = draw.between(0.0, TAU);
        let color = loop {
            let color = [draw.unit(), draw.unit(), draw.unit()];
            if color.iter().any(|channel| (channel - BACKGROUND).abs() >= 0.35) {
                break color;
            }
        };
        Glyph {
            center,
            radius,
            cos: libm::cos(angle),
            sin: libm::sin(angle),
            color,
        }
    }

    /// Blends the glyph over the canvas: opaque inside, with an edge one pixel wide.
    fn paint(&self, canvas: &mut [f64], class: u32) {
        // No glyph reaches further than 1.3 radii and one pixel of its centre.
        let reach = 1.3 * self.radius + 1.0;
        let range = |center: f64| {
            let last = (center + reach).ceil().clamp(0.0, SIDE as f64) as usize;
            (center - reach).floor().clamp(0.0, SIDE as f64) as usize..last
        };
        for row in range(self.center[1]) {
            for col in range(self.center[0]) {
                let (dx, dy) = (col as f64 + 0.5 - self.center[0], row as f64 + 0.5 - self.center[1]);
                let (x, y) = (self.cos * dx + self.sin * dy, self.cos * dy - self.sin * dx);
                let alpha = (0.5 - distance(class, x, y, self.radius)).clamp(0.0, 1.0);
                for (value, color) in canvas[(row * SIDE + col) * 3..][..3].iter_mut().zip(self.color) {
                    *value += alpha * (color - *value);
                }
            }
        }
    }
}

/// Signed distance from (x, y), in the glyph's own axes, to the outline of a glyph of radius r; negative inside.
fn distance(class: u32, x: f64, y: f64, r: f64) -> f64 {
    let length = |x: f64, y: f64| (x * x + y * y).sqrt();
    // Exact distance to a box of half sizes a, b.
    let boxed = |x: f64, y: f64, a: f64, b: f64| {
        let (dx, dy) = (x.abs() - a, y.abs() - b);
        length(dx.max(0.0), dy.max(0.0)) + dx.max(dy).min(0.0)
    };
    let l = length(x, y);
    match class {
        0 => l - 0.85 * r,
        1 => (l - 0.75 * r).abs() - 0.22 * r,
        2 => boxed(x, y, 0.75 * r, 0.75 * r),
        3 => boxed(x, y, 0.65 * r, 0.65 * r).abs() - 0.18 * r,
        4 => (0.866 * x.abs() + 0.5 * y).max(-y) - 0.5 * r,
        5 => boxed(x, y, r, 0.28 * r).min(boxed(x, y, 0.28 * r, r)),
        6 => boxed(x, y, r, 0.28 * r),
        7 => boxed(x, y.abs() - 0.55 * r, r, 0.22 * r),
        8 => (l - r).max(-y),
        _ => length(x.abs() - 0.6 * r, y) - 0.38 * r,
    }
}
