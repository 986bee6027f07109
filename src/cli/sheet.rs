//! A picture with words on it: images, text, frames and colour bars at their places, as SVG or PNG. The font is in the program,
//! so that no system font is needed; colours are told apart by colour-blind eyes, too.

pub mod paint;
pub mod words;

use ijepa::data::image::{Image, Size};
use ijepa::model::config::Grid;
use image::{GrayImage, RgbImage};
use plotters::style::RGBColor;
use plotters::style::colors::colormaps::ViridisRGB;

/// Pixels around everything.
pub const MARGIN: f64 = 16.0;
/// Between two panels.
pub const GAP: f64 = 10.0;
/// Height of common text, and of a title.
pub const TEXT: f64 = 13.0;
pub const TITLE: f64 = 19.0;
/// What is pointed at: a patch that is asked about, a block that is hidden. Orange of Okabe and Ito's colours.
pub const MARK: [u8; 3] = [230, 159, 0];
/// The colours of Okabe and Ito, for kinds of things.
pub const KINDS: [[u8; 3]; 8] = [
    [0, 114, 178],
    [230, 159, 0],
    [0, 158, 115],
    [204, 121, 167],
    [86, 180, 233],
    [213, 94, 0],
    [240, 228, 66],
    [110, 110, 110],
];

/// Where a text's x lies.
#[derive(Clone, Copy, PartialEq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

enum Item {
    /// `at` is the left, middle or right end of the base line.
    Text {
        at: (f64, f64),
        size: f64,
        bold: bool,
        anchor: Anchor,
        text: String,
        /// `None`: that of all text.
        ink: Option<[u8; 3]>,
    },
    /// Squares in one colour, as opaque as their values say: what is below shows through the rest.
    Tint {
        at: (f64, f64),
        size: (f64, f64),
        colour: [u8; 3],
        shares: GrayImage,
    },
    /// Every pixel a square; `size` is that on the sheet.
    Raster {
        at: (f64, f64),
        size: (f64, f64),
        pixels: RgbImage,
    },
    Frame {
        at: (f64, f64),
        size: (f64, f64),
        colour: [u8; 3],
        thickness: f64,
    },
    Dot {
        at: (f64, f64),
        radius: f64,
        colour: [u8; 3],
    },
}

/// See the module. Coordinates are pixels from the upper left corner; it grows with what is put on it.
#[derive(Default)]
pub struct Sheet {
    items: Vec<Item>,
    right: f64,
    bottom: f64,
}

/// Whom a sheet is for.
#[derive(Clone, Copy, PartialEq)]
pub enum Ground {
    /// A file: black on white, in a font that is named.
    Paper,
    /// Part of a page: in the page's colour of text, on its ground, in its font.
    Page,
}

impl Sheet {
    /// A sheet with a title and lines below it, at most `width` wide.
    pub fn titled(title: &str, lines: &[String], width: f64) -> Sheet {
        let mut sheet = Sheet::default();
        sheet.below(0.0);
        for line in words::wrapped(title, width, TITLE) {
            let y = sheet.bottom + TITLE;
            sheet.text((MARGIN, y), TITLE, true, Anchor::Start, &line);
            sheet.below(y + 4.0);
        }
        for line in lines.iter().flat_map(|line| words::wrapped(line, width, TEXT)) {
            let y = sheet.bottom + TEXT;
            sheet.text((MARGIN, y), TEXT, false, Anchor::Start, &line);
            sheet.below(y + 4.0);
        }
        sheet
    }

    /// Where the next thing may begin, below all there is.
    pub fn next(&self) -> f64 {
        self.bottom + GAP
    }

    pub fn width(&self) -> f64 {
        self.right + MARGIN
    }

    pub fn height(&self) -> f64 {
        self.bottom + MARGIN
    }

    fn below(&mut self, y: f64) {
        self.bottom = self.bottom.max(y).max(MARGIN);
    }

    fn reach(&mut self, right: f64, bottom: f64) {
        self.right = self.right.max(right);
        self.below(bottom);
    }

    pub fn text(&mut self, at: (f64, f64), size: f64, bold: bool, anchor: Anchor, text: &str) {
        self.inked(at, size, bold, anchor, text, None);
    }

    /// Common text around its place, in a colour of its own: for what stands on colours that are the same on any page.
    pub fn on_colour(&mut self, at: (f64, f64), text: &str, ink: [u8; 3]) {
        self.inked(at, TEXT, false, Anchor::Middle, text, Some(ink));
    }

    fn inked(&mut self, at: (f64, f64), size: f64, bold: bool, anchor: Anchor, text: &str, ink: Option<[u8; 3]>) {
        let width = words::width(text, size) * if bold { 1.1 } else { 1.0 };
        let right = match anchor {
            Anchor::Start => at.0 + width,
            Anchor::Middle => at.0 + width / 2.0,
            Anchor::End => at.0,
        };
        self.reach(right, at.1 + 0.25 * size);
        let text = text.to_string();
        self.items.push(Item::Text {
            at,
            size,
            bold,
            anchor,
            text,
            ink,
        });
    }

    /// A line of common text, shortened where it is longer than `most` pixels.
    pub fn label(&mut self, at: (f64, f64), most: f64, text: &str) {
        self.text(at, TEXT, false, Anchor::Start, &words::shortened(text, most, TEXT));
    }

    /// The same above the middle of a panel that begins at `at` and is `side` wide.
    pub fn caption(&mut self, at: (f64, f64), side: f64, text: &str) {
        let place = (at.0 + side / 2.0, at.1 - 5.0);
        let text = words::shortened(text, side + GAP - 2.0, TEXT);
        self.text(place, TEXT, false, Anchor::Middle, &text);
    }

    pub fn raster(&mut self, at: (f64, f64), size: (f64, f64), pixels: RgbImage) {
        self.reach(at.0 + size.0, at.1 + size.1);
        self.items.push(Item::Raster { at, size, pixels });
    }

    /// See [`Item::Tint`]; 255 is all of the colour.
    pub fn tint(&mut self, at: (f64, f64), size: (f64, f64), colour: [u8; 3], shares: GrayImage) {
        self.reach(at.0 + size.0, at.1 + size.1);
        self.items.push(Item::Tint {
            at,
            size,
            colour,
            shares,
        });
    }

    /// An image in this size; of a large one no more pixels are kept than are seen.
    pub fn picture(&mut self, at: (f64, f64), size: (f64, f64), image: &Image) {
        let most = |length: f64| 2 * length.ceil() as usize;
        let (width, height) = (image.width.min(most(size.0)), image.height.min(most(size.1)));
        let kept = match (width, height) == (image.width, image.height) {
            true => image.clone(),
            false => image.resized(width, height),
        };
        let pixels = RgbImage::from_raw(width as u32, height as u32, kept.pixels);
        self.raster(at, size, pixels.unwrap_or_default());
    }

    pub fn frame(&mut self, at: (f64, f64), size: (f64, f64), colour: [u8; 3], thickness: f64) {
        self.reach(at.0 + size.0, at.1 + size.1);
        self.items.push(Item::Frame {
            at,
            size,
            colour,
            thickness,
        });
    }

    /// A frame at the edge of what is pointed at; around what is small, so that it stays in sight.
    pub fn mark(&mut self, at: (f64, f64), size: (f64, f64)) {
        let out = if size.0.min(size.1) < 10.0 { 2.0 } else { 0.0 };
        let size = (size.0 + 2.0 * out, size.1 + 2.0 * out);
        self.frame((at.0 - out, at.1 - out), size, MARK, 2.0);
    }

    pub fn dot(&mut self, at: (f64, f64), radius: f64, colour: [u8; 3]) {
        self.reach(at.0 + radius, at.1 + radius);
        self.items.push(Item::Dot { at, radius, colour });
    }

    /// A scale of colours with the values at its ends, and what is measured.
    pub fn colour_bar(&mut self, at: (f64, f64), width: f64, (low, high): (&str, &str), what: &str) {
        let tone = |x: u32| viridis(f64::from(x) / 255.0);
        let bar = RgbImage::from_fn(256, 1, |x, _| image::Rgb(tone(x)));
        self.raster(at, (width, 12.0), bar);
        let y = at.1 + 12.0 + TEXT + 2.0;
        self.text((at.0, y), TEXT, false, Anchor::Start, low);
        self.text((at.0 + width, y), TEXT, false, Anchor::End, high);
        self.text((at.0 + width + GAP, at.1 + 11.0), TEXT, false, Anchor::Start, what);
    }
}

/// The colour of a value from 0 to 1: dark blue, green, yellow.
pub fn viridis(value: f64) -> [u8; 3] {
    let value = if value.is_finite() { value.clamp(0.0, 1.0) } else { 0.0 };
    let RGBColor(r, g, b) = ViridisRGB::get_color_normalized(value, 0.0, 1.0);
    [r, g, b]
}

/// Values of patches as colours, from `low` (dark) to `high` (bright): `[n, 3]`.
pub fn heat(values: &[f32], low: f32, high: f32) -> Vec<u8> {
    let share = |value: f32| f64::from((value - low) / (high - low).max(f32::MIN_POSITIVE));
    values.iter().flat_map(|&value| viridis(share(value))).collect()
}

/// Colours of a grid's patches, row by row, as an image with a pixel for each.
pub fn mosaic(grid: Grid, colours: Vec<u8>) -> Image {
    Image {
        width: grid.columns,
        height: grid.rows,
        pixels: colours,
    }
}

/// A place for images of one shape: its upper left corner is moved so far to the right, and its size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    pub indent: f64,
    pub size: (f64, f64),
}

impl Cell {
    /// In a column of this width: as wide as it, but no higher than half again; what is narrower stands in its middle.
    pub fn fitted(image: Size, column: f64) -> Cell {
        let (most, aspect) = (1.5 * column, image.height as f64 / image.width as f64);
        match aspect * column <= most {
            true => Cell {
                indent: 0.0,
                size: (column, aspect * column),
            },
            false => Cell {
                indent: (column - most / aspect) / 2.0,
                size: (most / aspect, most),
            },
        }
    }

    /// The upper left corner, where the column's is at `at`.
    pub fn corner(&self, at: (f64, f64)) -> (f64, f64) {
        (at.0 + self.indent, at.1)
    }

    pub fn height(&self) -> f64 {
        self.size.1
    }

    /// Corner and size of `height` x `width` patches from this row and column on.
    pub fn patches(
        &self,
        at: (f64, f64),
        grid: Grid,
        [row, column, height, width]: [usize; 4],
    ) -> ((f64, f64), (f64, f64)) {
        let (wide, high) = (self.size.0 / grid.columns as f64, self.size.1 / grid.rows as f64);
        let (x, y) = self.corner(at);
        (
            (x + column as f64 * wide, y + row as f64 * high),
            (width as f64 * wide, height as f64 * high),
        )
    }
}
