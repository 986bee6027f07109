//! What attention looks at, as one map over the patches for each head.

/// Of the heads' attention `[H, N, N]` (rows sum to 1), the map of one query patch, or of all queries averaged: `[H][N]`, each
/// of sum 1. Empty where there is no such patch.
pub fn heads(attention: &[f32], n: usize, query: Option<usize>) -> Vec<Vec<f32>> {
    let one = |head: &[f32]| match query {
        Some(patch) => head[patch * n..][..n].to_vec(),
        None => {
            let sum = |key: usize| head.iter().skip(key).step_by(n).map(|&w| f64::from(w)).sum::<f64>();
            (0..n).map(|key| (sum(key) / n as f64) as f32).collect()
        }
    };
    match n == 0 || query.is_some_and(|patch| patch >= n) {
        true => vec![],
        false => attention.chunks_exact(n * n).map(one).collect(),
    }
}

/// The mean of all heads' maps, `[N]`.
pub fn mean(maps: &[Vec<f32>]) -> Vec<f32> {
    let n = maps.first().map_or(0, Vec::len);
    let sum = |key: usize| maps.iter().map(|map| f64::from(map[key])).sum::<f64>();
    (0..n).map(|key| (sum(key) / maps.len() as f64) as f32).collect()
}

/// Patches that a map is spread over, as it were: exp of its entropy, between 1 (all on one) and N (the same for all).
pub fn breadth(map: &[f32]) -> f64 {
    let entropy = |&weight: &f32| match weight > 0.0 {
        true => -f64::from(weight) * f64::from(weight).ln(),
        false => 0.0,
    };
    map.iter().map(entropy).sum::<f64>().exp()
}
