//! smooth_l1 in f64, with beta 1, mean over all elements. Slow on purpose.

/// The mean of `d² / 2` where |d| < 1, else `|d| - 1/2`, with d = prediction - target. Both of one shape.
pub fn forward(prediction: &[f64], target: &[f64]) -> f64 {
    let mut sum = 0.0;
    for (prediction, target) in prediction.iter().zip(target) {
        let d = prediction - target;
        sum += if d.abs() < 1.0 { 0.5 * d * d } else { d.abs() - 0.5 };
    }
    sum / prediction.len() as f64
}

/// The gradient with respect to `prediction`: d between -1 and 1, divided by the number of elements.
pub fn backward(prediction: &[f64], target: &[f64]) -> Vec<f64> {
    let mut gradient = Vec::with_capacity(prediction.len());
    for (p, t) in prediction.iter().zip(target) {
        gradient.push((p - t).clamp(-1.0, 1.0) / prediction.len() as f64);
    }
    gradient
}
