//! layer_norm in f64, over the last axis, with the biased variance. Slow on purpose.

/// `y = (x - mean) / sqrt(variance + eps) * weight + bias`; x, y `[rows, cols]`, weight, bias `[cols]` (1 and 0 where
/// absent). Returns y and, for `backward`, mean and rstd = 1 / sqrt(variance + eps), both `[rows]`.
pub fn forward(
    x: &[f64],
    weight: Option<&[f64]>,
    bias: Option<&[f64]>,
    rows: usize,
    cols: usize,
    eps: f64,
) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let (mut y, mut means, mut rstds) = (vec![0.0; rows * cols], vec![0.0; rows], vec![0.0; rows]);
    for row in 0..rows {
        let x = &x[row * cols..][..cols];
        let mean = x.iter().sum::<f64>() / cols as f64;
        let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / cols as f64;
        let rstd = 1.0 / (variance + eps).sqrt();
        for col in 0..cols {
            let scale = weight.map_or(1.0, |weight| weight[col]);
            let shift = bias.map_or(0.0, |bias| bias[col]);
            y[row * cols + col] = (x[col] - mean) * rstd * scale + shift;
        }
        means[row] = mean;
        rstds[row] = rstd;
    }
    (y, means, rstds)
}

/// With `g = dy * weight` and `xhat = (x - mean) * rstd`: `dx = rstd * (g - mean_c(g) - xhat * mean_c(g * xhat))`
/// `[rows, cols]`, `dweight` = column sum of `dy * xhat` and `dbias` = column sum of `dy`, both `[cols]`.
pub fn backward(
    dy: &[f64],
    x: &[f64],
    weight: Option<&[f64]>,
    mean: &[f64],
    rstd: &[f64],
    rows: usize,
    cols: usize,
) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let (mut dx, mut dweight, mut dbias) = (vec![0.0; rows * cols], vec![0.0; cols], vec![0.0; cols]);
    for row in 0..rows {
        let (mut mean_g, mut mean_g_xhat) = (0.0, 0.0);
        for col in 0..cols {
            let xhat = (x[row * cols + col] - mean[row]) * rstd[row];
            let dy = dy[row * cols + col];
            let g = dy * weight.map_or(1.0, |weight| weight[col]);
            mean_g += g / cols as f64;
            mean_g_xhat += g * xhat / cols as f64;
            dweight[col] += dy * xhat;
            dbias[col] += dy;
        }
        for col in 0..cols {
            let xhat = (x[row * cols + col] - mean[row]) * rstd[row];
            let g = dy[row * cols + col] * weight.map_or(1.0, |weight| weight[col]);
            dx[row * cols + col] = rstd[row] * (g - mean_g - xhat * mean_g_xhat);
        }
    }
    (dx, dweight, dbias)
}
