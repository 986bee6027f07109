//! The probe's table for a run: raw pixels, the encoder as it was drawn, and as it has become.

use super::features::encode;
use super::labelled::Labelled;
use super::probe::{ProbeTable, Row, score};
use crate::Result;
use crate::gpu::Gpu;
use crate::model::config::ModelConfig;
use crate::model::ijepa::{Ijepa, Terms};
use crate::model::needs::{Dims, largest_batch};
use crate::model::tensors::Tensors;

/// Trained weights beside the untrained ones of the same run, and the images to score both with.
pub struct Comparison<'a> {
    pub model: &'a ModelConfig,
    pub learned: &'a Tensors,
    /// Names `learned` in messages.
    pub origin: &'a str,
    pub untrained: &'a Tensors,
    pub train: &'a Labelled,
    pub test: &'a Labelled,
}

impl Comparison<'_> {
    /// k-NN and linear accuracy of raw pixels, the untrained and the trained target encoder.
    ///
    /// Images are encoded `batch` at a time, or fewer where the adapter has no room for so many.
    pub async fn table(&self, gpu: &Gpu, batch: usize) -> Result<ProbeTable> {
        let dims = Dims::encode(batch);
        let batch = largest_batch(gpu.kind(), self.model, &dims, gpu.most_bytes()).max(1);
        let untrained = self.row(gpu, self.untrained, "the drawn weights", batch).await?;
        let learned = self.row(gpu, self.learned, self.origin, batch).await?;
        let raw = score(&self.train.raw()?, &self.test.raw()?)?;
        Ok(ProbeTable {
            raw,
            untrained,
            learned,
        })
    }

    async fn row(&self, gpu: &Gpu, tensors: &Tensors, origin: &str, batch: usize) -> Result<Row> {
        let mut net = Ijepa::new(gpu, self.model, tensors, origin, Terms::default(), Dims::encode(batch))?;
        let mut samples = vec![];
        for images in [self.train, self.test] {
            let features = encode(&mut net, &images.images, images.len()).await?;
            samples.push(images.samples(features, self.model.embed_dim)?);
        }
        score(&samples[0], &samples[1])
    }
}
