use crate::harness::{Bench, ELEMENTWISE, KINDS, f64s, random, sum_of};
use ijepa::cpu::cross_entropy as twin;
use ijepa::gpu::{Kind, View};
use ijepa::ops::cross_entropy::cross_entropy;

/// Soft targets that sum to 1, up to rounding: each row a softmax of its own.
fn distributions(seed: u64, rows: usize, cols: usize) -> Vec<f32> {
    let mut t: Vec<f32> = random(seed, rows * cols).iter().map(|v| v.exp()).collect();
    for row in t.chunks_mut(cols) {
        let sum: f32 = row.iter().sum();
        row.iter_mut().for_each(|value| *value /= sum);
    }
    t
}

/// [losses, gradient].
fn run(bench: &mut Bench, [rows, cols, heads]: [usize; 3], z: &[f32], t: &[f32], scale: f64) -> [View; 2] {
    let (vz, vt) = (bench.put(rows, cols, z), bench.put(rows / heads, cols, t));
    let (losses, gradient) = (bench.poisoned(rows, 1), bench.poisoned(rows, cols));
    cross_entropy(&mut bench.rec, &vz, &vt, scale, &losses, &gradient).unwrap();
    [losses, gradient]
}

#[test]
fn losses_and_gradient_agree_with_f64() {
    for kind in KINDS {
        for [rows, cols, heads] in [
            [1, 1, 1],
            [7, 5, 1],
            [12, 5, 3],
            [130, 12, 2],
            [257, 10, 1],
            [66, 1000, 33],
        ] {
            let mut bench = Bench::of(kind, format!("cross_entropy [{rows}, {cols}] of {heads}"));
            let z: Vec<f32> = random(1, rows * cols).iter().map(|v| 3.0 * v).collect();
            let mut t = distributions(2, rows / heads, cols);
            // One row with a hard target, one that counts for nothing.
            t[..cols].fill(0.0);
            t[cols - 1] = 1.0;
            if rows / heads > 1 {
                t[cols..2 * cols].fill(0.0);
            }
            let [losses, gradient] = run(&mut bench, [rows, cols, heads], &z, &t, 0.25);
            let (z, t) = (f64s(&z), f64s(&t));
            let want = twin::forward(&z, &t, rows, cols, heads);
            bench.check("losses", &losses, &want, sum_of(cols) + ELEMENTWISE);
            let want = twin::backward(&z, &t, rows, cols, heads, 0.25);
            bench.check("gradient", &gradient, &want, 2.0 * sum_of(cols) + 2.0 * ELEMENTWISE);
        }
    }
}

/// Logits that exp can't bear, as an untamed head makes them.
#[test]
fn large_logits_neither_overflow_nor_lose_the_row() {
    for kind in KINDS {
        let (rows, cols) = (9, 8);
        let mut bench = Bench::of(kind, "cross_entropy of large logits");
        let z: Vec<f32> = random(3, rows * cols).iter().map(|v| 2000.0 * v - 5000.0).collect();
        let t = distributions(4, rows, cols);
        let [losses, gradient] = run(&mut bench, [rows, cols, 1], &z, &t, 1.0);
        let (z, t) = (f64s(&z), f64s(&t));
        bench.check("losses", &losses, &twin::forward(&z, &t, rows, cols, 1), 1e-5);
        bench.check("gradient", &gradient, &twin::backward(&z, &t, rows, cols, 1, 1.0), 1e-5);
    }
}

/// The twin's gradient is the slope of the twin's loss.
#[test]
fn the_gradient_is_the_slope() {
    let (rows, cols, heads, scale, h) = (6, 5, 2, 0.3, 1e-5);
    let mut z = f64s(&random(5, rows * cols));
    let t = f64s(&distributions(6, rows / heads, cols));
    let gradient = twin::backward(&z, &t, rows, cols, heads, scale);
    for at in 0..z.len() {
        let middle = z[at];
        let [low, high] = [-h, h].map(|step| {
            z[at] = middle + step;
            twin::forward(&z, &t, rows, cols, heads).iter().sum::<f64>()
        });
        z[at] = middle;
        let slope = scale * (high - low) / (2.0 * h);
        assert!((slope - gradient[at]).abs() < 1e-8, "{at}: {slope} {}", gradient[at]);
    }
}

#[test]
fn what_is_not_finite_stays_so() {
    for kind in KINDS {
        let mut bench = Bench::of(kind, "cross_entropy of NaN");
        let (mut z, t) = (random(1, 7 * 12), distributions(2, 7, 12));
        z[40] = f32::NAN;
        let [losses, _] = run(&mut bench, [7, 12, 1], &z, &t, 1.0);
        let losses = bench.get(&losses);
        let broken: Vec<bool> = losses.iter().map(|loss| !loss.is_finite()).collect();
        assert_eq!(
            broken,
            [false, false, false, true, false, false, false],
            "{}",
            bench.label
        );
    }
}

#[test]
fn the_same_input_gives_the_same_bits() {
    for kind in KINDS {
        let mut bench = Bench::of(kind, "cross_entropy twice");
        let (z, t) = (random(1, 257 * 96), distributions(2, 257, 96));
        let bits = [(); 2].map(|()| run(&mut bench, [257, 96, 1], &z, &t, 1.0).map(|view| bench.bits(&view)));
        assert_eq!(bits[0], bits[1], "{}", bench.label);
    }
}

#[test]
fn tensors_that_do_not_fit_are_refused_and_none_never_panic() {
    let mut bench = Bench::of(Kind::Software, "cross_entropy");
    let (z, t, losses, gradient) = (
        bench.poisoned(6, 8),
        bench.poisoned(3, 8),
        bench.poisoned(6, 1),
        bench.poisoned(6, 8),
    );
    let (four, wide) = (bench.poisoned(4, 8), bench.poisoned(3, 12));
    let mut refused =
        |t: &View, losses: &View, gradient: &View| cross_entropy(&mut bench.rec, &z, t, 1.0, losses, gradient).is_err();
    assert!(refused(&four, &losses, &gradient), "4 rows of targets for 6");
    assert!(refused(&wide, &losses, &gradient), "12 columns for 8");
    assert!(refused(&t, &gradient, &gradient), "losses of 8 columns");
    assert!(refused(&t, &losses, &four), "a gradient of 4 rows");
    assert!(!refused(&t, &losses, &gradient));
    let none = bench.poisoned(0, 8);
    let error = cross_entropy(&mut bench.rec, &none, &none, 1.0, &none, &none).unwrap_err();
    assert!(
        error.to_string().contains("cross_entropy: 0 rows of targets"),
        "{error}"
    );
}
