//! A decoded image, and cutting and scaling it as Pillow does.

use fast_image_resize as fir;
use fir::ImageView;
use fir::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fir::pixels::U8x3;

/// Height and width of an image in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Size {
    pub height: usize,
    pub width: usize,
}

impl Size {
    pub const fn square(side: usize) -> Size {
        Size {
            height: side,
            width: side,
        }
    }

    /// Height and width, in the order of an image's shape.
    pub fn sides(self) -> [usize; 2] {
        [self.height, self.width]
    }

    /// Values of an image: 3 * height * width.
    pub fn values(self) -> usize {
        3 * self.height * self.width
    }
}

/// As images are measured: `width x height`.
impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} x {}", self.width, self.height)
    }
}

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
    pub fn size(&self) -> Size {
        Size {
            height: self.height,
            width: self.width,
        }
    }

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

    /// Scales the image, as little as that takes, to cover `cover`, then cuts out the middle: `size`, which is no larger than
    /// `cover`. To cover a square, the short side becomes its side. Only what is kept is computed: a strip of 1x60,000 pixels
    /// costs no more than a square.
    pub fn center_resized(&self, cover: Size, size: Size) -> Image {
        // The side that meets its measure; the other is no shorter than its own.
        let wide = |size: Size, other: Size| size.width as u64 * other.height as u64;
        let (measure, side) = match wide(cover, self.size()) >= wide(self.size(), cover) {
            true => (cover.width as u64, self.width as u64),
            false => (cover.height as u64, self.height as u64),
        };
        // torchvision: the long side is int(short * long / short side), and the margin is rounded half to even.
        let scaled = |length: usize| measure * length as u64 / side;
        let start = |length: usize, kept: usize| ((scaled(length) - kept as u64) as f64 / 2.0).round_ties_even();
        let step = |length: usize| length as f64 / scaled(length) as f64;
        let (left, top) = (
            start(self.width, size.width) * step(self.width),
            start(self.height, size.height) * step(self.height),
        );
        // Rounding must not push the box's far edge out of the image.
        let width = (size.width as f64 * step(self.width)).min(self.width as f64 - left);
        let height = (size.height as f64 * step(self.height)).min(self.height as f64 - top);
        let options = bilinear().crop(left, top, width, height);
        rescaled(&self.view(), [size.width, size.height], &options)
    }

    /// Cuts a share of width and height off at each side, less than half, and scales what is left to side x side.
    pub fn within_resized(&self, margin: f64, side: usize) -> Image {
        let (width, height) = (self.width as f64, self.height as f64);
        let kept = 1.0 - 2.0 * margin;
        let options = bilinear().crop(width * margin, height * margin, width * kept, height * kept);
        rescaled(&self.view(), [side; 2], &options)
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
