//! cross_entropy in f64: softmax, its cross-entropy with a target distribution, and the gradient. Slow on purpose.

/// Of logits z `[rows, cols]` with targets t `[rows / heads, cols]`, one row of which `heads` rows of z in turn share:
/// `loss = -sum_c t_c log softmax(z)_c`, `[rows]`.
pub fn forward(z: &[f64], t: &[f64], rows: usize, cols: usize, heads: usize) -> Vec<f64> {
    let mut losses = vec![0.0; rows];
    for row in 0..rows {
        let logarithms = log_softmax(&z[row * cols..][..cols]);
        for col in 0..cols {
            losses[row] -= t[row / heads * cols + col] * logarithms[col];
        }
    }
    losses
}

/// `scale` times the gradient of the losses' sum with respect to z: `(softmax(z) * sum_c t_c - t) * scale`, `[rows, cols]`.
pub fn backward(z: &[f64], t: &[f64], rows: usize, cols: usize, heads: usize, scale: f64) -> Vec<f64> {
    let mut dz = vec![0.0; rows * cols];
    for row in 0..rows {
        let logarithms = log_softmax(&z[row * cols..][..cols]);
        let t = &t[row / heads * cols..][..cols];
        let total: f64 = t.iter().sum();
        for col in 0..cols {
            dz[row * cols + col] = (logarithms[col].exp() * total - t[col]) * scale;
        }
    }
    dz
}

/// z less the logarithm of the sum of exp(z).
fn log_softmax(z: &[f64]) -> Vec<f64> {
    let highest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = z.iter().map(|z| (z - highest).exp()).sum();
    z.iter().map(|z| z - highest - sum.ln()).collect()
}
