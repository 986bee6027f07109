use crate::harness::{Bench, KINDS, VARIANTS, f64s, random, sum_of};
use ijepa::cpu::variance_covariance as twin;
use ijepa::gpu::{Kind, View};
use ijepa::ops::variance_covariance::{Scratch, gradient, scratch, terms, variance_covariance};

/// Channels of very different deviation, on both sides of 1, with means of some size and some that depend on others.
fn features(n: usize, width: usize) -> Vec<f32> {
    let mut z = random(1, n * width);
    for (i, value) in z.iter_mut().enumerate() {
        let channel = i % width;
        *value = *value * [0.01, 0.3, 0.8, 1.6][channel % 4] + 0.5 * (channel % 3) as f32;
    }
    for row in z.chunks_mut(width).filter(|row| row.len() > 5) {
        row[5] += 0.7 * row[2];
    }
    z
}

const WEIGHTS: (f64, f64) = (0.7, 0.3);

/// [results (slot 1 of 3), dz].
fn run(bench: &mut Bench, z: &[f32], start: &[f32], n: usize, width: usize) -> [View; 2] {
    let (vz, dz, results) = (
        bench.put(n, width, z),
        bench.put(n, width, start),
        bench.put(1, 3, &[7f32; 3]),
    );
    let scratch = Scratch {
        centred: &bench.poisoned(n, width),
        sums: &bench.poisoned(1, width),
        products: &bench.poisoned(width, width),
        g: &bench.poisoned(width, width),
        partial: &bench.scratch(scratch(bench.kind(), n, width)),
    };
    variance_covariance(&mut bench.rec, &vz, WEIGHTS, &dz, scratch, &results, 1).unwrap();
    [results, dz]
}

fn agrees(bench: &mut Bench, n: usize, width: usize) {
    let (z, start) = (features(n, width), random(2, n * width));
    // The gradient is small beside what stands in dz already; scaled so that its error isn't hidden.
    let start: Vec<f32> = start.iter().map(|v| v * 1e-3).collect();
    let [results, dz] = run(bench, &z, &start, n, width);
    let got = bench.get(&results);
    let (want, ..) = twin::forward(&f64s(&z), n, width, WEIGHTS.0, WEIGHTS.1);
    // Sums of n products make C, sums of width^2 of them the loss; sums of `width` the gradient.
    let tolerance = 2.0 * sum_of(n) + 2.0 * sum_of(width);
    bench.compare("regularizer", 1, &got[1..2], &[want], tolerance);
    assert_eq!([got[0], got[2]], [7.0, 7.0], "{}: other slots changed", bench.label);
    let gradient = twin::backward(&f64s(&z), n, width, WEIGHTS.0, WEIGHTS.1);
    let sum: Vec<f64> = gradient.iter().zip(&start).map(|(g, &s)| g + f64::from(s)).collect();
    bench.check("dz", &dz, &sum, tolerance);
}

#[test]
fn the_terms_and_their_gradient_agree_with_f64() {
    for kind in KINDS {
        for [n, width] in [[2, 1], [7, 5], [130, 12], [257, 96]] {
            let mut bench = Bench::of(kind, format!("variance_covariance [{n}, {width}]"));
            agrees(&mut bench, n, width);
        }
    }
    for variant in VARIANTS {
        agrees(&mut Bench::new(variant, "variance_covariance [130, 12]"), 130, 12);
    }
}

/// The gradient of some rows at a time is that of all.
#[test]
fn rows_at_a_time_have_the_gradient_of_all_of_them() {
    let (n, width, cut) = (130, 12, 48);
    for kind in KINDS {
        let mut bench = Bench::of(kind, "variance_covariance in two parts");
        let z = features(n, width);
        let (centred, results) = (bench.put(n, width, &z), bench.put(1, 2, &[7f32; 2]));
        let g = bench.poisoned(width, width);
        let scratch = Scratch {
            centred: &centred,
            sums: &bench.poisoned(1, width),
            products: &bench.poisoned(width, width),
            g: &g,
            partial: &bench.scratch(scratch(kind, n, width)),
        };
        terms(&mut bench.rec, WEIGHTS, scratch, &results, 1).unwrap();
        let (loss, ..) = twin::forward(&f64s(&z), n, width, WEIGHTS.0, WEIGHTS.1);
        let tolerance = 2.0 * sum_of(n) + 2.0 * sum_of(width);
        let got = bench.get(&results);
        bench.compare("regularizer", 1, &got[1..], &[loss], tolerance);
        let want = twin::backward(&f64s(&z), n, width, WEIGHTS.0, WEIGHTS.1);
        for [first, last] in [[0, cut], [cut, n]] {
            // 48 rows of 12 channels: a binding of its own begins there.
            let own = centred.part(first * width, last - first, width).unwrap();
            let dz = bench.put(last - first, width, &vec![0f32; (last - first) * width]);
            gradient(&mut bench.rec, &own, &g, &dz).unwrap();
            bench.check("dz", &dz, &want[first * width..last * width], tolerance);
        }
    }
}

#[test]
fn one_token_has_no_variance_and_the_result_says_so() {
    let mut bench = Bench::of(Kind::Software, "variance_covariance of one token");
    let [results, _] = run(&mut bench, &random(1, 12), &random(2, 12), 1, 12);
    assert!(!bench.get(&results)[1].is_finite(), "the step must stop");
}

#[test]
fn what_is_not_finite_shows_in_the_result_or_the_gradient() {
    for width in [1, 12] {
        for bad in [f32::NAN, f32::INFINITY] {
            let mut bench = Bench::of(Kind::Software, "variance_covariance");
            let mut z = features(7, width);
            z[3] = bad;
            let [results, dz] = run(&mut bench, &z, &random(2, 7 * width), 7, width);
            let shown = !bench.get(&results)[1].is_finite() || bench.get(&dz).iter().any(|v| !v.is_finite());
            assert!(shown, "{bad} in [7, {width}] is lost");
        }
    }
}

#[test]
fn the_same_input_gives_the_same_bits() {
    for kind in KINDS {
        let mut bench = Bench::of(kind, "variance_covariance twice");
        let (z, start) = (features(130, 12), random(2, 130 * 12));
        let bits = [(); 2].map(|()| run(&mut bench, &z, &start, 130, 12).map(|view| bench.bits(&view)));
        assert_eq!(bits[0], bits[1], "{}", bench.label);
    }
}
