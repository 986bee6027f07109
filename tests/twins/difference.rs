//! Central differences in f64, and the numbers they are taken at.

/// `count` fixed numbers in (-1, 1) times `scale`, others for each seed.
pub fn numbers(seed: u64, count: usize, scale: f64) -> Vec<f64> {
    // splitmix64: good enough for test data, and no dependency's next version changes it.
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    (0..count)
        .map(|_| ((next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0) * scale)
        .collect()
}

/// `sum(upstream * y)`: turns any output into a number whose gradient at the output is `upstream`.
pub fn dot(upstream: &[f64], y: &[f64]) -> f64 {
    assert_eq!(upstream.len(), y.len());
    upstream.iter().zip(y).map(|(u, y)| u * y).sum()
}

/// Finite differences of `f` at `x`. The step of 1e-5 leaves an error near 1e-10 of the third derivative, and
/// 1e-11 of f's size from rounding.
pub fn gradient(x: &[f64], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let mut x = x.to_vec();
    let step = 1e-5;
    (0..x.len())
        .map(|i| {
            let middle = x[i];
            x[i] = middle + step;
            let above = f(&x);
            x[i] = middle - step;
            let below = f(&x);
            x[i] = middle;
            (above - below) / (2.0 * step)
        })
        .collect()
}

/// Whether `got` is `expected` within `tolerance` of the largest expected value, everywhere; NaN never is.
pub fn agree(got: &[f64], expected: &[f64], tolerance: f64) -> Result<(), String> {
    if got.len() != expected.len() {
        return Err(format!("{} values for {}", got.len(), expected.len()));
    }
    let size = expected.iter().fold(0.0, |size: f64, e| size.max(e.abs())).max(1e-3);
    for (i, (g, e)) in got.iter().zip(expected).enumerate() {
        let within = (g - e).abs() <= tolerance * size;
        if !within {
            return Err(format!("[{i}] is {g}, differences say {e}"));
        }
    }
    Ok(())
}

/// Fails unless the analytic gradient agrees with finite differences to 1e-7.
#[track_caller]
pub fn check(name: &str, analytic: &[f64], x: &[f64], f: impl Fn(&[f64]) -> f64) {
    if let Err(error) = agree(analytic, &gradient(x, f), 1e-7) {
        panic!("{name}: {error}");
    }
}

#[test]
fn a_wrong_gradient_is_seen() {
    let x = numbers(1, 5, 1.0);
    let square = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>();
    let right: Vec<f64> = x.iter().map(|x| 2.0 * x).collect();
    let mut wrong = right.clone();
    wrong[3] *= 1.0 + 1e-5;
    let mut not_a_number = right.clone();
    not_a_number[0] = f64::NAN;
    let numeric = gradient(&x, square);
    assert_eq!(agree(&right, &numeric, 1e-7), Ok(()));
    assert!(agree(&wrong, &numeric, 1e-7).is_err());
    assert!(agree(&not_a_number, &numeric, 1e-7).is_err());
    assert!(agree(&right[1..], &numeric, 1e-7).is_err());
}
