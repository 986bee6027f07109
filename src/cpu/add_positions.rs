//! add_positions in f64: each token gets the embedding of its patch. Slow on purpose.

/// `x` `[R, cols]` + `positions` `[N, cols]` at `index` `[R]`: row r gets `positions[index[r]]`. (The gradient passes as it is.)
pub fn add_positions(x: &[f64], positions: &[f64], index: &[u32], cols: usize) -> Vec<f64> {
    let mut y = x.to_vec();
    for (row, &place) in index.iter().enumerate() {
        for col in 0..cols {
            y[row * cols + col] += positions[place as usize * cols + col];
        }
    }
    y
}
