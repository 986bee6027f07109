//! Twin of `wgsl/cast.wgsl`: what a value becomes in 16 bits, by arithmetic on f64.

/// The nearest value with `precision` bits, none of them below 2^`lowest`; ties to even; from the middle between `largest` and
/// what would come next on, infinity.
fn rounded(x: f64, precision: i32, lowest: i32, largest: f64) -> f64 {
    if !x.is_finite() || x == 0.0 {
        return x;
    }
    let exponent = x.abs().log2().floor() as i32;
    // log2 may be off by one at a power of two.
    let exponent = if 2f64.powi(exponent + 1) <= x.abs() {
        exponent + 1
    } else {
        exponent
    };
    let step = 2f64.powi((exponent - precision + 1).max(lowest));
    let near = (x / step).round_ties_even() * step;
    if near.abs() > largest {
        f64::INFINITY.copysign(x)
    } else {
        near
    }
}

/// bfloat16. x is an f32's value.
pub fn bf16(x: f64) -> f64 {
    rounded(x, 8, -133, f64::from(f32::from_bits(0x7f7f_0000)))
}

/// IEEE half precision.
pub fn f16(x: f64) -> f64 {
    rounded(x, 11, -24, 65504.0)
}
