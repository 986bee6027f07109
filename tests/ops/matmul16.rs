//! Products of operands in 16 bits: the same sums as in f64 of the rounded operands, to f32's precision.

use crate::harness::{Bench, VARIANTS, f64s, random, sum_of};
use ijepa::cpu::{self, gelu, matmul};
use ijepa::gpu::View;
use ijepa::ops::cast::{Bits, Half, cast, cast_scaled};
use ijepa::ops::largest;
use ijepa::ops::matmul::{Epilogue, Form, product16};

/// A matrix in 16 bits, and its values.
fn half(bench: &mut Bench, bits: Bits, seed: u64, rows: usize, cols: usize) -> (Half, Vec<f64>) {
    let x = random(seed, rows * cols);
    let words = bench.poisoned(1, (rows * cols).div_ceil(2));
    let half = Half::of(&words, bits, rows, cols).unwrap();
    let wide = bench.put(rows, cols, &x);
    cast(&mut bench.rec, &wide, &half).unwrap();
    let round = match bits {
        Bits::Bf16 => cpu::cast::bf16,
        Bits::F16 => cpu::cast::f16,
    };
    (half, f64s(&x).into_iter().map(round).collect())
}

fn twin(form: Form, a: &[f64], b: &[f64], [m, k, n]: [usize; 3]) -> Vec<f64> {
    match form {
        Form::Nn => matmul::nn(a, b, m, k, n),
        Form::Nt => matmul::nt(a, b, m, k, n),
        Form::Tn => matmul::tn(a, b, m, k, n),
    }
}

/// Edges of tiles, of vec4, of pairs (odd sizes), of K steps; sizes as constants.
const SHAPES: [[usize; 3]; 8] = [
    [1, 1, 1],
    [5, 147, 11],
    [17, 8, 36],
    [65, 12, 68],
    [130, 33, 20],
    [33, 400, 252],
    [400, 34, 252],
    [65, 67, 39],
];

#[test]
fn all_forms_agree_with_f64() {
    for variant in VARIANTS {
        for bits in [Bits::Bf16, Bits::F16] {
            // The two kinds differ in how a word becomes two values alone.
            let shapes = if bits == Bits::Bf16 {
                &SHAPES[..]
            } else {
                &[SHAPES[1], SHAPES[2], SHAPES[3], SHAPES[7]]
            };
            for form in [Form::Nn, Form::Nt, Form::Tn] {
                for &[m, k, n] in shapes {
                    let mut bench = Bench::new(variant, format!("matmul {bits:?} {form:?} {m}x{k}x{n}"));
                    let [[ar, ac], [br, bc]] = match form {
                        Form::Nn => [[m, k], [k, n]],
                        Form::Nt => [[m, k], [n, k]],
                        Form::Tn => [[k, m], [k, n]],
                    };
                    let (a, a64) = half(&mut bench, bits, 1, ar, ac);
                    let (b, b64) = half(&mut bench, bits, 2, br, bc);
                    let c = bench.poisoned(m, n);
                    product16(&mut bench.rec, form, &a, &b, &c, Epilogue::Plain).unwrap();
                    bench.check("c", &c, &twin(form, &a64, &b64, [m, k, n]), sum_of(k));
                }
            }
        }
    }
}

/// Bias and the tensor beside C stay f32, by the variants of one value and of four at a time.
#[test]
fn epilogues_do_what_they_say() {
    for variant in ["", "any"] {
        for [m, k, n] in [[19, 20, 36], [7, 5, 6], [35, 37, 39]] {
            let mut bench = Bench::new(variant, format!("matmul bf16 epilogues {m}x{k}x{n}"));
            let (a, a64) = half(&mut bench, Bits::Bf16, 1, m, k);
            let (w, w64) = half(&mut bench, Bits::Bf16, 2, n, k);
            let (bias, x) = (random(3, n), random(4, m * n));
            let (vbias, vx) = (bench.put(1, n, &bias), bench.put(m, n, &x));
            let sums = twin(Form::Nt, &a64, &w64, [m, k, n]);
            let with_bias: Vec<f64> = sums
                .iter()
                .enumerate()
                .map(|(i, s)| s + f64::from(bias[i % n]))
                .collect();
            let (c, pre) = (bench.poisoned(m, n), bench.poisoned(m, n));
            let run = |bench: &mut Bench, epilogue: Epilogue, c: &View| {
                product16(&mut bench.rec, Form::Nt, &a, &w, c, epilogue).unwrap();
            };
            run(&mut bench, Epilogue::Bias(&vbias), &c);
            bench.check("bias", &c, &with_bias, sum_of(k));
            bench.poison(&c);
            run(
                &mut bench,
                Epilogue::BiasGelu {
                    bias: &vbias,
                    pre: Some(&pre),
                },
                &c,
            );
            bench.check("pre", &pre, &with_bias, sum_of(k));
            bench.check("gelu", &c, &gelu::forward(&with_bias), sum_of(k) + 2e-6);
            bench.poison(&c);
            run(&mut bench, Epilogue::BiasResidual { bias: &vbias, x: &vx }, &c);
            let want: Vec<f64> = with_bias.iter().zip(&x).map(|(s, x)| s + f64::from(*x)).collect();
            bench.check("residual", &c, &want, sum_of(k));
            bench.poison(&c);
            run(&mut bench, Epilogue::GeluBackward { pre: &vx }, &c);
            bench.check("gelu backward", &c, &gelu::backward(&sums, &f64s(&x)), sum_of(k) + 2e-6);
            let c = bench.put(m, n, &x);
            run(&mut bench, Epilogue::Accumulate, &c);
            let want: Vec<f64> = sums.iter().zip(&x).map(|(s, x)| s + f64::from(*x)).collect();
            bench.check("accumulate", &c, &want, sum_of(k));
        }
    }
}

/// A gradient that was scaled into f16 gives products that were not, whatever follows them.
#[test]
fn scaled_gradients_give_products_that_are_not() {
    for variant in ["", "any"] {
        for [m, k, n] in [[19, 20, 36], [7, 5, 6], [35, 37, 39]] {
            let mut bench = Bench::new(variant, format!("matmul of a scaled gradient {m}x{k}x{n}"));
            let dy: Vec<f32> = random(1, m * k).into_iter().map(|x| x * 1e-11).collect();
            let factor = cpu::largest::factor(&f64s(&dy));
            let dy64: Vec<f64> = f64s(&dy)
                .into_iter()
                .map(|x| cpu::cast::f16(x * factor) / factor)
                .collect();
            let (w, w64) = half(&mut bench, Bits::F16, 2, k, n);
            let wide = bench.put(m, k, &dy);
            let words = bench.poisoned(1, (m * k).div_ceil(2));
            let (partial, factors) = (
                bench.scratch(largest::scratch(bench.kind(), m * k)),
                bench.poisoned(1, 8),
            );
            let dy = Half::of(&words, Bits::F16, m, k).unwrap();
            let dy = cast_scaled(&mut bench.rec, &wide, dy, &partial, &factors).unwrap();
            let sums = twin(Form::Nn, &dy64, &w64, [m, k, n]);
            let c = bench.poisoned(m, n);
            product16(&mut bench.rec, Form::Nn, &dy, &w, &c, Epilogue::Plain).unwrap();
            bench.check("plain", &c, &sums, sum_of(k));
            let (x, pre) = (random(3, m * n), random(4, m * n));
            let small: Vec<f32> = x.iter().map(|x| x * 1e-11).collect();
            let c = bench.put(m, n, &small);
            product16(&mut bench.rec, Form::Nn, &dy, &w, &c, Epilogue::Accumulate).unwrap();
            let want: Vec<f64> = sums.iter().zip(&small).map(|(s, x)| s + f64::from(*x)).collect();
            bench.check("accumulate", &c, &want, sum_of(k));
            let (c, vpre) = (bench.poisoned(m, n), bench.put(m, n, &pre));
            let epilogue = Epilogue::GeluBackward { pre: &vpre };
            product16(&mut bench.rec, Form::Nn, &dy, &w, &c, epilogue).unwrap();
            bench.check(
                "gelu backward",
                &c,
                &gelu::backward(&sums, &f64s(&pre)),
                sum_of(k) + 2e-6,
            );
            let bias = bench.put(1, n, &random(5, n));
            let error = product16(&mut bench.rec, Form::Nn, &dy, &w, &c, Epilogue::Bias(&bias)).unwrap_err();
            assert!(error.to_string().contains("where no bias is added"), "{error}");
        }
    }
}

#[test]
fn operands_of_two_kinds_and_of_wrong_shapes_are_refused() {
    let mut bench = Bench::new("", "matmul16");
    let (a, _) = half(&mut bench, Bits::Bf16, 1, 4, 8);
    let (b, _) = half(&mut bench, Bits::F16, 2, 8, 4);
    let c = bench.poisoned(4, 4);
    let mut say = |a: &Half, b: &Half| {
        let error = product16(&mut bench.rec, Form::Nn, a, b, &c, Epilogue::Plain);
        error.unwrap_err().to_string()
    };
    assert_eq!(say(&a, &b), "matmul: a is Bf16, b F16");
    assert_eq!(
        say(&a, &a),
        "matmul nn: b is [4, 8], but the other tensors ask for [8, 4]"
    );
}
