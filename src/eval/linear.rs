//! The linear probe as published: one linear layer and softmax on frozen features, which batch norm without weights
//! standardises (He et al. 2022, appendix A; Assran et al. 2023, appendix A.2), trained by SGD with momentum and a cosine
//! schedule, the best of several learning rates and weight decays.
//!
//! All settings are trained together, in one pass over the cached features: H heads of C classes lie side by side in one
//! weight `[H * C, D]`, so that a step has one product for all of them. The batch norm's running mean and deviation are taken
//! as those of the training images, exactly. The setting that is best on a held-out fifth of the training images is fitted again
//! on all of them.

use super::Tell;
use super::parts::held_out;
use super::samples::{Samples, same_dims};
use super::scaling::Scaling;
use crate::data::draw::Draw;
use crate::gpu::{Gpu, Recorder, View};
use crate::ops::column_sum::{self, column_sum};
use crate::ops::cross_entropy::cross_entropy;
use crate::ops::matmul::{Epilogue, Form, product};
use crate::ops::sgd::{Step, sgd};
use crate::{Error, Result};

/// The learning rates that are tried, for batches of [`BATCH`] images.
pub const RATES: [f64; 6] = [1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3];
/// The weight decays that are tried.
pub const DECAYS: [f64; 4] = [0.0, 1e-3, 1e-2, 0.1];
/// Where no class has two images to choose with.
const SETTING_OF_FEW: [f64; 2] = [1e-2, 1e-2];
pub const MOMENTUM: f64 = 0.9;
/// Images of a step.
pub const BATCH: usize = 256;
/// Passes over the training images; more where they would be fewer than [`STEPS`] steps.
pub const EPOCHS: usize = 30;
pub const STEPS: usize = 1000;

/// How a linear probe came out.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    /// The learning rate and the weight decay that were chosen.
    pub rate: f64,
    pub decay: f64,
    /// Per cent of the held-out training images with that choice; `None` where there were none to choose with.
    pub held_out: Option<f64>,
    /// The class named for each test image.
    pub named: Vec<Option<u32>>,
}

/// Fits on `train`, names the classes of `test`. Labels are any numbers.
///
/// # Errors
/// Usage, where the training images are of one class; run, where the two sets have different numbers of channels.
pub async fn linear(gpu: &Gpu, train: &Samples, test: &Samples, seed: u64, tell: Tell<'_>) -> Result<Linear> {
    same_dims("linear probe", train, test)?;
    let classes = classes(train.labels())?;
    let [kept, held] = held_out(train.labels(), seed);
    let all: Vec<usize> = (0..train.labels().len()).collect();
    let grid: Vec<[f64; 2]> = RATES
        .iter()
        .flat_map(|&rate| DECAYS.map(|decay| [rate, decay]))
        .collect();
    let groups: Vec<&[[f64; 2]]> = grid
        .chunks(together(gpu, classes.len(), train.features.dims()))
        .collect();
    let sweep = if held.is_empty() {
        0
    } else {
        groups.len() * steps(kept.len())
    };
    let of = sweep + steps(all.len());

    let (mut setting, mut most, mut done) = (SETTING_OF_FEW, None, 0);
    if !held.is_empty() {
        let source = Source::new(train, &kept, &classes);
        for group in groups {
            let mut heads = Heads::new(gpu, group, &source, kept.len())?;
            heads
                .fit(&source, &kept, seed, &mut |step| tell(done + step, of))
                .await?;
            done += steps(kept.len());
            // Of equal scores the first: the lower rate, the lighter decay.
            for (right, own) in heads.right(&source, &held).await?.into_iter().zip(group) {
                if most.is_none_or(|most| right > most) {
                    (most, setting) = (Some(right), *own);
                }
            }
        }
    }
    let source = Source::new(train, &all, &classes);
    // As many copies as make columns in fours, which kernels take quicker.
    let copies = (1..=4)
        .find(|copies| (copies * classes.len()).is_multiple_of(4))
        .unwrap_or(1);
    let mut heads = Heads::new(gpu, &vec![setting; copies], &source, all.len())?;
    heads
        .fit(&source, &all, seed, &mut |step| tell(done + step, of))
        .await?;
    let asked: Vec<usize> = (0..test.labels().len()).collect();
    let source = Source {
        samples: test,
        ..source
    };
    let named = heads.named(&source, &asked).await?;
    let [rate, decay] = setting;
    Ok(Linear {
        rate,
        decay,
        held_out: most.map(|right| 100.0 * right as f64 / held.len() as f64),
        named: named
            .chunks(copies)
            .map(|of_image| of_image[0].map(|class| classes[class]))
            .collect(),
    })
}

/// The labels that occur, ascending.
///
/// # Errors
/// Usage, where they are less than two.
pub(super) fn classes(labels: &[u32]) -> Result<Vec<u32>> {
    let mut classes = labels.to_vec();
    classes.sort_unstable();
    classes.dedup();
    match classes.len() {
        0 | 1 => Err(Error::usage(
            "all training images are of one class: a probe needs two classes or more to tell apart",
        )),
        _ => Ok(classes),
    }
}

/// Steps of a fit to so many images.
fn steps(images: usize) -> usize {
    (EPOCHS * images / batch(images)).max(STEPS)
}

fn batch(images: usize) -> usize {
    images.min(BATCH)
}

/// Channels with zeros behind them, so that rows are in fours.
fn width(dims: usize) -> usize {
    dims.next_multiple_of(4)
}

/// Heads that this adapter can bind at once: a number in fours, where it can.
fn together(gpu: &Gpu, classes: usize, dims: usize) -> usize {
    let head = 4 * classes as u64 * (width(dims) as u64).max(BATCH as u64);
    let most = (gpu.most_bytes() / head) as usize;
    match most {
        0..4 => most.max(1),
        _ => most - most % 4,
    }
}

/// Images as a step takes them.
struct Source<'a> {
    samples: &'a Samples,
    scaling: Scaling,
    classes: &'a [u32],
}

impl<'a> Source<'a> {
    /// Standardised by the training images `fitted`.
    fn new(samples: &'a Samples, fitted: &[usize], classes: &'a [u32]) -> Source<'a> {
        Source {
            samples,
            scaling: Scaling::new(samples, fitted),
            classes,
        }
    }

    /// Standardised features `[n, width]` of these images.
    fn features(&self, images: &[usize]) -> Vec<f32> {
        let width = width(self.samples.features.dims());
        let mut x = vec![0.0; images.len() * width];
        for (row, &image) in x.chunks_exact_mut(width).zip(images) {
            self.scaling.apply_f32(self.samples.features.row(image), row);
        }
        x
    }

    /// The place of an image's class; `None` for one that was never fitted.
    fn class(&self, image: usize) -> Option<usize> {
        self.classes.binary_search(&self.samples.labels()[image]).ok()
    }

    /// One-hot classes `[n, C]`.
    fn targets(&self, images: &[usize]) -> Vec<f32> {
        let mut t = vec![0.0; images.len() * self.classes.len()];
        for (row, &image) in t.chunks_exact_mut(self.classes.len()).zip(images) {
            if let Some(class) = self.class(image) {
                row[class] = 1.0;
            }
        }
        t
    }
}

/// H heads in training. Weights `[H * C, D]` and biases `[1, H * C]`, head by head; all begin at 0, where a convex loss may.
struct Heads {
    rec: Recorder,
    count: usize,
    classes: usize,
    /// `[H, 2]`
    settings: View,
    weights: Trained,
    biases: Trained,
    /// `[B, D]`
    x: View,
    /// `[B, C]`
    targets: View,
    /// `[B, H * C]`
    logits: View,
    dlogits: View,
    /// `[B * H, 1]`
    losses: View,
    scratch: View,
}

/// Values with what their update needs, of one shape.
struct Trained {
    values: View,
    gradient: View,
    velocity: View,
}

impl Trained {
    fn new(gpu: &Gpu, label: &str, rows: usize, cols: usize) -> Result<Trained> {
        let alloc = || gpu.alloc(label, rows, cols);
        Ok(Trained {
            values: alloc()?,
            gradient: alloc()?,
            velocity: alloc()?,
        })
    }

    fn update(&self, rec: &mut Recorder, settings: &View, schedule: f64, decays: bool) -> Result<()> {
        let step = Step {
            momentum: MOMENTUM,
            schedule,
            decays,
        };
        sgd(rec, step, &self.gradient, settings, &self.values, &self.velocity)
    }
}

impl Heads {
    /// One head for each (rate, decay), for fits to `images` images.
    fn new(gpu: &Gpu, settings: &[[f64; 2]], source: &Source, images: usize) -> Result<Heads> {
        let (count, classes, batch) = (settings.len(), source.classes.len(), batch(images));
        let (all, width) = (count * classes, width(source.samples.features.dims()));
        let pairs: Vec<f32> = settings.iter().flatten().map(|&value| value as f32).collect();
        let alloc = |label, rows, cols| gpu.alloc(label, rows, cols);
        Ok(Heads {
            rec: Recorder::new(gpu),
            count,
            classes,
            settings: gpu.upload("rates and decays", count, 2, &pairs)?,
            weights: Trained::new(gpu, "linear heads", all, width)?,
            biases: Trained::new(gpu, "their biases", 1, all)?,
            x: alloc("features", batch, width)?,
            targets: alloc("classes", batch, classes)?,
            logits: alloc("logits", batch, all)?,
            dlogits: alloc("logits' gradient", batch, all)?,
            losses: alloc("losses", batch * count, 1)?,
            scratch: alloc("partial sums", 1, column_sum::scratch(gpu.kind(), batch, all).max(1))?,
        })
    }

    /// Trains on these images, in an order that is drawn anew for each pass. `tell` hears of some of the steps.
    async fn fit(
        &mut self,
        source: &Source<'_>,
        images: &[usize],
        seed: u64,
        tell: &mut dyn FnMut(usize),
    ) -> Result<()> {
        let (batch, steps) = (batch(images.len()), steps(images.len()));
        // What is left of a pass is no batch, and waits for another pass.
        let passes = images.len() / batch;
        let mut order = vec![];
        for step in 0..steps {
            if step.is_multiple_of(passes) {
                order = Draw::keyed("linear", seed, (step / passes) as u64, 0).permutation(images.len());
            }
            let places = &order[step % passes * batch..][..batch];
            let some: Vec<usize> = places.iter().map(|&place| images[place as usize]).collect();
            let schedule = 0.5 * (1.0 + libm::cos(std::f64::consts::PI * step as f64 / steps as f64));
            self.step(source, &some, schedule)?;
            if step % 16 == 15 || step + 1 == steps {
                // Now and then the GPU is waited for: what is written to it must not pile up.
                self.rec.read::<f32>(&self.settings).await?;
                tell(step + 1);
            }
        }
        Ok(())
    }

    /// One step of all heads on one batch.
    fn step(&mut self, source: &Source, images: &[usize], schedule: f64) -> Result<()> {
        let (batch, all) = (images.len(), self.count * self.classes);
        let rec = &mut self.rec;
        rec.gpu().write(&self.x, &source.features(images))?;
        rec.gpu().write(&self.targets, &source.targets(images))?;
        // Logits of all heads, seen as rows of one head each; a batch's targets are shared by its heads.
        let (weights, biases) = (&self.weights, &self.biases);
        product(
            rec,
            Form::Nt,
            &self.x,
            &weights.values,
            &self.logits,
            Epilogue::Bias(&biases.values),
        )?;
        let rows = [&self.logits, &self.dlogits].map(|view| view.shaped(batch * self.count, self.classes));
        let [logits, dlogits] = rows;
        let scale = 1.0 / batch as f64;
        cross_entropy(rec, &logits?, &self.targets, scale, &self.losses, &dlogits?)?;
        // Gradients of a linear layer, then the update.
        let dlogits = self.dlogits.shaped(batch, all)?;
        product(rec, Form::Tn, &dlogits, &self.x, &weights.gradient, Epilogue::Plain)?;
        column_sum(rec, &dlogits, &biases.gradient, &self.scratch)?;
        weights.update(rec, &self.settings, schedule, true)?;
        biases.update(rec, &self.settings, schedule, false)?;
        rec.submit()
    }

    /// The place of the class that each head names for each image, `[images, H]`; `None` where a head has diverged.
    async fn named(&mut self, source: &Source<'_>, images: &[usize]) -> Result<Vec<Option<usize>>> {
        let mut named = Vec::with_capacity(images.len() * self.count);
        for some in images.chunks(self.x.rows) {
            self.rec.gpu().write(&self.x, &source.features(some))?;
            let x = self.x.shaped(some.len(), self.x.cols)?;
            let logits = self.logits.shaped(some.len(), self.logits.cols)?;
            let bias = Epilogue::Bias(&self.biases.values);
            product(&mut self.rec, Form::Nt, &x, &self.weights.values, &logits, bias)?;
            let logits: Vec<f32> = self.rec.read(&logits).await?;
            named.extend(logits.chunks_exact(self.classes).map(highest));
        }
        Ok(named)
    }

    /// How many of these images each head names right.
    async fn right(&mut self, source: &Source<'_>, images: &[usize]) -> Result<Vec<usize>> {
        let named = self.named(source, images).await?;
        let mut right = vec![0; self.count];
        for (own, &image) in named.chunks_exact(self.count).zip(images) {
            for (right, named) in right.iter_mut().zip(own) {
                *right += usize::from(named.is_some() && *named == source.class(image));
            }
        }
        Ok(right)
    }
}

/// The place of the highest value, of equal ones the first; `None` where a value is not finite.
pub(super) fn highest(row: &[f32]) -> Option<usize> {
    if row.iter().any(|value| !value.is_finite()) {
        return None;
    }
    (0..row.len()).reduce(|best, place| if row[place] > row[best] { place } else { best })
}
