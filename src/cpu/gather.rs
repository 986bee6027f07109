//! gather in f64: rows by index, and its transpose. Slow on purpose.

/// `x` `[R, cols]`, `index` `[K]` of rows of x (any order, repeats allowed). Returns `[K, cols]`.
pub fn forward(x: &[f64], index: &[u32], cols: usize) -> Vec<f64> {
    let mut y = Vec::with_capacity(index.len() * cols);
    for &row in index {
        for col in 0..cols {
            y.push(x[row as usize * cols + col]);
        }
    }
    y
}

/// `dy` `[K, cols]` to dx `[rows, cols]`: each row of x gets the sum of the rows that were read from it, or 0.
pub fn backward(dy: &[f64], index: &[u32], rows: usize, cols: usize) -> Vec<f64> {
    let mut dx = vec![0.0; rows * cols];
    for (k, &row) in index.iter().enumerate() {
        for col in 0..cols {
            dx[row as usize * cols + col] += dy[k * cols + col];
        }
    }
    dx
}
