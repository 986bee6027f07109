//! Batches for training, decoded ahead of the GPU by threads of their own.
//!
//! The batch of step s is a pure function of the data, the settings, the seed and s: neither threads nor a restart in
//! mid-epoch change a byte.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rayon::prelude::*;

use crate::data::draw::Draw;
use crate::data::masks::{self, MaskConfig, Masks};
use crate::data::source::Dataset;
use crate::data::transform::TrainTransform;
use crate::error::{Error, Result};

/// Finished batches that wait for the GPU at most.
const AHEAD: usize = 2;

/// What a [`Loader`] makes.
#[derive(Clone, Debug)]
pub struct LoaderConfig {
    pub batch: usize,
    /// Side of the square images in pixels.
    pub crop: usize,
    pub transform: TrainTransform,
    pub masks: MaskConfig,
    pub seed: u64,
    /// Steps first_step ... last_step - 1 are made; steps count from 0 over the whole run.
    pub first_step: u64,
    pub last_step: u64,
    /// Decoding threads; 0 takes one for each core.
    pub threads: usize,
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
type Bad = (usize, String);

/// A batch, or none if too much of the data is bad, with what turned out bad on the way to it.
type Made = (Option<Batch>, Vec<Bad>);

/// Makes batches in order, on threads of its own. Dropping it stops them.
pub struct Loader {
    data: Arc<Dataset>,
    /// Steps whose batches are still to come.
    steps: Range<u64>,
    ready: Option<Receiver<Made>>,
    stop: Arc<AtomicBool>,
    worker: Option<JoinHandle<()>>,
}

impl Loader {
    /// Starts decoding. A usage error if the data has fewer images than a batch or a setting is out of range.
    pub fn start(data: Arc<Dataset>, config: LoaderConfig) -> Result<Self> {
        if config.batch == 0 || config.crop == 0 {
            return Err(Error::usage(format!(
                "data.batch_size is {} and data.crop_size is {}, but neither may be 0",
                config.batch, config.crop
            )));
        }
        data.require(config.batch)?;
        config.transform.validate()?;
        config.masks.validate()?;
        let threads_failed = |error: String| Error::run(format!("threads for decoding cannot be started: {error}"));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(config.threads).build();
        let pool = pool.map_err(|error| threads_failed(error.to_string()))?;
        let steps = config.first_step..config.last_step;
        let stop = Arc::new(AtomicBool::new(false));
        let (send, ready) = sync_channel(AHEAD);
        let maker = Maker {
            data: data.clone(),
            config,
            stop: stop.clone(),
            known: BTreeMap::new(),
        };
        let worker = std::thread::Builder::new()
            .name("loader".to_string())
            .spawn(move || pool.install(|| maker.run(send)));
        let worker = worker.map_err(|error| threads_failed(error.to_string()))?;
        Ok(Loader {
            steps,
            data,
            ready: Some(ready),
            stop,
            worker: Some(worker),
        })
    }
}

/// Batches in the order of their steps. A batch is waited for if need be. Files that turned out bad on the way to it are
/// recorded in the data set first; once they are a tenth of it, an error comes and nothing after it.
impl Iterator for Loader {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        if self.steps.is_empty() {
            return None;
        }
        let made = self.receive();
        self.steps.start = if made.is_ok() {
            self.steps.start + 1
        } else {
            self.steps.end
        };
        Some(made)
    }
}

impl Loader {
    fn receive(&self) -> Result<Batch> {
        let stopped = || Error::run(format!("decoding of {} stopped unexpectedly", self.data.source()));
        let (batch, bad) = self
            .ready
            .as_ref()
            .and_then(|ready| ready.recv().ok())
            .ok_or_else(stopped)?;
        for (index, reason) in bad {
            self.data.bad().record(&self.data.name(index), &reason)?;
        }
        batch.ok_or_else(stopped)
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.ready = None; // a worker that waits for room in the queue wakes up
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

/// Steps in an epoch: the last partial batch is dropped.
pub fn iterations_per_epoch(images: usize, batch: usize) -> usize {
    images.checked_div(batch).unwrap_or(0)
}

/// The order in which an epoch shows the images.
pub fn epoch_order(images: usize, seed: u64, epoch: u64) -> Vec<u32> {
    Draw::keyed("order", seed, epoch, 0).permutation(images)
}

/// The thread behind a loader.
struct Maker {
    data: Arc<Dataset>,
    config: LoaderConfig,
    stop: Arc<AtomicBool>,
    /// Files that turned out bad, so that none is decoded twice.
    known: BTreeMap<usize, String>,
}

/// What became of one place in a batch.
struct Slot {
    pixels: Option<Vec<u8>>,
    bad: Vec<Bad>,
}

impl Maker {
    fn run(mut self, send: SyncSender<Made>) {
        let per_epoch = iterations_per_epoch(self.data.len(), self.config.batch) as u64;
        let mut order = (u64::MAX, Vec::new());
        for step in self.config.first_step..self.config.last_step {
            let epoch = step / per_epoch;
            if order.0 != epoch {
                order = (epoch, epoch_order(self.data.len(), self.config.seed, epoch));
            }
            let (batch, bad) = self.batch(step, epoch, (step % per_epoch) as usize, &order.1);
            let last = batch.is_none();
            if self.stop.load(Ordering::Relaxed) || send.send((batch, bad)).is_err() || last {
                return;
            }
        }
    }

    fn batch(&mut self, step: u64, epoch: u64, iteration: usize, order: &[u32]) -> Made {
        let first = iteration * self.config.batch;
        let slots = (first..first + self.config.batch).into_par_iter();
        let slots: Vec<Slot> = slots.map(|position| self.slot(epoch, position, order)).collect();
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

    /// The image at this place of the epoch's order, or the next good one after it.
    fn slot(&self, epoch: u64, position: usize, order: &[u32]) -> Slot {
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
