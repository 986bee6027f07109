use crate::harness::{Bench, KINDS, f64s, random};
use ijepa::cpu;
use ijepa::ops::cast::{Bits, Half, cast, cast_scaled};
use ijepa::ops::largest;

/// What 16 bits say, by the formats' definitions.
fn value(half: u32, bits: Bits) -> f64 {
    let (exponent_bits, mantissa_bits) = match bits {
        Bits::Bf16 => (8, 7),
        Bits::F16 => (5, 10),
    };
    let mantissa = f64::from(half & ((1 << mantissa_bits) - 1)) / f64::from(1 << mantissa_bits);
    let exponent = (half >> mantissa_bits) & ((1 << exponent_bits) - 1);
    let bias = (1 << (exponent_bits - 1)) - 1;
    let size = match exponent {
        0 => mantissa * 2f64.powi(1 - bias),
        e if e == (1 << exponent_bits) - 1 && mantissa == 0.0 => f64::INFINITY,
        e if e == (1 << exponent_bits) - 1 => f64::NAN,
        e => (1.0 + mantissa) * 2f64.powi(e as i32 - bias),
    };
    if half >> 15 == 1 { -size } else { size }
}

fn twin(x: f64, bits: Bits) -> f64 {
    match bits {
        Bits::Bf16 => cpu::cast::bf16(x),
        Bits::F16 => cpu::cast::f16(x),
    }
}

/// Casts `[rows, cols]` and compares every value, to the bit.
fn check(bench: &mut Bench, bits: Bits, rows: usize, cols: usize, x: &[f32]) {
    let (vx, vy) = (bench.put(rows, cols, x), bench.poisoned(1, (rows * cols).div_ceil(2)));
    let half = Half::of(&vy, bits, rows, cols).unwrap();
    cast(&mut bench.rec, &vx, &half).unwrap();
    let words = bench.bits(&vy);
    for (i, want) in f64s(x).into_iter().map(|x| twin(x, bits)).enumerate() {
        let got = value((words[i / 2] >> (16 * (i % 2))) & 0xffff, bits);
        let same = if want.is_nan() {
            got.is_nan()
        } else {
            got.to_bits() == want.to_bits()
        };
        assert!(
            same,
            "{} {bits:?} [{rows}, {cols}]: {} becomes {got}, not {want}",
            bench.label, x[i]
        );
    }
    if rows * cols % 2 == 1 {
        assert_eq!(
            words[rows * cols / 2] >> 16,
            0,
            "{}: nothing stands behind the last value",
            bench.label
        );
    }
}

#[test]
fn every_value_is_rounded_to_the_nearest() {
    for kind in KINDS {
        for bits in [Bits::Bf16, Bits::F16] {
            for [rows, cols] in [[1, 1], [3, 5], [2, 2], [7, 6], [64, 96], [1, 4099]] {
                let mut bench = Bench::of(kind, "cast");
                check(&mut bench, bits, rows, cols, &random(3, rows * cols));
            }
        }
    }
}

#[test]
fn edges_of_the_formats_are_kept() {
    let mut x = vec![
        0.0,
        -0.0,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        f32::MAX,
        f32::MIN,
        1.0,
    ];
    // Halfway between neighbours, and a little beside it: around 1, at the edge of f16, below its normal numbers.
    for middle in [
        1.0 + 1.0 / 256.0,
        1.0 + 3.0 / 256.0,
        1.0 + 1.0 / 2048.0,
        65519.996,
        65520.0,
        65504.0,
        65536.0,
        1e-5,
        3e-8,
        2.9e-8,
    ] {
        let bits = f32::to_bits(middle);
        x.extend([bits - 1, bits, bits + 1].map(f32::from_bits));
        x.push(-middle);
    }
    // What only has another payload is no number either, and never infinite.
    x.extend([0x7f80_0001, 0xffff_ffff, 0x7fff_ffff, 0x7fbf_ffff].map(f32::from_bits));
    for bits in [Bits::Bf16, Bits::F16] {
        for kind in KINDS {
            let mut bench = Bench::of(kind, "cast of edges");
            check(&mut bench, bits, 1, x.len(), &x);
            check(&mut bench, bits, 1, x.len() - 1, &x[1..]);
        }
    }
}

/// Gradients far below f16's smallest number keep its precision.
#[test]
fn gradients_are_scaled_into_f16() {
    for kind in KINDS {
        for [rows, cols] in [[1, 1], [3, 5], [64, 96]] {
            let mut bench = Bench::of(kind, "cast of a gradient");
            let x: Vec<f32> = random(4, rows * cols).into_iter().map(|x| x * 1e-12).collect();
            let factor = cpu::largest::factor(&f64s(&x));
            let (vx, vy) = (bench.put(rows, cols, &x), bench.poisoned(1, (rows * cols).div_ceil(2)));
            let partial = bench.scratch(largest::scratch(kind, rows * cols));
            let factors = bench.poisoned(1, 8);
            let half = Half::of(&vy, Bits::F16, rows, cols).unwrap();
            cast_scaled(&mut bench.rec, &vx, half, &partial, &factors).unwrap();
            let words = bench.bits(&vy);
            for (i, x) in f64s(&x).into_iter().enumerate() {
                let got = value((words[i / 2] >> (16 * (i % 2))) & 0xffff, Bits::F16);
                assert_eq!(got, cpu::cast::f16(x * factor), "{} {x} times {factor}", bench.label);
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let bench = Bench::of(KINDS[0], "cast");
    let view = bench.poisoned(4, 4);
    assert!(Half::of(&view, Bits::Bf16, 4, 8).is_ok());
    let error = Half::of(&view, Bits::Bf16, 4, 9).unwrap_err().to_string();
    assert!(error.contains("[4, 9] in 16 bits"), "{error}");
}
