//! Answers that can be worked out by hand or looked up: finite differences say nothing about a forward.

use approx::assert_relative_eq;
use ijepa::cpu;

#[track_caller]
fn assert_all(got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len());
    for (got, expected) in got.iter().zip(expected) {
        assert_relative_eq!(got, expected, epsilon = 1e-12, max_relative = 1e-12);
    }
}

#[test]
fn patchify_orders_channel_then_row_then_column() {
    // Two images of 4x4 pixels, patches of 2. The value tells where a pixel was.
    let value = |image: usize, y: usize, x: usize, c: usize| (image * 100 + y * 20 + x * 4 + c) as u8;
    let mut bytes = Vec::new();
    for image in 0..2 {
        for y in 0..4 {
            for x in 0..4 {
                bytes.extend((0..3).map(|c| value(image, y, x, c)));
            }
        }
    }
    // Row 6 is image 1, patch 2: second row of patches, first column.
    let rows = cpu::patchify::from_u8(&bytes, &[6, 0], [4, 4], 2);
    let mut expected = Vec::new();
    for (image, top, left) in [(1, 2, 0), (0, 0, 0)] {
        for c in 0..3 {
            for (y, x) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                let pixel = f64::from(value(image, top + y, left + x, c)) / 255.0;
                expected.push((pixel - [0.485, 0.456, 0.406][c]) / [0.229, 0.224, 0.225][c]);
            }
        }
    }
    assert_all(&rows, &expected);
}

#[test]
fn patchify_of_normalised_images_gives_what_bytes_give() {
    let ([height, width], patch, batch) = ([6, 9], 3, 2);
    let bytes: Vec<u8> = (0..batch * height * width * 3).map(|i| (i * 37 % 256) as u8).collect();
    let mut planes = vec![0.0; bytes.len()];
    for (i, byte) in bytes.iter().enumerate() {
        let (pixel, c) = (i / 3, i % 3);
        let (image, place) = (pixel / (height * width), pixel % (height * width));
        planes[(image * 3 + c) * height * width + place] =
            (f64::from(*byte) / 255.0 - [0.485, 0.456, 0.406][c]) / [0.229, 0.224, 0.225][c];
    }
    let rows = [11, 0, 3, 5];
    assert_all(
        &cpu::patchify::from_f32(&planes, &rows, [height, width], patch),
        &cpu::patchify::from_u8(&bytes, &rows, [height, width], patch),
    );
}

#[test]
fn matmul_by_hand() {
    // [1 2 3; 4 5 6] * [1 0; 2 1; 0 3]
    let expected = [5.0, 11.0, 14.0, 23.0];
    let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 0.0, 2.0, 1.0, 0.0, 3.0]);
    assert_all(&cpu::matmul::nn(&a, &b, 2, 3, 2), &expected);
    assert_all(
        &cpu::matmul::nt(&a, &[1.0, 2.0, 0.0, 0.0, 1.0, 3.0], 2, 3, 2),
        &expected,
    );
    assert_all(
        &cpu::matmul::tn(&[1.0, 4.0, 2.0, 5.0, 3.0, 6.0], &b, 2, 3, 2),
        &expected,
    );
}

#[test]
fn gelu_is_the_exact_one() {
    // 1 * Phi(1) and -2 * Phi(-2); the tanh form is off in the fourth digit.
    let expected = [0.0, 0.841344746068543, -0.0455002638963584];
    assert_all(&cpu::gelu::forward(&[0.0, 1.0, -2.0]), &expected);
}

#[test]
fn layer_norm_by_hand() {
    // Mean 2, biased variance 2; eps 2 makes the root 2.
    let (y, mean, rstd) = cpu::layer_norm::forward(
        &[2.0, 0.0, 4.0, 2.0],
        Some(&[1.0, 2.0, 3.0, 4.0]),
        Some(&[0.0, 0.5, 0.0, 1.0]),
        1,
        4,
        2.0,
    );
    assert_all(&y, &[0.0, -1.5, 3.0, 1.0]);
    assert_all(&[mean[0], rstd[0]], &[2.0, 0.5]);
}

#[test]
fn attention_by_hand() {
    // One head of width 4 (scale 1/2), two tokens. Token 0 sees scores ln 3 and 0, so weights 3/4 and 1/4;
    // token 1 has q = 0, so weights 1/2 and 1/2. Tokens hold q, k, v.
    let token0 = [
        [2.0 * 3.0_f64.ln(), 0.0, 0.0, 0.0],
        [1.0, 0.0, 0.0, 9.0],
        [4.0, 8.0, 0.0, 0.0],
    ];
    let token1 = [[0.0, 0.0, 0.0, 0.0], [0.0, 5.0, 0.0, 0.0], [0.0, 4.0, 4.0, 0.0]];
    let qkv: Vec<f64> = [token0, token1].iter().flatten().flatten().copied().collect();
    let (out, lse) = cpu::attention::forward(&qkv, 1, 2, 1, 4);
    assert_all(&out, &[3.0, 7.0, 1.0, 0.0, 2.0, 6.0, 2.0, 0.0]);
    assert_all(&lse, &[4.0_f64.ln(), 2.0_f64.ln()]);
}

#[test]
fn attention_survives_large_scores() {
    let (out, lse) = cpu::attention::forward(&[1e4, 1e4, 3.0, 1e4, -1e4, 5.0], 1, 2, 1, 1);
    assert_all(&out, &[3.0, 3.0]);
    assert_all(&lse, &[1e8, 1e8]);
}

#[test]
fn attention_keeps_heads_and_images_apart() {
    // v of token t in head h of image b; equal scores give the mean over the image's tokens.
    let (batch, tokens, heads, dim) = (2, 2, 2, 1);
    let value = |b: usize, t: usize, h: usize| (b * 100 + t * 10 + h) as f64;
    let mut qkv = Vec::new();
    for b in 0..batch {
        for t in 0..tokens {
            qkv.extend([0.0; 4]);
            qkv.extend((0..heads).map(|h| value(b, t, h)));
        }
    }
    let (out, _) = cpu::attention::forward(&qkv, batch, tokens, heads, dim);
    assert_all(&out, &[5.0, 6.0, 5.0, 6.0, 105.0, 106.0, 105.0, 106.0]);
}

#[test]
fn smooth_l1_by_hand() {
    // d = 0.5, 1, -3: 0.125 + 0.5 + 2.5
    assert_all(
        &[cpu::smooth_l1::forward(&[1.5, 2.0, 0.0], &[1.0, 1.0, 3.0])],
        &[3.125 / 3.0],
    );
}

#[test]
fn variance_covariance_by_hand() {
    // Two rows, channels (1, 3) and (0, 0.4): variances 2 and 0.08, covariance 0.4.
    let (sum, variance, covariance) = cpu::variance_covariance::forward(&[1.0, 0.0, 3.0, 0.4], 2, 2, 0.5, 0.25);
    let expected = (1.0 - 0.0801_f64.sqrt()) / 2.0;
    assert_all(&[variance, covariance], &[expected, 0.16]);
    assert_all(&[sum], &[0.5 * expected + 0.04]);
}

#[test]
fn adamw_by_hand() {
    use cpu::adamw::{Step, adamw};
    let (mut p, mut m, mut v, mut target) = ([2.0], [0.0], [0.0], [4.0]);
    // First step: the corrected moments are g and g², so p moves by lr against g's sign, after the decay by 1 - 0.1 * 0.5.
    adamw(
        Step {
            lr: 0.1,
            wd: 0.5,
            momentum: 0.75,
            t: 1,
        },
        &mut p,
        &[3.0],
        &mut m,
        &mut v,
        Some(&mut target),
    );
    let first = 2.0 * 0.95 - 0.1 * 3.0 / (3.0 + 1e-8);
    assert_all(
        &[p[0], m[0], v[0], target[0]],
        &[first, 0.3, 0.009, 0.75 * 4.0 + 0.25 * first],
    );
    // Second step, no decay, no target: m = 0.27 - 0.1, v = 0.008991 + 0.001.
    adamw(
        Step {
            lr: 0.1,
            wd: 0.0,
            momentum: 0.75,
            t: 2,
        },
        &mut p,
        &[-1.0],
        &mut m,
        &mut v,
        None,
    );
    let (mean, square): (f64, f64) = (0.17 / (1.0 - 0.81), 0.009991 / (1.0 - 0.998001));
    assert_all(&p, &[first - 0.1 * mean / (square.sqrt() + 1e-8)]);
}

#[test]
fn gradient_norm_takes_all_tensors_as_one() {
    assert_all(
        &[cpu::gradient_norm::sum_of_squares(&[&[2.0, 3.0], &[], &[6.0]]).sqrt()],
        &[7.0],
    );
}
