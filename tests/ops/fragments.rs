//! The kernel for matrix units: with plain WGSL in their stead, against f64, on any adapter; and the test that real ones pass.

use crate::harness::{Bench, UNITS, f64s, random, sum_of};
use ijepa::cpu::{self, gelu, matmul};
use ijepa::gpu::{Gpu, Options};
use ijepa::ops::cast::{Bits, Half, cast};
use ijepa::ops::fragments::try_units;
use ijepa::ops::matmul::{Epilogue, Form, product16};

fn half(bench: &mut Bench, seed: u64, rows: usize, cols: usize) -> (Half, Vec<f64>) {
    let x = random(seed, rows * cols);
    let words = bench.poisoned(1, (rows * cols).div_ceil(2));
    let half = Half::of(&words, Bits::F16, rows, cols).unwrap();
    let wide = bench.put(rows, cols, &x);
    cast(&mut bench.rec, &wide, &half).unwrap();
    (half, f64s(&x).into_iter().map(cpu::cast::f16).collect())
}

/// Edges of tiles, of fragments, of steps along K; more workgroups than one in each direction.
const SHAPES: [[usize; 3]; 4] = [[1, 4, 4], [33, 12, 36], [31, 8, 32], [70, 36, 68]];

#[test]
fn all_forms_agree_with_f64() {
    for form in [Form::Nn, Form::Nt, Form::Tn] {
        for [m, k, n] in SHAPES {
            // Lines of four: those of A·B are K's and N's, of Aᵀ·B M's and N's.
            let m = if form == Form::Tn { m.next_multiple_of(4) } else { m };
            let mut bench = Bench::new(UNITS, format!("matmul by fragments {form:?} {m}x{k}x{n}"));
            let [[ar, ac], [br, bc]] = match form {
                Form::Nn => [[m, k], [k, n]],
                Form::Nt => [[m, k], [n, k]],
                Form::Tn => [[k, m], [k, n]],
            };
            let (a, a64) = half(&mut bench, 1, ar, ac);
            let (b, b64) = half(&mut bench, 2, br, bc);
            let want = match form {
                Form::Nn => matmul::nn(&a64, &b64, m, k, n),
                Form::Nt => matmul::nt(&a64, &b64, m, k, n),
                Form::Tn => matmul::tn(&a64, &b64, m, k, n),
            };
            let c = bench.poisoned(m, n);
            product16(&mut bench.rec, form, &a, &b, &c, Epilogue::Plain).unwrap();
            bench.check("c", &c, &want, sum_of(k));
        }
    }
}

#[test]
fn what_follows_a_product_follows_it_here_too() {
    let [m, k, n] = [37, 20, 44];
    let mut bench = Bench::new(UNITS, "matmul by fragments, epilogues");
    let (a, a64) = half(&mut bench, 1, m, k);
    let (w, w64) = half(&mut bench, 2, n, k);
    let (bias, x) = (random(3, n), random(4, m * n));
    let (vbias, vx) = (bench.put(1, n, &bias), bench.put(m, n, &x));
    let sums = matmul::nt(&a64, &w64, m, k, n);
    let with_bias: Vec<f64> = sums
        .iter()
        .enumerate()
        .map(|(i, s)| s + f64::from(bias[i % n]))
        .collect();
    let (c, pre) = (bench.poisoned(m, n), bench.poisoned(m, n));
    let gelu_too = Epilogue::BiasGelu {
        bias: &vbias,
        pre: Some(&pre),
    };
    product16(&mut bench.rec, Form::Nt, &a, &w, &c, gelu_too).unwrap();
    bench.check("before gelu", &pre, &with_bias, sum_of(k));
    bench.check("gelu", &c, &gelu::forward(&with_bias), sum_of(k) + 2e-6);
    let c = bench.put(m, n, &x);
    product16(&mut bench.rec, Form::Nt, &a, &w, &c, Epilogue::Accumulate).unwrap();
    let want: Vec<f64> = sums.iter().zip(&x).map(|(s, x)| s + f64::from(*x)).collect();
    bench.check("accumulate", &c, &want, sum_of(k));
    let c = bench.poisoned(m, n);
    product16(
        &mut bench.rec,
        Form::Nt,
        &a,
        &w,
        &c,
        Epilogue::GeluBackward { pre: &vx },
    )
    .unwrap();
    bench.check("gelu backward", &c, &gelu::backward(&sums, &f64s(&x)), sum_of(k) + 2e-6);
}

/// The test itself, on what stands in for units.
#[test]
fn the_test_of_units_passes_where_they_are_right() {
    let bench = Bench::new(UNITS, "the test of matrix units");
    let gpu = bench.rec.gpu();
    assert_eq!(pollster::block_on(try_units(gpu)).unwrap(), None);
    assert!(gpu.units_tried() && gpu.units().is_some());
}

/// On an adapter that has some: they pass, and are used, or are said to be wrong, and are not. On others there are none.
#[test]
fn units_of_this_adapter_are_used_only_when_they_are_right() {
    let adapter = std::env::var("IJEPA_TEST_ADAPTER").unwrap_or("auto".into());
    let options = Options {
        adapter: adapter.parse().unwrap(),
        ..Options::default()
    };
    let gpu = pollster::block_on(Gpu::open(&options)).unwrap();
    assert_eq!(gpu.units(), None, "nothing is used before it was tried");
    let wrong = pollster::block_on(try_units(&gpu)).unwrap();
    println!("{}: {:?}, {wrong:?}", gpu.info().name, gpu.units_offered());
    assert_eq!(gpu.units().is_some(), gpu.units_offered().is_some() && wrong.is_none());
    gpu.check().unwrap();
}
