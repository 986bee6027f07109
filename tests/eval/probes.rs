//! The probes of papers on features whose classes are known to be told apart, or not, and beside scikit-learn's.

use super::device::gpu;
use super::{Draw, close, clusters, features};
use ijepa::eval::attentive::attentive;
use ijepa::eval::knn::{CANDIDATES, chosen};
use ijepa::eval::linear::{RATES, linear};
use ijepa::eval::samples::Samples;
use ijepa::eval::scores::Scores;
use ijepa::eval::tokens::Tokens;
use safetensors::SafeTensors;

fn accuracy(truth: &[u32], named: &[Option<u32>]) -> f64 {
    Scores::new(64, truth, named).expect("scores").accuracy()
}

/// Features of cifar10 by a trained encoder, and what scikit-learn made of them (`tests/golden/sklearn.py`).
fn golden() -> (Samples, Samples, serde_json::Value) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/sklearn.safetensors");
    let bytes = std::fs::read(path).expect("the recorded figures");
    let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let (_, header) = SafeTensors::read_metadata(&bytes).expect("a header");
    let figures = &header.metadata().as_ref().expect("figures")["figures"];
    let tensor = |name: &str| file.tensor(name).expect("a tensor").data();
    let wide = |name: &str| -> Vec<f32> {
        let words = tensor(name).chunks_exact(4);
        words.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    };
    let (scale, offset) = (wide("scale"), wide("offset"));
    let samples = |name: &str| {
        let value = |(i, &level): (usize, &u8)| f32::from(level) * scale[i % scale.len()] + offset[i % scale.len()];
        let rows = tensor(name).iter().enumerate().map(value).collect();
        let labels = tensor(&format!("{name}_labels"));
        Samples::new(
            features(rows, scale.len()),
            labels.iter().map(|&l| u32::from(l)).collect(),
        )
        .expect("labels")
    };
    (
        samples("train"),
        samples("test"),
        serde_json::from_str(figures).expect("JSON"),
    )
}

/// Of 1000 test images; half a point is five of them.
const HALF_A_POINT: f64 = 0.5;

#[test]
fn neighbours_agree_with_scikit_learn() {
    let (train, test, figures) = golden();
    for k in CANDIDATES {
        let found = chosen(&train, &test, Some(k), 0, &mut |_, _| ()).expect("neighbours");
        let theirs = figures["knn"][k.to_string()][usize::from(found.centred)]
            .as_f64()
            .expect("a figure");
        close(
            &format!("{k} neighbours"),
            accuracy(test.labels(), &found.named),
            theirs,
            0.1,
        );
    }
    let found = chosen(&train, &test, None, 0, &mut |_, _| ()).expect("neighbours");
    let theirs = figures["knn"][found.k.to_string()][usize::from(found.centred)]
        .as_f64()
        .expect("a figure");
    close(
        "the chosen k",
        accuracy(test.labels(), &found.named),
        theirs,
        HALF_A_POINT,
    );
    assert!(found.k >= 10, "{} neighbours, where few are worse", found.k);
}

#[test]
fn the_linear_probe_agrees_with_scikit_learn() {
    let (train, test, figures) = golden();
    let mut heard = vec![];
    let mut tell = |done, of| heard.push((done, of));
    let found = pollster::block_on(linear(&gpu(), &train, &test, 0, &mut tell)).expect("a probe");
    let ours = accuracy(test.labels(), &found.named);
    let decay = match found.decay {
        0.0 => "0.0".to_string(),
        decay => decay.to_string(),
    };
    let theirs = figures["linear"][&decay].as_f64().expect("a figure");
    close(&format!("decay {decay}"), ours, theirs, HALF_A_POINT);
    assert!(
        RATES.contains(&found.rate) && found.held_out.is_some_and(|held| held > 35.0),
        "{found:?}"
    );
    let &(done, of) = heard.last().expect("some steps");
    assert!(done == of && heard.is_sorted(), "{heard:?}");
}

/// Labels are any numbers, channels no fours, classes three: the trained probe finds what is apart, and only guesses at noise.
#[test]
fn the_linear_probe_finds_clusters_and_only_guesses_at_noise() {
    let (train, test) = (clusters(90, 7, 3, 0.2, 5.0, 2), clusters(31, 7, 3, 0.2, 5.0, 3));
    let probe = |train: &Samples, test: &Samples| {
        let found = pollster::block_on(linear(&gpu(), train, test, 1, &mut |_, _| ())).expect("a probe");
        accuracy(test.labels(), &found.named)
    };
    assert_eq!(probe(&train, &test), 100.0);
    let noise = |n: usize, seed| {
        let labels = (0..n as u32).map(|i| i % 2).collect();
        Samples::new(features(Draw::new(seed).values(n * 5), 5), labels).expect("labels")
    };
    let guessed = probe(&noise(100, 4), &noise(200, 5));
    assert!((35.0..65.0).contains(&guessed), "two classes of noise: {guessed}");
}

#[test]
fn one_image_of_each_class_is_enough_and_one_class_is_not() {
    let (train, test) = (clusters(3, 6, 3, 0.1, 0.0, 2), clusters(30, 6, 3, 0.1, 0.0, 3));
    let found = pollster::block_on(linear(&gpu(), &train, &test, 0, &mut |_, _| ())).expect("a probe");
    assert_eq!((found.held_out, accuracy(test.labels(), &found.named)), (None, 100.0));
    let found = chosen(&train, &test, None, 0, &mut |_, _| ()).expect("neighbours");
    assert_eq!((found.held_out, found.k), (None, 3));

    let one = clusters(8, 6, 1, 0.1, 0.0, 2);
    let message = pollster::block_on(linear(&gpu(), &one, &one, 0, &mut |_, _| ())).expect_err("one class");
    assert!(
        message.to_string().contains("of one class: a probe needs two"),
        "{message}"
    );
    for k in [0, 4] {
        let message = chosen(&train, &test, Some(k), 0, &mut |_, _| ())
            .expect_err("no such k")
            .to_string();
        assert!(
            message.contains(&format!("{k} neighbours can't be found among 3")),
            "{message}"
        );
    }
}

/// Eight patches of noise, of which one, somewhere, has a mark that tells the class: an average hides it among the others, a look
/// at single patches finds it.
fn marked(n: usize, seed: u64) -> (Tokens, Samples) {
    let (patches, width, classes) = (8, 16, 4);
    let mut draw = Draw::new(seed);
    let mut values = draw.values(n * patches * width);
    let labels: Vec<u32> = (0..n).map(|image| (image % classes) as u32).collect();
    for (image, &label) in values.chunks_exact_mut(patches * width).zip(&labels) {
        let place = ((draw.value() + 1.0) * 4.0) as usize % patches;
        let mark = &mut image[place * width..][..width];
        mark[0] = 6.0;
        mark[1 + label as usize] += 3.0;
    }
    let mut tokens = Tokens::new([patches, width], n, 1 << 30).expect("room");
    tokens.add(&values, &labels);
    let averages = ijepa::eval::features::averaged(&values, [patches, width]);
    (tokens, Samples::new(features(averages, width), labels).expect("labels"))
}

#[test]
fn the_attentive_probe_finds_what_averages_hide_and_the_same_for_a_seed() {
    let ((train, flat), (test, flat_test)) = (marked(320, 2), marked(160, 3));
    let mut heard = (0, 0);
    let mut tell = |done, of| heard = (done, of);
    let found = pollster::block_on(attentive(&gpu(), &train, &test, 0, &mut tell)).expect("a probe");
    let looked = accuracy(test.labels(), &found.named);
    let averaged = pollster::block_on(linear(&gpu(), &flat, &flat_test, 0, &mut |_, _| ())).expect("a probe");
    let averaged = accuracy(test.labels(), &averaged.named);
    println!("looked {looked}, averaged {averaged}, rate {}", found.rate);
    assert!(
        looked > 95.0 && looked > averaged + 5.0,
        "looked {looked}, averaged {averaged}"
    );
    assert!(heard.0 == heard.1 && heard.1 > 0, "{heard:?}");
    let again = pollster::block_on(attentive(&gpu(), &train, &test, 0, &mut |_, _| ())).expect("a probe");
    assert_eq!(found, again, "the same for a seed");
}

#[test]
fn patch_features_are_normed_and_kept_as_far_as_there_is_room() {
    let (patches, width) = (3, 4);
    let values = Draw::new(1).values(40 * patches * width);
    let labels: Vec<u32> = (0..40).collect();
    // 16 bits a value: room for 12 images and a half.
    let room = (12.5 * 2.0 * (patches * width) as f64) as u64;
    let mut some = Tokens::new([patches, width], 40, room).expect("room for ten");
    some.add(&values[..20 * patches * width], &labels[..20]);
    some.add(&values[20 * patches * width..], &labels[20..]);
    assert_eq!(some.len(), 12);
    assert!(
        some.labels().is_sorted() && some.labels() != (0..12).collect::<Vec<_>>(),
        "by chance, in order"
    );
    let first = some.labels()[0] as usize;
    let kept = some.pick(&[0]);
    for (patch, kept) in values[first * patches * width..].chunks(width).zip(kept.chunks(width)) {
        let mean = patch.iter().sum::<f32>() / width as f32;
        let deviation = (patch.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / width as f32).sqrt();
        for (value, kept) in patch.iter().zip(kept) {
            close(
                "a normed value",
                f64::from(*kept),
                f64::from((value - mean) / deviation),
                2e-3,
            );
        }
    }
    let message = Tokens::new([patches, width], 40, 9 * 24)
        .err()
        .expect("no room")
        .to_string();
    assert!(
        message.contains("not enough for ten: give more memory by --cache"),
        "{message}"
    );
}
