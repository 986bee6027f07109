//! Each backward is the gradient of its forward. The upstream gradient is random: never 1, never constant.

use crate::difference::{check, dot, numbers};
use ijepa::cpu;

#[test]
fn matmul_layouts_are_each_others_gradients() {
    let (m, k, n) = (3, 4, 5);
    let (x, weight, dy) = (numbers(1, m * k, 1.0), numbers(2, n * k, 1.0), numbers(3, m * n, 2.0));
    let forward = |x: &[f64], weight: &[f64]| dot(&dy, &cpu::matmul::nt(x, weight, m, k, n));
    check("dx", &cpu::matmul::nn(&dy, &weight, m, n, k), &x, |x| {
        forward(x, &weight)
    });
    check("dweight", &cpu::matmul::tn(&dy, &x, n, m, k), &weight, |weight| {
        forward(&x, weight)
    });
}

#[test]
fn gelu() {
    let (x, dy) = (numbers(4, 40, 4.0), numbers(5, 40, 3.0));
    check("dx", &cpu::gelu::backward(&dy, &x), &x, |x| {
        dot(&dy, &cpu::gelu::forward(x))
    });
}

#[test]
fn column_sum_is_the_gradient_of_a_bias() {
    let (rows, cols) = (4, 3);
    let (bias, dy) = (numbers(6, cols, 1.0), numbers(7, rows * cols, 2.0));
    let forward = |bias: &[f64]| dot(&dy, &bias.repeat(rows));
    check("dbias", &cpu::column_sum::column_sum(&dy, rows, cols), &bias, forward);
}

#[test]
fn layer_norm_with_and_without_weight() {
    for (rows, cols, eps) in [(1, 2, 1e-2), (4, 7, 1e-6)] {
        let x: Vec<f64> = numbers(8, rows * cols, 1.5).iter().map(|x| x + 0.7).collect();
        let (weight, bias) = (numbers(9, cols, 1.0), numbers(10, cols, 1.0));
        let dy = numbers(11, rows * cols, 2.5);

        let forward = |x: &[f64], weight: &[f64], bias: &[f64]| {
            dot(
                &dy,
                &cpu::layer_norm::forward(x, Some(weight), Some(bias), rows, cols, eps).0,
            )
        };
        let (_, mean, rstd) = cpu::layer_norm::forward(&x, Some(&weight), Some(&bias), rows, cols, eps);
        let (dx, dweight, dbias) = cpu::layer_norm::backward(&dy, &x, Some(&weight), &mean, &rstd, rows, cols);
        check("dx", &dx, &x, |x| forward(x, &weight, &bias));
        check("dweight", &dweight, &weight, |weight| forward(&x, weight, &bias));
        check("dbias", &dbias, &bias, |bias| forward(&x, &weight, bias));

        let (dx, _, _) = cpu::layer_norm::backward(&dy, &x, None, &mean, &rstd, rows, cols);
        check("dx, no weight", &dx, &x, |x| {
            dot(&dy, &cpu::layer_norm::forward(x, None, None, rows, cols, eps).0)
        });
    }
}

#[test]
fn attention() {
    for (batch, tokens, heads, dim) in [(1, 1, 1, 2), (2, 5, 2, 3)] {
        let qkv = numbers(12, batch * tokens * 3 * heads * dim, 2.0);
        let dout = numbers(13, batch * tokens * heads * dim, 1.5);
        let dqkv = cpu::attention::backward(&dout, &qkv, batch, tokens, heads, dim);
        check("dqkv", &dqkv, &qkv, |qkv| {
            dot(&dout, &cpu::attention::forward(qkv, batch, tokens, heads, dim).0)
        });
    }
}

#[test]
fn gather_with_repeats_and_rows_left_out() {
    let (cols, index) = (3, [4, 0, 4, 2]);
    let (x, dy) = (numbers(14, 5 * cols, 1.0), numbers(15, index.len() * cols, 2.0));
    let dx = cpu::gather::backward(&dy, &index, 5, cols);
    check("dx", &dx, &x, |x| dot(&dy, &cpu::gather::forward(x, &index, cols)));
}

#[test]
fn add_positions_passes_the_gradient_on() {
    let (cols, index) = (2, [3, 0, 3]);
    let (x, positions, dy) = (numbers(16, 6, 1.0), numbers(17, 8, 1.0), numbers(18, 6, 2.0));
    check("dx", &dy, &x, |x| {
        dot(&dy, &cpu::add_positions::add_positions(&positions, &index, x, cols))
    });
}

#[test]
fn predictor_tokens_sum_over_repeats_and_mask_rows() {
    use cpu::predictor_tokens::{MASK, backward, forward};
    let (source, place) = ([0, 2, MASK, MASK, 0, 2, MASK], [1, 3, 0, 2, 1, 3, 3]); // context row 1 is never used
    let (context, mask_token, positions) = (numbers(19, 3 * 4, 1.0), numbers(20, 4, 1.0), numbers(21, 4 * 4, 1.0));
    let dx = numbers(22, source.len() * 4, 2.0);
    let (dcontext, dmask_token) = backward(&dx, &source, 3);
    let run = |context: &[f64], token: &[f64]| dot(&dx, &forward(context, token, &positions, &source, &place));
    check("dcontext", &dcontext, &context, |context| run(context, &mask_token));
    check("dmask_token", &dmask_token, &mask_token, |token| run(&context, token));
}

/// Losses start the backward pass, so here what is not 1 is the chain in front: the prediction is 2.5 times x.
#[test]
fn smooth_l1_on_both_sides_of_beta() {
    let (x, target) = (numbers(23, 30, 1.0), numbers(24, 30, 1.0));
    let scaled = |x: &[f64]| -> Vec<f64> { x.iter().map(|x| 2.5 * x).collect() };
    let distances: Vec<f64> = scaled(&x).iter().zip(&target).map(|(p, t)| (p - t).abs()).collect();
    assert!(distances.iter().any(|d| *d < 1.0) && distances.iter().any(|d| *d > 1.0));
    let dx = scaled(&cpu::smooth_l1::backward(&scaled(&x), &target));
    check("dprediction", &dx, &x, |x| cpu::smooth_l1::forward(&scaled(x), &target));
}

#[test]
fn variance_covariance_on_both_sides_of_the_hinge() {
    let (n, width, a, b) = (6, 4, 0.3, 0.07);
    // The last channel is wide: its deviation is over 1, so the hinge is closed there.
    let z: Vec<f64> = numbers(25, n * width, 1.0)
        .iter()
        .enumerate()
        .map(|(i, z)| if i % width == width - 1 { 4.0 * z } else { 0.5 * z + 1.0 })
        .collect();
    for (a, b) in [(a, 0.0), (0.0, b), (a, b)] {
        let dz = cpu::variance_covariance::backward(&z, n, width, a, b);
        check("dz", &dz, &z, |z| {
            cpu::variance_covariance::forward(z, n, width, a, b).0
        });
    }
}

#[test]
fn mean_pool_and_drop_path() {
    let (tokens, cols, sequences) = (3, 4, 2);
    let (x, dy) = (
        numbers(40, sequences * tokens * cols, 1.0),
        numbers(41, sequences * cols, 2.0),
    );
    check("dx", &cpu::mean_pool::backward(&dy, tokens, cols), &x, |x| {
        dot(&dy, &cpu::mean_pool::forward(x, tokens, cols))
    });
    let (scales, shortcut, dy) = ([0.0, 1.25], numbers(42, x.len(), 1.0), numbers(43, x.len(), 2.0));
    check("dbranch", &cpu::drop_path::backward(&dy, &scales), &x, |x| {
        dot(&dy, &cpu::drop_path::forward(x, &scales, &shortcut))
    });
}
