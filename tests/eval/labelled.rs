//! Labelled images in batches, and probes on more of them than fit into one piece.

use super::{Draw, clusters, features};
use ijepa::data::Split;
use ijepa::data::image::Size;
use ijepa::data::source::Dataset;
use ijepa::data::transform::EvalTransform;
use ijepa::eval::knn::knn_accuracy;
use ijepa::eval::labelled::{Collected, Labelled, RAW_SIDE, raw};
use ijepa::eval::ridge::ridge_accuracy;
use ijepa::eval::samples::Samples;

fn whole(labelled: &Labelled, size: usize) -> (Vec<u8>, Vec<u32>) {
    let (mut images, mut labels) = (vec![], vec![]);
    for batch in labelled.batches(size) {
        let batch = batch.expect("glyphs are never bad");
        assert!(batch.labels.len() <= size && batch.images.len() == batch.labels.len() * 3 * 16 * 16);
        images.extend(batch.images);
        labels.extend(batch.labels);
    }
    (images, labels)
}

#[test]
fn images_come_in_batches_and_a_large_set_gives_a_fixed_part() {
    let data = Dataset::glyphs(Split::Test, 0);
    let labelled =
        |most| Labelled::new(&data, data.class_names(), Size::square(16), EvalTransform::Exact, most).expect("labels");
    let all = labelled(50_000);
    assert_eq!(all.notice(), None);
    let (images, labels) = whole(&all, 300);
    assert_eq!(labels, data.labels().expect("labels"), "all of them, in order");
    assert!(
        whole(&all, 7) == (images.clone(), labels.clone()),
        "batches change nothing"
    );

    let some = labelled(90);
    let said = some.notice().expect("not all are used");
    assert_eq!(
        said,
        "generated:glyphs has 1000 images for this: 90 of them are used, picked by chance, always the same ones"
    );
    let (part, classes) = whole(&some, 40);
    assert!(
        whole(&labelled(90), 90) == (part.clone(), classes.clone()),
        "always the same"
    );
    assert_eq!(classes.len(), 90);
    let mut kinds = classes.clone();
    kinds.sort_unstable();
    kinds.dedup();
    assert!(kinds.len() >= 9, "by chance, and not the first ones: {kinds:?}");
    let mut of_all = images.chunks_exact(3 * 16 * 16).zip(&labels);
    for (image, label) in part.chunks_exact(3 * 16 * 16).zip(&classes) {
        assert!(
            of_all.any(|found| found == (image, label)),
            "one of all, in their order"
        );
    }
}

#[test]
fn pixels_are_taken_as_they_are_up_to_32_and_scaled_down_above() {
    let bytes: Vec<u8> = (0..2 * 3 * 32 * 32).map(|i| (i * 7 % 256) as u8).collect();
    let expected: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
    assert_eq!(raw(&bytes, Size::square(RAW_SIDE)), expected);
    // Two images of 64 pixels: one of a colour, one black and white by halves with hard edges between.
    let colour = [200u8, 10, 90].repeat(64 * 64);
    let halves = (0..64 * 64).flat_map(|i| [if i % 64 < 32 { 0 } else { 255u8 }; 3]);
    let bytes: Vec<u8> = colour.into_iter().chain(halves).collect();
    let small = raw(&bytes, Size::square(64));
    assert_eq!(small.len(), 2 * 3 * 32 * 32);
    let (colour, halves) = small.split_at(3 * 32 * 32);
    for pixel in colour.chunks_exact(3) {
        assert_eq!(pixel, [200.0 / 255.0, 10.0 / 255.0, 90.0 / 255.0]);
    }
    assert_eq!((halves[0], halves[3 * 31]), (0.0, 1.0));
}

#[test]
fn what_is_collected_in_parts_is_what_was_there() {
    let mut collected = Collected::default();
    collected.add(&[1.0, 2.0, 3.0, 4.0], &[0, 1]);
    collected.add(&[5.0, 6.0], &[2]);
    let expected = Samples::new(features(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2), vec![0, 1, 2]).expect("labels");
    assert_eq!(collected.samples().expect("rows"), expected);
    assert!(Collected::default().samples().is_err(), "no image at all");
}

/// More classes than are solved for together, more test images than are made ready together.
#[test]
fn many_classes_and_many_test_images_change_no_rule() {
    let (train, test) = (
        clusters(1200, 330, 300, 0.1, 0.0, 31),
        clusters(600, 330, 300, 0.1, 0.0, 32),
    );
    assert_eq!(ridge_accuracy(&train, &test).expect("a fit").accuracy, 100.0);

    let train = clusters(120, 5, 4, 1.2, 0.0, 33);
    let of = |values: &[f32], labels: &[u32]| {
        let part = Samples::new(features(values.to_vec(), 5), labels.to_vec()).expect("labels");
        knn_accuracy(&train, &part).expect("a score").accuracy
    };
    let values = Draw::new(34).values(9000 * 5);
    let labels: Vec<u32> = (0..9000).map(|i| 10 + i % 4).collect();
    let parts: f64 = values
        .chunks(1500 * 5)
        .zip(labels.chunks(1500))
        .map(|(v, l)| of(v, l))
        .sum();
    assert!((of(&values, &labels) - parts / 6.0).abs() < 1e-9);
}
