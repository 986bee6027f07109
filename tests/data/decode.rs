//! Files of every kind that is converted and used, and of every kind that is skipped, with its reason.

use std::io::Cursor;

use ijepa::data::decode::{MAX_PIXELS, decode};
use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, Rgb};
use safetensors::SafeTensors;

/// `image` written in a format.
pub fn written(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A picture without symmetry.
pub fn picture(width: u32, height: u32) -> DynamicImage {
    let at = |x: u32, y: u32| Rgb([(x * 7 % 256) as u8, (y * 11 % 256) as u8, ((x + y) * 3 % 256) as u8]);
    DynamicImage::ImageRgb8(ImageBuffer::from_fn(width, height, at))
}

#[test]
fn every_kind_of_file_gives_pillows_rgb() {
    let path = format!("{}/tests/golden/pillow.safetensors", env!("CARGO_MANIFEST_DIR"));
    let file = std::fs::read(path).unwrap();
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let mut kinds = 0;
    for name in tensors.names().iter().filter_map(|name| name.strip_prefix("file.")) {
        let want = tensors.tensor(&format!("pixels.{name}")).unwrap();
        let got = decode(tensors.tensor(&format!("file.{name}")).unwrap().data(), MAX_PIXELS);
        let got = got.unwrap_or_else(|reason| panic!("{name} {reason}"));
        assert_eq!([got.height, got.width, 3], want.shape(), "{name}");
        // Two JPEG decoders may round differently, and smooth the halved colour channels in their own ways.
        let (mean_off, most_off) = if name.ends_with("jpg") { (1.0, 8) } else { (0.0, 0) };
        let off: Vec<u8> = got
            .pixels
            .iter()
            .zip(want.data())
            .map(|(a, b)| a.abs_diff(*b))
            .collect();
        let mean = off.iter().map(|&off| off as f64).sum::<f64>() / off.len() as f64;
        assert!(
            mean <= mean_off && off.iter().all(|&off| off <= most_off),
            "{name}: {mean} levels off on average"
        );
        kinds += 1;
    }
    assert_eq!(kinds, 18);
}

#[test]
fn sixteen_bits_become_eight() {
    let rgb: ImageBuffer<Rgb<u16>, _> =
        ImageBuffer::from_fn(3, 2, |x, y| Rgb([0, 257 * 100, (x + y * 3) as u16 * 13000]));
    let got = decode(&written(&DynamicImage::ImageRgb16(rgb), ImageFormat::Png), MAX_PIXELS).unwrap();
    assert_eq!(got.pixels[..6], [0, 100, 0, 0, 100, 51]);
    let grey: ImageBuffer<Luma<u16>, _> = ImageBuffer::from_pixel(2, 2, Luma([65535]));
    let got = decode(&written(&DynamicImage::ImageLuma16(grey), ImageFormat::Png), MAX_PIXELS).unwrap();
    assert_eq!(got.pixels, [255; 12]);
}

#[test]
fn odd_shapes_are_kept() {
    for (width, height) in [(1, 1), (2, 900), (900, 2)] {
        let got = decode(&written(&picture(width, height), ImageFormat::Png), MAX_PIXELS).unwrap();
        assert_eq!((got.width, got.height), (width as usize, height as usize));
    }
}

#[test]
fn bad_files_get_their_reason() {
    let reason = |bytes: &[u8]| decode(bytes, MAX_PIXELS).unwrap_err();
    assert_eq!(reason(b""), "is empty");
    assert_eq!(reason(b"these are words"), "is no image");
    let jpeg = written(&picture(64, 48), ImageFormat::Jpeg);
    assert!(decode(&jpeg, MAX_PIXELS).is_ok());
    for length in [3, 20, 300, jpeg.len() / 2, jpeg.len() - 2] {
        let reason = reason(&jpeg[..length]);
        assert!(
            reason == "is truncated" || reason.starts_with("cannot be decoded"),
            "{length}: {reason}"
        );
    }
    assert_eq!(reason(&jpeg[..jpeg.len() / 2 + 100]), "is truncated");
    for format in [
        ImageFormat::Png,
        ImageFormat::Bmp,
        ImageFormat::Gif,
        ImageFormat::Tiff,
        ImageFormat::WebP,
    ] {
        let whole = written(&picture(64, 48), format);
        let reason = reason(&whole[..whole.len() * 2 / 3]);
        assert!(reason.starts_with("cannot be decoded: "), "{format:?}: {reason}");
        assert!(!reason.contains('\n'));
    }
    let mut png = written(&picture(64, 48), ImageFormat::Png);
    let middle = png.len() / 2;
    png[middle] ^= 0x55;
    assert!(reason(&png).starts_with("cannot be decoded"));
}

#[test]
fn what_claims_too_many_pixels_is_not_decoded() {
    // A bitmap's header that claims 40,000 x 40,000 pixels over no data at all.
    let mut header = written(&picture(2, 2), ImageFormat::Bmp);
    header[18..22].copy_from_slice(&40_000u32.to_le_bytes());
    header[22..26].copy_from_slice(&40_000u32.to_le_bytes());
    let reason = decode(&header, MAX_PIXELS).unwrap_err();
    assert_eq!(reason, "claims 40000x40000 pixels, more than the limit of 100000000");
    let small = written(&picture(20, 10), ImageFormat::Png);
    assert_eq!(
        decode(&small, 199).unwrap_err(),
        "claims 20x10 pixels, more than the limit of 199"
    );
    assert!(decode(&small, 200).is_ok());
}

/// No damage makes a decoder take the process with it.
#[test]
fn flipped_bytes_never_panic() {
    for format in [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::Gif,
        ImageFormat::Bmp,
        ImageFormat::Tiff,
    ] {
        let whole = written(&picture(17, 9), format);
        for at in (0..whole.len()).step_by(1 + whole.len() / 150) {
            let mut broken = whole.clone();
            broken[at] ^= 0xff;
            if let Ok(image) = decode(&broken, 1_000_000) {
                assert_eq!(image.pixels.len(), image.width * image.height * 3);
            }
        }
    }
}
