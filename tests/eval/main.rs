//! Evaluation against answers that are known beforehand.

#[path = "../common/device.rs"]
mod device;
mod labelled;
mod monitor;
mod parts;
mod pictures;
mod probes;
mod scores;

use ijepa::eval::knn::{knn_accuracy, leave_one_out};
use ijepa::eval::probe::{ProbeTable, Row};
use ijepa::eval::rank::spread;
use ijepa::eval::ridge::ridge_accuracy;
use ijepa::eval::samples::{Features, Samples};
use ijepa::eval::{eigen, pca};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Uniform in [-1, 1), the same on every machine.
struct Draw(ChaCha8Rng);

impl Draw {
    fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    fn value(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0
    }

    fn values(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.value()).collect()
    }
}

/// `n` images in turn of the classes 10, 11, ...: a random centre for each class, plus noise, plus a common offset.
fn clusters(n: usize, dims: usize, classes: usize, noise: f32, offset: f32, seed: u64) -> Samples {
    let centres = Draw::new(1).values(classes * dims);
    let mut draw = Draw::new(seed);
    let values = (0..n * dims)
        .map(|i| centres[i / dims % classes * dims + i % dims] + noise * draw.value() + offset)
        .collect();
    let labels = (0..n).map(|i| 10 + (i % classes) as u32).collect();
    Samples::new(features(values, dims), labels).expect("a label for each")
}

fn features(values: Vec<f32>, dims: usize) -> Features {
    Features::new(values, dims).expect("finite rows")
}

fn close(what: &str, got: f64, expected: f64, allowed: f64) {
    assert!(
        (got - expected).abs() <= allowed,
        "{what} is {got}, expected {expected} within {allowed}"
    );
}

#[test]
fn features_that_are_broken_are_refused() {
    for (values, dims, said) in [
        (vec![1.0, f32::NAN, 2.0, 3.0], 2, "channel 1 of image 0 is not finite"),
        (vec![1.0, 2.0, 3.0], 2, "3 values do not make rows of 2"),
        (vec![], 2, "at least one image"),
    ] {
        let message = Features::new(values, dims).expect_err("broken").to_string();
        assert!(message.contains(said), "{message}");
    }
    let message = Samples::new(features(vec![1.0, 2.0], 1), vec![0])
        .expect_err("a label is missing")
        .to_string();
    assert!(message.contains("2 images but 1 labels"), "{message}");
    let (narrow, wide) = (clusters(40, 5, 2, 0.1, 0.0, 2), clusters(40, 6, 2, 0.1, 0.0, 2));
    for message in [
        knn_accuracy(&narrow, &wide).expect_err("other widths").to_string(),
        ridge_accuracy(&narrow, &wide).expect_err("other widths").to_string(),
    ] {
        assert!(message.contains("5 channels and test features 6"), "{message}");
    }
}

#[test]
fn neighbours_find_separate_clusters_and_only_guess_at_noise() {
    let train = clusters(301, 7, 4, 0.2, 0.0, 2); // odd counts: the last row is paired with itself
    let test = clusters(99, 7, 4, 0.2, 0.0, 3);
    let found = knn_accuracy(&train, &test).expect("a score");
    assert_eq!((found.accuracy, found.leave_one_out), (100.0, 100.0));

    let labels = (0..400).map(|i| i % 4).collect();
    let noise = Samples::new(features(Draw::new(4).values(400 * 7), 7), labels).expect("labels");
    let guessed = leave_one_out(&noise);
    assert!((15.0..40.0).contains(&guessed), "four classes of noise: {guessed}");
}

/// Two classes behind each other as seen from the origin: no cosine tells them before the mean is subtracted. Classes in
/// two directions from the origin: centring gains nothing there.
#[test]
fn neighbours_are_centred_where_leave_one_out_says_so() {
    let behind = |n: usize, seed| {
        let mut draw = Draw::new(seed);
        let values = (0..n).flat_map(|i| [10.0 + if i % 2 == 0 { 1.0 } else { -1.0 }, 0.2 * draw.value()]);
        Samples::new(features(values.collect(), 2), (0..n as u32).map(|i| i % 2).collect()).expect("labels")
    };
    let found = knn_accuracy(&behind(200, 5), &behind(80, 6)).expect("a score");
    assert!(found.centred && found.accuracy == 100.0, "{found:?}");

    let rays = |n: usize, seed| {
        let mut draw = Draw::new(seed);
        let values = (0..n).flat_map(|i| {
            let length = 1.0 + 0.8 * draw.value();
            if i % 2 == 0 { [length, 0.0] } else { [0.0, length] }
        });
        Samples::new(features(values.collect(), 2), (0..n as u32).map(|i| i % 2).collect()).expect("labels")
    };
    let found = knn_accuracy(&rays(100, 7), &rays(50, 8)).expect("a score");
    assert!(
        !found.centred,
        "directions from the origin tell these classes, and a tie stays as it is"
    );
    assert_eq!(found.accuracy, 100.0);
}

/// 20 neighbours by plain loops in f64 with nothing shared, on features where votes are close.
#[test]
fn neighbours_agree_with_the_plain_rule() {
    let train = clusters(150, 9, 5, 1.6, 0.3, 9);
    let test = clusters(77, 9, 5, 1.6, 0.3, 10);
    let plain = |centre: bool, query: &Samples, left_out: bool| {
        let mean = train.features.mean();
        let row = |set: &Samples, i: usize| -> Vec<f64> {
            let row = set.features.row(i).iter().zip(&mean);
            row.map(|(x, m)| f64::from(*x) - if centre { *m } else { 0.0 })
                .collect()
        };
        let norm = |x: &[f64]| x.iter().map(|v| v * v).sum::<f64>().sqrt();
        let mut right = 0;
        for q in 0..query.labels().len() {
            let x = row(query, q);
            let mut near: Vec<(f64, u32)> = (0..150)
                .filter(|i| !(left_out && *i == q))
                .map(|i| (row(&train, i), train.labels()[i]))
                .map(|(y, label)| {
                    (
                        x.iter().zip(&y).map(|(a, b)| a * b).sum::<f64>() / norm(&x) / norm(&y),
                        label,
                    )
                })
                .collect();
            near.sort_by(|a, b| b.0.total_cmp(&a.0));
            let mut votes = [0.0; 5];
            for (cosine, label) in &near[..20] {
                votes[*label as usize - 10] += (cosine / 0.07).exp();
            }
            let best = (0..5).max_by(|a, b| votes[*a].total_cmp(&votes[*b])).expect("five");
            right += usize::from(best as u32 + 10 == query.labels()[q]);
        }
        100.0 * right as f64 / query.labels().len() as f64
    };
    let expected = [plain(false, &train, true), plain(true, &train, true)];
    let centred = expected[1] > expected[0];
    let found = knn_accuracy(&train, &test).expect("a score");
    assert_eq!(found.centred, centred);
    close(
        "leave-one-out",
        found.leave_one_out,
        expected[usize::from(centred)],
        0.7,
    ); // one image: cosines are from f32
    close("leave-one-out alone", leave_one_out(&train), found.leave_one_out, 1e-9);
    close("accuracy", found.accuracy, plain(centred, &test, false), 1.4);
    assert!(
        found.accuracy > 30.0 && found.accuracy < 95.0,
        "close votes were wanted: {}",
        found.accuracy
    );
}

#[test]
fn ridge_finds_what_is_linear_and_chooses_a_heavy_penalty_for_noise() {
    // Twice as many channels as images: the dual form, with a useless constant channel and one of another size.
    for (n, dims) in [(400, 12), (60, 130)] {
        let stretch = |samples: Samples| {
            let mut values = samples.features.values().to_vec();
            values.chunks_exact_mut(dims).for_each(|row| {
                row[0] = 3.0;
                row[1] *= 1e4;
            });
            Samples::new(features(values, dims), samples.labels().to_vec()).expect("labels")
        };
        let found = ridge_accuracy(
            &stretch(clusters(n, dims, 3, 0.4, 5.0, 11)),
            &stretch(clusters(90, dims, 3, 0.4, 5.0, 12)),
        );
        assert_eq!(found.expect("a fit").accuracy, 100.0, "{n} images, {dims} channels");
    }
    let noise = |seed| {
        let features = features(Draw::new(seed).values(200 * 150), 150);
        Samples::new(features, (0..200).map(|i| u32::from(i % 10 < 3)).collect()).expect("labels")
    };
    let found = ridge_accuracy(&noise(13), &noise(14)).expect("a fit");
    assert!(
        found.penalty >= 1.0 && found.accuracy > 55.0,
        "{found:?}: 70 % are of one class"
    );
}

/// Large enough for several panels and strips, and the same system solved by nalgebra's own Cholesky.
#[test]
fn ridge_agrees_with_a_dense_solution() {
    use nalgebra::{DMatrix, DVector};
    for (n, dims) in [(500, 200), (150, 300)] {
        let noise = Draw::new(15).values(n * dims);
        let direction = Draw::new(16).values(dims);
        let label = |row: &[f32]| u32::from(row.iter().zip(&direction).map(|(x, d)| x * d).sum::<f32>() > 0.0);
        let labels = noise.chunks_exact(dims).map(label).collect();
        let train = Samples::new(features(noise, dims), labels).expect("labels");
        let fresh = Draw::new(17).values(400 * dims);
        let test = Samples::new(
            features(fresh.clone(), dims),
            fresh.chunks_exact(dims).map(label).collect(),
        )
        .expect("labels");
        let found = ridge_accuracy(&train, &test).expect("a fit");

        let x = DMatrix::from_fn(n, dims, |i, c| f64::from(train.features.row(i)[c]));
        let mean = x.row_mean();
        let scale: Vec<f64> = x.column_iter().map(|c| c.variance().sqrt()).collect();
        let standard = |row: &[f32]| DVector::from_fn(dims, |c, _| (f64::from(row[c]) - mean[c]) / scale[c]);
        let z = DMatrix::from_fn(n, dims, |i, c| (x[(i, c)] - mean[c]) / scale[c]);
        let share = train.labels().iter().sum::<u32>() as f64 / n as f64;
        let y = DVector::from_fn(n, |i, _| f64::from(train.labels()[i]) - share);
        let system = z.transpose() * &z + DMatrix::identity(dims, dims) * (found.penalty * n as f64);
        let weights = system.cholesky().expect("definite").solve(&(z.transpose() * y));
        let right = (0..400).filter(|i| {
            let score = weights.dot(&standard(test.features.row(*i))) + share; // of class 1; class 0 has the rest of 1
            u32::from(score > 0.5) == test.labels()[*i]
        });
        close("accuracy", found.accuracy, right.count() as f64 / 4.0, 1e-9);
        assert!(found.accuracy > 60.0, "{found:?}");
    }
}

#[test]
fn threads_change_no_score() {
    let (train, test) = (clusters(203, 33, 5, 2.0, 0.1, 18), clusters(101, 33, 5, 2.0, 0.1, 19));
    let scores = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("threads");
        pool.install(|| {
            (
                knn_accuracy(&train, &test).expect("k-NN"),
                ridge_accuracy(&train, &test).expect("ridge"),
                spread(&train.features),
            )
        })
    };
    assert_eq!(scores(1), scores(4));
}

#[test]
fn eigenvalues_are_those_of_known_matrices() {
    // -1, 2, -1 on three diagonals: 2 - 2 cos(k pi / (n + 1)).
    let n = 30usize;
    let matrix: Vec<f64> = (0..n * n)
        .map(|i| match (i / n).abs_diff(i % n) {
            0 => 2.0,
            1 => -1.0,
            _ => 0.0,
        })
        .collect();
    for (k, value) in eigen::values(&matrix, n).into_iter().rev().enumerate() {
        let angle = (k + 1) as f64 * std::f64::consts::PI / (n + 1) as f64;
        close("eigenvalue", value, 2.0 - 2.0 * angle.cos(), 1e-13);
    }
    // Reflections of a diagonal with repeated values, zeros and negative ones.
    let values = [5.0, 5.0, 1.0, 0.0, 0.0, -3.0, 1e-9];
    let v: Vec<f64> = (0..7).map(|i| (i + 1) as f64 / 140f64.sqrt()).collect();
    let reflect = |i: usize, j: usize| f64::from(u8::from(i == j)) - 2.0 * v[i] * v[j];
    let full: Vec<f64> = (0..49)
        .map(|i| (0..7).map(|k| reflect(i / 7, k) * values[k] * reflect(k, i % 7)).sum())
        .collect();
    let mut expected = values;
    expected.sort_by(|a, b| b.total_cmp(a));
    for (value, expected) in eigen::values(&full, 7).into_iter().zip(expected) {
        close("eigenvalue", value, expected, 1e-13);
    }
    assert_eq!(eigen::values(&[7.0], 1).len(), 1);
    close("of one number", eigen::values(&[7.0], 1)[0], 7.0, 1e-14);
    assert_eq!(eigen::values(&[0.0; 9], 3), [0.0; 3]);
}

#[test]
fn leading_vectors_are_found_in_order_and_missing_ones_are_zero() {
    let axes = [[0.6, 0.8, 0.0], [0.8, -0.6, 0.0]];
    let matrix: Vec<f64> = (0..9)
        .map(|i| 4.0 * axes[0][i / 3] * axes[0][i % 3] + axes[1][i / 3] * axes[1][i % 3])
        .collect();
    let found = eigen::leading_vectors(&matrix, 3, 3);
    for (vector, axis) in found.iter().zip(axes) {
        for (got, expected) in vector.iter().zip(axis) {
            close("component", *got, expected, 1e-6);
        }
    }
    assert_eq!(found[2], [0.0; 3]);
}

#[test]
fn effective_rank_counts_directions_that_are_used_alike() {
    // One image along each axis, both ways: all directions alike. More images than channels, then fewer.
    for dims in [4, 16] {
        let star: Vec<f32> = (0..2 * dims * dims)
            .map(|i| {
                let (row, channel) = (i / dims, i % dims);
                if row / 2 == channel {
                    3.0 * (1.0 - 2.0 * (row % 2) as f32) + 7.0
                } else {
                    7.0
                }
            })
            .collect();
        let found = spread(&features(star, dims));
        close("effective rank", found.effective_rank, dims as f64, 1e-9);
        close(
            "deviation",
            found.deviation,
            (18.0 / (2 * dims - 1) as f64).sqrt(),
            1e-6,
        );
    }
    let few: Vec<f32> = (0..3 * 40).map(|i| if i % 40 == i / 40 { 1.0 } else { 0.0 }).collect();
    close(
        "three corners span a plane",
        spread(&features(few, 40)).effective_rank,
        2.0,
        1e-9,
    );
    let line: Vec<f32> = (0..50).flat_map(|i| [i as f32, -2.0 * i as f32, 5.0]).collect();
    close("a line", spread(&features(line, 3)).effective_rank, 1.0, 1e-6);
    let still = spread(&features(vec![0.5; 12], 3));
    assert_eq!((still.deviation, still.effective_rank), (0.0, 0.0));
    assert_eq!(spread(&features(vec![1.0, 2.0], 2)).effective_rank, 0.0);
}

#[test]
fn axes_keep_their_order_and_signs_from_picture_to_picture() {
    let tokens: Vec<f32> = (0..60)
        .map(|i| ((i * i * 7 + i / 3) % 23) as f32 * (1 + i % 3) as f32)
        .collect();
    let axes = pca::axes(&features(tokens, 3));
    let turned = vec![
        axes[1].iter().map(|x| -x).collect(),
        axes[2].clone(),
        axes[0].iter().map(|x| -x).collect(),
    ];
    assert_eq!(pca::aligned(turned, &axes), axes);
}

#[test]
fn patch_colours_follow_the_strongest_direction() {
    // Along (1, 1) by 0, 1, 2, 3, and nothing else: red runs from one end to the other, the rest is mid-grey.
    let tokens: Vec<f32> = (0..4).flat_map(|i| [i as f32, i as f32]).collect();
    let colours = pca::patch_colours(&features(tokens, 2));
    assert_eq!(
        colours,
        [[0, 128, 128], [85, 128, 128], [170, 128, 128], [255, 128, 128]]
    );
    let picture = pca::patch_picture(&colours, 2, 2);
    let red: Vec<u8> = picture.iter().step_by(3).copied().collect();
    assert_eq!(
        red,
        [0, 0, 85, 85, 0, 0, 85, 85, 170, 170, 255, 255, 170, 170, 255, 255]
    );
    assert_eq!(picture.len(), 3 * 16);
}

#[test]
fn the_table_has_three_rows_and_its_json_one_line() {
    let row = |knn, linear| Row { knn, linear };
    let table = ProbeTable {
        raw: row(15.6, 11.0),
        untrained: row(33.333333, 43.5),
        learned: row(61.4, 100.0),
    };
    let text = table.to_string();
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        rows[1..],
        [
            vec!["raw", "15.6", "11.0"],
            vec!["untrained", "33.3", "43.5"],
            vec!["learned", "61.4", "100.0"]
        ]
    );
    let json = r#"{"raw":{"knn":15.6,"linear":11.0},"untrained":{"knn":33.33,"linear":43.5},"learned":{"knn":61.4,"linear":100.0}}"#;
    assert_eq!(table.json(), json);
}
