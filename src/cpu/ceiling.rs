//! ceiling in f64: chains of products and sums, and fragments. (A copy is its own twin.) Slow on purpose.

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

/// For `count` by `count` fragments of `side` rows and columns, the sum over all of them of `rounds` times A_i·B_j, `[side, side]`:
/// A's row i * side + r has a * ((row + 3 k) % 5) at k, B's column j * side + c has b * ((2 column + k) % 7).
pub fn fragments(side: usize, count: usize, rounds: usize, a: f64, b: f64) -> Vec<f64> {
    let of_a = |row: usize, k: usize| a * ((row + 3 * k) % 5) as f64;
    let of_b = |k: usize, column: usize| b * ((2 * column + k) % 7) as f64;
    let mut y = vec![0.0; side * side];
    for (i, j) in (0..count).flat_map(|i| (0..count).map(move |j| (i, j))) {
        for (at, sum) in y.iter_mut().enumerate() {
            let (row, column) = (i * side + at / side, j * side + at % side);
            let product: f64 = (0..side).map(|k| of_a(row, k) * of_b(k, column)).sum();
            *sum += rounds as f64 * product;
        }
    }
    y
}
