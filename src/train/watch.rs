//! The collapse monitor's eyes: a small fixed set of images, encoded by the target encoder as it is.

use crate::Result;
use crate::data::source::Dataset;
use crate::data::transform::EvalTransform;
use crate::eval::features::encode;
use crate::eval::monitor::{Measurement, measure};
use crate::model::ijepa::Ijepa;

/// Fixed images of a data set, spread evenly over it (class folders are sorted), with their labels.
pub struct Watch {
    /// `[n, crop, crop, 3]`
    images: Vec<u8>,
    labels: Option<Vec<u32>>,
    count: usize,
}

impl Watch {
    /// At most `count` images; bad ones are passed over (training names them).
    pub fn new(data: &Dataset, count: usize, crop: usize, transform: EvalTransform) -> Watch {
        let count = count.min(data.len());
        let (mut images, mut labels, mut kept) = (vec![], data.labels().map(|_| vec![]), 0);
        for i in 0..count {
            let index = i * data.len() / count;
            let Ok(image) = data.image(index) else { continue };
            images.extend(transform.apply(&image, crop));
            if let (Some(labels), Some(all)) = (&mut labels, data.labels()) {
                labels.push(all[index]);
            }
            kept += 1;
        }
        Watch {
            images,
            labels,
            count: kept,
        }
    }

    /// Looks at the target features after `step` steps.
    pub async fn look(&self, net: &mut Ijepa, step: u64) -> Result<Measurement> {
        let features = encode(net, &self.images, self.count).await?;
        measure(step, &features, net.config.embed_dim, self.labels.as_deref())
    }
}
