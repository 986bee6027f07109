//! sgd in f64: gradient descent with momentum, head by head. Slow on purpose.

/// What all heads of a step share.
#[derive(Clone, Copy)]
pub struct Step {
    pub momentum: f64,
    /// Factor on every head's rate.
    pub schedule: f64,
    /// Do these values decay?
    pub decays: bool,
}

/// `v = momentum v + g + decay p`, `p -= schedule rate v`, with the (rate, decay) of each value's head: `settings` has one pair
/// for each of equally long heads, one behind the other in g, p and v.
pub fn sgd(step: Step, g: &[f64], settings: &[[f64; 2]], p: &mut [f64], v: &mut [f64]) {
    let head = p.len() / settings.len();
    for i in 0..p.len() {
        let [rate, decay] = settings[i / head];
        let decay = if step.decays { decay } else { 0.0 };
        v[i] = step.momentum * v[i] + g[i] + decay * p[i];
        p[i] -= step.schedule * rate * v[i];
    }
}
