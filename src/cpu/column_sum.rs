//! column_sum in f64: the gradient of a bias. Slow on purpose.

/// `x` `[rows, cols]` to `[cols]`: the sum over rows.
pub fn column_sum(x: &[f64], rows: usize, cols: usize) -> Vec<f64> {
    let mut sum = vec![0.0; cols];
    for row in 0..rows {
        for col in 0..cols {
            sum[col] += x[row * cols + col];
        }
    }
    sum
}
