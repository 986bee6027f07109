//! A sheet as SVG text, or drawn as a PNG.

use super::{Anchor, Ground, Item, Sheet};
use crate::cli::html::escaped;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ijepa::{Error, Result};
use image::{GrayImage, ImageBuffer, ImageFormat, Luma, PixelWithColorType, Rgb, RgbImage, Rgba, RgbaImage};
use resvg::{tiny_skia, usvg};
use std::io::Cursor;
use std::sync::Arc;

const FONT: &str = "DejaVu Sans";
/// Pixels of a PNG for one of the sheet, so that text is sharp on today's screens; one where the sheet is large.
const DENSITY: u32 = 2;
/// The longest side of a PNG that is drawn so.
const MOST_PIXELS: f64 = 8000.0;
/// Pixels of a PNG at most: 600 MB while it is drawn. And of one side: more are shown by few viewers.
const MOST_AREA: u64 = 150_000_000;
const MOST_SIDE: u32 = 32_767;

/// A PNG as a `data:` address.
pub fn data_address<P: PixelWithColorType<Subpixel = u8>>(pixels: &ImageBuffer<P, Vec<u8>>) -> Result<String> {
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(png(pixels)?)))
}

/// A PNG's bytes.
pub fn png<P: PixelWithColorType<Subpixel = u8>>(pixels: &ImageBuffer<P, Vec<u8>>) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    pixels
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(|e| Error::run(format!("the picture could not be encoded: {e}")))?;
    Ok(bytes.into_inner())
}

impl Sheet {
    /// One SVG element, images within it.
    pub fn svg(&self, ground: Ground) -> Result<String> {
        self.written(ground, true)
    }

    fn written(&self, ground: Ground, rasters: bool) -> Result<String> {
        let (width, height) = (self.width().ceil(), self.height().ceil());
        let family = match ground {
            Ground::Paper => "'DejaVu Sans', Verdana, sans-serif",
            Ground::Page => "inherit",
        };
        let fill = match ground {
            Ground::Paper => "#000",
            Ground::Page => "currentColor",
        };
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             font-family=\"{family}\" fill=\"{fill}\" role=\"img\">\n"
        );
        if ground == Ground::Paper && rasters {
            out += &format!("<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n");
        }
        for item in &self.items {
            match item {
                Item::Text {
                    at,
                    size,
                    bold,
                    anchor,
                    text,
                    ink,
                } => {
                    let ink = ink.map_or(String::new(), |ink| format!(" fill=\"{}\"", hex(ink)));
                    let weight = if *bold { " font-weight=\"bold\"" } else { "" };
                    let anchor = match anchor {
                        Anchor::Start => "",
                        Anchor::Middle => " text-anchor=\"middle\"",
                        Anchor::End => " text-anchor=\"end\"",
                    };
                    let (x, y, text) = (at.0, at.1, escaped(text));
                    out += &format!(
                        "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\"{weight}{anchor}{ink}>{text}</text>\n"
                    );
                }
                Item::Raster { at, size, pixels } if rasters => {
                    out += &placed(*at, *size, &data_address(pixels)?);
                }
                Item::Tint {
                    at,
                    size,
                    colour: [r, g, b],
                    shares,
                } if rasters => {
                    let clear = |x, y| Rgba([*r, *g, *b, shares.get_pixel(x, y).0[0]]);
                    let clear = RgbaImage::from_fn(shares.width(), shares.height(), clear);
                    out += &placed(*at, *size, &data_address(&clear)?);
                }
                Item::Raster { .. } | Item::Tint { .. } => {}
                Item::Frame {
                    at,
                    size,
                    colour,
                    thickness,
                } => {
                    let half = thickness / 2.0;
                    let (x, y, width, height) = (at.0 + half, at.1 + half, size.0 - thickness, size.1 - thickness);
                    out += &format!(
                        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"none\" \
                         stroke=\"{}\" stroke-width=\"{thickness}\"/>\n",
                        hex(*colour)
                    );
                }
                Item::Dot { at, radius, colour } => {
                    out += &format!(
                        "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius:.1}\" fill=\"{}\"/>\n",
                        at.0,
                        at.1,
                        hex(*colour)
                    );
                }
            }
        }
        Ok(out + "</svg>\n")
    }

    /// The same as pixels, on white. Images keep their colours to the bit: they are put there square by square.
    pub fn pixels(&self) -> Result<RgbImage> {
        let wrong = |what: &str| Error::run(format!("the picture could not be drawn: {what}"));
        let density = match self.width().max(self.height()) * f64::from(DENSITY) > MOST_PIXELS {
            true => 1,
            false => DENSITY,
        };
        let scale = f64::from(density);
        let [width, height] = [self.width(), self.height()].map(|side| side.ceil() as u32 * density);
        if u64::from(width) * u64::from(height) > MOST_AREA || width.max(height) > MOST_SIDE {
            return Err(Error::usage(format!(
                "the picture would have {width} x {height} pixels: take fewer images (--count), or write an .svg"
            )));
        }
        let mut canvas = tiny_skia::Pixmap::new(width, height).ok_or_else(|| wrong("it is empty or too large"))?;
        canvas.fill(tiny_skia::Color::WHITE);
        let mut put = |at: &(f64, f64), size: &(f64, f64), pixels: &RgbImage| {
            let place = |value: f64| ((value * scale).round() as u32).min(width.max(height));
            let (left, top) = (place(at.0), place(at.1));
            let (right, bottom) = (place(at.0 + size.0).min(width), place(at.1 + size.1).min(height));
            blit(&mut canvas, (left, top, right, bottom), pixels);
        };
        for item in &self.items {
            match item {
                Item::Raster { at, size, pixels } => put(at, size, pixels),
                Item::Tint {
                    at,
                    size,
                    colour,
                    shares,
                } => put(at, size, &on_white(*colour, shares)),
                _ => {}
            }
        }
        let tree = usvg::Tree::from_str(&self.written(Ground::Paper, false)?, &options());
        let tree = tree.map_err(|e| wrong(&e.to_string()))?;
        let turn = tiny_skia::Transform::from_scale(density as f32, density as f32);
        resvg::render(&tree, turn, &mut canvas.as_mut());
        let bytes = canvas
            .pixels()
            .iter()
            .flat_map(|p| [p.red(), p.green(), p.blue()])
            .collect();
        RgbImage::from_raw(width, height, bytes).ok_or_else(|| wrong("its size is wrong"))
    }
}

/// An image's element.
fn placed((x, y): (f64, f64), (width, height): (f64, f64), data: &str) -> String {
    format!(
        "<image x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" preserveAspectRatio=\"none\" \
         style=\"image-rendering:pixelated\" href=\"{data}\"/>\n"
    )
}

/// A tint as white paper shows it.
fn on_white(colour: [u8; 3], shares: &GrayImage) -> RgbImage {
    let shown = |share: u8, full: u8| 255.0 + (f64::from(full) - 255.0) * f64::from(share) / 255.0;
    RgbImage::from_fn(shares.width(), shares.height(), |x, y| {
        let Luma([share]) = *shares.get_pixel(x, y);
        Rgb(colour.map(|full| shown(share, full).round() as u8))
    })
}

/// Puts pixels into a rectangle, each of them a square of whole pixels where the sizes allow it.
fn blit(canvas: &mut tiny_skia::Pixmap, (left, top, right, bottom): (u32, u32, u32, u32), pixels: &RgbImage) {
    let (wide, high) = (right.saturating_sub(left), bottom.saturating_sub(top));
    if pixels.width() == 0 || pixels.height() == 0 {
        return;
    }
    let across = canvas.width();
    let target = canvas.pixels_mut();
    for y in 0..high {
        for x in 0..wide {
            let from = |at: u32, of: u32, count: u32| (u64::from(at) * u64::from(count) / u64::from(of)) as u32;
            let Rgb([r, g, b]) = *pixels.get_pixel(from(x, wide, pixels.width()), from(y, high, pixels.height()));
            let colour = tiny_skia::ColorU8::from_rgba(r, g, b, 255).premultiply();
            target[((top + y) * across + left + x) as usize] = colour;
        }
    }
}

/// Only the fonts in the program: the same picture everywhere.
fn options() -> usvg::Options<'static> {
    let mut fonts = usvg::fontdb::Database::new();
    for font in [dejavu::sans::regular(), dejavu::sans::bold()] {
        fonts.load_font_source(usvg::fontdb::Source::Binary(Arc::new(font)));
    }
    fonts.set_sans_serif_family(FONT);
    usvg::Options {
        font_family: FONT.to_string(),
        fontdb: Arc::new(fonts),
        ..usvg::Options::default()
    }
}

pub fn hex([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

#[cfg(test)]
mod tests {
    use super::super::mosaic;
    use super::*;
    use ijepa::model::config::Grid;

    fn sheet() -> Sheet {
        let mut sheet = Sheet::titled("A <title> & \"more\"\u{1}\u{202e}", &["below".to_string()], 400.0);
        let at = (20.0, sheet.next());
        let colours = vec![255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9];
        sheet.picture(at, (40.0, 40.0), &mosaic(Grid::square(2), colours));
        sheet.frame(at, (40.0, 40.0), [1, 2, 3], 1.0);
        sheet
    }

    #[test]
    fn a_sheet_is_well_formed_and_escapes_what_is_written() {
        for ground in [Ground::Paper, Ground::Page] {
            let text = sheet().svg(ground).unwrap();
            usvg::roxmltree::Document::parse(&text).unwrap();
            assert!(
                text.contains("A &lt;title&gt; &amp; &quot;more&quot;\\u{1}\\u{202e}"),
                "{text}"
            );
            assert!(text.contains("href=\"data:image/png;base64,"));
        }
    }

    #[test]
    fn a_picture_that_no_memory_holds_is_refused() {
        for far in [(20_000.0, 20_000.0), (100.0, 40_000.0)] {
            let mut sheet = sheet();
            sheet.dot(far, 3.0, [0; 3]);
            let error = sheet.pixels().unwrap_err();
            assert!(
                error.exit_code() == 2 && error.to_string().contains("take fewer images"),
                "{error}"
            );
        }
    }

    #[test]
    fn pixels_keep_the_colours_of_images_and_show_text() {
        let sheet = sheet();
        let top = (sheet.height() - super::super::MARGIN - 40.0) as u32;
        let drawn = sheet.pixels().unwrap();
        let at = |x: u32, y: u32| drawn.get_pixel(2 * (20 + x), 2 * (top + y)).0;
        assert_eq!(
            [at(10, 10), at(30, 10), at(10, 30), at(30, 30)],
            [[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]
        );
        let title = drawn
            .enumerate_pixels()
            .filter(|(_, y, p)| *y < 80 && p.0[0] < 100)
            .count();
        assert!(title > 100, "the title was drawn without any font: {title}");
    }
}
