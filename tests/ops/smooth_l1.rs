use crate::harness::{Bench, ELEMENTWISE, KINDS, f64s, random, sum_of};
use ijepa::cpu::smooth_l1 as twin;
use ijepa::gpu::{Kind, View};
use ijepa::ops::smooth_l1::{scratch, share, smooth_l1};

/// [loss (slot 1 of 3), gradient].
fn run(bench: &mut Bench, rows: usize, cols: usize, prediction: &[f32], target: &[f32]) -> [View; 2] {
    let (p, t) = (bench.put(rows, cols, prediction), bench.put(rows, cols, target));
    let (gradient, results) = (bench.poisoned(rows, cols), bench.put(1, 3, &[7f32; 3]));
    let partial = bench.scratch(scratch(bench.kind(), rows, cols));
    smooth_l1(&mut bench.rec, &p, &t, &gradient, &partial, &results, 1).unwrap();
    [results, gradient]
}

#[test]
fn loss_and_gradient_agree_with_f64() {
    for kind in KINDS {
        for [rows, cols] in [[1, 1], [7, 5], [130, 12], [257, 96], [257, 5]] {
            let mut bench = Bench::of(kind, format!("smooth_l1 [{rows}, {cols}]"));
            // Differences on both sides of 1, exactly 1, -1 and 0.
            let (mut p, mut t) = (random(1, rows * cols), random(2, rows * cols));
            for (i, d) in [1.0f32, -1.0, 0.0]
                .into_iter()
                .enumerate()
                .filter(|(i, _)| *i < rows * cols)
            {
                (p[i], t[i]) = (0.5 + d, 0.5);
            }
            let [results, gradient] = run(&mut bench, rows, cols, &p, &t);
            let got = bench.get(&results);
            let want = twin::forward(&f64s(&p), &f64s(&t));
            // Sums run over a lane's 64 Items at most, then over lanes.
            bench.compare("loss", 1, &got[1..2], &[want], sum_of(rows * cols));
            assert_eq!([got[0], got[2]], [7.0, 7.0], "{}: other slots changed", bench.label);
            bench.check(
                "gradient",
                &gradient,
                &twin::backward(&f64s(&p), &f64s(&t)),
                ELEMENTWISE,
            );
        }
    }
}

/// Of 257 rows the first 100 and the rest: each share's gradient is that of the whole, and the losses add up.
#[test]
fn shares_of_a_mean_add_up_to_it() {
    let (rows, cols, cut) = (257, 12, 100);
    for kind in KINDS {
        let mut bench = Bench::of(kind, "shares of smooth_l1");
        let (p, t) = (random(1, rows * cols), random(2, rows * cols));
        let want = twin::backward(&f64s(&p), &f64s(&t));
        let results = bench.put(1, 2, &[7f32; 2]);
        for (slot, range) in [0..cut * cols, cut * cols..rows * cols].into_iter().enumerate() {
            let own = range.len() / cols;
            let (vp, vt) = (
                bench.put(own, cols, &p[range.clone()]),
                bench.put(own, cols, &t[range.clone()]),
            );
            let (gradient, partial) = (bench.poisoned(own, cols), bench.scratch(scratch(kind, own, cols)));
            share(
                &mut bench.rec,
                [&vp, &vt, &gradient],
                rows * cols,
                &partial,
                &results,
                slot,
            )
            .unwrap();
            bench.check("gradient", &gradient, &want[range], ELEMENTWISE);
        }
        let got = bench.get(&results);
        let loss = twin::forward(&f64s(&p), &f64s(&t));
        bench.compare("loss", 1, &[got[0] + got[1]], &[loss], sum_of(rows * cols));
    }
}

#[test]
fn a_loss_of_what_is_not_finite_is_not_finite() {
    for kind in KINDS {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for in_target in [false, true] {
                let mut bench = Bench::of(kind, "smooth_l1");
                let (mut p, mut t) = (random(1, 7 * 96), random(2, 7 * 96));
                if in_target {
                    t[500] = bad
                } else {
                    p[500] = bad
                }
                let [results, _] = run(&mut bench, 7, 96, &p, &t);
                let loss = bench.get(&results)[1];
                assert!(!loss.is_finite(), "{}: {bad} gives the loss {loss}", bench.label);
            }
        }
    }
}

#[test]
fn the_same_input_gives_the_same_bits() {
    for kind in KINDS {
        let mut bench = Bench::of(kind, "smooth_l1 twice");
        let (p, t) = (random(1, 257 * 96), random(2, 257 * 96));
        let bits = [(); 2].map(|()| run(&mut bench, 257, 96, &p, &t).map(|view| bench.bits(&view)));
        assert_eq!(bits[0], bits[1], "{}", bench.label);
    }
}

#[test]
fn tensors_that_do_not_fit_are_refused_and_none_never_panic() {
    let mut bench = Bench::of(Kind::Software, "smooth_l1");
    let (p, t, none) = (bench.poisoned(3, 8), bench.poisoned(3, 12), bench.poisoned(0, 8));
    let (partial, results) = (bench.scratch(100), bench.poisoned(1, 2));
    assert!(smooth_l1(&mut bench.rec, &p, &t, &p, &partial, &results, 0).is_err());
    assert!(smooth_l1(&mut bench.rec, &p, &p, &t, &partial, &results, 0).is_err());
    let gradient = bench.poisoned(0, 8);
    let _ = smooth_l1(&mut bench.rec, &none, &none, &gradient, &partial, &results, 0);
    bench.get(&results);
}
