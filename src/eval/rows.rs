//! Work on rows of features: in parallel, and two by two.

pub use crate::parallel::map;

/// Sums run in this many separate lanes, which the compiler turns into vector registers.
const LANES: usize = 8;

/// Inner products of two rows of `a` with two rows of `b`: `[a0·b0, a0·b1, a1·b0, a1·b1]`. Four at once, because each value
/// that is loaded then serves twice.
pub fn products(a: [&[f32]; 2], b: [&[f32]; 2]) -> [f32; 4] {
    let mut sums = [[0f32; LANES]; 4];
    let chunks = a[0].chunks_exact(LANES).zip(a[1].chunks_exact(LANES));
    for ((a0, a1), (b0, b1)) in chunks.zip(b[0].chunks_exact(LANES).zip(b[1].chunks_exact(LANES))) {
        for i in 0..LANES {
            sums[0][i] += a0[i] * b0[i];
            sums[1][i] += a0[i] * b1[i];
            sums[2][i] += a1[i] * b0[i];
            sums[3][i] += a1[i] * b1[i];
        }
    }
    let done = a[0].len() - a[0].len() % LANES;
    let rest = |x: &[f32], y: &[f32]| x[done..].iter().zip(&y[done..]).map(|(x, y)| x * y).sum::<f32>();
    [
        sums[0].iter().sum::<f32>() + rest(a[0], b[0]),
        sums[1].iter().sum::<f32>() + rest(a[0], b[1]),
        sums[2].iter().sum::<f32>() + rest(a[1], b[0]),
        sums[3].iter().sum::<f32>() + rest(a[1], b[1]),
    ]
}
