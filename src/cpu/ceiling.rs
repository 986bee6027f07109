//! ceiling in f64: chains of products and sums. (A copy is its own twin.) Slow on purpose.

/// For each of `groups` times `lanes` lanes: x_i = lane + i, then 8 * `rounds` times x_i = x_i * a + b; the sum of the four
/// x_i, four times, `[lanes of the grid, 4]`.
pub fn arithmetic(groups: usize, lanes: usize, rounds: usize, a: f64, b: f64) -> Vec<f64> {
    let mut y = Vec::new();
    for i in 0..groups * lanes {
        let mut sum = 0.0;
        for chain in 0..4 {
            let mut x = (i % lanes + chain) as f64;
            for _ in 0..8 * rounds {
                x = x * a + b;
            }
            sum += x;
        }
        y.extend([sum; 4]);
    }
    y
}
