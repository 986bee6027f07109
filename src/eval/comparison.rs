//! Features of a run for probes: of raw pixels, of the encoder as it was drawn, and as it has become.

use super::Tell;
use super::features::{averaged, encode_blocks, tokens};
use super::labelled::{Collected, Labelled, raw};
use super::probe::{ProbeTable, score};
use super::samples::Samples;
use super::tokens::Tokens;
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
    /// Blocks of which features are made: 1 is the encoder's output, see [`super::features`].
    pub blocks: usize,
    /// The most bytes that patch features of either set may take; `None`: they are not kept.
    pub tokens: Option<u64>,
}

/// One encoder's features of the images to fit on and of those to score.
pub struct Encoded {
    pub train: Samples,
    pub test: Samples,
    /// Patch by patch, where they are asked for.
    pub tokens: Option<[Tokens; 2]>,
}

/// Which encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Untrained,
    Learned,
}

/// Images that are decoded together, about: enough for all threads, little enough to be no matter.
const DECODED: usize = 256;

impl Comparison<'_> {
    /// k-NN and linear accuracy of raw pixels, the untrained and the trained target encoder.
    ///
    /// Images are encoded `batch` at a time, or fewer where the adapter has no room for so many. `tell` hears which encoder is
    /// at which image.
    pub async fn table(
        &self,
        gpu: &Gpu,
        batch: usize,
        tell: &mut dyn FnMut(Which, usize, usize),
    ) -> Result<ProbeTable> {
        let both = |encoded: &Encoded| score(&encoded.train, &encoded.test);
        let (untrained, pixels) = self
            .encode(gpu, Which::Untrained, batch, true, &mut |done, of| {
                tell(Which::Untrained, done, of)
            })
            .await?;
        let untrained = both(&untrained)?;
        let (learned, _) = self
            .encode(gpu, Which::Learned, batch, false, &mut |done, of| {
                tell(Which::Learned, done, of)
            })
            .await?;
        let learned = both(&learned)?;
        let raw = match pixels {
            Some(pixels) => both(&pixels)?,
            None => untrained, // never: they were asked for
        };
        Ok(ProbeTable {
            raw,
            untrained,
            learned,
        })
    }

    /// An encoder's features. The pixels themselves are taken along where they are asked for, so that nothing is decoded once
    /// more for them.
    pub async fn encode(
        &self,
        gpu: &Gpu,
        which: Which,
        batch: usize,
        with_pixels: bool,
        tell: Tell<'_>,
    ) -> Result<(Encoded, Option<Encoded>)> {
        let (tensors, origin) = match which {
            Which::Untrained => (self.untrained, "the drawn weights"),
            Which::Learned => (self.learned, self.origin),
        };
        let dims = Dims::encode(batch);
        let batch = largest_batch(gpu.kind(), self.model, &dims, gpu.most_bytes()).max(1);
        let mut net = Ijepa::encoder(gpu, self.model, tensors, origin, batch)?;
        let of = self.train.count() + self.test.count();
        let mut done = 0;
        let (mut encoded, mut pixels) = (vec![], vec![]);
        for images in [self.train, self.test] {
            let [mut own, mut raws] = [0, 1].map(|_| Part::default());
            if let Some(bytes) = self.tokens {
                own.tokens = Some(Tokens::new(
                    [self.model.num_patches(), self.model.embed_dim],
                    images.count(),
                    bytes,
                )?);
                let values = [self.model.num_patches(), self.model.patch_values()];
                raws.tokens = with_pixels
                    .then(|| Tokens::new(values, images.count(), bytes))
                    .transpose()?;
            }
            for some in images.batches(batch * (DECODED / batch).max(1)) {
                let some = some?;
                let count = some.labels.len();
                let mut by_patch = None;
                if let Some(kept) = &mut own.tokens {
                    let values = tokens(&mut net, &some.images, count).await?;
                    kept.add(&values, &some.labels);
                    by_patch = Some(values);
                }
                let features = match (self.blocks, by_patch) {
                    (0 | 1, Some(values)) => averaged(&values, [self.model.num_patches(), self.model.embed_dim]),
                    (0 | 1, None) => super::features::encode(&mut net, &some.images, count).await?,
                    (blocks, _) => encode_blocks(&mut net, &some.images, count, blocks).await?,
                };
                own.samples.add(&features, &some.labels);
                if with_pixels {
                    raws.samples.add(&raw(&some.images, self.model.image), &some.labels);
                }
                if let Some(kept) = &mut raws.tokens {
                    kept.add(&patches(&some.images, self.model), &some.labels);
                }
                done += count;
                tell(done, of);
            }
            encoded.push(own);
            pixels.push(raws);
        }
        let encoded = Encoded::of(encoded)?;
        let pixels = with_pixels.then(|| Encoded::of(pixels)).transpose()?;
        Ok((encoded, pixels))
    }
}

/// One set's features on the way.
#[derive(Default)]
struct Part {
    samples: Collected,
    tokens: Option<Tokens>,
}

impl Encoded {
    /// Of the training set's and the test set's parts.
    fn of(parts: Vec<Part>) -> Result<Encoded> {
        let (mut samples, mut tokens) = (vec![], vec![]);
        for part in parts {
            samples.push(part.samples.samples()?);
            tokens.extend(part.tokens);
        }
        let test = samples.pop();
        let (Some(train), Some(test)) = (samples.pop(), test) else {
            return Err(crate::Error::run("a comparison has no images"));
        };
        Ok(Encoded {
            train,
            test,
            tokens: tokens.try_into().ok(),
        })
    }
}

/// The patches' own pixels, `[n * N, 3 * patch²]` in 0 ... 1, of images `[n, height, width, 3]`.
fn patches(images: &[u8], model: &ModelConfig) -> Vec<f32> {
    let (width, columns, patch) = (model.image.width, model.grid().columns, model.patch);
    let mut values = Vec::with_capacity(images.len());
    for image in images.chunks_exact(model.image.values()) {
        for place in 0..model.num_patches() {
            let (top, left) = (place / columns * patch, place % columns * patch);
            for row in top..top + patch {
                let line = &image[3 * (row * width + left)..][..3 * patch];
                values.extend(line.iter().map(|&byte| f32::from(byte) / 255.0));
            }
        }
    }
    values
}
