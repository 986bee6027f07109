//! The images of a set whose features are nearest to an image's.

use super::rows;
use super::samples::Features;

/// An image of the set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    pub image: usize,
    /// Cosine of the features less the set's mean, -1 to 1.
    pub similarity: f64,
}

/// For each of the images `queries` of a set the `count` nearest others, the nearest first, equal ones by place. Cosines of
/// features less the mean of the set: what all images share says nothing of any.
pub fn nearest(features: &Features, queries: &[usize], count: usize) -> Vec<Vec<Neighbour>> {
    let mean = features.mean();
    let unit = |image: usize| {
        let mut row: Vec<f64> = features
            .row(image)
            .iter()
            .zip(&mean)
            .map(|(x, m)| f64::from(*x) - m)
            .collect();
        let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        row.iter_mut().for_each(|x| *x /= length.max(f64::MIN_POSITIVE));
        row
    };
    let bank = rows::map(features.len(), unit);
    rows::map(queries.len(), |at| {
        let own = queries[at];
        let similarity = |image: usize| bank[image].iter().zip(&bank[own]).map(|(x, y)| x * y).sum();
        let others = (0..bank.len()).filter(|image| *image != own);
        let mut found: Vec<Neighbour> = others
            .map(|image| Neighbour {
                image,
                similarity: similarity(image),
            })
            .collect();
        found.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then(a.image.cmp(&b.image)));
        found.truncate(count);
        found
    })
}
