//! The training loop: images and masks in, steps on the GPU, records and checkpoints out. Prints nothing: whoever
//! started it is told by events.

use super::checkpoint::{self, Checkpoint, Machine, Progress};
use super::config::Config;
use super::folder::{self, CONFIG, Folder};
use super::log::{EVERY, GradStats};
use super::plan;
use super::records::{Records, Step};
use super::schedule::{Rates, Schedule};
use super::watch::Watch;
use crate::data::loader::{Batch, Loader, LoaderConfig};
use crate::data::source::Dataset;
use crate::eval::monitor::{Judgement, Measurement, judge};
use crate::gpu::Gpu;
use crate::model::config::ModelConfig;
use crate::model::ijepa::{Ijepa, Images, Pending, Terms};
use crate::model::needs::{self, Dims};
use crate::model::tensors::{self, Tensors};
use crate::model::{init, parameters};
use crate::{Error, Result};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// A run to start or to go on with.
pub struct Job<'a> {
    pub gpu: &'a Gpu,
    pub config: &'a Config,
    pub data: Arc<Dataset>,
    pub folder: &'a Path,
    /// Go on with the run in `folder` instead of starting one.
    pub resume: bool,
    /// Set it, and the run saves and stops after the step it is at.
    pub stop: &'a AtomicBool,
}

/// What a run tells while it goes.
pub enum Event<'a> {
    /// Memory by part, before the first step.
    Memory(&'a [(&'static str, u64)]),
    /// Something that a user should know: going on from a step, a larger plan.
    Note(&'a str),
    /// A finished step, of how many in all.
    Step {
        step: &'a Step,
        of: u64,
        batch: usize,
    },
    /// A line of the log.
    Log(&'a str),
    Monitor {
        now: &'a Measurement,
        judgement: &'a Judgement,
    },
    Saved(&'a Path),
}

/// How a run ended.
#[derive(Debug)]
pub struct Finished {
    /// Steps taken, of how many.
    pub step: u64,
    pub of: u64,
    /// False when it was stopped before its end.
    pub complete: bool,
    pub checkpoint: PathBuf,
    /// What the monitor said last.
    pub judgement: Option<Judgement>,
}

/// Steps that are under way before the first of them is read.
const AHEAD: usize = 2;

/// Trains to the end of the schedule.
///
/// Errors: usage, for what can't be started, before anything is written; run, for what stopped.
pub async fn train(job: &Job<'_>, tell: &mut dyn FnMut(Event)) -> Result<Finished> {
    let Job { gpu, config, data, .. } = job;
    config.validate()?;
    data.require(config.data.batch_size)?;
    let model = config.model()?;
    let per_epoch = (data.len() / config.data.batch_size) as u64;
    let schedule = Schedule::new(&config.optimization, per_epoch as usize);
    let of = schedule.run_steps() as u64;

    // Locked before it is read: another process may still be writing there.
    let (folder, saved) = match job.resume {
        true => (Some(Folder::open(job.folder)?), checkpoint::load(job.folder)?),
        false => {
            folder::vacant(job.folder)?;
            (None, None)
        }
    };
    let Checkpoint {
        path,
        tensors,
        progress,
        books,
    } = saved.unwrap_or_else(|| Checkpoint {
        path: PathBuf::new(),
        tensors: init::draw(&model, config.meta.init, config.meta.seed),
        progress: Progress::default(),
        books: None,
    });
    let images = data.len() as u64;
    if progress.step > 0 && (progress.iterations_per_epoch, progress.images) != (per_epoch, images) {
        return Err(Error::usage(format!(
            "the run was made of {} images in {} steps an epoch, but {} now gives {images} images in {per_epoch}: put the \
             images and data.batch_size back as they were, or start a new run",
            progress.images,
            progress.iterations_per_epoch,
            data.source()
        )));
    }
    if progress.step > of {
        return Err(Error::usage(format!(
            "{} is at step {} already: its new end must lie beyond that, not at step {of}",
            job.folder.display(),
            progress.step
        )));
    }
    if progress.step == of {
        tell(Event::Note(&format!(
            "the run ended at step {of} already; --steps N with more steps extends it"
        )));
        return Ok(Finished {
            step: of,
            of,
            complete: true,
            checkpoint: path,
            judgement: None,
        });
    }
    let origin = match progress.step {
        0 => "the drawn weights".into(),
        _ => path.display().to_string(),
    };
    let dims = plan::fitting(gpu, config, of)?;
    let terms = Terms {
        variance: config.meta.variance_weight,
        covariance: config.meta.covariance_weight,
        clip: config.optimization.clip_grad,
    };
    let net = Ijepa::new(gpu, &model, &tensors, &origin, terms, dims)?;
    drop(tensors);

    gpu.check()?;
    room(job, of.saturating_sub(progress.step))?;
    let text = config.to_yaml();
    let folder = match folder {
        Some(folder) => folder,
        None => Folder::create(job.folder, &text)?,
    };
    if Config::from_yaml(&folder::config(job.folder)?, CONFIG)? != **config {
        folder.replace(CONFIG, text.as_bytes())?; // a new end, to which the next --resume goes as well
    }
    let parts = needs::report(gpu.kind(), &model, &dims);
    tell(Event::Memory(&parts));
    let mib = mebibytes(&parts);
    let known = (progress.step, books.as_ref());
    let mut records = Records::open(folder, &config.logging.write_tag, terms.regularized(), mib, known)?;
    let machine = Machine::of(gpu);
    if job.resume {
        let note = match progress.step {
            0 => format!("no checkpoint yet: starting again from step 0, to step {of}"),
            step if progress.of != of => format!(
                "going on from step {step}, to step {of} instead of {}: from here on schedules are those of a run of {of} \
                 steps",
                progress.of
            ),
            step => format!("going on from step {step}, to step {of}"),
        };
        records.note(&note)?;
        tell(Event::Note(&note));
        if let Some(was) = progress.machine.as_ref().filter(|was| **was != machine) {
            let note =
                format!("the run was computed on {was} so far, and is on {machine} from here on: roundings differ");
            records.note(&note)?;
            tell(Event::Note(&note));
        }
    }
    let watched = if config.logging.monitor_every > 0 {
        config.logging.monitor_images
    } else {
        0
    };
    let watch = Watch::new(data, watched, model.crop, config.eval_transform())?;
    let mut run = Run {
        job,
        schedule,
        of,
        per_epoch,
        net,
        records,
        watch,
        untrained: progress.untrained,
        judgement: None,
        measured: measured(&model),
        checkpoint: (progress.step > 0).then_some(path),
        last_loss: progress.loss,
        replans: dims,
    };
    run.go(progress.step, tell).await
}

/// Refuses a disk that can't hold the checkpoints of `left` more steps: those that stay and, until the oldest is taken
/// away, one more.
fn room(job: &Job<'_>, left: u64) -> Result<()> {
    let [weights, _, moments, target] = parameters::sizes(&job.config.model()?).map(|bytes| bytes as u64);
    let logging = &job.config.logging;
    let written = match logging.checkpoint_every as u64 {
        0 => 1,
        every => left.div_ceil(every).max(1),
    };
    let most = match logging.keep_checkpoints as u64 {
        0 => u64::MAX,
        keep => (keep + 1)
            .saturating_sub(checkpoint::steps(job.folder)?.len() as u64)
            .max(1),
    };
    let count = written.min(most);
    let what = match count {
        1 => "one checkpoint takes".to_string(),
        _ => format!("{count} checkpoints (logging.keep_checkpoints, and the one being written) take"),
    };
    folder::room(job.folder, count.saturating_mul(weights + moments + target), &what)
}

/// The gradients behind the log's grad_stats: the encoder's weights of two axes or more.
pub fn measured(model: &ModelConfig) -> Vec<String> {
    tensors::encoder(model)
        .into_iter()
        .filter(|spec| spec.decays())
        .map(|spec| spec.name)
        .collect()
}

struct Run<'a> {
    job: &'a Job<'a>,
    schedule: Schedule,
    of: u64,
    per_epoch: u64,
    net: Ijepa,
    records: Records,
    watch: Watch,
    untrained: Option<Measurement>,
    judgement: Option<Judgement>,
    measured: Vec<String>,
    checkpoint: Option<PathBuf>,
    last_loss: Option<f64>,
    /// The plan that was last told about.
    replans: Dims,
}

/// Of all parts together, for the log.
fn mebibytes(parts: &[(&str, u64)]) -> f64 {
    parts.iter().map(|(_, bytes)| bytes).sum::<u64>() as f64 / (1 << 20) as f64
}

/// A step under way.
struct Ahead {
    pending: Pending,
    step: u64,
    k_context: usize,
    k_target: usize,
    rates: Rates,
    measured: bool,
}

impl Run<'_> {
    async fn go(&mut self, first: u64, tell: &mut dyn FnMut(Event<'_>)) -> Result<Finished> {
        let config = self.job.config;
        let loader_config = LoaderConfig {
            batch: config.data.batch_size,
            crop: config.data.crop_size,
            transform: config.train_transform(),
            masks: config.masks(),
            seed: config.meta.seed,
            first_step: first,
            last_step: self.of,
            threads: 0,
        };
        if self.untrained.is_none() && config.logging.monitor_every > 0 {
            self.look(first, tell).await?;
        }
        let loader = Loader::start(self.job.data.clone(), loader_config)?;
        let mut ahead: VecDeque<Ahead> = VecDeque::new();
        let mut done = first;
        let mut since = Instant::now();
        for batch in loader {
            let begun = batch.and_then(|batch| self.start(&batch, tell));
            let trouble = begun.map(|begun| ahead.push_back(begun)).err();
            let step = ahead.back().map_or(done, |last| last.step);
            let last = step == self.of;
            let monitor = self.due(step, config.logging.monitor_every, last) && trouble.is_none();
            let save = self.due(step, config.logging.checkpoint_every, false) || last;
            let stop = self.job.stop.load(Ordering::Relaxed) || trouble.is_some();
            // A checkpoint is written only when every step before it has been read and found finite.
            let keep = if monitor || save || stop { 0 } else { AHEAD - 1 };
            while ahead.len() > keep {
                if let Some(oldest) = ahead.pop_front() {
                    done = oldest.step;
                    self.finish(oldest, &mut since, tell).await?;
                }
            }
            if monitor {
                self.look(step, tell).await?;
            }
            if (save || stop) && done > first {
                self.save(done, tell).await?;
            }
            // Images or memory gave out: the steps before that are kept.
            if let Some(error) = trouble {
                return Err(error);
            }
            if stop {
                break;
            }
        }
        let checkpoint = self.checkpoint.clone().unwrap_or_default();
        Ok(Finished {
            step: done,
            of: self.of,
            complete: done >= self.of,
            checkpoint,
            judgement: self.judgement.clone(),
        })
    }

    fn due(&self, step: u64, every: usize, last: bool) -> bool {
        every > 0 && (step.is_multiple_of(every as u64) || last)
    }

    fn start(&mut self, batch: &Batch, tell: &mut dyn FnMut(Event<'_>)) -> Result<Ahead> {
        let step = batch.step + 1;
        let rates = self.schedule.at(step as usize);
        let measured = batch.iteration.is_multiple_of(EVERY);
        self.net.measure(if measured { &self.measured } else { &[] })?;
        let pending = self
            .net
            .step(Images::Bytes(&batch.images), &batch.masks, rates.step(step))?;
        if self.net.dims() != self.replans {
            self.replans = self.net.dims();
            let note = format!(
                "step {step}: masks of {} and {} patches are longer than planned; one new, larger memory plan is in use",
                batch.masks.k_context, batch.masks.k_target
            );
            self.records.note(&note)?;
            self.records.memory(mebibytes(&needs::report(
                self.job.gpu.kind(),
                &self.net.config,
                &self.replans,
            )));
            tell(Event::Note(&note));
        }
        Ok(Ahead {
            pending,
            step,
            k_context: batch.masks.k_context,
            k_target: batch.masks.k_target,
            rates,
            measured,
        })
    }

    async fn finish(&mut self, ahead: Ahead, since: &mut Instant, tell: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let outcome = ahead.pending.outcome().await?;
        let milliseconds = since.elapsed().as_secs_f64() * 1e3;
        *since = Instant::now();
        let (epoch, iteration) = ((ahead.step - 1) / self.per_epoch, (ahead.step - 1) % self.per_epoch);
        let step = Step {
            step: ahead.step,
            epoch,
            iteration,
            k_context: ahead.k_context,
            k_target: ahead.k_target,
            loss: outcome.loss.into(),
            regularizer: outcome.regularizer.into(),
            gradient_norm: outcome.gradient_norm.into(),
            milliseconds,
            rates: ahead.rates,
        };
        let stats = ahead.measured.then(|| grad_stats(&self.measured, &outcome.measured));
        let lines = self.records.step(&step, stats, iteration + 1 == self.per_epoch)?;
        for line in &lines {
            tell(Event::Log(line));
        }
        tell(Event::Step {
            step: &step,
            of: self.of,
            batch: self.job.config.data.batch_size,
        });
        self.last_loss = Some(step.loss);
        match outcome.finite {
            true => Ok(()),
            false => Err(self.not_finite(&format!(
                "step {} is not finite (loss {}, gradient norm {}), and no weight was changed by it",
                ahead.step, outcome.loss, outcome.gradient_norm
            ))),
        }
    }

    /// What happened, the last good checkpoint, and what to try.
    fn not_finite(&self, what: &str) -> Error {
        let folder = self.job.folder.display();
        let (last, on) = match &self.checkpoint {
            Some(path) => (format!("the last good checkpoint is {}", path.display()), "go on"),
            None => ("there is no checkpoint yet".to_string(), "begin again"),
        };
        Error::run(format!(
            "{what}; {last}. Try a lower optimization.lr, a longer warm-up or optimization.clip_grad: 1: in \
             {folder}/{CONFIG}, to {on} by --resume {folder}, or by --set in a new --out"
        ))
    }

    async fn look(&mut self, step: u64, tell: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let Some(now) = self.watch.look(&mut self.net, step).await? else {
            return Err(self.not_finite(&format!(
                "after step {step} the target encoder's features are not finite"
            )));
        };
        let judgement = judge(self.untrained.get_or_insert(now), &now, self.of);
        self.records.monitor(&now, &judgement)?;
        tell(Event::Monitor {
            now: &now,
            judgement: &judgement,
        });
        self.judgement = Some(judgement);
        Ok(())
    }

    async fn save(&mut self, step: u64, tell: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let progress = Progress {
            step,
            epoch: step / self.per_epoch,
            iteration: step % self.per_epoch,
            iterations_per_epoch: self.per_epoch,
            images: self.job.data.len() as u64,
            of: self.of,
            loss: self.last_loss,
            untrained: self.untrained,
            machine: Some(Machine::of(self.job.gpu)),
        };
        let tensors: Tensors = self.net.tensors(true).await?;
        // AdamW itself may leave what f32 holds, after a step that was finite.
        let broken = |tensor: &tensors::Tensor| tensor.values.iter().any(|value| !value.is_finite());
        if let Some((name, _)) = tensors.iter().find(|(_, tensor)| broken(tensor)) {
            return Err(self.not_finite(&format!("after step {step} \"{name}\" is not finite and was not saved")));
        }
        let keep = self.job.config.logging.keep_checkpoints;
        let path = checkpoint::save(self.records.folder(), &tensors, &progress, &self.records.books()?, keep)?;
        tell(Event::Saved(&path));
        self.checkpoint = Some(path);
        Ok(())
    }
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
