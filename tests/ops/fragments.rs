//! The kernel for matrix units: with plain WGSL in their stead, against f64, on any adapter; and the test that real ones pass.

use crate::harness::{Bench, UNITS, f64s, random, sum_of};
use ijepa::cpu::{self, gelu, matmul};
use ijepa::gpu::{Gpu, Options, Recorder, Tuned};
use ijepa::ops::cast::{Bits, Half, cast};
use ijepa::ops::fragments::try_units;
use ijepa::ops::matmul::{Epilogue, Form, Variant, default_way, may, product16, product16_by, way};
use ijepa::ops::ways::{self, Way};

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

/// They are one way of several, and the one that is taken unless another was found quicker.
#[test]
fn findings_of_f16_choose_among_units_and_all_others() {
    let mut bench = Bench::new(UNITS, "ways of f16");
    // A device of its own: it will have findings.
    let gpu = pollster::block_on(bench.rec.gpu().again()).unwrap();
    bench.rec = Recorder::new(&gpu);
    let [m, k, n] = [24, 36, 40];
    let f16 = Some(Bits::F16);
    let usual = way(&gpu, f16, Form::Nn, m, n, k);
    assert_eq!(usual.variant(), Variant::Fragments);
    let (a, a64) = half(&mut bench, 1, m, k);
    let (b, b64) = half(&mut bench, 2, k, n);
    let want = matmul::nn(&a64, &b64, m, k, n);
    let mut tried = vec![];
    let able = |way: &Way| may(&gpu, *way, f16, Form::Nn, m, n, k) && !matches!(way, Way::Tile(0..7)); // one tile will do
    for way in ways::ways(&gpu, f16).filter(able) {
        let c = bench.poisoned(m, n);
        product16_by(&mut bench.rec, way, Form::Nn, [&a, &b], &c).unwrap();
        bench.check(&way.to_string(), &c, &want, sum_of(k));
        tried.push(way);
    }
    assert!(tried.contains(&usual) && tried.contains(&Way::Any), "{tried:?}");
    assert!(ways::ways(&gpu, None).all(|way| way.variant() != Variant::Fragments));
    let wrong = product16_by(&mut bench.rec, Way::Tile(99), Form::Nn, [&a, &b], &b.words().clone());
    assert!(wrong.is_err());

    // Numbers of findings are places among the ways.
    let number = ways::ways(&gpu, f16).position(|way| way == Way::Tile(7)).unwrap();
    gpu.tune(Tuned::from([(ways::product(f16, Form::Nn, m, n, k), number)]));
    assert_eq!(way(&gpu, f16, Form::Nn, m, n, k), Way::Tile(7));
    for bits in [None, Some(Bits::Bf16)] {
        assert_eq!(
            way(&gpu, bits, Form::Nn, m, n, k),
            default_way(&gpu, bits, Form::Nn, m, n, k)
        );
    }
    let c = bench.poisoned(m, n);
    product16(&mut bench.rec, Form::Nn, &a, &b, &c, Epilogue::Plain).unwrap();
    bench.check("as found", &c, &want, sum_of(k));
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
