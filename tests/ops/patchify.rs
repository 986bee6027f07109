use crate::harness::{Bench, ELEMENTWISE, KINDS, f64s, random};
use ijepa::cpu::patchify as twin;
use ijepa::gpu::Kind;
use ijepa::ops::patchify::{Pixels, patchify};

/// [images, crop, patch]: one patch only, odd sizes (rows that end inside a word), several workgroups.
const SHAPES: [[usize; 3]; 4] = [[1, 1, 1], [2, 15, 5], [3, 12, 4], [2, 28, 14]];

/// All patches of all images backwards, and the first once more.
fn list(images: usize, crop: usize, patch: usize) -> Vec<u32> {
    let all = (images * (crop / patch) * (crop / patch)) as u32;
    (0..all).rev().chain([0]).collect()
}

#[test]
fn bytes_are_normalised_and_ordered_as_f64_says() {
    for kind in KINDS {
        for [images, crop, patch] in SHAPES {
            let mut bench = Bench::of(
                kind,
                format!("patchify bytes, {images} images of {crop}, patches of {patch}"),
            );
            let list = list(images, crop, patch);
            let bytes: Vec<u8> = (0..images * crop * crop * 3).map(|i| (i * 37 % 256) as u8).collect();
            let mut padded = bytes.clone();
            padded.resize(bytes.len().next_multiple_of(4), 0);
            let words: Vec<u32> = padded
                .chunks(4)
                .map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]]))
                .collect();
            let pixels = bench.put(1, words.len(), &words);
            let (vlist, y) = (
                bench.put(list.len(), 1, &list),
                bench.poisoned(list.len(), 3 * patch * patch),
            );
            patchify(&mut bench.rec, Pixels::Bytes, &pixels, &vlist, crop, patch, &y).unwrap();
            bench.check("y", &y, &twin::from_u8(&bytes, &list, crop, patch), ELEMENTWISE);
        }
    }
}

#[test]
fn floats_are_moved_and_not_changed() {
    for kind in KINDS {
        for [images, crop, patch] in SHAPES {
            let mut bench = Bench::of(
                kind,
                format!("patchify floats, {images} images of {crop}, patches of {patch}"),
            );
            let list = list(images, crop, patch);
            let pixels = random(1, images * crop * crop * 3);
            let images = bench.put(images, crop * crop * 3, &pixels);
            let (vlist, y) = (
                bench.put(list.len(), 1, &list),
                bench.poisoned(list.len(), 3 * patch * patch),
            );
            patchify(&mut bench.rec, Pixels::Floats, &images, &vlist, crop, patch, &y).unwrap();
            bench.check("y", &y, &twin::from_f32(&f64s(&pixels), &list, crop, patch), 0.0);
        }
    }
}

#[test]
fn a_crop_that_patches_do_not_fill_is_refused() {
    let mut bench = Bench::of(Kind::Software, "patchify");
    let (images, list) = (bench.poisoned(1, 3 * 15 * 15), bench.put(2, 1, &[0u32; 2]));
    for (crop, patch) in [(15, 4), (15, 0), (0, 4)] {
        let y = bench.poisoned(2, 3 * patch * patch);
        let error = patchify(&mut bench.rec, Pixels::Floats, &images, &list, crop, patch, &y).unwrap_err();
        assert!(error.to_string().contains(&format!("{crop} pixels")), "{error}");
    }
}
