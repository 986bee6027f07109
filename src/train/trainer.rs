//! The course of a run without its files, threads and clock: what `ijepa train` and the browser share. Which rates a step
//! is taken with, what is under way, what the monitor makes of it, what a snapshot holds.

use super::config::Config;
use super::log::{EVERY, GradStats};
use super::schedule::{Rates, Schedule};
use super::snapshot::{Machine, Progress, Snapshot, Split};
use super::watch::Watch;
use crate::data::batch::{Batch, iterations_per_epoch};
use crate::data::source::Dataset;
use crate::eval::monitor::{Judgement, Measurement, judge};
use crate::gpu::Gpu;
use crate::model::config::ModelConfig;
use crate::model::ijepa::{Ijepa, Images, Pending, Terms};
use crate::model::needs::Dims;
use crate::model::tensors;
use crate::{Error, Result};

/// How long a run is, in steps.
#[derive(Clone, Debug)]
pub struct Course {
    pub schedule: Schedule,
    pub iterations_per_epoch: u64,
    /// The step at which the run ends.
    pub of: u64,
}

impl Course {
    /// For a configuration that [`Config::validate`] accepts and data with at least a batch of images.
    pub fn new(config: &Config, images: usize) -> Course {
        let iterations_per_epoch = iterations_per_epoch(images, config.data.batch_size);
        let schedule = Schedule::new(&config.optimization, iterations_per_epoch);
        Course {
            iterations_per_epoch: iterations_per_epoch as u64,
            of: schedule.run_steps() as u64,
            schedule,
        }
    }

    /// Refuses to go on from `progress` with other data: steps and epochs would no longer be those of one run.
    pub fn check(&self, progress: &Progress, data: &Dataset) -> Result<()> {
        let (images, per_epoch) = (data.len() as u64, self.iterations_per_epoch);
        if progress.step == 0 || (progress.iterations_per_epoch, progress.images) == (per_epoch, images) {
            return Ok(());
        }
        Err(Error::usage(format!(
            "the run was made of {} images in {} steps an epoch, but {} now gives {images} images in {per_epoch}: put the \
             images and data.batch_size back as they were, or start a new run",
            progress.images,
            progress.iterations_per_epoch,
            data.source()
        )))
    }
}

/// A step under way: submitted, not read yet.
pub struct UnderWay {
    pending: Pending,
    pub step: u64,
    k_context: usize,
    k_target: usize,
    rates: Rates,
    measured: bool,
}

/// One finished step.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Steps taken with this one.
    pub step: u64,
    /// From 0.
    pub epoch: u64,
    /// From 0.
    pub iteration: u64,
    pub k_context: usize,
    pub k_target: usize,
    pub loss: f64,
    pub regularizer: f64,
    pub gradient_norm: f64,
    /// False when this step or one before it was not finite: no weight was changed by it.
    pub finite: bool,
    pub rates: Rates,
    /// Every tenth iteration.
    pub stats: Option<GradStats>,
}

/// A run under way.
pub struct Trainer {
    pub net: Ijepa,
    pub course: Course,
    config: Config,
    images: u64,
    measured: Vec<String>,
    watch: Watch,
    untrained: Option<Measurement>,
    loss: Option<f64>,
    /// The memory plan that was last told about.
    planned: Dims,
}

impl Trainer {
    /// Allocates memory for `dims` (as `plan::fitting` gives them, which is best asked before weights are drawn) and uploads
    /// weights. `origin` names the snapshot in messages.
    ///
    /// Errors: usage, where weights are not the model's, or the data not those of the run.
    pub fn new(
        gpu: &Gpu,
        config: &Config,
        data: &Dataset,
        dims: Dims,
        from: &Snapshot,
        origin: &str,
    ) -> Result<Trainer> {
        let course = Course::new(config, data.len());
        course.check(&from.progress, data)?;
        if from.progress.step > course.of {
            let (step, of) = (from.progress.step, course.of);
            return Err(Error::usage(format!(
                "{origin} is at step {step}, beyond the run's end at step {of}"
            )));
        }
        let model = config.model()?;
        let terms = Terms {
            variance: config.meta.variance_weight,
            covariance: config.meta.covariance_weight,
            clip: config.optimization.clip_grad,
        };
        let net = Ijepa::new(gpu, &model, &from.tensors, origin, terms, dims)?;
        gpu.check()?;
        gpu.reclaim()?; // the driver's copies of the weights
        let watched = match config.logging.monitor_every {
            0 => 0,
            _ => config.logging.monitor_images,
        };
        Ok(Trainer {
            net,
            course,
            config: config.clone(),
            images: data.len() as u64,
            measured: measured(&model),
            watch: Watch::new(data, watched, model.image, config.eval_transform())?,
            untrained: from.progress.untrained,
            loss: from.progress.loss,
            planned: dims,
        })
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What the monitor looks at.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Has the monitor seen the untrained encoder?
    pub fn has_looked(&self) -> bool {
        self.untrained.is_some()
    }

    /// Records and submits the step of this batch; waits for nothing.
    pub fn begin(&mut self, batch: &Batch) -> Result<UnderWay> {
        let step = batch.step + 1;
        let rates = self.course.schedule.at(step as usize);
        let measured = batch.iteration.is_multiple_of(EVERY);
        self.net.measure(if measured { &self.measured } else { &[] })?;
        let images = Images::Bytes(&batch.images);
        let pending = self.net.step(images, &batch.masks, rates.step(step))?;
        Ok(UnderWay {
            pending,
            step,
            k_context: batch.masks.k_context,
            k_target: batch.masks.k_target,
            rates,
            measured,
        })
    }

    /// The memory plan, where it is another one since the last call.
    pub fn replanned(&mut self) -> Option<Dims> {
        let dims = self.net.dims();
        (std::mem::replace(&mut self.planned, dims) != dims).then_some(dims)
    }

    /// What the step gave.
    pub async fn end(&mut self, under_way: UnderWay) -> Result<Step> {
        let outcome = under_way.pending.outcome().await?;
        self.loss = Some(outcome.loss.into());
        let (taken, per_epoch) = (under_way.step - 1, self.course.iterations_per_epoch);
        let stats = under_way
            .measured
            .then(|| grad_stats(&self.measured, &outcome.measured));
        Ok(Step {
            step: under_way.step,
            epoch: taken / per_epoch,
            iteration: taken % per_epoch,
            k_context: under_way.k_context,
            k_target: under_way.k_target,
            loss: outcome.loss.into(),
            regularizer: outcome.regularizer.into(),
            gradient_norm: outcome.gradient_norm.into(),
            finite: outcome.finite,
            rates: under_way.rates,
            stats,
        })
    }

    /// What the monitor sees after `step` steps, and what it thinks; `None` where features are not finite.
    pub async fn look(&mut self, step: u64) -> Result<Option<(Measurement, Judgement)>> {
        let Some(now) = self.watch.look(&mut self.net, step).await? else {
            return Ok(None);
        };
        let judgement = judge(self.untrained.get_or_insert(now), &now, self.course.of);
        Ok(Some((now, judgement)))
    }

    /// The run after `step` steps, all of which must have ended well.
    pub async fn snapshot(&mut self, step: u64) -> Result<Snapshot> {
        let per_epoch = self.course.iterations_per_epoch;
        let progress = Progress {
            step,
            epoch: step / per_epoch,
            iteration: step % per_epoch,
            iterations_per_epoch: per_epoch,
            images: self.images,
            of: self.course.of,
            loss: self.loss,
            untrained: self.untrained,
            machine: Some(Machine::of(self.net.gpu())),
            split: Split::of(self.config.optimization.accumulate, self.net.dims().parts),
        };
        Ok(Snapshot {
            tensors: self.net.tensors(true).await?,
            progress,
            config: Some(self.config.portable()),
        })
    }
}

/// The gradients behind the log's grad_stats: the encoder's weights of two axes or more.
pub fn measured(model: &ModelConfig) -> Vec<String> {
    tensors::encoder(model)
        .into_iter()
        .filter(|spec| spec.decays())
        .map(|spec| spec.name)
        .collect()
}

/// The log's gradient statistics from the norms of what [`measured`] names.
pub fn grad_stats(names: &[String], norms: &[f32]) -> GradStats {
    let all = || norms.iter().map(|&norm| f64::from(norm));
    let qkv: Vec<f64> = names
        .iter()
        .zip(all())
        .filter(|(name, _)| name.contains("qkv"))
        .map(|(_, norm)| norm)
        .collect();
    GradStats {
        first: qkv.first().copied().unwrap_or(0.0),
        last: qkv.last().copied().unwrap_or(0.0),
        min: all().fold(f64::INFINITY, f64::min),
        max: all().fold(0.0, f64::max),
    }
}
