//! k nearest neighbours by cosine, k = 20, each vote weighted by exp(cosine / 0.07): Wu et al. 2018, as DINO and after it
//! everyone scores frozen features.
//!
//! Subtracting the training mean first helps raw pixels and untrained encoders and costs trained ones a little, so every
//! row of a comparison takes whichever is better by leave-one-out on its own **training** images.

use super::parts::held_out;
use super::samples::{Samples, same_dims};
use super::{Tell, rows};
use crate::{Error, Result};

/// Neighbours that vote.
pub const NEIGHBOURS: usize = 20;
/// A vote weighs exp(cosine / TEMPERATURE).
pub const TEMPERATURE: f64 = 0.07;
/// Queries that are compared together, so that a row which was fetched serves them all.
const BLOCK: usize = 32;
/// Test images that are made ready together; a whole number of blocks.
const PART: usize = 128 * BLOCK;
/// Images between two reports of how far it is; a whole number of blocks.
const SHOWN: usize = 32 * BLOCK;

/// How well neighbours tell the class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Knn {
    /// Per cent of the test images whose class the neighbours name.
    pub accuracy: f64,
    /// Was the training mean subtracted from all features?
    pub centred: bool,
    /// Per cent of the training images whose class the other ones name, with that choice.
    pub leave_one_out: f64,
}

/// Fits on `train`, scores on `test`. Labels are any numbers; with fewer than 21 training images all of them vote.
///
/// # Errors
/// Where the two have different numbers of channels.
pub fn knn_accuracy(train: &Samples, test: &Samples) -> Result<Knn> {
    same_dims("k-NN", train, test)?;
    let mean = train.features.mean();
    let bank = Bank::new(train.features.values(), train.features.dims(), &mean);
    let [plain, centred] = bank.left_out(train.labels());
    let dims = test.features.dims();
    let mut right = [0; 2];
    // A part at a time, so that the test set is not held twice.
    for (values, asked) in test
        .features
        .values()
        .chunks(PART * dims)
        .zip(test.labels().chunks(PART))
    {
        let some = bank.right(&Bank::new(values, dims, &mean), train.labels(), asked, false);
        right = [right[0] + some[0], right[1] + some[1]];
    }
    Ok(Knn {
        accuracy: per_cent(right[usize::from(centred > plain)], test.labels().len()),
        centred: centred > plain,
        leave_one_out: centred.max(plain),
    })
}

/// What neighbours name with a k and a centring that were chosen on a held-out part of the training images.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// Neighbours that vote.
    pub k: usize,
    /// Was the training mean subtracted from all features?
    pub centred: bool,
    /// Per cent of the held-out training images with that choice; `None` where there were none to choose with.
    pub held_out: Option<f64>,
    /// The class named for each test image.
    pub named: Vec<Option<u32>>,
}

/// The numbers of neighbours that are tried, as far as there are so many training images.
pub const CANDIDATES: [usize; 8] = [1, 3, 5, 10, 20, 50, 100, 200];

/// Chooses k (unless it is given) and whether to centre on a held-out fifth of the training images, of equal scores the smaller
/// k and features as they are; then all training images vote on `test`. The temperature stays [`TEMPERATURE`].
///
/// # Errors
/// Usage, where there are fewer than `k` training images; run, where the two sets have different numbers of channels.
pub fn chosen(train: &Samples, test: &Samples, k: Option<usize>, seed: u64, tell: Tell<'_>) -> Result<Chosen> {
    same_dims("k-NN", train, test)?;
    let count = train.labels().len();
    if let Some(k) = k.filter(|&k| k == 0 || k > count) {
        return Err(Error::usage(format!(
            "{k} neighbours can't be found among {count} training images: give a --k from 1 to {count}"
        )));
    }
    let [kept, held] = held_out(train.labels(), seed);
    let of = held.len() + test.labels().len();
    let (mut best, mut most) = ((k.unwrap_or(NEIGHBOURS.min(count)), false), None);
    if !held.is_empty() {
        let (bank, asked) = (train.pick(&kept), train.pick(&held));
        let ks: Vec<usize> = match k {
            Some(k) => vec![k],
            None => CANDIDATES.into_iter().filter(|&k| k <= kept.len()).collect(),
        };
        let mut right = vec![[0; 2]; ks.len()];
        each_part(&bank, &asked, &ks, &mut |done| tell(done, of), &mut |named, truth| {
            for (which, named) in named.into_iter().enumerate() {
                for (right, named) in right.iter_mut().zip(named) {
                    right[which] += usize::from(named == Some(truth));
                }
            }
        });
        for (k, right) in ks.into_iter().zip(right) {
            for (centred, right) in [false, true].into_iter().zip(right) {
                if most.is_none_or(|most| right > most) {
                    (best, most) = ((k, centred), Some(right));
                }
            }
        }
    }
    let (k, centred) = best;
    let mut answers = Vec::with_capacity(test.labels().len());
    each_part(
        train,
        test,
        &[k],
        &mut |done| tell(held.len() + done, of),
        &mut |named, _| {
            answers.push(named[usize::from(centred)][0]);
        },
    );
    Ok(Chosen {
        k,
        centred,
        held_out: most.map(|right| per_cent(right, held.len())),
        named: answers,
    })
}

/// For each of `asked` in turn, what `known` names for it (as it is and centred, by each k) and its own class; a part at a time.
fn each_part(
    known: &Samples,
    asked: &Samples,
    ks: &[usize],
    tell: &mut dyn FnMut(usize),
    each: &mut dyn FnMut([Vec<Option<u32>>; 2], u32),
) {
    let (dims, mean) = (asked.features.dims(), known.features.mean());
    let bank = Bank::new(known.features.values(), dims, &mean);
    let mut done = 0;
    let parts = asked.features.values().chunks(SHOWN * dims);
    for (values, truths) in parts.zip(asked.labels().chunks(SHOWN)) {
        let named = bank.named(&Bank::new(values, dims, &mean), known.labels(), ks, false);
        named
            .into_iter()
            .zip(truths)
            .for_each(|(named, &truth)| each(named, truth));
        done += truths.len();
        tell(done);
    }
}

/// Per cent of the images whose class the others name, centred or not, whichever is better. Needs no second set.
pub fn leave_one_out(samples: &Samples) -> f64 {
    let features = &samples.features;
    let bank = Bank::new(features.values(), features.dims(), &features.mean());
    let [plain, centred] = bank.left_out(samples.labels());
    plain.max(centred)
}

fn per_cent(right: usize, of: usize) -> f64 {
    100.0 * right as f64 / of as f64
}

/// Rows less the training mean, and what is needed to get both cosines from one inner product: with x = z + m,
/// x·y = z·w + z·m + w·m + m·m, and nothing cancels.
struct Bank {
    dims: usize,
    /// z, `[n, dims]`
    centred: Vec<f32>,
    /// z·m of each row
    with_mean: Vec<f64>,
    mean_square: f64,
    /// 1 / |x| and 1 / |z| of each row; 0 where the row is 0, which is near nothing.
    scale: Vec<[f64; 2]>,
}

impl Bank {
    fn new(values: &[f32], dims: usize, mean: &[f64]) -> Self {
        let mean: Vec<f32> = mean.iter().map(|m| *m as f32).collect();
        let mean_square: f64 = mean.iter().map(|m| f64::from(*m) * f64::from(*m)).sum();
        let mut centred = Vec::with_capacity(values.len());
        let mut with_mean = Vec::with_capacity(values.len() / dims);
        let mut scale = Vec::with_capacity(values.len() / dims);
        let inverse = |square: f64| if square > 0.0 { 1.0 / square.sqrt() } else { 0.0 };
        for row in values.chunks_exact(dims) {
            let (mut with, mut plain_square, mut square) = (0.0, 0.0, 0.0);
            for (x, m) in row.iter().zip(&mean) {
                let z = x - m;
                centred.push(z);
                with += f64::from(z) * f64::from(*m);
                square += f64::from(z) * f64::from(z);
                plain_square += f64::from(*x) * f64::from(*x);
            }
            with_mean.push(with);
            scale.push([inverse(plain_square), inverse(square)]);
        }
        Self {
            dims,
            centred,
            with_mean,
            mean_square,
            scale,
        }
    }

    fn row(&self, i: usize) -> &[f32] {
        &self.centred[i * self.dims..][..self.dims]
    }

    /// Per cent of the rows that the other ones name right: as they are, and centred.
    fn left_out(&self, known: &[u32]) -> [f64; 2] {
        self.right(self, known, known, true)
            .map(|right| per_cent(right, known.len()))
    }

    /// How many of `queries` are named right: as they are, and centred.
    fn right(&self, queries: &Bank, known: &[u32], asked: &[u32], leave_one_out: bool) -> [usize; 2] {
        let mut right = [0; 2];
        for (named, truth) in self
            .named(queries, known, &[NEIGHBOURS], leave_one_out)
            .iter()
            .zip(asked)
        {
            for (right, named) in right.iter_mut().zip(named) {
                *right += usize::from(named[0] == Some(*truth));
            }
        }
        right
    }

    /// The class that is named for each query, as it is and centred, by each of these numbers of neighbours (ascending).
    fn named(&self, queries: &Bank, known: &[u32], ks: &[usize], leave_one_out: bool) -> Vec<[Vec<Option<u32>>; 2]> {
        let count = queries.scale.len();
        let blocks = rows::map(count.div_ceil(BLOCK), |block| {
            let first = block * BLOCK;
            let cosines = self.cosines(queries, first, BLOCK.min(count - first));
            let of = |(query, both): (usize, [Vec<f64>; 2])| {
                both.map(|cosines| votes(&cosines, known, leave_one_out.then_some(query), ks))
            };
            (first..).zip(cosines).map(of).collect::<Vec<_>>()
        });
        blocks.into_iter().flatten().collect()
    }

    /// The cosines of queries `first .. first + count` with every row: as they are, and centred.
    fn cosines(&self, queries: &Bank, first: usize, count: usize) -> Vec<[Vec<f64>; 2]> {
        let n = self.scale.len();
        let mut cosines = vec![[vec![0.0; n], vec![0.0; n]]; count];
        let mut keep = |query: usize, row: usize, product: f32| {
            let (product, [plain_scale, scale]) = (f64::from(product), queries.scale[query]);
            let plain = product + queries.with_mean[query] + self.with_mean[row] + self.mean_square;
            cosines[query - first][0][row] = plain * plain_scale * self.scale[row][0];
            cosines[query - first][1][row] = product * scale * self.scale[row][1];
        };
        // Two by two; an odd last one is paired with itself.
        for row in (0..n).step_by(2) {
            let rows = [row, (row + 1).min(n - 1)];
            for query in (first..first + count).step_by(2) {
                let asked = [query, (query + 1).min(first + count - 1)];
                let products = rows::products(asked.map(|q| queries.row(q)), rows.map(|r| self.row(r)));
                keep(asked[0], rows[0], products[0]);
                keep(asked[0], rows[1], products[1]);
                keep(asked[1], rows[0], products[2]);
                keep(asked[1], rows[1], products[3]);
            }
        }
        cosines
    }
}

/// The class with the heaviest votes of the nearest neighbours, for each of these numbers of them (ascending); `None` where
/// there is no neighbour. Equal cosines go by place, equal votes to the lowest class.
fn votes(cosines: &[f64], known: &[u32], left_out: Option<usize>, ks: &[usize]) -> Vec<Option<u32>> {
    let mut order: Vec<usize> = (0..cosines.len()).filter(|i| Some(*i) != left_out).collect();
    let nearer = |a: &usize, b: &usize| cosines[*b].total_cmp(&cosines[*a]).then(a.cmp(b));
    let most = ks.last().copied().unwrap_or(0).min(order.len());
    if most < order.len() {
        order.select_nth_unstable_by(most, nearer);
    }
    let nearest = &mut order[..most];
    nearest.sort_unstable_by(nearer); // a fixed order of the sums below
    let mut votes: Vec<(u32, f64)> = Vec::with_capacity(most);
    let mut named = Vec::with_capacity(ks.len());
    let mut counted = 0;
    for &k in ks {
        for &neighbour in nearest.iter().take(k).skip(counted) {
            let weight = libm::exp(cosines[neighbour] / TEMPERATURE);
            match votes.iter_mut().find(|(class, _)| *class == known[neighbour]) {
                Some((_, sum)) => *sum += weight,
                None => votes.push((known[neighbour], weight)),
            }
        }
        counted = k;
        let heaviest = votes.iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
        named.push(heaviest.map(|(class, _)| *class));
    }
    named
}
