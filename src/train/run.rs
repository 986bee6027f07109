//! The training loop: images and masks in, steps on the GPU, records and checkpoints out. Prints nothing: whoever
//! started it is told by events.

use super::checkpoint;
use super::config::Config;
use super::folder::{self, CONFIG, Folder};
use super::plan;
use super::probe::{Probed, Prober};
use super::records::Records;
use super::rescue::{Rescue, State};
use super::snapshot::{Machine, Progress, Snapshot};
use super::start::Start;
use super::trainer::{Course, Step, Trainer, UnderWay};
use crate::data::batch::Batch;
use crate::data::loader::{Loader, LoaderConfig};
use crate::data::source::Dataset;
use crate::eval::monitor::{Judgement, Measurement};
use crate::gpu::Gpu;
use crate::model::needs::{self, Dims};
use crate::model::parameters;
use crate::{Error, Result};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A run to start or to go on with.
pub struct Job<'a> {
    pub gpu: &'a Gpu,
    pub config: &'a Config,
    pub data: Arc<Dataset>,
    /// Images that `logging.probe_every` has scored, where the data has some for that.
    pub test: Option<Arc<Dataset>>,
    pub folder: &'a Path,
    /// Go on with the run in `folder` instead of starting one.
    pub resume: bool,
    /// Look again for the fewest parts that fit, where `optimization.accumulate` is open, whatever the checkpoint remembers.
    pub split_anew: bool,
    /// Weights that a new run in `folder` begins with, or goes on from.
    pub from: Option<&'a Start>,
    /// Set it, and the run saves and stops after the step it is at.
    pub stop: &'a AtomicBool,
}

/// What a run tells while it goes.
pub enum Event<'a> {
    /// Memory by part, before the first step.
    Memory(&'a [(&'static str, u64)]),
    /// Something that a user should know: going on from a step, a larger plan.
    Note(&'a str),
    /// How long the GPU had nothing to do since images were late, from the start of the run.
    Waited(Duration),
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
    Probed(&'a Probed),
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

/// Trains to the end of the schedule. A device that runs out of memory, or is lost, is opened again, and the run goes on from
/// its last checkpoint (see [`Rescue`]).
///
/// Errors: usage, for what can't be started, before anything is written; run, for what stopped.
pub async fn train(job: &Job<'_>, tell: &mut dyn FnMut(Event)) -> Result<Finished> {
    job.config.validate()?;
    job.data.require(job.config.data.batch_size)?;
    let mut prober = match job.config.logging.probe_every {
        0 => None,
        _ => Some(Prober::new(job.config, job.data.clone(), job.test.clone())?),
    };
    let mut rescue = Rescue::default();
    let mut attempt = Attempt {
        gpu: job.gpu.clone(),
        resume: job.resume,
        parts: None,
        note: None,
        stepped: false,
    };
    loop {
        let error = match attempt.train(job, prober.as_mut(), tell).await {
            Ok(finished) => return Ok(finished),
            Err(error) => error,
        };
        let (Some(trouble), Some(parts)) = (attempt.gpu.trouble(), attempt.parts) else {
            return Err(error);
        };
        if job.stop.load(Ordering::Relaxed) {
            return Err(error);
        }
        let state = State {
            trouble,
            batch: job.config.data.batch_size,
            parts,
            stepped: attempt.stepped,
            recompute: job.config.optimization.checkpoint_activations,
        };
        let what = attempt.gpu.check().err().unwrap_or(error);
        let (parts, note) = rescue.next(state, &what.to_string())?;
        attempt = Attempt {
            gpu: attempt.gpu.again().await?,
            resume: attempt.resume,
            parts: Some(parts),
            note: Some(note),
            stepped: false,
        };
    }
}

/// A run on one device, from where it stands to its end.
struct Attempt {
    gpu: Gpu,
    /// Go on with the run in the job's folder.
    resume: bool,
    /// Parts that the batch is split into; at first what the configuration asks for, or the checkpoint remembers.
    parts: Option<usize>,
    /// Why the attempt before this one ended.
    note: Option<String>,
    /// Whether a step came to its end.
    stepped: bool,
}

impl Attempt {
    async fn train(
        &mut self,
        job: &Job<'_>,
        prober: Option<&mut Prober>,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<Finished> {
        let Job { config, data, .. } = job;
        let gpu = &self.gpu.clone();
        let course = Course::new(config, data.len());
        let of = course.of;
        let dims = self.plan(job, of).await?; // before gigabytes of weights are drawn or read
        self.parts = Some(dims.parts);

        // Locked before it is read: another process may still be writing there.
        let (folder, saved) = match self.resume {
            true => (Some(Folder::open(job.folder)?), checkpoint::load(job.folder)?),
            false => {
                folder::vacant(job.folder)?;
                (None, None)
            }
        };
        let from = job.from.filter(|_| saved.is_none());
        let (path, (snapshot, said), books) = match (saved, from) {
            (Some(saved), _) => (saved.path, (saved.snapshot, vec![]), saved.books),
            (None, Some(from)) => (from.path.clone(), from.snapshot(config, data.len())?, None),
            (None, None) => (PathBuf::new(), (Snapshot::first(config)?, vec![]), None),
        };
        let progress = snapshot.progress.clone();
        course.check(&progress, data)?;
        if progress.step > of || job.from.is_some() && progress.step == of {
            return Err(Error::usage(format!(
                "{} is at step {} already: its new end must lie beyond that, not at step {of}",
                job.from.map_or(job.folder, |from| &from.path).display(),
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
            0 if from.is_none() => "the drawn weights".into(),
            _ => path.display().to_string(),
        };
        let trainer = Trainer::new(gpu, config, data, dims, &snapshot, &origin)?;
        drop(snapshot);

        room(job, of.saturating_sub(progress.step))?;
        let text = config.to_yaml();
        let folder = match folder {
            Some(folder) => folder,
            None => Folder::create(job.folder, &text)?,
        };
        let goes_on = self.resume || job.from.is_some() && progress.step > 0;
        self.resume = true; // from here on there is something to go on with
        if Config::from_yaml(&folder::config(job.folder)?, CONFIG)? != **config {
            folder.replace(CONFIG, text.as_bytes())?; // a new end, to which the next --resume goes as well
        }
        let parts = needs::report(gpu.kind(), &trainer.net.config, &trainer.net.dims());
        tell(Event::Memory(&parts));
        let known = (progress.step, books.as_ref());
        let tag = &config.logging.write_tag;
        let mut records = Records::open(folder, tag, config.regularized(), mebibytes(&parts), known)?;
        let split = (dims.parts > 1).then(|| {
            let (batch, parts, images) = (config.data.batch_size, dims.parts, dims.batch);
            format!("the batch of {batch} is taken in {parts} parts of {images} images at most")
        });
        let why = self.note.take().or(split).into_iter();
        let unsaved = path.as_os_str().is_empty();
        for note in why.chain(said).chain(notes(goes_on, unsaved, gpu, &progress, of)) {
            records.note(&note)?;
            tell(Event::Note(&note));
        }
        let mut run = Run {
            job,
            gpu,
            stepped: &mut self.stepped,
            trainer,
            records,
            prober,
            judgement: None,
            checkpoint: (progress.step > 0).then_some(path),
        };
        if from.is_some() {
            run.save(progress.step, tell).await?; // what was brought is the run's own from its first moment
        }
        run.go(progress.step, tell).await
    }

    /// The plan of a step: in the parts that an attempt before this one, the checkpoint of this machine or the configuration
    /// says. What a checkpoint remembers may not fit what memory there is now.
    async fn plan(&self, job: &Job<'_>, of: u64) -> Result<Dims> {
        let asked = job.config.optimization.accumulate;
        let saved = checkpoint::progress(job.folder).filter(|_| self.resume);
        let here = saved.filter(|saved| saved.machine.as_ref() == Some(&Machine::of(&self.gpu)));
        let split = here.and_then(|saved| saved.split).filter(|_| !job.split_anew);
        let remembered = split.filter(|split| split.asked == asked).map(|split| split.parts);
        let mut config = job.config.clone();
        if let Some(parts) = self.parts.or(remembered) {
            config.optimization.accumulate = Some(parts.min(config.data.batch_size));
        }
        match plan::tried(&self.gpu, &config, of).await {
            Err(_) if self.parts.is_none() && asked.is_none() => plan::tried(&self.gpu, job.config, of).await,
            plan => plan,
        }
    }
}

/// What is said of a run that goes on.
fn notes(goes_on: bool, unsaved: bool, gpu: &Gpu, progress: &Progress, of: u64) -> Vec<String> {
    if !goes_on {
        return vec![];
    }
    let mut notes = vec![match progress.step {
        0 if unsaved => format!("no checkpoint yet: starting again from step 0, to step {of}"),
        step if progress.of != of => format!(
            "going on from step {step}, to step {of} instead of {}: from here on schedules are those of a run of {of} steps",
            progress.of
        ),
        step => format!("going on from step {step}, to step {of}"),
    }];
    let machine = Machine::of(gpu);
    let other = progress.machine.as_ref().filter(|was| **was != machine);
    notes.extend(other.map(|was| {
        format!("the run was computed on {was} so far, and is on {machine} from here on: roundings differ")
    }));
    notes
}

/// Refuses a disk that can't hold the checkpoints of `left` more steps: those that stay and, until the oldest is taken
/// away, one more.
fn room(job: &Job<'_>, left: u64) -> Result<()> {
    let [weights, _, moments, target] = parameters::sizes(&job.config.model()?);
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

struct Run<'a> {
    job: &'a Job<'a>,
    gpu: &'a Gpu,
    stepped: &'a mut bool,
    trainer: Trainer,
    records: Records,
    prober: Option<&'a mut Prober>,
    judgement: Option<Judgement>,
    checkpoint: Option<PathBuf>,
}

/// Of all parts together, for the log.
fn mebibytes(parts: &[(&str, u64)]) -> f64 {
    parts.iter().map(|(_, bytes)| bytes).sum::<u64>() as f64 / (1 << 20) as f64
}

impl Run<'_> {
    async fn go(&mut self, first: u64, tell: &mut dyn FnMut(Event<'_>)) -> Result<Finished> {
        let config = self.job.config;
        let of = self.trainer.course.of;
        if !self.trainer.has_looked() && config.logging.monitor_every > 0 {
            self.look(first, tell).await?;
        }
        let loader_config = LoaderConfig {
            batches: config.batches(),
            first_step: first,
            last_step: of,
            threads: 0,
        };
        let mut loader = Loader::start(self.job.data.clone(), loader_config)?;
        let mut ahead: VecDeque<UnderWay> = VecDeque::new();
        let mut done = first;
        let mut since = Instant::now();
        while let Some(batch) = loader.next() {
            tell(Event::Waited(loader.waited()));
            let begun = batch.and_then(|batch| self.begin(&batch, tell));
            let trouble = begun.map(|begun| ahead.push_back(begun)).err();
            let step = ahead.back().map_or(done, |last| last.step);
            let last = step == of;
            let monitor = self.due(step, config.logging.monitor_every, last) && trouble.is_none();
            let probe = self.prober.is_some() && self.due(step, config.logging.probe_every, last) && trouble.is_none();
            let save = self.due(step, config.logging.checkpoint_every, false) || last;
            let stop = self.job.stop.load(Ordering::Relaxed) || trouble.is_some();
            // A checkpoint is written only when every step before it has been read and found finite. Where images are late,
            // steps are read first, so that what the loader waits then is time in which the GPU has nothing to do.
            let keep = if monitor || probe || save || stop || !loader.is_ready() {
                0
            } else {
                AHEAD - 1
            };
            while ahead.len() > keep {
                if let Some(oldest) = ahead.pop_front() {
                    done = oldest.step;
                    self.end(oldest, &mut since, tell).await?;
                }
            }
            if monitor {
                self.look(step, tell).await?;
            }
            if probe && self.prober.as_ref().is_some_and(|prober| prober.affords()) {
                self.probe(step, tell).await?;
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
            of,
            complete: done >= of,
            checkpoint,
            judgement: self.judgement.clone(),
        })
    }

    fn due(&self, step: u64, every: usize, last: bool) -> bool {
        every > 0 && (step.is_multiple_of(every as u64) || last)
    }

    fn begin(&mut self, batch: &Batch, tell: &mut dyn FnMut(Event<'_>)) -> Result<UnderWay> {
        let under_way = self.trainer.begin(batch)?;
        if let Some(dims) = self.trainer.replanned() {
            let note = format!(
                "step {}: masks of {} and {} patches are longer than planned; one new, larger memory plan is in use",
                under_way.step, batch.masks.k_context, batch.masks.k_target
            );
            self.records.note(&note)?;
            let parts = needs::report(self.gpu.kind(), &self.trainer.net.config, &dims);
            self.records.memory(mebibytes(&parts));
            tell(Event::Note(&note));
        }
        Ok(under_way)
    }

    async fn end(&mut self, ahead: UnderWay, since: &mut Instant, tell: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let step = self.trainer.end(ahead).await?;
        *self.stepped = true;
        let milliseconds = since.elapsed().as_secs_f64() * 1e3;
        *since = Instant::now();
        let last_of_epoch = step.iteration + 1 == self.trainer.course.iterations_per_epoch;
        let lines = self.records.step(&step, milliseconds, last_of_epoch)?;
        for line in &lines {
            tell(Event::Log(line));
        }
        tell(Event::Step {
            step: &step,
            of: self.trainer.course.of,
            batch: self.job.config.data.batch_size,
        });
        match step.finite {
            true => Ok(()),
            false => Err(self.not_finite(&format!(
                "step {} is not finite (loss {}, gradient norm {}), and no weight was changed by it",
                step.step, step.loss, step.gradient_norm
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
        let Some((now, judgement)) = self.trainer.look(step).await? else {
            return Err(self.not_finite(&format!(
                "after step {step} the target encoder's features are not finite"
            )));
        };
        self.records.monitor(&now, &judgement)?;
        tell(Event::Monitor {
            now: &now,
            judgement: &judgement,
        });
        self.judgement = Some(judgement);
        Ok(())
    }

    async fn probe(&mut self, step: u64, tell: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let Some(prober) = self.prober.as_deref_mut() else {
            return Ok(());
        };
        let Some(probed) = prober.probe(&mut self.trainer.net, self.job.config, step).await? else {
            return Err(self.not_finite(&format!(
                "after step {step} the target encoder's features are not finite"
            )));
        };
        self.records.probe(&probed)?;
        tell(Event::Probed(&probed));
        Ok(())
    }

    async fn save(&mut self, step: u64, tell: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let snapshot = self.trainer.snapshot(step).await?;
        if let Some(name) = snapshot.broken() {
            return Err(self.not_finite(&format!("after step {step} \"{name}\" is not finite and was not saved")));
        }
        let keep = self.job.config.logging.keep_checkpoints;
        let path = checkpoint::save(self.records.folder(), &snapshot, &self.records.books()?, keep)?;
        tell(Event::Saved(&path));
        self.checkpoint = Some(path);
        Ok(())
    }
}
