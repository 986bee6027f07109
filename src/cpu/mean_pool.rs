//! mean_pool in f64. Slow on purpose.

/// The mean over the tokens of each sequence: x `[B * tokens, cols]` to `[B, cols]`.
pub fn forward(x: &[f64], tokens: usize, cols: usize) -> Vec<f64> {
    let mut y = vec![0.0; x.len() / tokens];
    for (i, x) in x.iter().enumerate() {
        y[i / cols / tokens * cols + i % cols] += x / tokens as f64;
    }
    y
}

/// The gradient with respect to x, from dy `[B, cols]`.
pub fn backward(dy: &[f64], tokens: usize, cols: usize) -> Vec<f64> {
    let value = |i: usize| dy[i / cols / tokens * cols + i % cols] / tokens as f64;
    (0..dy.len() * tokens).map(value).collect()
}
