//! predictor_tokens in f64: the predictor's input, context tokens then mask tokens. Slow on purpose.

/// In `source`: this row is the mask token, not a row of the context.
pub const MASK: u32 = u32::MAX;

/// `x[r] = (context[source[r]] or, where source[r] is MASK, mask_token) + positions[place[r]]`.
/// `context` `[rows, P]`, `mask_token` `[P]`, `positions` `[N, P]`, `source` and `place` `[R]`. Returns `[R, P]`.
pub fn forward(context: &[f64], mask_token: &[f64], positions: &[f64], source: &[u32], place: &[u32]) -> Vec<f64> {
    let width = mask_token.len();
    let mut x = vec![0.0; source.len() * width];
    for (row, (&from, &patch)) in source.iter().zip(place).enumerate() {
        for c in 0..width {
            let token = if from == MASK {
                mask_token[c]
            } else {
                context[from as usize * width + c]
            };
            x[row * width + c] = token + positions[patch as usize * width + c];
        }
    }
    x
}

/// `dx` `[R, P]` to dcontext `[context_rows, P]`, summed over the rows that repeat a context row, and dmask_token `[P]`,
/// summed over all mask rows.
pub fn backward(dx: &[f64], source: &[u32], context_rows: usize) -> (Vec<f64>, Vec<f64>) {
    let width = dx.len() / source.len();
    let (mut dcontext, mut dmask_token) = (vec![0.0; context_rows * width], vec![0.0; width]);
    for (row, &from) in source.iter().enumerate() {
        for c in 0..width {
            if from == MASK {
                dmask_token[c] += dx[row * width + c];
            } else {
                dcontext[from as usize * width + c] += dx[row * width + c];
            }
        }
    }
    (dcontext, dmask_token)
}
