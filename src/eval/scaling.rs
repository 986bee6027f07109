//! Channels to mean 0 and deviation 1: what batch norm without weights does to frozen features.

use super::samples::Samples;

/// Makes each channel's mean 0 and its deviation 1 over some images.
pub struct Scaling {
    mean: Vec<f64>,
    scale: Vec<f64>,
}

impl Scaling {
    /// Of the training images at these places.
    pub fn new(samples: &Samples, images: &[usize]) -> Self {
        let dims = samples.features.dims();
        let mut mean = vec![0.0; dims];
        for &image in images {
            mean.iter_mut()
                .zip(samples.features.row(image))
                .for_each(|(sum, x)| *sum += f64::from(*x));
        }
        mean.iter_mut().for_each(|sum| *sum /= images.len() as f64);
        let mut square = vec![0.0; dims];
        for &image in images {
            for ((sum, x), mean) in square.iter_mut().zip(samples.features.row(image)).zip(&mean) {
                *sum += (f64::from(*x) - mean).powi(2);
            }
        }
        // A channel that varies by rounding alone says nothing.
        let scale = square.iter().zip(&mean).map(|(square, mean)| {
            let deviation = (square / images.len() as f64).sqrt();
            if deviation > 1e-9 * mean.abs() {
                1.0 / deviation
            } else {
                0.0
            }
        });
        let scale = scale.map(|scale| if scale.is_finite() { scale } else { 0.0 }).collect();
        Self { mean, scale }
    }

    /// `row` standardised.
    pub fn apply(&self, row: &[f32], standard: &mut [f64]) {
        let channels = row.iter().zip(&self.mean).zip(&self.scale);
        for (out, ((x, mean), scale)) in standard.iter_mut().zip(channels) {
            *out = (f64::from(*x) - mean) * scale;
        }
    }

    /// `row` standardised, in f32; what lies behind its channels stays as it is.
    pub fn apply_f32(&self, row: &[f32], standard: &mut [f32]) {
        let channels = row.iter().zip(&self.mean).zip(&self.scale);
        for (out, ((x, mean), scale)) in standard.iter_mut().zip(channels) {
            *out = ((f64::from(*x) - mean) * scale) as f32;
        }
    }
}
