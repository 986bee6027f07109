//! Patch features as colours: the first three principal components become red, green and blue.

use super::eigen;
use super::samples::Features;

/// `tokens` is `[tokens, dims]`, the patches of one image or of several that are to share their colours. Each component is
/// stretched to 0..=255 between its smallest and largest value; one without spread is mid-grey. One colour for each token.
pub fn patch_colours(tokens: &Features) -> Vec<[u8; 3]> {
    let (n, dims) = (tokens.len(), tokens.dims());
    let mean = tokens.mean();
    let centred: Vec<f64> = tokens
        .values()
        .iter()
        .enumerate()
        .map(|(i, v)| f64::from(*v) - mean[i % dims])
        .collect();
    let row = |i: usize| &centred[i * dims..][..dims];
    let covariance = super::rows::map(dims, |c| {
        let mut sums = vec![0.0; dims];
        for token in 0..n {
            let factor = row(token)[c];
            sums.iter_mut()
                .zip(row(token))
                .for_each(|(sum, value)| *sum += factor * value);
        }
        sums
    });
    let axes = eigen::leading_vectors(&covariance.concat(), dims, 3);
    let mut colours = vec![[0; 3]; n];
    for (channel, axis) in axes.iter().enumerate() {
        let along: Vec<f64> = (0..n)
            .map(|i| row(i).iter().zip(axis).map(|(x, y)| x * y).sum())
            .collect();
        let low = along.iter().copied().fold(f64::INFINITY, f64::min);
        let high = along.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for (colour, value) in colours.iter_mut().zip(along) {
            let share = if high > low { (value - low) / (high - low) } else { 0.5 };
            colour[channel] = (share * 255.0).round() as u8;
        }
    }
    colours
}

/// The colours of one image's patches, `grid` x `grid` and row by row, as squares of `scale` x `scale` pixels: RGB bytes of
/// a picture of side `grid * scale`. Missing colours stay black.
pub fn patch_picture(colours: &[[u8; 3]], grid: usize, scale: usize) -> Vec<u8> {
    let side = grid * scale;
    let colour = |i: usize| {
        colours
            .get(i / side / scale * grid + i % side / scale)
            .copied()
            .unwrap_or_default()
    };
    (0..side * side).flat_map(colour).collect()
}
