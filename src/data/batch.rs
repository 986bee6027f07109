//! The images and masks of a step. They are a pure function of the data, the settings, the seed and the step's number:
//! neither threads nor a restart in mid-epoch change a byte.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::data::draw::Draw;
use crate::data::masks::{self, MaskConfig, Masks};
use crate::data::pictures::Pictures;
use crate::data::source::Dataset;
use crate::data::transform::TrainTransform;
use crate::error::{Error, Result};

/// What batches are made of.
#[derive(Clone, Debug)]
pub struct BatchConfig {
    pub batch: usize,
    /// Side of the square images in pixels.
    pub crop: usize,
    pub transform: TrainTransform,
    pub masks: MaskConfig,
    pub seed: u64,
}

/// The images and masks of one step.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Number of the step since the start of the run, from 0.
    pub step: u64,
    /// From 0.
    pub epoch: u64,
    /// Number of the step within its epoch, from 0.
    pub iteration: usize,
    /// `[B, crop, crop, 3]`, RGB interleaved.
    pub images: Vec<u8>,
    pub masks: Masks,
}

/// A file that turned out bad: its index and the reason.
pub type Bad = (usize, String);

/// A batch, or none if too much of the data is bad, with what turned out bad on the way to it.
pub type Made = (Option<Batch>, Vec<Bad>);

/// Steps in an epoch: the last partial batch is dropped.
pub fn iterations_per_epoch(images: usize, batch: usize) -> usize {
    images.checked_div(batch).unwrap_or(0)
}

/// The order in which an epoch shows the images.
pub fn epoch_order(images: usize, seed: u64, epoch: u64) -> Vec<u32> {
    Draw::keyed("order", seed, epoch, 0).permutation(images)
}

/// Makes the batch of any step; quickest one after the other.
pub struct Batches {
    pictures: Pictures,
    config: BatchConfig,
}

impl Batches {
    /// A usage error if the data has fewer images than a batch or a setting is out of range.
    pub fn new(data: Arc<Dataset>, config: BatchConfig, stop: Arc<AtomicBool>) -> Result<Self> {
        if config.batch == 0 || config.crop == 0 {
            return Err(Error::usage(format!(
                "data.batch_size is {} and data.crop_size is {}, but neither may be 0",
                config.batch, config.crop
            )));
        }
        config.transform.validate()?;
        config.masks.validate()?;
        Ok(Batches {
            pictures: Pictures::new(data, config.batch, config.seed, stop)?,
            config,
        })
    }

    /// The batch of this step, counted from 0 over the whole run.
    pub fn make(&mut self, step: u64) -> Made {
        let BatchConfig {
            batch,
            crop,
            transform,
            masks,
            seed,
        } = &self.config;
        let made = self
            .pictures
            .make(step, |image, draw| transform.apply(image, *crop, draw));
        let masks = masks::sample(masks, *seed, step, *batch);
        let batch = made.pictures.map(|pictures| Batch {
            step,
            epoch: made.epoch,
            iteration: made.iteration,
            images: pictures.into_iter().flat_map(|(_, pixels)| pixels).collect(),
            masks,
        });
        (batch, made.bad)
    }

    /// Of what was made: the batch, once its bad files are recorded in the data set; an error when they are a tenth of it.
    pub fn take<B>(data: &Dataset, (batch, bad): (Option<B>, Vec<Bad>)) -> Result<B> {
        for (index, reason) in bad {
            data.bad().record(&data.name(index), &reason)?;
        }
        batch.ok_or_else(|| Error::run(format!("decoding of {} stopped unexpectedly", data.source())))
    }
}
