//! A data set as a map of two dimensions: t-SNE (van der Maaten 2014), by the crate `bhtsne`, from a fixed start and on one
//! thread, so that the same features give the same map.

use super::pca;
use super::samples::Features;
use crate::{Error, Result};

/// How many neighbours an image is to have, about.
pub const PERPLEXITY: f32 = 30.0;
/// Rounds of the descent.
pub const EPOCHS: usize = 1000;
/// Fewer images have no map.
pub const LEAST: usize = 10;
/// How coarsely far images are summed up; 0 would be exact.
const THETA: f32 = 0.5;
/// Deviation of the first component in the start, as is usual.
const START: f64 = 1e-4;

/// A place for each image, `[n][2]`; only distances mean something, and of these the small ones. Distances between features
/// are those of unit vectors, less the set's mean. Starts from the first two principal components.
///
/// Errors: usage, where there are fewer than [`LEAST`] images, or `perplexity` is not within 1 and a third of them.
pub fn places(features: &Features, perplexity: f32, epochs: usize) -> Result<Vec<[f32; 2]>> {
    let (n, dims) = (features.len(), features.dims());
    if n < LEAST {
        return Err(Error::usage(format!(
            "{n} images are too few for a map: give {LEAST} or more"
        )));
    }
    let most = (n - 1) as f32 / 3.0;
    if !(1.0..=most).contains(&perplexity) {
        return Err(Error::usage(format!(
            "perplexity {perplexity} does not suit {n} images: it must lie between 1 and {most:.0}, a third of them"
        )));
    }
    let mean = features.mean();
    let unit = |row: &[f32]| -> Vec<f32> {
        let centred: Vec<f64> = row.iter().zip(&mean).map(|(x, m)| f64::from(*x) - m).collect();
        let length = centred.iter().map(|x| x * x).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        centred.iter().map(|x| (x / length) as f32).collect()
    };
    let rows: Vec<Vec<f32>> = (0..n).map(|i| unit(features.row(i))).collect();
    if rows.iter().all(|row| *row == rows[0]) {
        return Err(Error::usage(format!(
            "the features of all {n} images are the same, and there is nothing to map: give images that differ"
        )));
    }
    let units = Features::new(rows.concat(), dims)?;
    let axes = pca::axes(&units);
    let along = pca::along(&units, &axes[..2]);
    let deviation = (along[0].iter().map(|x| x * x).sum::<f64>() / n as f64).sqrt();
    let scale = START / deviation.max(f64::MIN_POSITIVE);
    let start: Vec<f32> = (0..n)
        .flat_map(|i| [(along[0][i] * scale) as f32, (along[1][i] * scale) as f32])
        .collect();
    let distance = |a: &&[f32], b: &&[f32]| a.iter().zip(*b).map(|(x, y)| (x - y) * (x - y)).sum::<f32>().sqrt();
    let data: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .map_err(|e| Error::run(format!("a thread for the map could not be started: {e}")))?;
    let found = pool.install(|| {
        let mut map = bhtsne::tSNE::<f32, &[f32], 2>::new(&data);
        map.perplexity(perplexity)
            .epochs(epochs)
            .initial_embedding(start)
            .barnes_hut(THETA, distance);
        map.embedding()
    });
    match found.iter().all(|value| value.is_finite()) {
        true => Ok(found.chunks_exact(2).map(|place| [place[0], place[1]]).collect()),
        false => Err(Error::run(
            "the map of the images did not come to rest: try another --perplexity",
        )),
    }
}
