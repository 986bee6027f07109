//! 2-D sine/cosine position embedding in f64 (fixed, not trained, no class token). Slow on purpose.

use crate::model::config::Grid;

/// `[N, width]`, patches row by row; `width` is a multiple of 4. The first half of the channels encodes the
/// column, the second half the row (the reference lets w go first), each as `[sin(p * omega), cos(p * omega)]` with
/// `omega_i = 10000^(-i / (width / 4))`. The networks store it rounded to f32.
pub fn positions(width: usize, grid: Grid) -> Vec<f64> {
    let quarter = width / 4;
    let mut out = Vec::with_capacity(grid.patches() * width);
    for row in 0..grid.rows {
        for col in 0..grid.columns {
            for place in [col, row] {
                let angle = |i: usize| place as f64 * 10000f64.powf(-(i as f64) / quarter as f64);
                out.extend((0..quarter).map(|i| angle(i).sin()));
                out.extend((0..quarter).map(|i| angle(i).cos()));
            }
        }
    }
    out
}
