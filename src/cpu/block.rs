//! One pre-norm transformer block in f64, both ways, written with the kernels' twins.

use super::{Tensors, attention, column_sum, drop_path, gelu, layer_norm, matmul};

/// Eps of every layer norm that has weights.
pub const EPS: f64 = 1e-6;

/// A batch of token sequences: x is `[sequences, tokens, width]`.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub sequences: usize,
    pub tokens: usize,
    pub heads: usize,
}

impl Shape {
    pub fn rows(&self) -> usize {
        self.sequences * self.tokens
    }
}

/// Input and output of one layer norm, and what its backward needs.
pub struct Norm {
    x: Vec<f64>,
    pub y: Vec<f64>,
    mean: Vec<f64>,
    rstd: Vec<f64>,
}

/// What a block's backward needs of its forward.
pub struct Block {
    norm1: Norm,
    qkv: Vec<f64>,
    attended: Vec<f64>,
    norm2: Norm,
    hidden: Vec<f64>,
    activated: Vec<f64>,
    scales: [Vec<f64>; 2],
}

/// `y = x * weight^T + bias`, x `[rows, in]`, weight `[out, in]` and bias `[out]` named `{name}.weight`, `{name}.bias`.
pub fn linear(parameters: &Tensors, name: &str, x: &[f64], rows: usize) -> Vec<f64> {
    let (weight, bias) = (
        &parameters[&format!("{name}.weight")],
        &parameters[&format!("{name}.bias")],
    );
    let mut y = matmul::nt(x, weight, rows, weight.len() / bias.len(), bias.len());
    for (i, y) in y.iter_mut().enumerate() {
        *y += bias[i % bias.len()];
    }
    y
}

/// Gradient of `linear`: adds the weight's and bias's to `gradients`, returns dx `[rows, in]`.
pub fn linear_backward(
    parameters: &Tensors,
    name: &str,
    dy: &[f64],
    x: &[f64],
    rows: usize,
    gradients: &mut Tensors,
) -> Vec<f64> {
    let weight = &parameters[&format!("{name}.weight")];
    let (inputs, outputs) = (x.len() / rows, dy.len() / rows);
    add(
        gradients,
        &format!("{name}.weight"),
        &matmul::tn(dy, x, outputs, rows, inputs),
    );
    add(
        gradients,
        &format!("{name}.bias"),
        &column_sum::column_sum(dy, rows, outputs),
    );
    matmul::nn(dy, weight, rows, outputs, inputs)
}

/// Layer norm with the weights `{name}.weight` and `{name}.bias` over x `[rows, width]`.
pub fn norm(parameters: &Tensors, name: &str, x: Vec<f64>, rows: usize) -> Norm {
    let (weight, bias) = (
        &parameters[&format!("{name}.weight")],
        &parameters[&format!("{name}.bias")],
    );
    let (y, mean, rstd) = layer_norm::forward(&x, Some(weight), Some(bias), rows, weight.len(), EPS);
    Norm { x, y, mean, rstd }
}

/// Gradient of `norm`: adds the weight's and bias's to `gradients`, returns dx.
pub fn norm_backward(parameters: &Tensors, name: &str, dy: &[f64], norm: &Norm, gradients: &mut Tensors) -> Vec<f64> {
    let weight = &parameters[&format!("{name}.weight")];
    let (rows, cols) = (norm.mean.len(), weight.len());
    let (dx, dweight, dbias) = layer_norm::backward(dy, &norm.x, Some(weight), &norm.mean, &norm.rstd, rows, cols);
    add(gradients, &format!("{name}.weight"), &dweight);
    add(gradients, &format!("{name}.bias"), &dbias);
    dx
}

/// Adds `value` to the gradient called `name`, which starts at 0.
pub fn add(gradients: &mut Tensors, name: &str, value: &[f64]) {
    let sum = gradients
        .entry(name.to_string())
        .or_insert_with(|| vec![0.0; value.len()]);
    for (sum, value) in sum.iter_mut().zip(value) {
        *sum += value;
    }
}

fn plus(x: &[f64], y: &[f64]) -> Vec<f64> {
    x.iter().zip(y).map(|(x, y)| x + y).collect()
}

/// `x += proj(attention(qkv(norm1(x))))`, then `x += fc2(gelu(fc1(norm2(x))))`; `name` is the block's prefix.
pub fn forward(parameters: &Tensors, name: &str, x: Vec<f64>, shape: Shape) -> (Vec<f64>, Block) {
    let ones = [(); 2].map(|()| vec![1.0; shape.sequences]);
    forward_scaled(parameters, name, x, shape, ones)
}

/// The same with either branch times a number of each sequence's own (`drop_path`).
pub fn forward_scaled(
    parameters: &Tensors,
    name: &str,
    x: Vec<f64>,
    shape: Shape,
    scales: [Vec<f64>; 2],
) -> (Vec<f64>, Block) {
    let Shape {
        sequences,
        tokens,
        heads,
    } = shape;
    let rows = shape.rows();
    let dim = x.len() / rows / heads;

    let norm1 = norm(parameters, &format!("{name}.norm1"), x, rows);
    let qkv = linear(parameters, &format!("{name}.attn.qkv"), &norm1.y, rows);
    let (attended, _) = attention::forward(&qkv, sequences, tokens, heads, dim);
    let branch = linear(parameters, &format!("{name}.attn.proj"), &attended, rows);
    let x = drop_path::forward(&branch, &scales[0], &norm1.x);

    let norm2 = norm(parameters, &format!("{name}.norm2"), x, rows);
    let hidden = linear(parameters, &format!("{name}.mlp.fc1"), &norm2.y, rows);
    let activated = gelu::forward(&hidden);
    let branch = linear(parameters, &format!("{name}.mlp.fc2"), &activated, rows);
    let x = drop_path::forward(&branch, &scales[1], &norm2.x);
    (
        x,
        Block {
            norm1,
            qkv,
            attended,
            norm2,
            hidden,
            activated,
            scales,
        },
    )
}

/// Gradient of `forward`: adds the weights' to `gradients`, returns dx.
pub fn backward(
    parameters: &Tensors,
    name: &str,
    dx: Vec<f64>,
    block: &Block,
    shape: Shape,
    gradients: &mut Tensors,
) -> Vec<f64> {
    let Shape {
        sequences,
        tokens,
        heads,
    } = shape;
    let rows = shape.rows();
    let dim = dx.len() / rows / heads;

    let fc2 = format!("{name}.mlp.fc2");
    let dbranch = drop_path::backward(&dx, &block.scales[1]);
    let dactivated = linear_backward(parameters, &fc2, &dbranch, &block.activated, rows, gradients);
    let dhidden = gelu::backward(&dactivated, &block.hidden);
    let fc1 = format!("{name}.mlp.fc1");
    let dnorm2 = linear_backward(parameters, &fc1, &dhidden, &block.norm2.y, rows, gradients);
    let dx = plus(
        &dx,
        &norm_backward(parameters, &format!("{name}.norm2"), &dnorm2, &block.norm2, gradients),
    );

    let proj = format!("{name}.attn.proj");
    let dbranch = drop_path::backward(&dx, &block.scales[0]);
    let dattended = linear_backward(parameters, &proj, &dbranch, &block.attended, rows, gradients);
    let dqkv = attention::backward(&dattended, &block.qkv, sequences, tokens, heads, dim);
    let qkv = format!("{name}.attn.qkv");
    let dnorm1 = linear_backward(parameters, &qkv, &dqkv, &block.norm1.y, rows, gradients);
    plus(
        &dx,
        &norm_backward(parameters, &format!("{name}.norm1"), &dnorm1, &block.norm1, gradients),
    )
}
