//! variance_covariance in f64: VICReg's two terms (Bardes et al. 2022) on the context encoder's output. Slow on purpose.

/// Added to each channel's variance under the root.
pub const EPS: f64 = 1e-4;

/// C `[width, width]`, the covariance of `z` `[n, width]` with divisor n - 1; and z with its column means taken off.
fn covariance(z: &[f64], n: usize, width: usize) -> (Vec<f64>, Vec<f64>) {
    let mut centred = z.to_vec();
    for c in 0..width {
        let mean = (0..n).map(|row| z[row * width + c]).sum::<f64>() / n as f64;
        for row in 0..n {
            centred[row * width + c] -= mean;
        }
    }
    let mut covariance = vec![0.0; width * width];
    for i in 0..width {
        for j in 0..width {
            for row in 0..n {
                covariance[i * width + j] += centred[row * width + i] * centred[row * width + j] / (n - 1) as f64;
            }
        }
    }
    (covariance, centred)
}

/// With C the covariance of `z` `[n, width]`, n >= 2: variance = mean_d max(0, 1 - sqrt(C_dd + 1e-4)),
/// covariance = (1 / width) * sum over i != j of C_ij². Returns (a * variance + b * covariance, variance, covariance).
pub fn forward(z: &[f64], n: usize, width: usize, a: f64, b: f64) -> (f64, f64, f64) {
    let (c, _) = covariance(z, n, width);
    let (mut variance_part, mut covariance_part) = (0.0, 0.0);
    for i in 0..width {
        variance_part += (1.0 - (c[i * width + i] + EPS).sqrt()).max(0.0) / width as f64;
        for j in 0..width {
            if i != j {
                covariance_part += c[i * width + j] * c[i * width + j] / width as f64;
            }
        }
    }
    (a * variance_part + b * covariance_part, variance_part, covariance_part)
}

/// Gradient of the weighted sum with respect to `z`: dz = 2 / (n - 1) * centred z * G, G = the gradient with respect
/// to C. (Centring has no part in it: the columns of centred z sum to 0.) `[n, width]`
pub fn backward(z: &[f64], n: usize, width: usize, a: f64, b: f64) -> Vec<f64> {
    let (c, centred) = covariance(z, n, width);
    let mut g = vec![0.0; width * width];
    for i in 0..width {
        for j in 0..width {
            g[i * width + j] = b * 2.0 * c[i * width + j] / width as f64;
        }
        let deviation = (c[i * width + i] + EPS).sqrt();
        g[i * width + i] = if deviation < 1.0 {
            -a / (2.0 * deviation * width as f64)
        } else {
            0.0
        };
    }
    let mut dz = vec![0.0; n * width];
    for row in 0..n {
        for i in 0..width {
            for j in 0..width {
                dz[row * width + i] += 2.0 / (n - 1) as f64 * centred[row * width + j] * g[j * width + i];
            }
        }
    }
    dz
}
