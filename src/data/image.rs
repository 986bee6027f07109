//! A decoded image, and cutting and scaling it as Pillow does.

use fast_image_resize as fir;
use fir::ImageView;
use fir::images::{TypedCroppedImage, TypedImage, TypedImageRef};
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
        let [left, top, width, height] = [frame.left, frame.top, frame.width, frame.height].map(|x| x as u32);
        let cut = TypedCroppedImage::new(self.view(), left, top, width, height);
        let cut = cut.expect("the box lies within the image");
        rescaled(&cut, [side; 2], &bilinear())
    }

    /// Scales the image so that its short side has `short` pixels, then cuts out the central side x side, side <= short.
    /// Only what is kept is computed: a strip of 1x60,000 pixels costs no more than a square.
    pub fn center_resized(&self, short: usize, side: usize) -> Image {
        let least = self.width.min(self.height);
        // torchvision: the long side is int(short * long / short side), and the margin is rounded half to even.
        let scaled = |length: usize| short * length / least;
        let start = |length: usize| ((scaled(length) - side) as f64 / 2.0).round_ties_even();
        let step = |length: usize| length as f64 / scaled(length) as f64;
        let (left, top) = (
            start(self.width) * step(self.width),
            start(self.height) * step(self.height),
        );
        // Rounding must not push the box's far edge out of the image.
        let width = (side as f64 * step(self.width)).min(self.width as f64 - left);
        let height = (side as f64 * step(self.height)).min(self.height as f64 - top);
        rescaled(&self.view(), [side; 2], &bilinear().crop(left, top, width, height))
    }

    /// Scales the whole image: bilinear with antialiasing. Neither side may be 0.
    pub fn resized(&self, width: usize, height: usize) -> Image {
        rescaled(&self.view(), [width, height], &bilinear())
    }

    fn view(&self) -> TypedImageRef<'_, U8x3> {
        let (width, height) = (self.width as u32, self.height as u32);
        TypedImageRef::from_buffer(width, height, &self.pixels).expect("an image holds width x height x 3 bytes")
    }
}

fn bilinear() -> fir::ResizeOptions {
    fir::ResizeOptions::new()
        .resize_alg(fir::ResizeAlg::Convolution(fir::FilterType::Bilinear))
        .use_alpha(false)
}

/// `source` at another size. By its type: the crate's code for all other kinds of pixels stays out of the browser's program.
fn rescaled(source: &impl ImageView<Pixel = U8x3>, [width, height]: [usize; 2], options: &fir::ResizeOptions) -> Image {
    let mut pixels = vec![0; width * height * 3];
    let canvas = TypedImage::<U8x3>::from_buffer(width as u32, height as u32, &mut pixels);
    let mut canvas = canvas.expect("a buffer of width x height x 3 bytes");
    let done = fir::Resizer::new().resize_typed(source, &mut canvas, options);
    done.expect("the box lies within the image");
    drop(canvas);
    Image { width, height, pixels }
}
