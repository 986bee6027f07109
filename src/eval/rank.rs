//! How widely features spread: the two numbers that a collapse shows in.

use super::eigen;
use super::rows;
use super::samples::Features;

/// The spread of a set of features.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Mean over channels of the standard deviation over images (divisor n - 1; 0 for one image).
    pub deviation: f64,
    /// exp of the entropy of the centred covariance's spectrum: between 1, where all images lie on one line, and the
    /// number of channels, where all directions are used alike (Roy and Vetterli 2007). 0 where all images are equal.
    pub effective_rank: f64,
}

/// Takes n^2 · dims or n · dims^2 steps, whichever is less.
pub fn spread(features: &Features) -> Spread {
    let (n, dims) = (features.len(), features.dims());
    let mean = features.mean();
    let centred = features
        .values()
        .iter()
        .enumerate()
        .map(|(i, v)| f64::from(*v) - mean[i % dims]);
    // Both products of the centred features with themselves have the same eigenvalues but for zeros: take the smaller.
    let (side, vectors): (usize, Vec<f64>) = if n < dims {
        (n, centred.collect())
    } else {
        let rows: Vec<f64> = centred.collect();
        (dims, (0..n * dims).map(|i| rows[i % n * dims + i / n]).collect())
    };
    let length = n.max(dims);
    let vector = |i: usize| &vectors[i * length..][..length];
    let inner = |i: usize, j: usize| vector(i).iter().zip(vector(j)).map(|(x, y)| x * y).sum::<f64>();
    let triangle = rows::map(side, |i| {
        (0..side)
            .map(|j| if j <= i { inner(i, j) } else { 0.0 })
            .collect::<Vec<_>>()
    });
    let spectrum: Vec<f64> = eigen::values(&triangle.concat(), side)
        .into_iter()
        .map(|v| v.max(0.0))
        .collect();

    let total: f64 = spectrum.iter().sum();
    let shares = spectrum.iter().map(|value| value / total).filter(|share| *share > 0.0);
    let entropy: f64 = shares.map(|share| -share * libm::log(share)).sum();
    let variances = if n < dims {
        (0..dims)
            .map(|c| (0..n).map(|i| vectors[i * dims + c].powi(2)).sum::<f64>())
            .collect::<Vec<_>>()
    } else {
        (0..dims).map(|c| inner(c, c)).collect()
    };
    let divisor = (n.max(2) - 1) as f64;
    Spread {
        deviation: variances.iter().map(|square| (square / divisor).sqrt()).sum::<f64>() / dims as f64,
        effective_rank: if total > 0.0 { libm::exp(entropy) } else { 0.0 },
    }
}
