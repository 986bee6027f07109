//! gradient_norm in f64: the sum, and what is made of it. Slow on purpose.

/// The sum of squares of all `gradients`.
pub fn sum_of_squares(gradients: &[&[f64]]) -> f64 {
    let mut sum = 0.0;
    for gradient in gradients {
        for g in *gradient {
            sum += g * g;
        }
    }
    sum
}

/// May this step change weights, and what are its gradients multiplied by? The flag that forbids it is up (1) where one of
/// the three is not finite, and where it was up before; the factor brings the norm down to `clip`, and is 1 without it.
pub fn check(flag: u32, loss: f64, regularizer: f64, squares: f64, clip: Option<f64>) -> (u32, f64) {
    let good = loss.is_finite() && regularizer.is_finite() && squares.is_finite();
    let norm = squares.sqrt();
    let factor = match clip {
        Some(clip) if good && norm > clip => clip / norm,
        _ => 1.0,
    };
    (if good { flag } else { 1 }, factor)
}
