use crate::harness::{Bench, ELEMENTWISE, KINDS, f64s, random};
use ijepa::cpu::patchify as twin;
use ijepa::gpu::Kind;
use ijepa::ops::patchify::{Pixels, patchify};

/// Images, [height, width] and patch: one patch only, odd sizes (rows that end inside a word), several workgroups; then images
/// that are no squares: one column, one row, odd rows and columns, wide and high.
const SHAPES: [(usize, [usize; 2], usize); 8] = [
    (1, [1, 1], 1),
    (2, [15, 15], 5),
    (3, [12, 12], 4),
    (2, [28, 28], 14),
    (3, [15, 5], 5),
    (2, [3, 21], 3),
    (3, [10, 35], 5),
    (2, [42, 14], 2),
];

/// All patches of all images backwards, and the first once more.
fn list(images: usize, [height, width]: [usize; 2], patch: usize) -> Vec<u32> {
    let all = (images * (height / patch) * (width / patch)) as u32;
    (0..all).rev().chain([0]).collect()
}

#[test]
fn bytes_are_normalised_and_ordered_as_f64_says() {
    for kind in KINDS {
        for (images, size, patch) in SHAPES {
            let mut bench = Bench::of(
                kind,
                format!("patchify bytes, {images} images of {size:?}, patches of {patch}"),
            );
            let list = list(images, size, patch);
            let bytes: Vec<u8> = (0..images * size[0] * size[1] * 3)
                .map(|i| (i * 37 % 256) as u8)
                .collect();
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
            patchify(&mut bench.rec, Pixels::Bytes, &pixels, &vlist, size, patch, &y).unwrap();
            bench.check("y", &y, &twin::from_u8(&bytes, &list, size, patch), ELEMENTWISE);
        }
    }
}

#[test]
fn floats_are_moved_and_not_changed() {
    for kind in KINDS {
        for (images, size, patch) in SHAPES {
            let mut bench = Bench::of(
                kind,
                format!("patchify floats, {images} images of {size:?}, patches of {patch}"),
            );
            let list = list(images, size, patch);
            let pixels = random(1, images * size[0] * size[1] * 3);
            let images = bench.put(images, size[0] * size[1] * 3, &pixels);
            let (vlist, y) = (
                bench.put(list.len(), 1, &list),
                bench.poisoned(list.len(), 3 * patch * patch),
            );
            patchify(&mut bench.rec, Pixels::Floats, &images, &vlist, size, patch, &y).unwrap();
            bench.check("y", &y, &twin::from_f32(&f64s(&pixels), &list, size, patch), 0.0);
        }
    }
}

/// Counted by hand, since the kernel and its twin might be wrong alike.
#[test]
fn a_wide_image_is_cut_row_by_row() {
    // 2 x 6 pixels in patches of 2: red is the pixel's number, 0 ... 11.
    let mut bench = Bench::of(Kind::Software, "patchify of a wide image");
    let image: Vec<f32> = (0..3 * 12).map(|i| if i < 12 { i as f32 } else { -1.0 }).collect();
    let (images, list, y) = (
        bench.put(1, image.len(), &image),
        bench.put(3, 1, &[0u32, 1, 2]),
        bench.poisoned(3, 12),
    );
    patchify(&mut bench.rec, Pixels::Floats, &images, &list, [2, 6], 2, &y).unwrap();
    let reds = [[0.0, 1.0, 6.0, 7.0], [2.0, 3.0, 8.0, 9.0], [4.0, 5.0, 10.0, 11.0]];
    let want: Vec<f64> = reds
        .iter()
        .flat_map(|reds| reds.iter().copied().chain([-1.0; 8]))
        .collect();
    bench.check("y", &y, &want, 0.0);
}

#[test]
fn a_size_that_patches_do_not_fill_is_refused() {
    let mut bench = Bench::of(Kind::Software, "patchify");
    let (images, list) = (bench.poisoned(1, 3 * 16 * 16), bench.put(2, 1, &[0u32; 2]));
    for ([height, width], patch) in [
        ([15, 15], 4),
        ([15, 15], 0),
        ([0, 0], 4),
        ([16, 15], 4),
        ([15, 16], 4),
        ([0, 4], 4),
        ([4, 0], 4),
        ([16, 20], 4), // more than there is
    ] {
        let y = bench.poisoned(2, 3 * patch * patch);
        let size = [height, width];
        let error = patchify(&mut bench.rec, Pixels::Floats, &images, &list, size, patch, &y).unwrap_err();
        assert!(
            error.to_string().contains(&format!("{width} x {height} pixels")),
            "{error}"
        );
    }
}
