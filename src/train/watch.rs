//! The collapse monitor's eyes: a small fixed set of images, encoded by the target encoder as it is.

use crate::Result;
use crate::data::eval::eval_batches;
use crate::data::image::Size;
use crate::data::source::Dataset;
use crate::data::transform::EvalTransform;
use crate::eval::features::encode;
use crate::eval::knn::leave_one_out;
use crate::eval::monitor::{Measurement, measure};
use crate::eval::samples::{Features, Samples};
use crate::model::ijepa::Ijepa;

/// Fixed images of a data set, with their labels where it has any.
pub struct Watch {
    /// `[n, height, width, 3]`
    images: Vec<u8>,
    labels: Option<Vec<u32>>,
    count: usize,
}

impl Watch {
    /// At most `count` images.
    ///
    /// Errors: run, once a tenth of the images have turned out bad.
    pub fn new(data: &Dataset, count: usize, size: Size, transform: EvalTransform) -> Result<Watch> {
        let mut watch = Watch {
            images: vec![],
            labels: data.labels().map(|_| vec![]),
            count: 0,
        };
        for batch in eval_batches(data, size, transform, count, Some(count)) {
            let batch = batch?;
            watch.images.extend(batch.images);
            watch.count += batch.indices.len();
            if let (Some(labels), Some(more)) = (&mut watch.labels, batch.labels) {
                labels.extend(more);
            }
        }
        Ok(watch)
    }

    /// The images `[n, height, width, 3]`, and their classes where they have any.
    pub fn images(&self) -> (&[u8], Option<&[u32]>) {
        (&self.images, self.labels.as_deref())
    }

    /// Leave-one-out k-NN of the pixels themselves in per cent, where there are labels: what features have to beat.
    pub fn raw_neighbours(&self) -> Result<Option<f64>> {
        let Some(labels) = &self.labels else {
            return Ok(None);
        };
        let values = self.images.iter().map(|&byte| f32::from(byte) / 255.0).collect();
        let pixels = Features::new(values, self.images.len() / self.count.max(1))?;
        Ok(Some(leave_one_out(&Samples::new(pixels, labels.clone())?)))
    }

    /// Looks at the target features after `step` steps; `None` where one of them is not finite.
    pub async fn look(&self, net: &mut Ijepa, step: u64) -> Result<Option<Measurement>> {
        let features = encode(net, &self.images, self.count).await?;
        if features.iter().any(|value| !value.is_finite()) {
            return Ok(None);
        }
        measure(step, &features, net.config.embed_dim, self.labels.as_deref()).map(Some)
    }
}
