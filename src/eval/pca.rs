//! Patch features as colours: the first three principal components become red, green and blue.

use super::eigen;
use super::samples::Features;

/// The three directions that become red, green and blue, `[3][dims]` of length 1.
pub type Axes = Vec<Vec<f64>>;

/// `tokens` is `[tokens, dims]`, the patches of one image or of several that are to share their colours. Each component is
/// stretched to 0..=255 between its smallest and largest value; one without spread is mid-grey. One colour for each token.
pub fn patch_colours(tokens: &Features) -> Vec<[u8; 3]> {
    colours(tokens, &axes(tokens))
}

/// The first three principal components of `tokens`.
pub fn axes(tokens: &Features) -> Axes {
    let (n, dims) = (tokens.len(), tokens.dims());
    let centred = centred(tokens);
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
    eigen::leading_vectors(&covariance.concat(), dims, 3)
}

/// The same directions in the order and with the signs that are nearest to those `before`: components have neither of their
/// own, and a picture that is drawn again and again would change its colours without reason.
pub fn aligned(mut axes: Axes, before: &Axes) -> Axes {
    let mut near = Axes::new();
    for old in before {
        let dot = |axis: &Vec<f64>| axis.iter().zip(old).map(|(x, y)| x * y).sum::<f64>();
        let Some(nearest) = (0..axes.len()).max_by(|&a, &b| dot(&axes[a]).abs().total_cmp(&dot(&axes[b]).abs())) else {
            break;
        };
        let mut axis = axes.swap_remove(nearest);
        if dot(&axis) < 0.0 {
            axis.iter_mut().for_each(|x| *x = -*x);
        }
        near.push(axis);
    }
    near
}

/// `tokens` along `axes` as colours; see [`patch_colours`].
pub fn colours(tokens: &Features, axes: &Axes) -> Vec<[u8; 3]> {
    let mut colours = vec![[0; 3]; tokens.len()];
    for (channel, along) in along(tokens, axes).into_iter().enumerate() {
        let low = along.iter().copied().fold(f64::INFINITY, f64::min);
        let high = along.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for (colour, value) in colours.iter_mut().zip(along) {
            let share = if high > low { (value - low) / (high - low) } else { 0.5 };
            colour[channel] = (share * 255.0).round() as u8;
        }
    }
    colours
}

/// How far each of `tokens` lies along each of `axes` from the mean of all, `[axes][tokens]`.
pub fn along(tokens: &Features, axes: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (n, dims) = (tokens.len(), tokens.dims());
    let centred = centred(tokens);
    let row = |i: usize| &centred[i * dims..][..dims];
    let of = |axis: &Vec<f64>| {
        (0..n)
            .map(|i| row(i).iter().zip(axis).map(|(x, y)| x * y).sum())
            .collect()
    };
    axes.iter().map(of).collect()
}

fn centred(tokens: &Features) -> Vec<f64> {
    let (dims, mean) = (tokens.dims(), tokens.mean());
    let values = tokens.values().iter().enumerate();
    values.map(|(i, v)| f64::from(*v) - mean[i % dims]).collect()
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
