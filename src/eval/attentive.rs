//! The attentive probe of V-JEPA (Bardes et al. 2024, appendix): one block of cross-attention with a learned query over frozen
//! patch features, an MLP with a residual, a linear layer, trained by AdamW with a cosine schedule.
//!
//! The same functions as theirs, with fewer parameters. Per head, query and key weight occur as their product alone, so each head
//! has one query of D channels instead; a key's bias shifts all of a query's scores alike, and changes nothing; the first norm's
//! weight and bias, the value's bias and the query that is added to what attention gives would each be a factor of, or be added to,
//! what follows. Patch features are normed once, when they are kept ([`super::tokens`]).
//!
//! ```text
//! z_h = softmax(u_h x^T / sqrt(D / H)) x        t = proj(concat_h V_h z_h)        y = t + fc2(gelu(fc1(norm(t))))        logits = head(y)
//! ```

mod block;

use super::Tell;
use super::linear::{classes, highest};
use super::parts::held_out;
use super::tokens::Tokens;
use crate::data::draw::Draw;
use crate::gpu::Gpu;
use crate::{Error, Result};
use block::{Block, Shape};

/// The learning rates that are tried, one after the other.
pub const RATES: [f64; 3] = [1e-3, 3e-3, 1e-2];
/// Where no class has two images to choose with.
const RATE_OF_FEW: f64 = 3e-3;
/// Of weights; biases and norms don't decay.
pub const DECAY: f64 = 0.01;
/// Images of a step, or fewer where the adapter has no room for their patches.
pub const BATCH: usize = 64;
/// Passes over the training images; more where they would be fewer than [`STEPS`] steps.
pub const EPOCHS: usize = 20;
pub const STEPS: usize = 600;
/// Heads are no narrower than this, and no more than the second.
const NARROWEST: usize = 16;
const MOST_HEADS: usize = 16;

/// How an attentive probe came out.
#[derive(Clone, Debug, PartialEq)]
pub struct Attentive {
    /// The learning rate that was chosen.
    pub rate: f64,
    /// Per cent of the held-out training images with that choice; `None` where there were none to choose with.
    pub held_out: Option<f64>,
    /// The class named for each test image.
    pub named: Vec<Option<u32>>,
}

/// Fits on `train`, names the classes of `test`: the rate that is best on a held-out fifth of the training images is fitted again
/// on all of them. Labels are any numbers.
///
/// # Errors
/// Usage, where the training images are of one class; run, where the two sets have other shapes.
pub async fn attentive(gpu: &Gpu, train: &Tokens, test: &Tokens, seed: u64, tell: Tell<'_>) -> Result<Attentive> {
    if train.shape() != test.shape() {
        return Err(Error::run(format!(
            "attentive probe: training images have {:?} patches and channels, and test images {:?}",
            train.shape(),
            test.shape()
        )));
    }
    let classes = classes(train.labels())?;
    let [patches, width] = train.shape();
    let each = 4 * patches as u64 * width as u64;
    let shape = Shape {
        batch: BATCH
            .min(train.len())
            .min((gpu.most_bytes() / each.max(1)) as usize)
            .max(1),
        patches,
        width,
        heads: heads(width),
        classes: classes.len(),
    };
    let [kept, held] = held_out(train.labels(), seed);
    let all: Vec<usize> = (0..train.len()).collect();
    let rates: &[f64] = if held.is_empty() { &[] } else { &RATES };
    let of = rates.len() * steps(kept.len(), shape.batch) + steps(all.len(), shape.batch);

    let (mut rate, mut most, mut done) = (RATE_OF_FEW, None, 0);
    for &candidate in rates {
        let mut fit = Fit::new(gpu, shape, train, &classes, seed)?;
        fit.train(&kept, candidate, &mut |step| tell(done + step, of)).await?;
        done += steps(kept.len(), shape.batch);
        let named = fit.named(train, &held).await?;
        let own = |(&image, named): (&usize, &Option<u32>)| *named == Some(train.labels()[image]);
        let right = held.iter().zip(&named).filter(|&pair| own(pair)).count();
        if most.is_none_or(|most| right > most) {
            (most, rate) = (Some(right), candidate);
        }
    }
    let mut fit = Fit::new(gpu, shape, train, &classes, seed)?;
    fit.train(&all, rate, &mut |step| tell(done + step, of)).await?;
    let asked: Vec<usize> = (0..test.len()).collect();
    Ok(Attentive {
        rate,
        held_out: most.map(|right| 100.0 * right as f64 / held.len() as f64),
        named: fit.named(test, &asked).await?,
    })
}

/// The most heads of 16 channels or more that share the width equally; in fours of channels, so that no product of one head fills
/// its rows up with another's.
fn heads(width: usize) -> usize {
    let most = (width / NARROWEST).clamp(1, MOST_HEADS);
    let share = |&heads: &usize| width.is_multiple_of(4 * heads);
    (1..=most).rev().find(share).unwrap_or(1)
}

fn steps(images: usize, batch: usize) -> usize {
    (EPOCHS * images / batch.min(images)).max(STEPS)
}

/// One probe in training.
struct Fit<'a> {
    block: Block,
    train: &'a Tokens,
    classes: &'a [u32],
    seed: u64,
}

impl<'a> Fit<'a> {
    fn new(gpu: &Gpu, shape: Shape, train: &'a Tokens, classes: &'a [u32], seed: u64) -> Result<Fit<'a>> {
        Ok(Fit {
            block: Block::new(gpu, shape, seed)?,
            train,
            classes,
            seed,
        })
    }

    /// Trains on these images, in an order that is drawn anew for each pass. `tell` hears of some of the steps.
    async fn train(&mut self, images: &[usize], rate: f64, tell: &mut dyn FnMut(usize)) -> Result<()> {
        let batch = self.block.shape.batch.min(images.len());
        let (steps, passes) = (steps(images.len(), self.block.shape.batch), images.len() / batch);
        let mut order = vec![];
        for step in 0..steps {
            if step.is_multiple_of(passes) {
                order = Draw::keyed("attend", self.seed, (step / passes) as u64, 0).permutation(images.len());
            }
            let places = &order[step % passes * batch..][..batch];
            let some: Vec<usize> = places.iter().map(|&place| images[place as usize]).collect();
            let schedule = 0.5 * (1.0 + libm::cos(std::f64::consts::PI * step as f64 / steps as f64));
            let targets = self.targets(&some);
            self.block
                .step(&self.train.pick(&some), &targets, rate * schedule, step as u64 + 1)?;
            if step % 16 == 15 || step + 1 == steps {
                // Now and then the GPU is waited for: what is written to it must not pile up.
                self.block.wait().await?;
                tell(step + 1);
            }
        }
        Ok(())
    }

    /// One-hot classes `[n, C]`.
    fn targets(&self, images: &[usize]) -> Vec<f32> {
        let mut targets = vec![0.0; images.len() * self.classes.len()];
        for (row, &image) in targets.chunks_exact_mut(self.classes.len()).zip(images) {
            if let Ok(class) = self.classes.binary_search(&self.train.labels()[image]) {
                row[class] = 1.0;
            }
        }
        targets
    }

    /// The class that is named for each of these images; `None` where the probe has diverged.
    async fn named(&mut self, tokens: &Tokens, images: &[usize]) -> Result<Vec<Option<u32>>> {
        let mut named = Vec::with_capacity(images.len());
        for some in images.chunks(self.block.shape.batch) {
            let logits = self.block.logits(&tokens.pick(some), some.len()).await?;
            let rows = logits.chunks_exact(self.classes.len());
            named.extend(rows.map(|row| highest(row).map(|class| self.classes[class])));
        }
        Ok(named)
    }
}
