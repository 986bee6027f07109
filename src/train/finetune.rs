//! Fine-tuning: the loop that trains an encoder and a head on labelled images, looks at test images after each epoch, and
//! keeps what it needs to go on. Prints nothing: whoever started it is told by events.

use super::checkpoint::LATEST;
use super::config::Config;
use super::epochs::{CSV, Epoch, HEADER, MOST_CLASSES, SCORES, matrix};
use super::folder::{self, Folder};
use super::schedule::Schedule;
use super::snapshot::{self, Machine, Progress};
use super::tuned::{Score, Settings, Tuned, highest};
use crate::data::batch::iterations_per_epoch;
use crate::data::eval::eval_batches;
use crate::data::labelled::{LabelledBatch, LabelledBatches};
use crate::data::loader::Loader;
use crate::data::source::Dataset;
use crate::eval::scores::Scores;
use crate::gpu::Gpu;
use crate::model::classifier::{self, Classifier, Examples, Pending};
use crate::model::config::ModelConfig;
use crate::model::ijepa::Images;
use crate::model::tensors::Tensors;
use crate::model::{init, weights};
use crate::{Error, Result, ordinary};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// What it was begun with, so that it goes on without being told again.
pub const SOURCES: &str = "finetune.json";
/// More bytes than [`SOURCES`] has.
pub const MOST_SOURCES: u64 = 1 << 20;
/// Steps that are under way before the first of them is read.
const AHEAD: usize = 2;

/// Where weights and images are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sources {
    pub weights: Option<PathBuf>,
    /// Which of their encoders; `None` in older files, and without weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<String>,
    pub data: String,
    pub test: Option<String>,
}

/// A fine-tuning to start or to go on with.
pub struct Job<'a> {
    pub gpu: &'a Gpu,
    /// Of the encoder and of how images are cut.
    pub config: &'a Config,
    pub settings: &'a Settings,
    pub sources: &'a Sources,
    pub train: Arc<Dataset>,
    /// Images to score; `None`: nothing is.
    pub test: Option<&'a Dataset>,
    pub folder: &'a Path,
    pub begin: Begin,
    /// Set it, and the run saves and stops after the step it is at.
    pub stop: &'a AtomicBool,
}

/// How it begins.
pub enum Begin {
    /// With these weights of an encoder, whose name in messages is the second.
    With(Tensors, String),
    /// With what lies in its folder.
    Again(Box<Saved>),
}

/// A fine-tuned file as it was read.
pub struct Saved {
    pub tensors: Tensors,
    pub progress: Progress,
    pub config: Config,
    pub tuned: Tuned,
    pub origin: String,
}

/// What it tells while it goes.
pub enum Event<'a> {
    Note(&'a str),
    /// A finished step of how many, with what the epoch has given so far.
    Step {
        step: u64,
        of: u64,
        epoch: u64,
        so_far: Score,
    },
    /// The end of an epoch, from 1.
    Epoch {
        epoch: u64,
        train: Score,
        test: Option<Score>,
    },
}

/// How it ended.
#[derive(Debug)]
pub struct Finished {
    pub step: u64,
    pub of: u64,
    /// False when it was stopped before its end.
    pub complete: bool,
    pub checkpoint: PathBuf,
    pub test: Option<Score>,
}

/// Reads what a fine-tuning in `folder` left.
///
/// Errors: usage, where there is none.
pub fn load(folder: &Path) -> Result<(Saved, Sources)> {
    folder::config(folder)?;
    let file = folder.join(SOURCES);
    let none = |e: String| {
        Error::usage(format!(
            "{} holds no fine-tuning: {}: {e}",
            folder.display(),
            file.display()
        ))
    };
    let text = ordinary::read(&file, MOST_SOURCES).map_err(|e| none(e.to_string()))?;
    let sources: Sources = serde_json::from_slice(&text).map_err(|e| none(e.to_string()))?;
    let file = folder.join(LATEST);
    let origin = file.display().to_string();
    let bytes = ordinary::read(&file, u64::MAX)
        .map_err(|e| Error::usage(format!("{origin}: {e}; start again in another --out")))?;
    let metadata = weights::metadata(&bytes, &origin)?;
    let (progress, config) = snapshot::header(&metadata, &origin)?;
    let (Some(config), Some(tuned)) = (config, snapshot::tuned(&metadata, &origin)?) else {
        return Err(Error::usage(format!("{origin} is no checkpoint of ijepa finetune")));
    };
    let saved = Saved {
        tensors: weights::read(&bytes, &origin)?,
        progress,
        config,
        tuned,
        origin,
    };
    Ok((saved, sources))
}

/// The encoder's sizes, with the smallest predictor, which nobody asks.
pub fn model(config: &Config) -> Result<ModelConfig> {
    let model = config.model()?;
    Ok(ModelConfig {
        pred_emb_dim: 4 * model.num_heads,
        pred_depth: 1,
        ..model
    })
}

/// Trains to the end of the schedule.
///
/// Errors: usage, for what can't be started, before anything is written; run, for what stopped.
pub async fn finetune(job: Job<'_>, tell: &mut dyn FnMut(Event)) -> Result<Finished> {
    let (settings, model) = (job.settings, model(job.config)?);
    settings.validate(&model)?;
    job.train.require(settings.batch)?;
    let per_epoch = iterations_per_epoch(job.train.len(), settings.batch) as u64;
    let images = job.train.len() as u64;
    let classes = job.train.class_names().to_vec();
    if classes.len() < 2 {
        return Err(Error::usage(format!(
            "{} has fewer than two classes: its images have to lie in a folder for each class",
            job.train.source()
        )));
    }
    let new = matches!(job.begin, Begin::With(..));
    let (tensors, progress, train, test, origin) = match job.begin {
        Begin::With(mut tensors, origin) => {
            folder::vacant(job.folder)?;
            tensors.retain(|name, _| name.starts_with("encoder."));
            tensors.extend(init::draw_head(model.embed_dim, classes.len(), settings.seed));
            (tensors, Progress::default(), Score::default(), None, origin)
        }
        Begin::Again(saved) => {
            let Saved {
                tensors,
                progress,
                tuned,
                origin,
                ..
            } = *saved;
            if tuned.classes != classes || (progress.images, progress.iterations_per_epoch) != (images, per_epoch) {
                return Err(Error::usage(format!(
                    "{origin} was made of {} images of {} classes, but {} now gives {images} of {}: put the images back as they \
                     were, or start again in another --out",
                    progress.images,
                    tuned.classes.len(),
                    job.train.source(),
                    classes.len()
                )));
            }
            (tensors, progress, tuned.train, tuned.test, origin)
        }
    };
    let epochs = match progress.step >= settings.steps {
        true => settings.steps.div_ceil(per_epoch),
        false => progress.step / per_epoch,
    };
    let csv = match new {
        true => HEADER.to_string(),
        // Rows of epochs that will be trained again are taken away.
        false => {
            let text = ordinary::text(&job.folder.join(CSV), u64::MAX).unwrap_or(HEADER.to_string());
            super::csv::first_rows(&text, epochs as usize).to_string()
        }
    };
    // An epoch that ended without its row: what looked at the test images went wrong.
    let at_end = progress.step > 0 && (progress.step.is_multiple_of(per_epoch) || progress.step >= settings.steps);
    let owed = at_end && (csv.lines().count() as u64) <= epochs;
    if progress.step >= settings.steps && !owed {
        tell(Event::Note(&format!("it ended at step {} already", progress.step)));
        return Ok(Finished {
            step: progress.step,
            of: settings.steps,
            complete: true,
            checkpoint: job.folder.join(LATEST),
            test,
        });
    }
    let net = Classifier::new(job.gpu, &model, &tensors, &origin, &settings.plan(classes.len()))?;
    job.gpu.check()?;
    drop(tensors);
    let bytes = classifier::total(job.gpu.kind(), &model, &settings.plan(classes.len()));
    tell(Event::Note(&format!(
        "a step takes {} MiB of memory",
        bytes.div_ceil(1 << 20)
    )));
    let mut folder = match new {
        true => Folder::create(job.folder, &job.config.to_yaml())?,
        false => Folder::open(job.folder)?,
    };
    let sources = serde_json::to_string_pretty(job.sources).map_err(|e| Error::run(format!("{SOURCES}: {e}")))?;
    folder.replace(SOURCES, (sources + "\n").as_bytes())?;
    folder.replace(CSV, csv.as_bytes())?;
    // Opened for what follows only now: what was opened before is another file.
    folder.append(CSV, b"")?;
    let mut run = Run {
        net,
        schedule: settings.schedule(),
        settings,
        config: job.config,
        model,
        classes,
        folder,
        images,
        per_epoch,
        train,
        test,
        loss: progress.loss,
        ended: progress.step,
        timed: None,
    };
    if new {
        run.save(0).await?;
    }
    if owed {
        run.look(job.test, tell).await?;
        run.save(run.ended).await?;
    }
    let (data, stop) = (job.train, job.stop);
    run.go(data, job.test, stop, tell).await
}

struct Run<'a> {
    net: Classifier,
    schedule: Schedule,
    settings: &'a Settings,
    config: &'a Config,
    model: ModelConfig,
    classes: Vec<String>,
    folder: Folder,
    images: u64,
    per_epoch: u64,
    /// Since the epoch began.
    train: Score,
    test: Option<Score>,
    loss: Option<f64>,
    /// Steps that were read and found good.
    ended: u64,
    /// When the steps since the epoch began, or since this process did, were begun, and after which step.
    timed: Option<(Instant, u64)>,
}

/// A step under way.
struct UnderWay {
    pending: Pending,
    step: u64,
    labels: Vec<u32>,
}

impl Run<'_> {
    async fn go(
        &mut self,
        data: Arc<Dataset>,
        test: Option<&Dataset>,
        stop: &AtomicBool,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<Finished> {
        let (of, first) = (self.settings.steps, self.ended);
        let config = self.settings.batches(&self.model)?;
        let make = |stop| {
            let mut batches = LabelledBatches::new(data.clone(), config, stop)?;
            Ok(move |step| batches.make(step))
        };
        let loader = Loader::of(data.clone(), first..of, 0, make)?;
        let mut ahead: VecDeque<UnderWay> = VecDeque::new();
        for batch in loader {
            let begun = batch.and_then(|batch| self.begin(batch));
            let trouble = begun.map(|begun| ahead.push_back(begun)).err();
            let step = ahead.back().map_or(self.ended, |last| last.step);
            let epoch = (step.is_multiple_of(self.per_epoch) || step == of) && trouble.is_none();
            let halt = stop.load(Ordering::Relaxed) || trouble.is_some();
            let keep = if epoch || halt { 0 } else { AHEAD - 1 };
            while ahead.len() > keep {
                if let Some(oldest) = ahead.pop_front() {
                    self.end(oldest, tell).await?;
                }
            }
            // What was learned stays where the test images can't be read any more: whoever goes on looks at them again.
            if epoch && let Err(error) = self.look(test, tell).await {
                self.save(self.ended).await?;
                return Err(error);
            }
            if epoch || halt && self.ended > first {
                self.save(self.ended).await?;
            }
            if let Some(error) = trouble {
                return Err(error);
            }
            if halt {
                break;
            }
        }
        Ok(Finished {
            step: self.ended,
            of,
            complete: self.ended >= of,
            checkpoint: self.folder.path().join(LATEST),
            test: self.test,
        })
    }

    fn begin(&mut self, batch: LabelledBatch) -> Result<UnderWay> {
        let step = batch.step + 1;
        self.timed.get_or_insert_with(|| (Instant::now(), batch.step));
        let scales = self.settings.scales(self.model.depth, batch.step);
        let examples = Examples {
            images: Images::Bytes(&batch.images),
            targets: &batch.targets,
            scales: scales.as_deref(),
        };
        let rates = self.schedule.at(step as usize).step(step);
        let pending = self.net.step(examples, batch.labels.len(), rates)?;
        let labels = batch.labels;
        Ok(UnderWay { pending, step, labels })
    }

    async fn end(&mut self, under_way: UnderWay, tell: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let outcome = under_way.pending.outcome().await?;
        let step = under_way.step;
        if !outcome.finite {
            return Err(Error::run(format!(
                "step {step} is not finite (loss {}, gradient norm {}): no weight was changed by it; try a lower --lr in another \
                 --out, or go on from step {} by --resume {}",
                outcome.loss,
                outcome.gradient_norm,
                step - step % self.per_epoch,
                self.folder.path().display()
            )));
        }
        let taken = step - 1;
        if taken.is_multiple_of(self.per_epoch) {
            self.train = Score::default();
        }
        self.train.add(&outcome.logits, &under_way.labels, false);
        self.train.loss += f64::from(outcome.loss) * under_way.labels.len() as f64;
        (self.loss, self.ended) = (Some(outcome.loss.into()), step);
        tell(Event::Step {
            step,
            of: self.settings.steps,
            epoch: taken / self.per_epoch,
            so_far: self.train,
        });
        Ok(())
    }

    /// The end of an epoch: a look at the test images, and a row.
    async fn look(&mut self, test: Option<&Dataset>, tell: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        // Scoring is no part of a step.
        let timed = self.timed.take();
        let milliseconds =
            timed.map(|(began, first)| began.elapsed().as_secs_f64() * 1e3 / (self.ended - first).max(1) as f64);
        if let Some(test) = test {
            let (score, scores) = score(&mut self.net, self.config, self.settings.batch, test, &self.classes).await?;
            self.test = Some(score);
            match scores.map(|scores| matrix(&scores, &self.classes, self.ended)) {
                Some(text) => drop(self.folder.replace(SCORES, text?.as_bytes())?),
                None => self.folder.remove(SCORES)?,
            }
        }
        let (epoch, train, test) = ((self.ended - 1) / self.per_epoch + 1, self.train, self.test);
        let row = Epoch {
            epoch,
            step: self.ended,
            lr: self.schedule.at(self.ended as usize).lr,
            train: [train.mean_loss(), train.accuracy()],
            test: test.map(|test| [test.mean_loss(), test.accuracy()]),
            milliseconds,
        };
        self.folder.append(CSV, format!("{row}\n").as_bytes())?;
        tell(Event::Epoch { epoch, train, test });
        Ok(())
    }

    /// All that is needed to go on after `step` steps, in one file that is put in place whole.
    async fn save(&mut self, step: u64) -> Result<()> {
        let tensors = self.net.tensors(true).await?;
        let broken = tensors
            .iter()
            .find(|(_, t)| t.values.iter().any(|value| !value.is_finite()));
        if let Some((name, _)) = broken {
            return Err(Error::run(format!(
                "after step {step} \"{name}\" is not finite, so that it was not saved: try a lower --lr in another --out"
            )));
        }
        let progress = Progress {
            step,
            epoch: step / self.per_epoch,
            iteration: step % self.per_epoch,
            iterations_per_epoch: self.per_epoch,
            images: self.images,
            of: self.settings.steps,
            loss: self.loss,
            machine: Some(Machine::of(self.net.gpu())),
            ..Progress::default()
        };
        let tuned = Tuned {
            classes: self.classes.clone(),
            settings: self.settings.clone(),
            train: self.train,
            test: self.test,
        };
        let metadata = snapshot::metadata(&progress, Some(&self.config.portable()), Some(&tuned))?;
        let bytes = weights::write(&tensors, &[metadata])?;
        self.folder.replace(LATEST, &bytes)?;
        Ok(())
    }
}

/// How well the images of `data` are told apart, whose classes are to be among `classes`; and class by class, where these are not
/// too many for that and some image could be read.
///
/// Errors: usage, without labels or with another class; run, where too many images are bad.
pub async fn score(
    net: &mut Classifier,
    config: &Config,
    batch: usize,
    data: &Dataset,
    classes: &[String],
) -> Result<(Score, Option<Scores>)> {
    let labels = data.labels_as(classes)?;
    let (mut score, mut truth, mut named) = (Score::default(), vec![], vec![]);
    for some in eval_batches(data, net.config.image, config.eval_transform(), batch, None) {
        let some = some?;
        if some.indices.is_empty() {
            continue;
        }
        let logits = net.predict(Images::Bytes(&some.images), some.indices.len()).await?;
        let labels: Vec<u32> = some.indices.iter().map(|&index| labels[index]).collect();
        score.add(&logits, &labels, true);
        named.extend(logits.chunks_exact(classes.len()).map(|row| Some(highest(row) as u32)));
        truth.extend(labels);
    }
    let each = classes.len() <= MOST_CLASSES && !truth.is_empty();
    let scores = each.then(|| Scores::new(classes.len(), &truth, &named)).transpose()?;
    Ok((score, scores))
}
