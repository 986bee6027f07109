//! Bytes of an image file to RGB. What cannot be used gets a reason that reads on after the file's name.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use crate::data::image::Image;
use crate::data::quiet;

/// Largest image that is decoded where nothing else is said (`--max-pixels`): 100 megapixels.
pub const MAX_PIXELS: u64 = 100_000_000;

/// The format that the first bytes of a file show, if it is one that can be decoded.
pub fn format(start: &[u8]) -> Option<ImageFormat> {
    image::guess_format(start).ok().filter(ImageFormat::reading_enabled)
}

/// Decodes a file by its content, whatever its name says. Grey, palette, 16-bit and CMYK images become RGB and alpha is
/// dropped, as `PIL.Image.convert("RGB")` does; EXIF orientation is not applied, as in the reference. Of an animation,
/// the first picture.
pub fn decode(bytes: &[u8], max_pixels: u64) -> Result<Image, String> {
    if bytes.is_empty() {
        return Err("is empty".to_string());
    }
    let format = format(bytes).ok_or("is no image")?;
    // A decoder that panics on a damaged file must not take the run with it, nor alarm anyone: the reason says it.
    quiet::caught(|| decode_as(bytes, format, max_pixels))
        .unwrap_or_else(|| Err("cannot be decoded: the decoder failed".to_string()))
}

fn decode_as(bytes: &[u8], format: ImageFormat, max_pixels: u64) -> Result<Image, String> {
    let reason =
        |error: image::ImageError| format!("cannot be decoded: {}", error.to_string().trim_end().replace('\n', " "));
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::no_limits();
    // Four channels of 32 bits and a working copy; a header that lies is found by its claim, before any allocation.
    limits.max_alloc = Some(max_pixels.saturating_mul(32).saturating_add(1 << 26));
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(reason)?;
    let (width, height) = decoder.dimensions();
    allowed(width, height, max_pixels)?;
    if format == ImageFormat::Jpeg && !jpeg_is_complete(bytes) {
        return Err("is truncated".to_string());
    }
    let pixels = DynamicImage::from_decoder(decoder)
        .map_err(reason)?
        .into_rgb8()
        .into_raw();
    Ok(Image {
        width: width as usize,
        height: height as usize,
        pixels,
    })
}

/// Refuses what has no pixels or more than `max_pixels`.
pub(super) fn allowed(width: u32, height: u32, max_pixels: u64) -> Result<(), String> {
    if width == 0 || height == 0 {
        return Err("has no pixels".to_string());
    }
    if width as u64 * height as u64 > max_pixels {
        return Err(format!(
            "claims {width}x{height} pixels, more than the limit of {max_pixels}"
        ));
    }
    Ok(())
}

/// Whether a JPEG file reaches its end-of-image marker. Decoders fill what is missing with grey and say nothing.
fn jpeg_is_complete(bytes: &[u8]) -> bool {
    let mut at = 2;
    while at + 1 < bytes.len() {
        let marker = bytes[at + 1];
        if bytes[at] != 0xff {
            at += 1; // compressed data, or stray bytes between segments
            continue;
        }
        at += match marker {
            0xd9 => return true,
            0xff => 1,                      // padding
            0x00 | 0x01 | 0xd0..=0xd8 => 2, // a stuffed byte and markers without a body
            _ => match bytes.get(at + 2..at + 4) {
                Some(length) => 2 + u16::from_be_bytes([length[0], length[1]]) as usize,
                None => return false,
            },
        };
    }
    false
}
