//! A decoded image, and cutting and scaling it as Pillow does.

use fast_image_resize as fir;
use fir::images::{Image as Canvas, ImageRef, TypedCroppedImage};
use fir::pixels::U8x3;

/// Pixels `[height, width, 3]`, RGB interleaved, one byte each.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<u8>,
}

/// A box of whole pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    pub top: usize,
    pub left: usize,
    pub height: usize,
    pub width: usize,
}

impl Image {
    /// The largest square in the middle; of a square image, all of it.
    pub fn middle(&self) -> Frame {
        let side = self.width.min(self.height);
        Frame {
            top: (self.height - side) / 2,
            left: (self.width - side) / 2,
            height: side,
            width: side,
        }
    }

    /// Cuts out `frame`, which lies within the image, then scales it to side x side: bilinear with antialiasing, and no
    /// pixel outside the box has a part in it.
    pub fn crop_resized(&self, frame: Frame, side: usize) -> Image {
        let mut canvas = canvas(side);
        let view = self.view();
        let source = view.typed_image::<U8x3>();
        let target = canvas.typed_image_mut::<U8x3>();
        if let (Some(source), Some(mut target)) = (source, target) {
            let [left, top, width, height] = [frame.left, frame.top, frame.width, frame.height].map(|x| x as u32);
            let cut = TypedCroppedImage::new(source, left, top, width, height);
            let cut = cut.expect("the box lies within the image");
            let done = fir::Resizer::new().resize_typed(&cut, &mut target, &bilinear());
            done.expect("a crop that covers its view is valid");
        }
        square(canvas, side)
    }

    /// Scales the image so that its short side has `short` pixels, then cuts out the central side x side, side <= short.
    /// Only what is kept is computed: a strip of 1x60,000 pixels costs no more than a square.
    pub fn center_resized(&self, short: usize, side: usize) -> Image {
        let least = self.width.min(self.height);
        // torchvision: the long side is int(short * long / short side), and the margin is rounded half to even.
        let scaled = |length: usize| short * length / least;
        let start = |length: usize| ((scaled(length) - side) as f64 / 2.0).round_ties_even();
        let step = |length: usize| length as f64 / scaled(length) as f64;
        let mut canvas = canvas(side);
        let (left, top) = (
            start(self.width) * step(self.width),
            start(self.height) * step(self.height),
        );
        // Rounding must not push the box's far edge out of the image.
        let width = (side as f64 * step(self.width)).min(self.width as f64 - left);
        let height = (side as f64 * step(self.height)).min(self.height as f64 - top);
        let options = bilinear().crop(left, top, width, height);
        fir::Resizer::new()
            .resize(&self.view(), &mut canvas, &options)
            .expect("the box lies within the image");
        square(canvas, side)
    }

    /// Scales the whole image: bilinear with antialiasing. Neither side may be 0.
    pub fn resized(&self, width: usize, height: usize) -> Image {
        let mut canvas = Canvas::new(width as u32, height as u32, fir::PixelType::U8x3);
        fir::Resizer::new()
            .resize(&self.view(), &mut canvas, &bilinear())
            .expect("the whole image is a valid box");
        Image {
            width,
            height,
            pixels: canvas.into_vec(),
        }
    }

    fn view(&self) -> ImageRef<'_> {
        ImageRef::new(
            self.width as u32,
            self.height as u32,
            &self.pixels,
            fir::PixelType::U8x3,
        )
        .expect("an image holds width x height x 3 bytes")
    }
}

fn bilinear() -> fir::ResizeOptions {
    fir::ResizeOptions::new()
        .resize_alg(fir::ResizeAlg::Convolution(fir::FilterType::Bilinear))
        .use_alpha(false)
}

fn canvas(side: usize) -> Canvas<'static> {
    Canvas::new(side as u32, side as u32, fir::PixelType::U8x3)
}

fn square(canvas: Canvas<'static>, side: usize) -> Image {
    Image {
        width: side,
        height: side,
        pixels: canvas.into_vec(),
    }
}
