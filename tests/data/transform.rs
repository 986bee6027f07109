//! The transforms against Pillow (tests/golden/resize.safetensors and pillow.safetensors, made by pillow.py there).

use ijepa::Error;
use ijepa::data::draw::Draw;
use ijepa::data::image::{Frame, Image, Size};
use ijepa::data::transform::{EvalTransform, TrainTransform};
use ijepa::data::{blur, color};
use safetensors::SafeTensors;

const PLAIN: TrainTransform = TrainTransform {
    crop_scale: None,
    horizontal_flip: false,
    color_distortion: None,
    gaussian_blur: false,
};

fn golden(file: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/golden/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn image(tensors: &SafeTensors, name: &str) -> Image {
    let tensor = tensors.tensor(name).unwrap();
    Image {
        height: tensor.shape()[0],
        width: tensor.shape()[1],
        pixels: tensor.data().to_vec(),
    }
}

/// Equal within 1 level at `share` of all values, nowhere more than `most` apart.
fn close(name: &str, got: &[u8], want: &[u8], share: f64, most: u8) {
    assert_eq!(got.len(), want.len(), "{name}");
    let off: Vec<u8> = got.iter().zip(want).map(|(a, b)| a.abs_diff(*b)).collect();
    let near = off.iter().filter(|&&off| off <= 1).count() as f64 / off.len() as f64;
    let worst = off.iter().max().unwrap();
    assert!(
        near >= share && *worst <= most,
        "{name}: {near:.4} within 1 level, worst {worst}"
    );
}

#[test]
fn crop_and_resize_are_pillows() {
    let file = golden("resize.safetensors");
    let tensors = SafeTensors::deserialize(&file).unwrap();
    for case in 0..6 {
        let frame = tensors.tensor(&format!("c.{case}.box")).unwrap();
        let frame: Vec<usize> = frame
            .data()
            .chunks_exact(4)
            .map(|b| i32::from_le_bytes(b.try_into().unwrap()) as usize)
            .collect();
        let frame = Frame {
            top: frame[0],
            left: frame[1],
            height: frame[2],
            width: frame[3],
        };
        let want = image(&tensors, &format!("c.{case}.out"));
        let got = image(&tensors, &format!("c.{case}.image")).crop_resized(frame, want.width);
        close(&format!("c.{case}"), &got.pixels, &want.pixels, 0.999, 2);
    }
}

#[test]
fn colour_and_blur_are_pillows() {
    let file = golden("pillow.safetensors");
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let start = image(&tensors, "image");
    let check = |name: &str, change: &dyn Fn(&mut [u8])| {
        let mut got = start.pixels.clone();
        change(&mut got);
        close(name, &got, &image(&tensors, name).pixels, 1.0, 0);
    };
    for factor in [0.2, 0.77, 1.63] {
        check(&format!("brightness.{factor}"), &|x| color::brightness(x, factor));
        check(&format!("contrast.{factor}"), &|x| color::contrast(x, factor));
        check(&format!("saturation.{factor}"), &|x| color::saturation(x, factor));
    }
    for turn in [-0.19, 0.0, 0.13] {
        check(&format!("hue.{turn:?}"), &|x| color::hue(x, turn));
    }
    check("grey", &color::grey);
    for radius in [0.1, 0.6, 1.1, 2.0] {
        check(&format!("blur.{radius:?}"), &|x| {
            blur::gaussian(x, start.width, start.height, radius)
        });
    }
}

#[test]
fn evaluation_transforms_are_torchvisions() {
    let file = golden("pillow.safetensors");
    let tensors = SafeTensors::deserialize(&file).unwrap();
    for part in ["wide", "tall", "strip", "dot"] {
        let source = image(&tensors, &format!("part.{part}"));
        for side in [16, 56] {
            for (name, transform) in [("margin", EvalTransform::Margin), ("exact", EvalTransform::Exact)] {
                let name = format!("{name}.{part}.{side}");
                close(
                    &name,
                    &transform.apply(&source, Size::square(side)),
                    &image(&tensors, &name).pixels,
                    0.999,
                    2,
                );
            }
        }
    }
}

/// A picture whose value says where it was: red = column, green = row.
fn ramp(width: usize, height: usize) -> Image {
    let scale = |at: usize, of: usize| (at * 255 / (of - 1).max(1)) as u8;
    let pixels = (0..height).flat_map(|row| (0..width).map(move |col| (row, col)));
    let pixels = pixels
        .flat_map(|(row, col)| [scale(col, width), scale(row, height), 0])
        .collect();
    Image { width, height, pixels }
}

#[test]
fn crops_vary_in_place_size_and_aspect_as_torchvisions() {
    let transform = TrainTransform {
        crop_scale: Some([0.3, 1.0]),
        ..PLAIN
    };
    let source = ramp(120, 90);
    let mut areas = Vec::new();
    let mut aspects = Vec::new();
    for index in 0..1500 {
        let crop = transform.apply(&source, 16, &mut Draw::keyed("image", 1, 0, index));
        // Over 16 samples the ramp spans 15/16 of the crop's width and height.
        let width = (crop[15 * 3] - crop[0]) as f64 / 255.0 * 16.0 / 15.0;
        let height = (crop[15 * 16 * 3 + 1] - crop[1]) as f64 / 255.0 * 16.0 / 15.0;
        areas.push(width * height);
        aspects.push((width * 120.0 / (height * 90.0)).ln());
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    // A try fits where the image has room for it, which favours smaller crops and wide ones on a wide image:
    // 0.5505 and 0.0455 are the means of the same rule in numpy.
    assert!((mean(&areas) - 0.5505).abs() < 0.015, "{}", mean(&areas));
    assert!((mean(&aspects) - 0.0455).abs() < 0.015, "{}", mean(&aspects));
    let range = |values: &[f64]| {
        values
            .iter()
            .fold((f64::MAX, f64::MIN), |(a, b), &x| (a.min(x), b.max(x)))
    };
    assert!(range(&areas).0 > 0.28 && range(&areas).1 < 1.02, "{:?}", range(&areas));
    assert!(
        range(&aspects).0 > -0.31 && range(&aspects).1 < 0.31,
        "{:?}",
        range(&aspects)
    );
}

/// Nothing of a strip fits an aspect of 3/4 ... 4/3 with a third of its area: the central crop of clamped aspect is taken.
#[test]
fn strips_and_dots_get_the_central_crop() {
    let transform = TrainTransform {
        crop_scale: Some([0.3, 1.0]),
        ..PLAIN
    };
    for (width, height) in [(900, 2), (2, 900), (1, 1), (1, 60_000)] {
        let source = ramp(width, height);
        let crop = transform.apply(&source, 8, &mut Draw::keyed("image", 1, 0, 0));
        assert_eq!(crop.len(), 8 * 8 * 3);
        let along = if width > height {
            crop[4 * 8 * 3 + 4 * 3]
        } else {
            crop[4 * 8 * 3 + 4 * 3 + 1]
        };
        assert!(
            width * height == 1 || along.abs_diff(127) <= 2,
            "{width}x{height}: {along}"
        );
        for eval in [EvalTransform::Margin, EvalTransform::Exact] {
            assert_eq!(eval.apply(&source, Size::square(8)).len(), 8 * 8 * 3);
        }
    }
}

#[test]
fn without_a_crop_scale_the_whole_image_is_used() {
    let source = ramp(32, 32);
    assert_eq!(
        PLAIN.apply(&source, 32, &mut Draw::keyed("image", 1, 0, 0)),
        source.pixels
    );
    let half = PLAIN.apply(&source, 16, &mut Draw::keyed("image", 1, 0, 0));
    assert!(half[0] < 8 && half[15 * 3] > 247);
}

/// Its middle is shown as it is: nothing is stretched.
#[test]
fn without_a_crop_scale_photos_keep_their_shape() {
    for (width, height) in [(48, 32), (32, 48), (33, 32)] {
        let source = ramp(width, height);
        let got = PLAIN.apply(&source, 32, &mut Draw::keyed("image", 1, 0, 0));
        let (left, top) = ((width - 32) / 2, (height - 32) / 2);
        let rows = (0..32).map(|row| ((top + row) * width + left) * 3);
        let want: Vec<u8> = rows.flat_map(|at| &source.pixels[at..at + 32 * 3]).copied().collect();
        assert_eq!(got, want, "{width}x{height}");
        // As evaluation shows it; it halves an odd margin its own way.
        let step = (255 / (width.min(height) - 1) + 1) as u8;
        close(
            "evaluation",
            &got,
            &EvalTransform::Exact.apply(&source, Size::square(32)),
            0.0,
            step,
        );
    }
}

#[test]
fn each_chance_comes_at_its_rate() {
    let source = ramp(8, 8);
    let rate = |transform: &TrainTransform, hit: &dyn Fn(&[u8]) -> bool| {
        let hits = (0..2000)
            .filter(|&i| hit(&transform.apply(&source, 8, &mut Draw::keyed("image", 3, 1, i))))
            .count();
        hits as f64 / 2000.0
    };
    let flipped = rate(
        &TrainTransform {
            horizontal_flip: true,
            ..PLAIN
        },
        &|x| x[0] > x[7 * 3],
    );
    let blurred = rate(
        &TrainTransform {
            gaussian_blur: true,
            ..PLAIN
        },
        &|x| x != source.pixels,
    );
    let color = |strength| TrainTransform {
        color_distortion: Some(strength),
        ..PLAIN
    };
    let grey = |x: &[u8]| x.chunks(3).all(|rgb| rgb[0] == rgb[1] && rgb[1] == rgb[2]);
    let changed = rate(&color(1.0), &|x| x != source.pixels);
    // A radius below 0.2 or so rounds to no change at all.
    for (what, got, want, off) in [
        ("flip", flipped, 0.5, 0.03),
        ("blur", blurred, 0.48, 0.04),
        ("colour or grey", changed, 0.84, 0.03),
        ("grey", rate(&color(1.0), &grey), 0.2, 0.03),
        ("grey at strength 0", rate(&color(0.0), &grey), 0.2, 0.03),
        (
            "any change at strength 0",
            rate(&color(0.0), &|x| x != source.pixels),
            0.2,
            0.03,
        ),
    ] {
        assert!((got - want).abs() < off, "{what}: {got}, expected {want}");
    }
}

#[test]
fn settings_out_of_range_are_refused() {
    let text = |transform: TrainTransform| match transform.validate() {
        Err(Error::Usage(text)) => text,
        other => panic!("{other:?}"),
    };
    PLAIN.validate().unwrap();
    TrainTransform {
        crop_scale: Some([0.3, 1.0]),
        color_distortion: Some(1.0),
        ..PLAIN
    }
    .validate()
    .unwrap();
    assert!(
        text(TrainTransform {
            crop_scale: Some([0.9, 0.3]),
            ..PLAIN
        })
        .contains("crop_scale [0.9, 0.3] must be")
    );
    assert!(
        text(TrainTransform {
            crop_scale: Some([f64::NAN, 0.3]),
            ..PLAIN
        })
        .contains("crop_scale [NaN, 0.3] must be")
    );
    assert!(
        text(TrainTransform {
            color_distortion: Some(3.0),
            ..PLAIN
        })
        .contains("color_jitter_strength 3 must be")
    );
}
