//! drop_path in f64: a residual branch times a number of each sequence's own. Slow on purpose.

/// shortcut + scale * branch, `[B * tokens, cols]`; `scales` `[B]`.
pub fn forward(branch: &[f64], scales: &[f64], shortcut: &[f64]) -> Vec<f64> {
    let scaled = backward(branch, scales);
    scaled.iter().zip(shortcut).map(|(x, y)| x + y).collect()
}

/// The branch's gradient: scale * dy.
pub fn backward(dy: &[f64], scales: &[f64]) -> Vec<f64> {
    let each = dy.len() / scales.len();
    dy.iter().enumerate().map(|(i, dy)| scales[i / each] * dy).collect()
}
