//! add_positions in f64: each token gets the embedding of its patch. Slow on purpose.

/// `positions` `[N, cols]` at `list` `[R]` + `x` `[R, cols]`: row r gets `positions[list[r]]`. (The gradient passes as it is.)
pub fn add_positions(positions: &[f64], list: &[u32], x: &[f64], cols: usize) -> Vec<f64> {
    let mut y = x.to_vec();
    for (row, &place) in list.iter().enumerate() {
        for col in 0..cols {
            y[row * cols + col] += positions[place as usize * cols + col];
        }
    }
    y
}
