//! matmul in f64, `C[m, n]` = the sum over k, in the three layouts that a linear layer needs. Slow on purpose.

/// `a` `[m, k]` times `b` `[k, n]`: the gradient of a linear layer's input.
pub fn nn(a: &[f64], b: &[f64], m: usize, k: usize, n: usize) -> Vec<f64> {
    let mut c = vec![0.0; m * n];
    for i in 0..m {
        for l in 0..k {
            for j in 0..n {
                c[i * n + j] += a[i * k + l] * b[l * n + j];
            }
        }
    }
    c
}

/// `a` `[m, k]` times the transpose of `b` [n, k]: a linear layer, whose weight is `[out, in]`.
pub fn nt(a: &[f64], b: &[f64], m: usize, k: usize, n: usize) -> Vec<f64> {
    let mut c = vec![0.0; m * n];
    for i in 0..m {
        for j in 0..n {
            for l in 0..k {
                c[i * n + j] += a[i * k + l] * b[j * k + l];
            }
        }
    }
    c
}

/// The transpose of `a` `[k, m]` times `b` `[k, n]`: the gradient of a linear layer's weight (a = dy, b = x).
pub fn tn(a: &[f64], b: &[f64], m: usize, k: usize, n: usize) -> Vec<f64> {
    let mut c = vec![0.0; m * n];
    for l in 0..k {
        for i in 0..m {
            for j in 0..n {
                c[i * n + j] += a[l * m + i] * b[l * n + j];
            }
        }
    }
    c
}
