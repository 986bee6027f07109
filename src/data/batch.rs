//! The images and masks of a step. They are a pure function of the data, the settings, the seed and the step's number:
//! neither threads nor a restart in mid-epoch change a byte.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::data::draw::Draw;
use crate::data::masks::{self, MaskConfig, Masks};
use crate::data::source::Dataset;
use crate::data::transform::TrainTransform;
use crate::error::{Error, Result};
use crate::parallel;

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
    data: Arc<Dataset>,
    config: BatchConfig,
    /// Set it, and a batch that is being made ends at once, without images.
    stop: Arc<AtomicBool>,
    /// Files that turned out bad, so that none is decoded twice.
    known: BTreeMap<usize, String>,
    /// An epoch and its order.
    order: (u64, Vec<u32>),
}

/// What became of one place in a batch.
struct Slot {
    pixels: Option<Vec<u8>>,
    bad: Vec<Bad>,
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
        data.require(config.batch)?;
        config.transform.validate()?;
        config.masks.validate()?;
        Ok(Batches {
            data,
            config,
            stop,
            known: BTreeMap::new(),
            order: (u64::MAX, vec![]),
        })
    }

    /// The batch of this step, counted from 0 over the whole run.
    pub fn make(&mut self, step: u64) -> Made {
        let per_epoch = iterations_per_epoch(self.data.len(), self.config.batch) as u64;
        let (epoch, iteration) = (step / per_epoch, (step % per_epoch) as usize);
        if self.order.0 != epoch {
            self.order = (epoch, epoch_order(self.data.len(), self.config.seed, epoch));
        }
        let first = iteration * self.config.batch;
        let slots = parallel::map(self.config.batch, |place| self.slot(epoch, first + place));
        let mut bad = Vec::new();
        for (index, reason) in slots.iter().flat_map(|slot| &slot.bad) {
            if self.known.insert(*index, reason.clone()).is_none() {
                bad.push((*index, reason.clone()));
            }
        }
        let images: Option<Vec<Vec<u8>>> = slots.into_iter().map(|slot| slot.pixels).collect();
        let masks = masks::sample(&self.config.masks, self.config.seed, step, self.config.batch);
        let batch = images.map(|images| Batch {
            step,
            epoch,
            iteration,
            images: images.concat(),
            masks,
        });
        (batch, bad)
    }

    /// Of what was made: the batch, once its bad files are recorded in the data set; an error when they are a tenth of it.
    pub fn take(data: &Dataset, (batch, bad): Made) -> Result<Batch> {
        for (index, reason) in bad {
            data.bad().record(&data.name(index), &reason)?;
        }
        batch.ok_or_else(|| Error::run(format!("decoding of {} stopped unexpectedly", data.source())))
    }

    /// The image at this place of the epoch's order, or the next good one after it.
    fn slot(&self, epoch: u64, position: usize) -> Slot {
        let order = &self.order.1;
        let mut bad = Vec::new();
        for offset in 0..order.len() {
            let index = order[(position + offset) % order.len()] as usize;
            if self.stop.load(Ordering::Relaxed) || self.data.bad().too_many(self.known.len() + bad.len()) {
                return Slot { pixels: None, bad };
            }
            if self.known.contains_key(&index) {
                continue;
            }
            match self.data.image(index) {
                Ok(image) => {
                    let mut draw = Draw::keyed("image", self.config.seed, epoch, index as u64);
                    let pixels = Some(self.config.transform.apply(&image, self.config.crop, &mut draw));
                    return Slot { pixels, bad };
                }
                Err(reason) => bad.push((index, reason)),
            }
        }
        Slot { pixels: None, bad }
    }
}
