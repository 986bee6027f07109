//! gelu in f64, exact (by erf, not tanh). Slow on purpose.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// `x * Phi(x)`, Phi the normal distribution function: `x / 2 * (1 + erf(x / sqrt 2))`. Any shape.
pub fn forward(x: &[f64]) -> Vec<f64> {
    x.iter()
        .map(|&x| 0.5 * x * (1.0 + libm::erf(x * FRAC_1_SQRT_2)))
        .collect()
}

/// `dx = dy * (Phi(x) + x * phi(x))`, phi the normal density. `x` is the forward's input, of `dy`'s shape.
pub fn backward(dy: &[f64], x: &[f64]) -> Vec<f64> {
    let mut dx = Vec::with_capacity(x.len());
    for (&x, &dy) in x.iter().zip(dy) {
        let distribution = 0.5 * (1.0 + libm::erf(x * FRAC_1_SQRT_2));
        let density = (-0.5 * x * x).exp() / (2.0 * PI).sqrt();
        dx.push(dy * (distribution + x * density));
    }
    dx
}
