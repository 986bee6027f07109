//! Twin of `wgsl/largest.wgsl` and `largest_factors.wgsl`.

/// The power of two that brings the largest absolute value of `x` to 2^14 or more, and below 2^15: no larger than 2^126, and 1
/// where a value is not finite.
pub fn factor(x: &[f64]) -> f64 {
    if x.iter().any(|v| !v.is_finite()) {
        return 1.0;
    }
    let largest = x.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
    let mut power = 126;
    while power > -126 && 2f64.powi(power) * largest >= 32768.0 {
        power -= 1;
    }
    2f64.powi(power)
}
