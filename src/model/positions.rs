//! Fixed 2-D sine/cosine position embeddings, as the reference computes them: the column first, then the row.

/// `[grid * grid, width]`, patches row by row; the first half of the channels encodes the column, the second the row,
/// each as `[sin(p * omega), cos(p * omega)]` with `omega_i = 10000^(-i / (width / 4))`. Computed in f64 with `libm`,
/// so that every platform has the same bits.
pub fn sine_cosine(width: usize, grid: usize) -> Vec<f32> {
    let quarter = width / 4;
    let mut table = Vec::with_capacity(grid * grid * width);
    for row in 0..grid {
        for column in 0..grid {
            for place in [column, row] {
                let angle = |i: usize| place as f64 * libm::pow(10000.0, -(i as f64) / quarter as f64);
                table.extend((0..quarter).map(|i| libm::sin(angle(i)) as f32));
                table.extend((0..quarter).map(|i| libm::cos(angle(i)) as f32));
            }
        }
    }
    table
}
