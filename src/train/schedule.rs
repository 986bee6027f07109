//! Learning rate, weight decay and momentum of each step, in f64 as the reference computes them.

use super::config::Optimization;
use crate::ops::adamw;

/// The three schedules of one run.
///
/// ```
/// use ijepa::train::{config::Config, schedule::Schedule};
///
/// let config = Config::preset("base")?;
/// let schedule = Schedule::new(&config.optimization, 8);
/// assert_eq!(schedule.run_steps(), 2400); // 300 epochs of 8 iterations
/// assert_eq!(format!("{:.2e}", schedule.at(1).lr), "2.03e-4");
/// # Ok::<(), ijepa::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    settings: Optimization,
    run: usize,
    /// T: the step at which learning rate and weight decay have arrived.
    total: usize,
    /// T before it was made whole, the divisor of the momentum's slope.
    exact_total: f64,
    warmup: usize,
}

/// What one step is taken with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    pub lr: f64,
    pub wd: f64,
    /// Of the target: target = momentum * target + (1 - momentum) * encoder.
    pub momentum: f64,
}

impl Rates {
    /// What AdamW takes, `t` = 1 at the first step.
    pub fn step(self, t: u64) -> adamw::Step {
        let Rates { lr, wd, momentum } = self;
        adamw::Step { lr, wd, momentum, t }
    }
}

impl Schedule {
    /// The schedules of a run over data with this number of iterations per epoch. `optimization.steps`, where given,
    /// is the run's length in steps, and warm-up and decay stretch over it; else it is `optimization.epochs`.
    pub fn new(settings: &Optimization, iterations_per_epoch: usize) -> Self {
        let (ipe, epochs) = (iterations_per_epoch as f64, settings.epochs as f64);
        let run = match settings.steps {
            Some(steps) => steps,
            None => settings.epochs.saturating_mul(iterations_per_epoch),
        };
        // The products stand in the reference's order: the integer part hangs on the last bit.
        let (total, exact_total, warmup) = match settings.steps {
            Some(steps) => {
                let total = settings.ipe_scale * steps as f64;
                (total, total, settings.warmup / epochs.max(1.0) * steps as f64)
            }
            None => (
                settings.ipe_scale * epochs * ipe,
                ipe * epochs * settings.ipe_scale,
                settings.warmup * ipe,
            ),
        };
        let warmup = settings.warmup_share.map_or(warmup, |share| share * run as f64);
        Self {
            settings: settings.clone(),
            run,
            total: total as usize,
            exact_total,
            warmup: warmup as usize,
        }
    }

    /// Length of the run in steps. With `ipe_scale` other than 1 the schedules are longer or shorter than it.
    pub fn run_steps(&self) -> usize {
        self.run
    }

    /// Steps of the warm-up.
    pub fn warmup_steps(&self) -> usize {
        self.warmup
    }

    /// The rates of step s = 1, 2, …. After T they stay at their final values (the reference's would rise again).
    pub fn at(&self, step: usize) -> Rates {
        let o = &self.settings;
        let (first, last) = (o.ema[0], o.ema[1]);
        let slope = if self.exact_total > 0.0 {
            (last - first) / self.exact_total
        } else {
            0.0
        };
        let momentum = first + step.saturating_sub(1).min(self.total) as f64 * slope;
        let s = step.min(self.total) as f64;
        let (w, t) = (self.warmup as f64, self.total as f64);
        let lr = if step < self.warmup {
            o.start_lr + step as f64 / w.max(1.0) * (o.lr - o.start_lr)
        } else {
            let p = ((s - w) / (t - w).max(1.0)).clamp(0.0, 1.0);
            o.final_lr.max(o.final_lr + (o.lr - o.final_lr) * half_cosine(p))
        };
        let wd = o.final_weight_decay + (o.weight_decay - o.final_weight_decay) * half_cosine(s / t.max(1.0));
        let wd = if o.final_weight_decay <= o.weight_decay {
            wd.max(o.final_weight_decay)
        } else {
            wd.min(o.final_weight_decay)
        };
        Rates { lr, wd, momentum }
    }
}

/// From 1 at p = 0 to 0 at p = 1.
fn half_cosine(p: f64) -> f64 {
    0.5 * (1.0 + libm::cos(std::f64::consts::PI * p))
}
