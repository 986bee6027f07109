//! What a run's features are worth while it goes: k-NN and a linear fit on labelled images, as `ijepa probe` has them, on
//! so few images and so seldom that a twentieth of the time is enough, but for the first in a very short run. Weights and
//! draws are left alone, so a run gives the same bits with it and without.

use super::config::Config;
use super::plan;
use crate::data::Split;
use crate::data::eval::eval_batches;
use crate::data::source::Dataset;
use crate::eval::features::encode;
use crate::eval::labelled::Collected;
use crate::eval::probe::{Row, score};
use crate::model::describe::flops;
use crate::model::ijepa::Ijepa;
use crate::{Error, Result};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Of the run's time, what probes may take.
const SHARE: f64 = 0.05;
/// Of the operations of the steps between two probes, what encoding for one may take: the rest of the share is left for
/// decoding and for the fits.
const ENCODING: f64 = 0.03;
/// Images of a probe: below the first its accuracies would say nothing, above the second they hardly gain.
const IMAGES: [usize; 2] = [200, 8000];
/// One image in so many is scored, where no images are there for that alone.
const HELD_OUT: usize = 4;

/// The head line of `probe.csv`.
pub const CSV_HEADER: &str = "step,knn,linear,fitted,scored";

/// What one probe gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probed {
    pub step: u64,
    /// Per cent of the scored images.
    pub row: Row,
    /// Images that were fitted on, and that were scored.
    pub images: [usize; 2],
}

impl Probed {
    /// One line of `probe.csv`, without its end.
    pub fn csv_row(&self) -> String {
        let ([fitted, scored], Row { knn, linear }) = (self.images, self.row);
        format!("{},{knn:.2},{linear:.2},{fitted},{scored}", self.step)
    }
}

/// The images that a run is probed with, and the time that this has taken.
pub struct Prober {
    train: Arc<Dataset>,
    /// Images to score alone.
    test: Option<Arc<Dataset>>,
    /// How many of both are used.
    images: usize,
    began: Instant,
    spent: Duration,
    longest: Duration,
}

impl Prober {
    /// For a run on `train`; images of `test` are scored, where there are any, and else a part of `train` is kept for that.
    ///
    /// Errors: usage, where images have no classes, or fewer than two.
    pub fn new(config: &Config, train: Arc<Dataset>, test: Option<Arc<Dataset>>) -> Result<Prober> {
        let classes = train.class_names();
        if classes.len() < 2 {
            return Err(Error::usage(format!(
                "logging.probe_every: {} has {}, and probes tell classes apart: sort its images into a folder for each class, \
                 or leave out --probe-every",
                train.source(),
                match classes.len() {
                    0 => "no labels",
                    _ => "one class alone",
                }
            )));
        }
        let test = test.filter(|test| test.split() == Some(Split::Test));
        if let Some(test) = &test {
            test.labels_as(classes)?;
        }
        Ok(Prober {
            images: affordable(config)?,
            train,
            test,
            began: Instant::now(),
            spent: Duration::ZERO,
            longest: Duration::ZERO,
        })
    }

    /// Whether another probe still leaves the run its share of the time. The first always does: what it takes is not known.
    pub fn affords(&self) -> bool {
        let taken = (self.spent + self.longest).as_secs_f64();
        taken <= SHARE * (self.began.elapsed() + self.longest).as_secs_f64()
    }

    /// The target encoder's accuracies after `step` steps; `None` where a feature is not finite.
    pub async fn probe(&mut self, net: &mut Ijepa, config: &Config, step: u64) -> Result<Option<Probed>> {
        let begun = Instant::now();
        let probed = self.accuracies(net, config, step).await;
        self.spent += begun.elapsed();
        self.longest = self.longest.max(begun.elapsed());
        probed
    }

    async fn accuracies(&self, net: &mut Ijepa, config: &Config, step: u64) -> Result<Option<Probed>> {
        let classes = self.train.class_names();
        let mut parts = <[Collected; 2]>::default();
        let sets = match &self.test {
            Some(test) => vec![
                (&*self.train, self.images - self.images / HELD_OUT, Some(0)),
                (&**test, self.images / HELD_OUT, Some(1)),
            ],
            None => vec![(&*self.train, self.images, None)],
        };
        for (data, count, part) in sets {
            let labels = data.labels_as(classes)?;
            let mut seen = 0; // images come in the order of their classes: every fourth is of all of them
            for batch in eval_batches(
                data,
                net.config.image,
                config.eval_transform(),
                net.dims().batch,
                Some(count),
            ) {
                let batch = batch?;
                let features = encode(net, &batch.images, batch.indices.len()).await?;
                if features.iter().any(|value| !value.is_finite()) {
                    return Ok(None);
                }
                for (row, &index) in features.chunks_exact(net.config.embed_dim).zip(&batch.indices) {
                    seen += 1;
                    let part = part.unwrap_or(usize::from(seen % HELD_OUT == 0));
                    parts[part].add(row, &[labels[index]]);
                }
            }
        }
        let [train, test] = parts;
        let (train, test) = (train.samples()?, test.samples()?);
        Ok(Some(Probed {
            step,
            row: score(&train, &test)?,
            images: [train.features.len(), test.features.len()],
        }))
    }
}

/// Images whose encoding takes the allowed part of the operations of `logging.probe_every` steps.
fn affordable(config: &Config) -> Result<usize> {
    let model = config.model()?;
    let operations = flops(&model, &plan::dims(config, 1));
    let steps = config.logging.probe_every as f64 * config.data.batch_size as f64 * operations.step();
    let images = ENCODING * steps / operations.target;
    Ok((images as usize).clamp(IMAGES[0], IMAGES[1]))
}
