//! Training steps, as a run takes them: one after the other, the results read when they are there.

use super::super::number::{grouped, prefixed, size};
use super::super::print;
use super::timing::{ROUNDS, rounded, rounds};
use ijepa::data::draw::Draw;
use ijepa::data::masks::{self, Masks};
use ijepa::gpu::{Cost, Gpu};
use ijepa::model::ijepa::{Ijepa, Images, Outcome, Terms};
use ijepa::model::{init, needs};
use ijepa::ops::adamw::Step;
use ijepa::train::config::Config;
use ijepa::train::plan;
use ijepa::{Error, Result};
use std::time::Instant;

/// Batches whose masks take turns: their lengths differ.
pub const BATCHES: u64 = 8;
/// What steps are taken with; `t` counts them.
pub const RATES: Step = Step {
    lr: 1e-4,
    wd: 0.04,
    momentum: 0.996,
    t: 0,
};
/// Seconds of a round.
const ROUND: f64 = 1.0;

/// A model, and what its steps are fed: random images, drawn masks.
pub struct Bench {
    pub net: Ijepa,
    pub images: Vec<u8>,
    pub masks: Vec<Masks>,
    taken: u64,
    memory: u64,
}

impl Bench {
    pub fn new(gpu: &Gpu, config: &Config) -> Result<Bench> {
        let (model, dims) = (config.model()?, plan::fitting(gpu, config, BATCHES)?);
        let weights = init::draw(&model, config.meta.init, config.meta.seed);
        let terms = Terms {
            variance: config.meta.variance_weight,
            covariance: config.meta.covariance_weight,
            clip: config.optimization.clip_grad,
        };
        let net = Ijepa::new(gpu, &model, &weights, "the drawn weights", terms, dims)?;
        let mut draw = Draw::keyed("bench", config.meta.seed, 0, 0);
        let batch = config.data.batch_size;
        let pixels = batch * model.image.values();
        let sample = |number| masks::sample(&config.masks(), config.meta.seed, number, batch);
        Ok(Bench {
            net,
            images: (0..pixels).map(|_| draw.below(256) as u8).collect(),
            masks: (0..BATCHES).map(sample).collect(),
            taken: 0,
            memory: needs::report(gpu.kind(), &model, &dims).iter().map(|part| part.1).sum(),
        })
    }

    pub fn batch(&self) -> usize {
        self.masks[0].batch
    }

    /// Takes steps on batches that take turns, and waits for the last, whose outcome it gives.
    pub fn steps(&mut self, count: usize) -> Result<Option<Outcome>> {
        self.take(count, |taken| (taken % BATCHES) as usize)
    }

    /// Takes steps on the first batch alone, whose shapes are always the same, and waits for the last.
    pub fn equal_steps(&mut self, count: usize) -> Result<()> {
        self.take(count, |_| 0).map(drop)
    }

    fn take(&mut self, count: usize, batch: impl Fn(u64) -> usize) -> Result<Option<Outcome>> {
        let mut last = None;
        for _ in 0..count {
            let masks = &self.masks[batch(self.taken)];
            self.taken += 1;
            let rates = Step { t: self.taken, ..RATES };
            last = Some(self.net.step(Images::Bytes(&self.images), masks, rates)?);
        }
        match last.map(|pending| pollster::block_on(pending.outcome())).transpose()? {
            Some(outcome) if !outcome.finite => Err(Error::run(format!(
                "a step was not finite (loss {}): nothing was timed; see `ijepa doctor`",
                outcome.loss
            ))),
            outcome => Ok(outcome),
        }
    }

    /// Times and prints.
    pub fn run(&mut self, name: &str) -> Result<()> {
        let began = Instant::now();
        let mut losses: Vec<f32> = vec![];
        losses.extend(self.steps(1)?.map(|outcome| outcome.loss));
        let first = began.elapsed().as_secs_f64();
        while losses.len() < self.masks.len() {
            losses.extend(self.steps(1)?.map(|outcome| outcome.loss));
        }
        let timing = rounds(ROUND, |repeats| self.steps(repeats).map(drop))?;
        let (before, cost) = self.net.recorded();
        self.steps(BATCHES as usize)?;
        let (after, total) = self.net.recorded();
        let dispatches = (after - before) / BATCHES as usize;
        let cost = Cost {
            flops: (total.flops - cost.flops) / BATCHES as f64,
            bytes: (total.bytes - cost.bytes) / BATCHES as f64,
        };
        let (batch, gpu) = (self.batch(), self.net.gpu());
        let (pipelines, adapter) = (gpu.pipeline_count(), gpu.info().name.clone());
        let rate = batch as f64 / timing.best;
        let gflops = cost.flops / timing.best / 1e9;
        print(&format!(
            "{name}: training steps of {batch} images, on {adapter}\n\
             {rate:.1} images/s, {:.1} ms a step: the best of {ROUNDS} rounds of {} (slowest round {:.1} ms)\n\
             {}FLOP a step, {gflops:.1} GFLOP/s; {} dispatches; {pipelines} pipelines; {} of memory\n\
             {first:.2} s for the first step, in which pipelines are made and compiled\n",
            timing.best * 1e3,
            timing.repeats,
            timing.worst * 1e3,
            prefixed(cost.flops),
            grouped(dispatches as u64),
            size(self.memory),
        ))?;
        let line = serde_json::json!({
            "preset": name, "batch": batch, "images_per_s": rounded(rate), "ms": rounded(timing.best * 1e3),
            "ms_slowest": rounded(timing.worst * 1e3), "gflop": rounded(cost.flops / 1e9), "gflops": rounded(gflops),
            "dispatches": dispatches, "pipelines": pipelines, "first_s": rounded(first),
            "mib": rounded(self.memory as f64 / f64::from(1 << 20)), "losses": losses, "adapter": adapter,
        });
        print(&format!("{line}\n"))
    }
}
