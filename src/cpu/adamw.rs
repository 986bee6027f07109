//! adamw in f64 (Loshchilov & Hutter 2019), with the target encoder's moving average. Slow on purpose.

/// Decay of the mean of gradients.
pub const BETA1: f64 = 0.9;
/// Decay of the mean of squared gradients.
pub const BETA2: f64 = 0.999;
/// Added outside the square root.
pub const EPS: f64 = 1e-8;

/// What changes from step to step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    pub lr: f64,
    /// Decoupled weight decay: 0 for norms and biases.
    pub wd: f64,
    /// EMA momentum m in `target = m * target + (1 - m) * p`.
    pub momentum: f64,
    /// Steps taken so far, with this one: 1 at the first.
    pub t: u64,
}

/// One tensor's update in place: decay `p *= 1 - lr * wd` first, bias-corrected moments `m` and `v`, then the target
/// (encoder only) with `p` as just updated. All of one shape.
pub fn adamw(step: Step, p: &mut [f64], g: &[f64], m: &mut [f64], v: &mut [f64], target: Option<&mut [f64]>) {
    let correction1 = 1.0 - BETA1.powf(step.t as f64);
    let correction2 = 1.0 - BETA2.powf(step.t as f64);
    for i in 0..p.len() {
        p[i] *= 1.0 - step.lr * step.wd;
        m[i] = BETA1 * m[i] + (1.0 - BETA1) * g[i];
        v[i] = BETA2 * v[i] + (1.0 - BETA2) * g[i] * g[i];
        p[i] -= step.lr * (m[i] / correction1) / ((v[i] / correction2).sqrt() + EPS);
    }
    if let Some(target) = target {
        for i in 0..p.len() {
            target[i] = step.momentum * target[i] + (1.0 - step.momentum) * p[i];
        }
    }
}
