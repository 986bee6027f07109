//! The probe's table for a run: raw pixels, the encoder as it was drawn, and as it has become.

use super::features::encode;
use super::labelled::{Collected, Labelled, raw};
use super::probe::{ProbeTable, Row, score};
use crate::Result;
use crate::gpu::Gpu;
use crate::model::config::ModelConfig;
use crate::model::ijepa::Ijepa;
use crate::model::needs::{Dims, largest_batch};
use crate::model::tensors::Tensors;

/// Trained weights beside the untrained ones of the same run, and the images to score both with.
pub struct Comparison<'a> {
    pub model: &'a ModelConfig,
    pub learned: &'a Tensors,
    /// Names `learned` in messages.
    pub origin: &'a str,
    pub untrained: &'a Tensors,
    pub train: &'a Labelled<'a>,
    pub test: &'a Labelled<'a>,
}

/// Images that are decoded together, about: enough for all threads, little enough to be no matter.
const DECODED: usize = 256;

impl Comparison<'_> {
    /// k-NN and linear accuracy of raw pixels, the untrained and the trained target encoder.
    ///
    /// Images are encoded `batch` at a time, or fewer where the adapter has no room for so many.
    pub async fn table(&self, gpu: &Gpu, batch: usize) -> Result<ProbeTable> {
        let dims = Dims::encode(batch);
        let batch = largest_batch(gpu.kind(), self.model, &dims, gpu.most_bytes()).max(1);
        let (untrained, pixels) = self.row(gpu, self.untrained, "the drawn weights", batch, true).await?;
        let (learned, _) = self.row(gpu, self.learned, self.origin, batch, false).await?;
        let [train, test] = pixels;
        Ok(ProbeTable {
            raw: score(&train.samples()?, &test.samples()?)?,
            untrained,
            learned,
        })
    }

    /// An encoder's row. The pixels themselves, of training and test images, are taken along where they are asked for, so
    /// that nothing is decoded once more for them.
    async fn row(
        &self,
        gpu: &Gpu,
        tensors: &Tensors,
        origin: &str,
        batch: usize,
        with_pixels: bool,
    ) -> Result<(Row, [Collected; 2])> {
        let mut net = Ijepa::encoder(gpu, self.model, tensors, origin, batch)?;
        let (mut encoded, mut pixels) = (<[Collected; 2]>::default(), <[Collected; 2]>::default());
        for (which, images) in [self.train, self.test].into_iter().enumerate() {
            for some in images.batches(batch * (DECODED / batch).max(1)) {
                let some = some?;
                let features = encode(&mut net, &some.images, some.labels.len()).await?;
                encoded[which].add(&features, &some.labels);
                if with_pixels {
                    pixels[which].add(&raw(&some.images, self.model.crop), &some.labels);
                }
            }
        }
        let [train, test] = encoded;
        Ok((score(&train.samples()?, &test.samples()?)?, pixels))
    }
}
