use crate::harness::{Bench, ELEMENTWISE, f64s, random, sum_of};
use ijepa::cpu::layer_norm as twin;
use ijepa::gpu::Kind;
use ijepa::ops::layer_norm::{Affine, Saved, backward, by_subgroup, forward, scratch};

/// Lanes as on either kind of adapter; on the first, too, by subgroups as far as there are any, and by subgroups of 4.
const LANES: [(Kind, &str); 4] = [
    (Kind::Software, ""),
    (Kind::Software, "quad"),
    (Kind::Software, "any"),
    (Kind::Hardware, ""),
];

/// Below, at and beyond a workgroup's rows and a lane's columns; 5 and 1 are no multiples of four; 300 is several
/// Items for each of the 64 lanes that share a row; 192 and 384 are the most that registers hold of a subgroup of 4 and of 8,
/// 404 is more, and 20 has a rest for both.
const SHAPES: [[usize; 2]; 12] = [
    [1, 1],
    [7, 5],
    [7, 12],
    [130, 96],
    [257, 12],
    [257, 5],
    [9, 300],
    [8, 96],
    [130, 20],
    [65, 192],
    [65, 384],
    [9, 404],
];

/// Rows with a mean that is far from 0, so that a variance in one pass would show.
fn rows(seed: u64, length: usize) -> Vec<f32> {
    random(seed, length).iter().map(|v| v + 3.0).collect()
}

/// Rounding of a row of `cols` values around 3: the mean's error (sum_of) and some steps behind it.
fn tolerance(cols: usize) -> f64 {
    4.0 * sum_of(cols) + ELEMENTWISE
}

#[test]
fn forward_agrees_with_f64() {
    for (kind, variant) in LANES {
        for [r, c] in SHAPES {
            let mut bench = Bench::open(variant, Some(kind), format!("layer_norm [{r}, {c}]"));
            let (x, w, b) = (rows(1, r * c), random(2, c), random(3, c));
            let vx = bench.put(r, c, &x);
            let affine = Affine {
                weight: bench.put(1, c, &w),
                bias: bench.put(1, c, &b),
            };
            // A single column is its own mean: y is the bias, and rstd 1 / sqrt(eps).
            for affine in [Some(&affine), None] {
                let (y, stats) = (bench.poisoned(r, c), bench.poisoned(r, 2));
                forward(&mut bench.rec, &vx, affine, 1e-6, &y, &stats).unwrap();
                let (w, b) = (f64s(&w), f64s(&b));
                let given = affine.is_some();
                let (want, mean, rstd) = twin::forward(
                    &f64s(&x),
                    given.then_some(w.as_slice()),
                    given.then_some(b.as_slice()),
                    r,
                    c,
                    1e-6,
                );
                let name = if given { "y" } else { "y without weight" };
                bench.check(name, &y, &want, tolerance(c));
                let got = bench.get(&stats);
                let column = |i: usize| got.iter().skip(i).step_by(2).copied().collect::<Vec<f32>>();
                bench.compare("mean", 1, &column(0), &mean, tolerance(c));
                bench.compare("rstd", 1, &column(1), &rstd, tolerance(c));
            }
        }
    }
}

/// Which kernels there are for what: the numbers are the same, so that only this tells.
#[test]
fn rows_are_kept_in_registers_where_a_subgroup_has_them() {
    let most = |kind, variant| {
        let bench = Bench::open(variant, Some(kind), "layer_norm");
        (1..=500).rev().find(|&cols| by_subgroup(bench.rec.gpu(), cols))
    };
    let width = Bench::of(Kind::Software, "width").rec.gpu().subgroup_width();
    let at_least = |lanes: u32| width.is_some_and(|width| width >= lanes);
    assert_eq!(most(Kind::Software, "quad"), at_least(4).then_some(192));
    assert_eq!(
        most(Kind::Software, "broadcast"),
        match width {
            Some(4) => Some(192),
            Some(8) => Some(384),
            _ => None,
        }
    );
    assert_eq!(most(Kind::Software, "any"), None);
    assert_eq!(most(Kind::Hardware, ""), None);
    let bench = Bench::of(Kind::Software, "layer_norm");
    for cols in [1, 5, 390] {
        assert!(!by_subgroup(bench.rec.gpu(), cols), "{cols}");
    }
}

#[test]
fn backward_agrees_with_f64() {
    for (kind, variant) in LANES {
        for [r, c] in SHAPES {
            let mut bench = Bench::open(variant, Some(kind), format!("layer_norm backward [{r}, {c}]"));
            let (x, w) = (rows(1, r * c), random(2, c));
            let dy: Vec<f32> = random(4, r * c).iter().map(|v| 2.5 * v).collect();
            // Statistics as the forward pass would save them; taken from f64, so that only `backward` is judged. One
            // column alone has no deviation: its eps is the whole of rstd, and 0.1 keeps the gradient in proportion.
            let eps = if c == 1 { 0.1 } else { 1e-6 };
            let (_, mean, rstd) = twin::forward(&f64s(&x), None, None, r, c, eps);
            let stats: Vec<f32> = mean
                .iter()
                .zip(&rstd)
                .flat_map(|(&m, &s)| [m as f32, s as f32])
                .collect();
            let (mean, rstd): (Vec<f64>, Vec<f64>) =
                stats.chunks(2).map(|s| (f64::from(s[0]), f64::from(s[1]))).unzip();
            let (want, dweight, dbias) = twin::backward(&f64s(&dy), &f64s(&x), Some(&f64s(&w)), &mean, &rstd, r, c);
            let (vdy, vx, vw) = (bench.put(r, c, &dy), bench.put(r, c, &x), bench.put(1, c, &w));
            let vstats = bench.put(r, 2, &stats);
            let start = random(5, r * c);
            for add in [true, false] {
                let dx = if add {
                    bench.put(r, c, &start)
                } else {
                    bench.poisoned(r, c)
                };
                let gradients = match add {
                    true => [bench.put(1, c, &start[..c]), bench.put(1, c, &start[..c])],
                    false => [bench.poisoned(1, c), bench.poisoned(1, c)],
                };
                let [weight, bias] = gradients;
                let gradients = Affine { weight, bias };
                let partial = bench.scratch(scratch(kind, r, c));
                let saved = Saved {
                    dy: &vdy,
                    x: &vx,
                    stats: &vstats,
                };
                backward(&mut bench.rec, saved, &vw, &dx, [add; 2], &gradients, &partial).unwrap();
                let sum: Vec<f64> = want.iter().zip(&start).map(|(w, &s)| w + f64::from(s)).collect();
                bench.check("dx", &dx, if add { &sum } else { &want }, tolerance(c));
                let added = |want: &[f64]| -> Vec<f64> {
                    let start = start.iter().map(|&s| if add { f64::from(s) } else { 0.0 });
                    want.iter().zip(start).map(|(w, s)| w + s).collect()
                };
                let (dweight, dbias) = (added(&dweight), added(&dbias));
                bench.check("dweight", &gradients.weight, &dweight, sum_of(r) + ELEMENTWISE);
                bench.check("dbias", &gradients.bias, &dbias, sum_of(r));
            }
        }
    }
}

/// 65,535 workgroups is the most in one dimension; where lanes share a row, each row has its own.
#[test]
fn more_rows_than_a_dimension_has_agree_with_f64() {
    let (r, c) = (65_600, 4);
    let mut bench = Bench::of(Kind::Hardware, format!("layer_norm [{r}, {c}]"));
    let x = rows(1, r * c);
    let (vx, y, stats) = (bench.put(r, c, &x), bench.poisoned(r, c), bench.poisoned(r, 2));
    forward(&mut bench.rec, &vx, None, 1e-2, &y, &stats).unwrap();
    let (want, ..) = twin::forward(&f64s(&x), None, None, r, c, 1e-2);
    bench.check("y", &y, &want, 4.0 * tolerance(c));
}

#[test]
fn no_rows_change_nothing_and_sum_to_zero() {
    for (kind, variant) in LANES {
        let mut bench = Bench::open(variant, Some(kind), "layer_norm of no rows");
        let empty = bench.poisoned(0, 12);
        let affine = Affine {
            weight: bench.poisoned(1, 12),
            bias: bench.poisoned(1, 12),
        };
        let stats = bench.poisoned(0, 2);
        let y = bench.poisoned(0, 12);
        forward(&mut bench.rec, &empty, None, 1e-6, &y, &stats).unwrap();
        let saved = Saved {
            dy: &empty,
            x: &empty,
            stats: &stats,
        };
        let weight = bench.poisoned(1, 12);
        let partial = bench.scratch(0);
        backward(&mut bench.rec, saved, &weight, &y, [true, false], &affine, &partial).unwrap();
        assert_eq!(bench.get(&affine.weight), [0.0; 12], "{}", bench.label);
        assert_eq!(bench.get(&affine.bias), [0.0; 12], "{}", bench.label);
    }
}

#[test]
fn tensors_that_do_not_fit_are_refused_by_name() {
    let mut bench = Bench::of(Kind::Software, "layer_norm");
    let (x, y, stats) = (bench.poisoned(3, 8), bench.poisoned(3, 12), bench.poisoned(3, 2));
    let error = forward(&mut bench.rec, &x, None, 1e-6, &y, &stats)
        .unwrap_err()
        .to_string();
    assert_eq!(error, "layer_norm: y is [3, 12], but the other tensors ask for [3, 8]");
}

#[test]
fn the_same_input_gives_the_same_bits() {
    for (kind, variant) in LANES {
        let mut bench = Bench::open(variant, Some(kind), "layer_norm twice");
        let (x, dy) = (
            bench.put(130, 96, &rows(1, 130 * 96)),
            bench.put(130, 96, &random(2, 130 * 96)),
        );
        let weight = bench.put(1, 96, &random(3, 96));
        let partial = bench.scratch(scratch(kind, 130, 96));
        let bits = [(); 2].map(|()| {
            let (y, stats, dx) = (bench.poisoned(130, 96), bench.poisoned(130, 2), bench.poisoned(130, 96));
            let gradients = Affine {
                weight: bench.poisoned(1, 96),
                bias: bench.poisoned(1, 96),
            };
            forward(&mut bench.rec, &x, None, 1e-6, &y, &stats).unwrap();
            let saved = Saved {
                dy: &dy,
                x: &x,
                stats: &stats,
            };
            backward(&mut bench.rec, saved, &weight, &dx, [false; 2], &gradients, &partial).unwrap();
            [&y, &stats, &dx, &gradients.weight, &gradients.bias].map(|view| bench.bits(view))
        });
        assert_eq!(bits[0], bits[1], "{}", bench.label);
    }
}
