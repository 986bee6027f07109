//! Features of a set of images, with or without the images' labels.

use crate::{Error, Result};

/// One row of `dims` finite values for each image: `[n, dims]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    values: Vec<f32>,
    dims: usize,
}

impl Features {
    /// `values` is `[n, dims]` for some n >= 1.
    ///
    /// # Errors
    /// Where there is no row, where `values` is no whole number of rows, and where a value is not finite.
    pub fn new(values: Vec<f32>, dims: usize) -> Result<Self> {
        if dims == 0 || values.is_empty() || !values.len().is_multiple_of(dims) {
            return Err(Error::run(format!(
                "features: {} values do not make rows of {dims}; at least one image is needed",
                values.len()
            )));
        }
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            return Err(Error::run(format!(
                "features: channel {} of image {} is not finite, so the encoder's weights are broken; go back to an earlier checkpoint",
                at % dims,
                at / dims
            )));
        }
        Ok(Self { values, dims })
    }

    /// How many images.
    #[allow(clippy::len_without_is_empty)] // there is always one
    pub fn len(&self) -> usize {
        self.values.len() / self.dims
    }

    /// Values of one image.
    pub fn dims(&self) -> usize {
        self.dims
    }

    /// `[n, dims]`, image by image.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The values of image `i`.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.values[i * self.dims..][..self.dims]
    }

    /// The mean of each channel.
    pub fn mean(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.dims];
        for row in self.values.chunks_exact(self.dims) {
            for (sum, value) in mean.iter_mut().zip(row) {
                *sum += f64::from(*value);
            }
        }
        mean.iter_mut().for_each(|sum| *sum /= self.len() as f64);
        mean
    }
}

/// Features with the class of each image.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    pub features: Features,
    labels: Vec<u32>,
}

impl Samples {
    /// # Errors
    /// Where there is not one label for each row.
    pub fn new(features: Features, labels: Vec<u32>) -> Result<Self> {
        if labels.len() != features.len() {
            return Err(Error::run(format!(
                "features: {} images but {} labels",
                features.len(),
                labels.len()
            )));
        }
        Ok(Self { features, labels })
    }

    /// These of the images, in this order; at least one.
    pub(super) fn pick(&self, images: &[usize]) -> Samples {
        let values = images.iter().flat_map(|&image| self.features.row(image)).copied();
        Samples {
            features: Features {
                values: values.collect(),
                dims: self.features.dims,
            },
            labels: images.iter().map(|&image| self.labels[image]).collect(),
        }
    }

    /// One class for each image; any numbers.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }
}

/// Both sets must have been made by the same encoder.
pub(super) fn same_dims(what: &str, train: &Samples, test: &Samples) -> Result<()> {
    let (a, b) = (train.features.dims(), test.features.dims());
    if a != b {
        return Err(Error::run(format!(
            "{what}: training features have {a} channels and test features {b}; both must come from the same encoder"
        )));
    }
    Ok(())
}
