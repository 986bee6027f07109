//! Labelled images, cut for evaluation: what probes are fitted on and scored with.

use super::samples::{Features, Samples};
use crate::Result;
use crate::data::eval::eval_batches;
use crate::data::source::Dataset;
use crate::data::transform::EvalTransform;

/// Images `[n, crop, crop, 3]` u8 with a class for each.
pub struct Labelled {
    pub images: Vec<u8>,
    pub labels: Vec<u32>,
    pub crop: usize,
}

impl Labelled {
    /// All images of a data set, in order, with labels in the numbering of `classes` (the training set's). Bad images
    /// are left out and recorded in the data set's list.
    ///
    /// Errors: usage, without labels or with an unknown class; run, once a tenth of the images are bad.
    pub fn new(data: &Dataset, classes: &[String], crop: usize, transform: EvalTransform) -> Result<Labelled> {
        let all = data.labels_as(classes)?;
        let (mut images, mut labels) = (Vec::with_capacity(data.len() * 3 * crop * crop), vec![]);
        for batch in eval_batches(data, crop, transform, 1000, None) {
            let batch = batch?;
            images.extend(batch.images);
            labels.extend(batch.indices.iter().map(|&i| all[i]));
        }
        Ok(Labelled { images, labels, crop })
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The pixels themselves as features, `[n, 3 * crop * crop]` in 0 ... 1.
    pub fn raw(&self) -> Result<Samples> {
        let values = self.images.iter().map(|&byte| f32::from(byte) / 255.0).collect();
        self.samples(values, 3 * self.crop * self.crop)
    }

    /// Features `[n, dims]` that an encoder made of these images.
    pub fn samples(&self, features: Vec<f32>, dims: usize) -> Result<Samples> {
        Samples::new(Features::new(features, dims)?, self.labels.clone())
    }
}
