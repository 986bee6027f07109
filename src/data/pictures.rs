//! Which images a step shows, decoded and transformed: a pure function of the data, the seed and the step's number.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::data::batch::{Bad, epoch_order, iterations_per_epoch};
use crate::data::draw::Draw;
use crate::data::image::Image;
use crate::data::source::Dataset;
use crate::error::Result;
use crate::parallel;

/// Makes the pictures of any step; quickest one after the other.
pub(super) struct Pictures {
    data: Arc<Dataset>,
    batch: usize,
    seed: u64,
    /// Set it, and a batch that is being made ends at once, without images.
    stop: Arc<AtomicBool>,
    /// Files that turned out bad, so that none is decoded twice.
    known: BTreeMap<usize, String>,
    /// An epoch and its order.
    order: (u64, Vec<u32>),
}

/// The pictures of one step.
pub(super) struct Made {
    pub epoch: u64,
    pub iteration: usize,
    /// Each image's index in the data set and what became of it; none if too much of the data is bad.
    pub pictures: Option<Vec<(usize, Vec<u8>)>>,
    /// What turned out bad on the way.
    pub bad: Vec<Bad>,
}

/// What became of one place in a batch.
struct Slot {
    picture: Option<(usize, Vec<u8>)>,
    bad: Vec<Bad>,
}

impl Pictures {
    /// A usage error if the data has fewer images than a batch.
    pub fn new(data: Arc<Dataset>, batch: usize, seed: u64, stop: Arc<AtomicBool>) -> Result<Self> {
        data.require(batch)?;
        Ok(Pictures {
            data,
            batch,
            seed,
            stop,
            known: BTreeMap::new(),
            order: (u64::MAX, vec![]),
        })
    }

    /// The pictures of this step, counted from 0 over the whole run; each image by `transform`, which gets its draws.
    pub fn make(&mut self, step: u64, transform: impl Fn(&Image, &mut Draw) -> Vec<u8> + Sync) -> Made {
        let per_epoch = iterations_per_epoch(self.data.len(), self.batch) as u64;
        let (epoch, iteration) = (step / per_epoch, (step % per_epoch) as usize);
        if self.order.0 != epoch {
            self.order = (epoch, epoch_order(self.data.len(), self.seed, epoch));
        }
        let first = iteration * self.batch;
        let slots = parallel::map(self.batch, |place| self.slot(epoch, first + place, &transform));
        let mut bad = Vec::new();
        for (index, reason) in slots.iter().flat_map(|slot| &slot.bad) {
            if self.known.insert(*index, reason.clone()).is_none() {
                bad.push((*index, reason.clone()));
            }
        }
        Made {
            epoch,
            iteration,
            pictures: slots.into_iter().map(|slot| slot.picture).collect(),
            bad,
        }
    }

    /// The image at this place of the epoch's order, or the next good one after it.
    fn slot(&self, epoch: u64, position: usize, transform: impl Fn(&Image, &mut Draw) -> Vec<u8>) -> Slot {
        let order = &self.order.1;
        let mut bad = Vec::new();
        for offset in 0..order.len() {
            let index = order[(position + offset) % order.len()] as usize;
            if self.stop.load(Ordering::Relaxed) || self.data.bad().too_many(self.known.len() + bad.len()) {
                return Slot { picture: None, bad };
            }
            if self.known.contains_key(&index) {
                continue;
            }
            match self.data.image(index) {
                Ok(image) => {
                    let mut draw = Draw::keyed("image", self.seed, epoch, index as u64);
                    let picture = Some((index, transform(&image, &mut draw)));
                    return Slot { picture, bad };
                }
                Err(reason) => bad.push((index, reason)),
            }
        }
        Slot { picture: None, bad }
    }
}
