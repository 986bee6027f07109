//! gradient_norm in f64. Slow on purpose.

/// The L2 norm of all `tensors` taken as one vector.
pub fn gradient_norm(tensors: &[&[f64]]) -> f64 {
    let mut sum = 0.0;
    for tensor in tensors {
        for g in *tensor {
            sum += g * g;
        }
    }
    sum.sqrt()
}
