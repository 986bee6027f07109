//! What happens to an image between decoding and the GPU: the reference's augmentations for training, and the two
//! transforms without chance for evaluation.

use crate::data::draw::Draw;
use crate::data::image::{Frame, Image, Size};
use crate::data::{blur, color};
use crate::error::{Error, Result};

/// The training transform: random resized crop, flip, colour distortion, blur, in this order.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainTransform {
    /// Share of the area that a crop covers (`data.crop_scale`); `None`: the central square, the same in each epoch.
    pub crop_scale: Option<[f64; 2]>,
    pub horizontal_flip: bool,
    /// `data.color_jitter_strength` where `data.use_color_distortion` is set.
    pub color_distortion: Option<f64>,
    pub gaussian_blur: bool,
}

impl TrainTransform {
    /// Refuses crop scales outside 0 ... 1 and colour strengths for which the hue would turn by more than half a circle.
    /// The rule's one home: a configuration is checked by it, too.
    pub fn validate(&self) -> Result<()> {
        if let Some([low, high]) = self.crop_scale
            && !(low > 0.0 && low <= high && high <= 1.0)
        {
            return Err(Error::usage(format!(
                "data.crop_scale [{low}, {high}] must be two shares above 0 and up to 1, the smaller one first"
            )));
        }
        match self.color_distortion {
            Some(strength) if !(0.0..=2.5).contains(&strength) => Err(Error::usage(format!(
                "data.color_jitter_strength {strength} must be from 0 to 2.5: beyond, hues turn by more than half a circle"
            ))),
            _ => Ok(()),
        }
    }

    /// `[crop, crop, 3]` bytes, RGB interleaved. All chance comes from `draw`.
    pub fn apply(&self, image: &Image, crop: usize, draw: &mut Draw) -> Vec<u8> {
        let frame = match self.crop_scale {
            Some(scale) => random_frame(image, scale, draw),
            None => image.middle(),
        };
        let mut pixels = image.crop_resized(frame, crop).pixels;
        if self.horizontal_flip && draw.unit() < 0.5 {
            flip(&mut pixels, crop);
        }
        if let Some(strength) = self.color_distortion {
            color::distort(&mut pixels, strength, draw);
        }
        if self.gaussian_blur && draw.unit() < 0.5 {
            blur::gaussian(&mut pixels, crop, crop, draw.between(0.1, 2.0));
        }
        pixels
    }
}

/// torchvision's RandomResizedCrop: ten tries of area uniform in `scale` and log-uniform aspect 3/4 ... 4/3, then the
/// central crop whose aspect is clamped to that range.
fn random_frame(image: &Image, scale: [f64; 2], draw: &mut Draw) -> Frame {
    let (narrow, wide) = (3.0 / 4.0, 4.0 / 3.0f64);
    let area = (image.width * image.height) as f64;
    for _ in 0..10 {
        let target = area * draw.between(scale[0], scale[1]);
        let aspect = libm::exp(draw.between(libm::log(narrow), libm::log(wide)));
        let width = (target * aspect).sqrt().round_ties_even() as usize;
        let height = (target / aspect).sqrt().round_ties_even() as usize;
        if (1..=image.width).contains(&width) && (1..=image.height).contains(&height) {
            let top = draw.below(image.height - height + 1);
            let left = draw.below(image.width - width + 1);
            return Frame {
                top,
                left,
                height,
                width,
            };
        }
    }
    let aspect = image.width as f64 / image.height as f64;
    let (mut width, mut height) = (image.width, image.height);
    if aspect < narrow {
        height = (width as f64 / narrow).round_ties_even() as usize;
    } else if aspect > wide {
        width = (height as f64 * wide).round_ties_even() as usize;
    }
    Frame {
        top: (image.height - height) / 2,
        left: (image.width - width) / 2,
        height,
        width,
    }
}

/// Mirrors `[side, side, 3]` bytes left to right.
fn flip(pixels: &mut [u8], side: usize) {
    for row in pixels.chunks_exact_mut(side * 3) {
        for col in 0..side / 2 {
            for channel in 0..3 {
                row.swap(col * 3 + channel, (side - 1 - col) * 3 + channel);
            }
        }
    }
}

/// The transform for probes and pictures, without any chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvalTransform {
    /// Scaled to cover 256 / 224 of the size, of which then the middle is cut: as published by the method's authors.
    Margin,
    /// Scaled to cover the size, then cut: for small images, which have no margin to spare.
    Exact,
}

impl EvalTransform {
    /// `[height, width, 3]` bytes, RGB interleaved.
    pub fn apply(self, image: &Image, size: Size) -> Vec<u8> {
        let cover = Size {
            height: self.short(size.height),
            width: self.short(size.width),
        };
        image.center_resized(cover, size).pixels
    }

    /// Pixels that a side is scaled to, before `side` of them are cut: of a square the image's short side.
    pub fn short(self, side: usize) -> usize {
        match self {
            EvalTransform::Margin => side * 256 / 224,
            EvalTransform::Exact => side,
        }
    }
}
