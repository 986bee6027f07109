//! Spherical k-means (Dhillon and Modha 2001): rows of length 1 and centres of length 1, each row with the centre whose cosine
//! is highest. Begun by k-means++ (Arthur and Vassilvitskii 2007), seeded. The crates for it need a nightly compiler or bring a
//! linear algebra of their own.

use super::index::dot;
use crate::data::draw::Draw;
use crate::parallel;

/// Rounds after which it ends in any case; what still moves by then are rows between two centres.
const ROUNDS: usize = 100;

/// Which row belongs where.
#[derive(Clone, Debug, PartialEq)]
pub struct Clusters {
    /// Rows of each cluster, the one nearest to its centre first; the largest cluster first.
    pub rows: Vec<Vec<usize>>,
    /// Of each cluster the mean of its rows' cosines with the centre.
    pub tightness: Vec<f32>,
}

/// Rows `[n, dims]` of length 1 in at most `count` clusters, none of them empty.
pub fn spherical(rows: &[&[f32]], count: usize, seed: u64) -> Clusters {
    let count = count.clamp(1, rows.len().max(1));
    let mut centres = begin(rows, count, seed);
    let mut of = nearest(rows, &centres);
    for _ in 0..ROUNDS {
        centres = means(rows, &of, centres.len());
        let moved = nearest(rows, &centres);
        let done = moved.iter().zip(&of).all(|(now, was)| now.0 == was.0);
        of = moved;
        if done {
            break;
        }
    }
    let mut clusters: Vec<Vec<(f32, usize)>> = vec![vec![]; centres.len()];
    for (row, &(cluster, cosine)) in of.iter().enumerate() {
        clusters[cluster].push((cosine, row));
    }
    clusters.retain(|cluster| !cluster.is_empty());
    for cluster in &mut clusters {
        cluster.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    }
    clusters.sort_by_key(|cluster| std::cmp::Reverse(cluster.len()));
    let mean = |cluster: &Vec<(f32, usize)>| cluster.iter().map(|row| row.0).sum::<f32>() / cluster.len() as f32;
    Clusters {
        tightness: clusters.iter().map(mean).collect(),
        rows: clusters
            .iter()
            .map(|cluster| cluster.iter().map(|row| row.1).collect())
            .collect(),
    }
}

/// The first centres: rows, each drawn with a chance that grows with its distance 1 - cosine to those drawn before.
fn begin(rows: &[&[f32]], count: usize, seed: u64) -> Vec<Vec<f32>> {
    let Some(width) = rows.first().map(|row| row.len()) else {
        return vec![];
    };
    let mut draw = Draw::keyed("clusters", seed, 0, 0);
    let mut centres = vec![rows[draw.below(rows.len())].to_vec()];
    let mut far = vec![f64::INFINITY; rows.len()];
    while centres.len() < count {
        let last = centres.last().cloned().unwrap_or_else(|| vec![0.0; width]);
        let distances = parallel::map(rows.len(), |row| f64::from(1.0 - dot(rows[row], &last)).max(0.0));
        far.iter_mut().zip(distances).for_each(|(far, now)| *far = far.min(now));
        let all: f64 = far.iter().sum();
        if all <= 1e-6 * rows.len() as f64 {
            break; // every row is one of the centres
        }
        let mut left = draw.unit() * all;
        let chosen = far.iter().position(|distance| {
            left -= distance;
            left < 0.0
        });
        centres.push(rows[chosen.unwrap_or(rows.len() - 1)].to_vec());
    }
    centres
}

/// The nearest centre of each row, and the cosine with it.
fn nearest(rows: &[&[f32]], centres: &[Vec<f32>]) -> Vec<(usize, f32)> {
    parallel::map(rows.len(), |row| {
        let cosines = centres.iter().map(|centre| dot(rows[row], centre)).enumerate();
        cosines.fold(
            (0, f32::NEG_INFINITY),
            |best, now| if now.1 > best.1 { now } else { best },
        )
    })
}

/// The sums of the clusters' rows, scaled to length 1. An empty cluster gets the row that is farthest from its own centre.
fn means(rows: &[&[f32]], of: &[(usize, f32)], count: usize) -> Vec<Vec<f32>> {
    let width = rows.first().map_or(0, |row| row.len());
    let (mut sums, mut sizes) = (vec![vec![0f64; width]; count], vec![0; count]);
    for (row, &(cluster, _)) in rows.iter().zip(of) {
        sizes[cluster] += 1;
        sums[cluster]
            .iter_mut()
            .zip(*row)
            .for_each(|(sum, value)| *sum += f64::from(*value));
    }
    let mut farthest: Vec<usize> = vec![];
    if sizes.contains(&0) {
        farthest = (0..rows.len()).collect();
        farthest.sort_by(|&a, &b| of[b].1.total_cmp(&of[a].1)); // taken from the end
    }
    let mut centres = vec![];
    for (sum, size) in sums.iter().zip(sizes) {
        let length = sum.iter().map(|value| value * value).sum::<f64>().sqrt();
        let lost = if size == 0 { farthest.pop() } else { None };
        centres.push(match lost {
            Some(row) => rows[row].to_vec(),
            None => sum.iter().map(|value| (value / length.max(1e-12)) as f32).collect(),
        });
    }
    centres
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_points_the_same_way_is_one_cluster() {
        let mut draw = Draw::keyed("test", 0, 0, 0);
        let rows: Vec<Vec<f32>> = (0..300)
            .map(|i| {
                let mut row: Vec<f32> = (0..8).map(|_| draw.between(-0.2, 0.2) as f32).collect();
                row[[0, 3, 5][i % 3]] += 1.0;
                let length = dot(&row, &row).sqrt();
                row.iter().map(|value| value / length).collect()
            })
            .collect();
        let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        let clusters = spherical(&rows, 3, 0);
        assert_eq!(clusters.rows.iter().map(Vec::len).collect::<Vec<_>>(), [100; 3]);
        assert!(
            clusters
                .rows
                .iter()
                .all(|rows| rows.iter().all(|row| row % 3 == rows[0] % 3))
        );
        assert!(clusters.tightness.iter().all(|cosine| *cosine > 0.8));
        assert_eq!(clusters, spherical(&rows, 3, 0));
    }

    #[test]
    fn fewer_rows_than_clusters_and_rows_that_are_all_the_same_are_no_trouble() {
        let row = [1.0, 0.0];
        assert_eq!(spherical(&[&row, &row, &row], 2, 1).rows, [[0, 1, 2]]);
        assert_eq!(spherical(&[&row], 5, 1).rows, [[0]]);
        assert!(spherical(&[], 5, 1).rows.is_empty());
        let zero = [0.0, 0.0];
        assert_eq!(spherical(&[&zero, &zero], 2, 1).rows.concat().len(), 2);
    }
}
